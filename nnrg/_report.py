"""Runs as text: one screen for the leading field, a line for each other one, what was left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnrg.networks._label import label
from nnrg.rg.cumulants import align
from nnrg.rg.levels import scale_label
from nnrg.rg.verdict import verdict, verdict_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nnrg.results import Measurement, Run
    from nnrg.rg.couplings import Couplings
    from nnrg.rg.cumulants import Cumulants
    from nnrg.rg.verdict import Verdict

__all__ = ["against_null", "measurement_report", "run_report"]

LEVEL = 0.001
_SHOWN_NAMES = 6
_SCALE = {
    "lattice": "block length in sites",
    "graph": "units in a block, mean",
    "product": "root of the mean number of entries in a block",
}


def measurement_report(cumulants: Cumulants, couplings: Couplings) -> str:
    """Return both tables of one field with what their columns mean."""
    a = couplings.attrs
    kind = str(a.get("sites_kind", "lattice"))
    delta = a.get("exponent_Delta", "")
    text = [
        f"{label(a['field'])}: {a['samples']} samples ({label(a['sample_is'])}) on "
        f"{label(a['lattice'])}, axes {label(a['axes'])}; {_order(couplings)}",
        f"  blocks {a['blocks']}; rescaling {a['rescale']}, Delta = {delta}; errors: jackknife "
        f"over {a['jackknife_groups']} {a['jackknife_over']}",
        *([f"  chosen by {label(a['blocks_chosen_by'], 300)}"] if kind != "lattice" else []),
        f"  {against_null(cumulants)}",
        *_verdict_lines(cumulants, couplings),
        "",
        "cumulants of the unrescaled block mean, value(error):",
        cumulants.table(),
        f"  b: {_SCALE[kind]}; kappa_2: variance, unit of the field squared; corr:n:",
        "  neighbours' correlation along axis n; ratio_n = kappa_n / kappa_2^(n/2); both",
        "  dimensionless; z: distance from the null model; *: within the noise of Gaussian numbers",
        "",
        "effective action of the rescaled block field, couplings g_n sigma^n, value(error):",
        couplings.table(),
        "  dimensionless: sigma is the field's standard deviation; phi2 is r, phi4 is u, grad2:n",
        "  the stiffness along axis n; chi2/dof and p test the fit on functions outside its basis",
    ]
    if a["notes"]:
        text += ["", *(f"note: {label(line, 300)}" for line in str(a["notes"]).split("\n"))]
    return "\n".join(text)


def _order(couplings: Couplings) -> str:
    """Say in which order the sites of a field are, and so what its neighbours are."""
    a = couplings.attrs
    if a["natural_order"]:
        return "natural order"
    if a.get("sites_kind", "lattice") == "lattice":
        return "index order: no natural neighbours"
    return "no natural order: neighbourhoods"


def _verdict_lines(cumulants: Cumulants, couplings: Couplings) -> list[str]:
    """Return the verdict on one field, and the null models that a stronger one needs."""
    if not cumulants.nulls:
        return []
    judged = verdict(couplings, cumulants)
    return [f"  verdict: {judged.statement}: {label(judged.reason, 300)}"]


def against_null(cumulants: Cumulants) -> str:
    """Say at which scales the variance of the blocks differs from the first null model's.

    A scale counts if |z| exceeds the two-sided quantile of Student's t at the level 0.001, with
    one degree of freedom less than there are draws.
    """
    from scipy.special import stdtrit

    if not cumulants.nulls:
        return "no null model was run: nothing is said about the order of the sites"
    null, draws = next(iter(cumulants.nulls.items()))
    against = f"{draws.shape[0]} draws of {null}"
    z = np.abs(cumulants.z()[:, cumulants.names.index("kappa_2")])
    known = np.isfinite(z) & (cumulants.scales > 1)
    if not known.any():
        return f"kappa_2 cannot be compared with {against}: no scale has a z-score"
    limit = float(stdtrit(draws.shape[0] - 1, 1 - LEVEL / 2))
    scales, sizes = cumulants.scales[known], z[known]
    beyond = sizes > limit
    span = f"|z| from {sizes.min():.1f} to {sizes.max():.1f}; {limit:.1f} is p = {LEVEL:g}"
    if beyond.all():
        return f"kappa_2 differs from {against} at every scale, {_scales(scales)} ({span})"
    if beyond.any():
        return (
            f"kappa_2 differs from {against} at {_scales(scales[beyond])}, "
            f"not at {_scales(scales[~beyond])} ({span})"
        )
    return f"kappa_2 cannot be told from {against} at any scale, {_scales(scales)} ({span})"


def _scales(scales: np.ndarray) -> str:
    return "b = " + ", ".join(map(scale_label, scales))


def run_report(run: Run) -> str:
    """Return the report of a whole run."""
    leading = run.leading
    text = [str(leading)]
    others = [m for m in run.measurements.values() if m is not leading]
    if others:
        statements = verdict_run(run).verdicts if leading.cumulants.nulls else {}
        text += ["", f"other fields ({len(others)}):", _lines(others, statements)]
        text.append(
            "  z(kappa_2) against the null model, b > 1 ascending; |z| < 2: as random blocks"
        )
        if statements:
            text.append(
                f"  verdicts: for all {len(run)} fields at once; print(run[name]) judges its field "
                "as if it were the only one, chosen before it was measured"
            )
        full = run.attrs.get("nulls_in_full", "all")
        if full != "all":
            text.append(
                f"  all null models of graphs were run on {label(full, 300)} alone; "
                "--nulls asks for more"
            )
    if run.left_out:
        text += ["", f"left out ({len(run.left_out)} tensors):"]
        names: dict[str, list[str]] = {}
        for name, reason in run.left_out.items():
            names.setdefault(reason, []).append(label(name, 60))
        for reason, group in names.items():
            more = f" and {len(group) - _SHOWN_NAMES} more" if len(group) > _SHOWN_NAMES else ""
            text.append(f"  {', '.join(group[:_SHOWN_NAMES])}{more}: {label(reason, 200)}")
    return "\n".join(text)


def _lines(measurements: list[Measurement], verdicts: Mapping[str, Verdict]) -> str:
    """Return a line for each field; the verdicts hold for all of them together."""
    head = ["  field", "neighbours", "samples", "sites", "scales", "z(kappa_2)", "flags at b = 1"]
    rows = [[*head, "verdict"]]
    for m in measurements:
        z = m.cumulants.z()[1:, m.cumulants.names.index("kappa_2")]
        short = [flag.partition(":")[0] for flag in m.couplings.flags[0][0].split("; ")]
        rows.append(
            [
                f"  {label(m.name, 56)}",
                m.order,
                str(m.couplings.attrs["samples"]),
                str(int(m.cumulants.series["sites"][0])),
                str(m.couplings.scales.size),
                " ".join("-" if np.isnan(x) else f"{x:+.1f}" for x in z),
                label("; ".join(short), 60),
                verdicts[m.name].statement if m.name in verdicts else "",
            ]
        )
    return align(rows, left=(0, 1, 5, 6, 7))
