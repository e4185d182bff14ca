"""Measure higher-order interactions of trained weights, and how they change with the scale.

For fields on natural lattices: the cumulant ratio lambda_4 and the quartic couplings phi4, U(1) and
U(2) of the effective action at every scale, trained, at initialisation, permuted (the order of the
sites destroyed), and as a Gaussian surrogate with the same two-point function (the interactions
destroyed). Every field gets a verdict in one line, with its evidence; what is not there is said.

Run ``python studies/interactions.py`` (minutes, downloads 160 MB once), or with ``--quick`` (the
shipped network and the smallest other). Written: ``interactions.pdf`` and ``.png``, ``report.md``,
``numbers.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from _report import Writer, arguments, shown, table
from _sources import Source, survey

import nnrg
from nnrg.plot import style
from nnrg.rg.action import measure as measure_flow
from nnrg.rg.observables import Observables
from nnrg.rg.verdict import Verdict, verdict
from nnrg.stats.estimate import format_value_error

QUESTION = "Which interactions beyond Gaussian do trained weights have, and how do they flow?"
BASIS = nnrg.Basis.scalar(order=6, shells=2, quartic=2)
LOOK = {"trained": ("o", "#0072B2"), "initial": ("s", "#E69F00")}

Measured = tuple[nnrg.Cumulants, nnrg.Couplings]


def measure(field: nnrg.SynapticField, draws: int, seed: int) -> Measured:
    """Cumulants and couplings of every scale, beside permutation and Gaussian surrogate."""
    flow = nnrg.renormalize(field)
    nulls = [nnrg.NullModel(name, draws=draws) for name in ("permutation", "phase")]
    return measure_flow(flow, basis=BASIS, nulls=nulls, rng=seed)


def quartic(couplings: nnrg.Couplings) -> list[str]:
    """Names of the quartic operators, in the order of their range."""
    return ["phi4", *(n for n in couplings.names if n.startswith("U:"))]


def draw(results: Mapping[str, Mapping[str, Measured]], path: Callable[[str], object]) -> None:
    """Draw a row for each source: lambda_4, phi4 and U(r), with the surrogate's band."""
    from matplotlib.figure import Figure

    from nnrg import plot

    def curve(ax: object, result: Observables, name: str, unit: np.ndarray, state: str) -> None:
        i = result.names.index(name)
        marker, color = LOOK[state]
        ax.errorbar(  # type: ignore[attr-defined]
            result.scales, result.values[:, i] * unit, result.errors()[:, i] * unit,
            marker=marker, color=color, label=state, ms=3, lw=0.8, capsize=1.5,
        )  # fmt: skip
        if state == "trained":
            mean, spread = (f("phase")[:, i] * unit for f in (result.null_mean, result.null_spread))
            ax.fill_between(  # type: ignore[attr-defined]
                result.scales, mean - 2 * spread, mean + 2 * spread,
                color="0.8", lw=0, label="Gaussian surrogate",
            )  # fmt: skip

    with style("aps"):
        figure = Figure(figsize=(7.0, 1.9 * len(results)), layout="constrained")
        rows = np.atleast_2d(figure.subplots(len(results), 3))
        for axes, (title, states) in zip(rows, results.items(), strict=True):
            for state, (cumulants, couplings) in states.items():
                unit = couplings.series["sigma"] ** 4
                curve(axes[0], cumulants, "ratio_4", np.ones(cumulants.scales.size), state)
                curve(axes[1], couplings, "phi4", unit, state)
                curve(axes[2], couplings, "U:1", unit, state)
            labels = (r"$\lambda_4$", r"$g_4\,\sigma^4$", r"$U(1)\,\sigma^4$")
            for ax, label in zip(axes, labels, strict=True):
                ax.axhline(0, color="0.6", lw=0.5)
                ax.set_xlim(0.8, 1.25 * float(couplings.scales[-1]))
                ax.set_xscale("log", base=2)
                largest = max(abs(limit) for limit in ax.get_ylim())
                if largest > 3:
                    ax.set_yscale("symlog", linthresh=1.0)
                ax.set_ylabel(label)
            axes[0].set_title(title, loc="left")
            axes[0].legend(fontsize=6)
        for ax in rows[-1]:
            ax.set_xlabel("block length b")
        for ending in ("pdf", "png"):
            plot.save(figure, path(f"interactions.{ending}"))


def rows_of(cumulants: nnrg.Cumulants, couplings: nnrg.Couplings) -> list[list[str]]:
    """Return a line for each scale: lambda_4 and the quartic couplings, z against the surrogate."""
    rows = []
    i4 = cumulants.names.index("ratio_4")
    for level, b in enumerate(couplings.scales):
        row = [str(b), shown(cumulants.estimate("ratio_4", int(b)))]
        row.append(_score(cumulants.z("phase")[level, i4]))
        for name in quartic(couplings):
            i = couplings.names.index(name)
            unit = couplings.series["sigma"][level] ** couplings.fields[i]
            value, error = couplings.values[level, i] * unit, couplings.errors()[level, i] * unit
            row.append("" if np.isnan(value) else format_value_error(value, error))
            row.append(_score(couplings.z("phase")[level, i]))
        p = couplings.series["p"][level]
        row.append("" if np.isnan(p) else f"{p:.2g}")
        rows.append(row)
    return rows


def _score(z: float) -> str:
    return "" if np.isnan(z) else f"{z:+.1f}"


def say(source: Source, states: Mapping[str, Measured]) -> list[str]:
    """Write the verdicts and the tables of one source."""
    lines = [f"## {source.title}", ""]
    for state, (cumulants, couplings) in states.items():
        where = source.started if state == "initial" else "as shipped"
        judged: Verdict = verdict(couplings, cumulants)
        head = ["b", "lambda_4", "z"]
        for name in quartic(couplings):
            head += [f"{name} sigma^4", "z"]
        lines += [f"**{state}** ({where}): {judged.statement}. {judged.reason}.", ""]
        lines += table([*head, "p of fit"], rows_of(cumulants, couplings))
    return lines


def in_short(results: Mapping[str, Mapping[str, Measured]]) -> list[str]:
    """Write the verdicts of all fields."""
    lines = ["## In short", ""]
    for title, states in results.items():
        for state, (cumulants, couplings) in states.items():
            judged = verdict(couplings, cumulants)
            lines.append(f"- {title}, {state}: {judged.statement}.")
    return [*lines, ""]


def say_training(steps: Mapping[int, Measured]) -> list[str]:
    """Write how lambda_4 and the couplings at b = 1 and 4 change during training."""
    rows = []
    for step, (cumulants, couplings) in steps.items():
        row = [str(step)]
        for b in (1, 4):
            row += [shown(cumulants.estimate("ratio_4", b))]
            level = couplings.scales.tolist().index(b)
            row += [_score(cumulants.z("phase")[level, cumulants.names.index("ratio_4")])]
        row.append(verdict(couplings, cumulants).statement)
        rows.append(row)
    head = ["step", "lambda_4, b=1", "z", "lambda_4, b=4", "z", "verdict"]
    return ["## Photograph patches on the way through training", "", *table(head, rows)]


def main() -> None:
    """Measure, draw, write."""
    options = arguments(QUESTION, "interactions")
    writer = Writer(options.output, "interactions", QUESTION)
    writer.add(["z is the distance from Gaussian surrogates with the same two-point function.", ""])
    draws = 20 if options.quick else 40
    results, steps = survey(options, writer, lambda field: measure(field, draws, options.seed), say)
    writer.add(say_training(steps))
    writer.first(in_short(results))
    draw(results, writer.path)
    numbers: dict[str, Observables] = {}
    for title, states in results.items():
        for state, (cumulants, couplings) in states.items():
            numbers[f"{title}: {state}: cumulants"] = cumulants
            numbers[f"{title}: {state}: couplings"] = couplings
    writer.finish(numbers)


if __name__ == "__main__":
    main()
