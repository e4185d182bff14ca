"""Measure how far the couplings of trained weights reach, and how that changes with the scale.

For fields on natural lattices, trained, at initialisation, and permuted: correlation lengths, the
range of the quadratic kernel beside its value for couplings that do not know distance, and the
couplings J(r) of the effective action, at every scale; for the network of photograph patches also
on the way through its training.

Run ``python studies/nonlocality.py`` (minutes, downloads 160 MB once), or with ``--quick`` (the
shipped network alone, a short training). Written: ``nonlocality.pdf`` and ``.png``, ``report.md``,
``numbers.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from _report import Writer, arguments, shown, table
from _sources import Source, survey

import nnrg
from nnrg.plot import style
from nnrg.rg.two_point.nonlocality import Nonlocality, nonlocality

QUESTION = "How far do the couplings of trained weights reach, and how does it change with scale?"
SHELLS = nnrg.Basis.scalar(order=4, shells=3)
STATES = ("trained", "initial")
LOOK = {
    "trained": {"marker": "o", "color": "#0072B2"},
    "initial": {"marker": "s", "color": "#E69F00"},
    "permuted": {"color": "0.75"},
}

Measured = Mapping[str, tuple[Nonlocality, nnrg.Couplings]]


def measure(field: nnrg.SynapticField, draws: int, seed: int) -> tuple[Nonlocality, nnrg.Couplings]:
    """Ranges and couplings of every scale of a field, each beside its permutation."""
    flow = nnrg.renormalize(field)
    null = nnrg.NullModel("permutation", draws=draws)
    return (
        nonlocality(flow, nulls=null, rng=seed),
        nnrg.fit_couplings(flow, basis=SHELLS, nulls=null, rng=seed),
    )


def draw(results: Mapping[str, Measured], path: Callable[[str], Path]) -> None:
    """Draw a column for each source: correlation length, kernel range, J of the trained field."""
    from matplotlib.figure import Figure

    from nnrg import plot

    with style("aps"):
        figure = Figure(figsize=(7.0, 1.9 * len(results)), layout="constrained")
        rows = np.atleast_2d(figure.subplots(len(results), 3))
        for axes, (title, states) in zip(rows, results.items(), strict=True):
            for ax, name, label in zip(
                axes, ("C_width", "K_ratio_noise_free"), ("width of C [blocks]", "range / random"),
                strict=False,
            ):  # fmt: skip
                for state, (report, _) in states.items():
                    i = report.names.index(name)
                    errors = report.errors()[:, i]
                    # A range whose error is as large as its random value says nothing.
                    told = np.isfinite(errors) & (errors < 1)
                    ax.errorbar(
                        report.scales[told],
                        report.values[told, i],
                        errors[told],
                        label=state,
                        ms=3,
                        lw=0.8,
                        capsize=1.5,
                        **LOOK[state],
                    )
                report = states["trained"][0]
                i = report.names.index(name)
                null, spread = report.null_mean()[:, i], report.null_spread()[:, i]
                ax.fill_between(
                    report.scales, null - 2 * spread, null + 2 * spread,
                    label="permuted", lw=0, **LOOK["permuted"],
                )  # fmt: skip
                ax.set_ylabel(label)
            axes[1].axhline(1, color="0.6", lw=0.5)
            axes[1].set_ylim(-0.6, 2.1)
            couplings = states["trained"][1]
            scale = couplings.series["sigma"] ** 2
            far = [n for n in couplings.names if n.startswith("J:")]
            for k, name in enumerate(far):
                i = couplings.names.index(name)
                axes[2].errorbar(
                    couplings.scales * 1.05 ** (k - 1), couplings.values[:, i] * scale,
                    couplings.errors()[:, i] * scale, fmt="o-", ms=3, lw=0.8, label=name,
                )  # fmt: skip
            axes[2].axhline(0, color="0.6", lw=0.5)
            axes[2].set_yscale("symlog", linthresh=0.1)
            axes[2].set_ylabel(r"$J(r)\,\sigma^2$")
            for ax in axes:
                ax.set_xlim(0.8, 1.25 * float(couplings.scales[-1]))
                ax.set_xscale("log", base=2)
            axes[0].set_title(title, loc="left")
            axes[0].legend(fontsize=6)
            axes[2].legend(fontsize=6)
        for ax in rows[-1]:
            ax.set_xlabel("block length b")
        for ending in ("pdf", "png"):
            plot.save(figure, path(f"nonlocality.{ending}"))


def say(source: Source, states: Measured) -> list[str]:
    """Write what the flow of one source shows, trained beside initial and permuted."""
    lines = [f"## {source.title}", ""]
    for state in STATES:
        report, couplings = states[state]
        where = source.started if state == "initial" else "as shipped"
        field = source.trained if state == "trained" else source.initial
        lines += [f"**{state}** ({where}; {field!r})", "", report.statement, ""]
        rows = []
        for level, b in enumerate(report.scales):
            row = [str(b), report.verdicts[level]]
            for name in ("C_width", "K_ratio_noise_free", "C4_plateau"):
                row.append(shown(report.estimate(name, int(b))))
                i = report.names.index(name)
                score = report.z()[level, i]
                row.append("" if np.isnan(score) else f"{score:+.1f}")
            fit = couplings.series["p"][np.flatnonzero(couplings.scales == b)]
            row.append("" if not fit.size or np.isnan(fit[0]) else f"{fit[0]:.2g}")
            rows.append(row)
        lines += table(
            [
                "b",
                "kernel",
                "width of C",
                "z",
                "range/random",
                "z",
                "C4 plateau",
                "z",
                "p of J fit",
            ],
            rows,
        )
    return lines


def in_short(results: Mapping[str, Measured]) -> list[str]:
    """Write a line for each source: how wide its correlations are, and up to which scale."""
    lines = ["## In short", ""]
    for title, states in results.items():
        reports = {state: report for state, (report, _) in states.items()}
        widths = {state: report.estimate("C_width", 1) for state, report in reports.items()}
        i = reports["trained"].names.index("C_width")
        spread = np.hypot(*(report.errors()[:, i] for report in reports.values()))
        apart = (reports["trained"].values[:, i] - reports["initial"].values[:, i]) / spread
        differ = [str(b) for b, z in zip(reports["trained"].scales, apart, strict=True) if z > 3]
        kinds = ", ".join(dict.fromkeys(reports["trained"].verdicts))
        lines.append(
            f"- {title}: correlations {widths['trained']} sites wide, "
            f"{widths['initial']} at initialisation (independent sites: 0.632); wider by more than "
            f"three errors at b = {', '.join(differ) or 'no scale'}. Kernel of the trained field: "
            f"{kinds}; at initialisation: {', '.join(dict.fromkeys(reports['initial'].verdicts))}."
        )
    return [*lines, ""]


def say_training(steps: Mapping[int, tuple[Nonlocality, nnrg.Couplings]]) -> list[str]:
    """Write how the ranges at b = 1 and 4 change during training."""
    rows = []
    for step, (report, _) in steps.items():
        row = [str(step)]
        for b in (1, 4):
            row += [shown(report.estimate(n, b)) for n in ("C_width", "K_ratio_noise_free")]
            row.append(report.verdicts[report.scales.tolist().index(b)])
        rows.append(row)
    head = [
        "step",
        "width, b=1",
        "range/random",
        "kernel",
        "width, b=4",
        "range/random",
        "kernel",
    ]
    return ["## Photograph patches on the way through training", "", *table(head, rows)]


def main() -> None:
    """Measure, draw, write."""
    options = arguments(QUESTION, "nonlocality")
    writer = Writer(options.output, "nonlocality", QUESTION)
    draws = 8 if options.quick else 20
    results, steps = survey(options, writer, lambda field: measure(field, draws, options.seed), say)
    writer.add(say_training(steps))
    writer.first(in_short(results))
    draw(results, writer.path)
    numbers = {
        f"{title}: {state}": report
        for title, states in results.items()
        for state, (report, _) in states.items()
    }
    numbers |= {f"patches after {step} steps": report for step, (report, _) in steps.items()}
    writer.finish(numbers)


if __name__ == "__main__":
    main()
