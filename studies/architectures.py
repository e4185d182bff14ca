"""Compare perceptrons, convolutional, recurrent networks and transformers, scale by scale.

Three questions: whose learned neighbourhoods (blocks of hidden units that other tensors tell to be
alike) beat random ones, and rewired graphs; what differs between architectures at equal b / width,
on hidden units and on natural orders; and how far flows are from each other.

Run ``python studies/architectures.py`` (minutes, downloads 180 MB once), or with ``--quick`` (small
networks alone). Written: three figures as ``.pdf`` and ``.png``, ``report.md``, ``numbers.json``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
from _architecture_figure import draw, excess
from _architectures import (
    BY_DEFAULT,
    ORDERED,
    UNITS,
    Layer,
    chosen,
    field_of_units,
    groups,
    network,
    ordered_field,
)
from _report import Writer, arguments, table
from real_networks import Offline

import nnrg
from nnrg.comparison.result import Comparison
from nnrg.errors import AnalysisError
from nnrg.results import Measurement, Run
from nnrg.rg.action import measure
from nnrg.rg.evidence import NullTest
from nnrg.rg.neighbourhoods.matching import MatchingBlocks
from nnrg.rg.verdict import RunVerdict, verdict_run

QUESTION = "What do the flows of different architectures have in common, and what not?"
# Of matrices of both axes: their cumulants are looked at.
BASIS = nnrg.Basis(("phi2", "phi4"))
SHELLS = nnrg.Basis.scalar(order=4, shells=1)
LEVEL = 0.05
# All layers are judged together: a score must beat the largest one of all layers in each draw.
DRAWS = 40

cached = cache(network)
Runs = Mapping[str, Run]


def nulls(*, graph: bool) -> tuple[nnrg.NullModel, ...]:
    """Return the null models of a layer."""
    decisive = ("permutation", "configuration") if graph else ("permutation",)
    return (
        *(nnrg.NullModel(name, draws=DRAWS) for name in decisive),
        *(nnrg.NullModel(name, draws=20) for name in ("shuffle", "rows")),
    )


def survey(
    layers: Sequence[Layer], writer: Writer, flow: Callable[[nnrg.Network, Layer], Run]
) -> dict[str, Run]:
    """Return a run for each layer that can be fetched and has a flow."""
    found = {}
    for layer in layers:
        writer.progress(layer.title)
        try:
            found[layer.title] = flow(cached(layer.network), layer)
        except (Offline, AnalysisError) as missing:
            print(f"{layer.title} left out: {missing}", file=sys.stderr)
    return found


def by_default(net: nnrg.Network, layer: Layer, options: argparse.Namespace) -> Run:
    """Return the flow of one tensor as ``nnrg flow`` chooses its blocks."""
    models = nulls(graph=True)
    seed = options.seed
    return nnrg.flow_network(net, tensors=(layer.tensor,), basis=BASIS, nulls=models, rng=seed)


def one_axis(net: nnrg.Network, layer: Layer, options: argparse.Namespace) -> Run:
    """Return the flow along one axis of a tensor, of hidden units or of a natural order."""
    field = field_of_units(net, layer) if layer.units else ordered_field(net, layer)
    blocks = MatchingBlocks() if layer.units else nnrg.GridBlocks(2)
    flow = nnrg.renormalize(field, blocks, errors=groups(field, layer, net))
    models = nulls(graph=bool(layer.units))
    result = Measurement(*measure(flow, basis=SHELLS, nulls=models, rng=options.seed))
    return Run({layer.tensor: result}, {}, {"weights_sha256": net.sha256()})


def judge(runs: Runs) -> RunVerdict:
    """Return the verdicts on all flows, with control over all of them together."""
    return verdict_run(Run({title: run.leading for title, run in runs.items()}))


def told(test: NullTest | None, names: Sequence[str]) -> dict[str, list[float]]:
    """Return the scales at which each of these numbers beats a null model."""
    found: dict[str, list[float]] = {}
    if test is not None and test.beaten(LEVEL):
        for e in sorted(test.numbers, key=lambda e: e.scale):
            if e.adjusted <= LEVEL and e.name.partition(":")[0] in names:
                found.setdefault(e.name, []).append(e.scale)
    return found


def scales_told(test: NullTest | None, names: Sequence[str]) -> str:
    """Return the same as text."""
    found = told(test, names)
    listed = {name: ", ".join(f"{b:.3g}" for b in scales) for name, scales in found.items()}
    if len(names) == 1:
        return "not run" if test is None else "".join(listed.values()) or "none"
    return "; ".join(f"{name} at {scales}" for name, scales in sorted(listed.items())) or "none"


def say_verdicts(title: str, what: str, layers: Sequence[Layer], runs: Runs) -> list[str]:
    """Write which layers beat which null models, at which scales."""
    judged = judge(runs).verdicts
    rows = []
    for layer in layers:
        if layer.title not in runs:
            continue
        run, v = runs[layer.title], judged[layer.title]
        tests = {test.null: test for test in v.tests}
        b, ratio, error, _ = excess(run, "permutation")
        top = 1 + int(np.nanargmax(np.abs(np.log(ratio[1:]))))
        measured = run.leading
        rows.append(
            [
                layer.family,
                layer.title,
                f"{measured.couplings.attrs['lattice']}".split(",")[0].replace("(", " ").strip(),
                f"{nnrg.Estimate(float(ratio[top]), float(error[top]))} at {b[top]:.3g}",
                scales_told(tests.get("permutation"), ["kappa_2"]),
                scales_told(tests.get("configuration"), ["kappa_2"]),
                scales_told(tests.get("permutation"), ["neighbour", "grad2", "J"]),
                v.statement,
            ]
        )
    head = ["family", "layer", "sites", "largest variance / permuted", "b: permuted beaten"]
    head += ["b: rewired beaten", "b: neighbours told from permuted", "verdict"]
    return [f"## {title}", "", what, "", *table(head, rows)]


def say_comparison(title: str, what: str, result: Comparison, figure: str) -> list[str]:
    """Write what is told apart, by which numbers, and what is not."""
    told = set(result.told_apart())
    lines = [f"## {title}", "", what, "", f"![{title}]({figure}.png)", ""]
    rows = []
    for d in result.distances:
        own = [r for r in result.rows if (r.first, r.second) == (d.first, d.second)]
        beyond = sorted((r for r in own if r.excess_holm <= LEVEL), key=lambda r: r.excess_p)
        best = beyond[0] if beyond else None
        counted = [r for r in own if np.isfinite(r.excess_p)]
        rows.append(
            [
                f"{d.first} - {d.second}",
                str(d.square),
                f"{d.adjusted:.2g}",
                "yes" if (d.first, d.second) in told else "no",
                f"{len(beyond)} of {len(counted)}",
                ""
                if best is None
                else f"{best.quantity} at {best.scale:.2g}: {best.excess_z:+.1f} sigma",
            ]
        )
    head = ["pair", "distance D^2", "adjusted p", "told apart"]
    lines += table([*head, "differences beyond both nulls", "largest"], rows)
    return [*lines, *(f"- {note}" for note in result.notes), ""]


def in_short(runs: Runs, comparisons: Mapping[str, Comparison]) -> list[str]:
    """Write what was found in a few lines."""
    judged = judge(runs).verdicts
    lines = ["## In short", ""]
    for null, text in (("permutation", "permuted units"), ("configuration", "rewired graphs")):
        tests = {t: {x.null: x for x in v.tests}.get(null) for t, v in judged.items()}
        yes = [title for title, test in tests.items() if told(test, ["kappa_2"])]
        no = [title for title in judged if title not in yes]
        lines.append(
            f"- Variance of learned blocks differs from that on {text}: {', '.join(yes) or 'none'}."
            f" Cannot be told: {', '.join(no) or 'none'}."
        )
    for what, result in comparisons.items():
        apart = len(result.told_apart())
        same = [
            f"{d.first} and {d.second}"
            for d in result.distances
            if (d.first, d.second) not in result.told_apart()
        ]
        pairs: dict[str, set[tuple[str, str]]] = {}
        for r in result.rows:
            found = pairs.setdefault(r.quantity, set())
            if r.excess_holm <= LEVEL:
                found.add((r.first, r.second))
        beyond = [f"{name} ({len(found)})" for name, found in pairs.items() if found]
        alike = [name for name, found in pairs.items() if not found]
        lines.append(
            f"- {what}, differences beyond both nulls (pairs): {', '.join(beyond) or 'none'}; "
            f"in no pair: {', '.join(alike) or 'none'}."
        )
        lines.append(
            f"- {what}: {apart} of {len(result.distances)} pairs told apart at equal b / width; "
            f"within errors the same, or not told apart by these data: {', '.join(same) or 'none'}."
        )
    return [*lines, ""]


def main() -> None:
    """Measure, compare, draw, write."""
    from nnrg import plot

    options = arguments(QUESTION, "architectures")
    writer = Writer(options.output, "architectures", QUESTION)
    picked = {
        name: list(chosen(layers, quick=options.quick))
        for name, layers in (("default", BY_DEFAULT), ("units", UNITS), ("order", ORDERED))
    }
    default = survey(picked["default"], writer, lambda net, x: by_default(net, x, options))
    units = survey(picked["units"], writer, lambda net, x: one_axis(net, x, options))
    order = survey(picked["order"], writer, lambda net, x: one_axis(net, x, options))
    compared = {
        "Hidden units": nnrg.compare(units, interpolate=True),
        "Natural orders": nnrg.compare(order, interpolate=True),
    }
    writer.add(say_verdicts("Learned neighbourhoods", DEFAULT, picked["default"], default))
    writer.add(say_verdicts("Hidden units of one axis", ONE_AXIS, picked["units"], units))
    for (title, result), stem, text in zip(
        compared.items(), ("units", "order"), (COMPARED, NATURAL), strict=True
    ):
        stem = f"architectures_{stem}"
        figure = plot.comparison(result)
        for ending in ("pdf", "png"):
            plot.save(figure, writer.path(f"{stem}.{ending}"))
        writer.add(say_comparison(f"{title} compared", text, result, stem))
    writer.add(say_verdicts("Natural orders", IN_ORDER, picked["order"], order))
    writer.first(in_short(default, compared))
    draw(picked["default"], default, writer.path)
    results = {"default": default, "units": units, "order": order}
    writer.finish(
        {
            f"{kind}: {title}: {name}": getattr(run.leading, name)
            for kind, runs in results.items()
            for title, run in runs.items()
            for name in ("cumulants", "couplings")
        }
    )


DEFAULT = (
    "Blocks as `nnrg flow` chooses them: heavy-edge matching of the graph of the ten most similar "
    "units by their weights in *other* tensors, on both axes where other tensors tell both. A "
    "variance of blocks above that of permuted units says that units which other tensors make "
    "alike are alike here too. Rewired: blocks chosen in the same way on graphs of the same "
    "degrees. p-values are adjusted by Holm over all numbers of all layers; b is the mean number "
    "of units in a block along an axis. 40 draws were decided after a first look at 20, the "
    "default: one outlying draw of one layer then kept every layer judged with it from beating "
    "permuted units, whatever its z."
)
ONE_AXIS = (
    "One axis of hidden units, the units of the other axis (with their taps and gates) being "
    "samples, so that all architectures have one kind of flow. Of long kernels every fourth tap "
    "is a sample."
)
COMPARED = (
    "At equal b / width, read between two scales where block sizes differ. D^2 is zero on average "
    "for flows of one ensemble, see `nnrg.comparison.distance`; differences beyond both nulls are "
    "of (value - permuted), adjusted over all numbers of all pairs."
)
NATURAL = "The same on natural orders: audio frames, taps of waveform filters, positions in a text."
IN_ORDER = "Permuted here is the order of frames, taps, positions; there is no graph to be rewired."


if __name__ == "__main__":
    main()
