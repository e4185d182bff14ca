"""``nnrg theory``: loops and recurrent."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

from nnrg._commands import say
from nnrg._theory_command.outcome import Outcome, assumed, numbers, told
from nnrg._theory_command.record import record
from nnrg.errors import AnalysisError

__all__ = ["loops", "recurrent"]

_GAINS = 12


def loops(arguments: argparse.Namespace) -> Outcome:
    """Work out corrections of order 1/width."""
    from nnrg import plot
    from nnrg.theory.criticality import critical_line
    from nnrg.theory.loops import critical_slopes, o_n_dictionary, quenched_edge, width_scan

    name, b = arguments.activation or "tanh", arguments.sigma_b or 0.0
    w = arguments.sigma_w
    try:
        edge = float(critical_line(name, sigma_b=[b]).sigma_w[0])
    except AnalysisError:
        if w is None:
            raise
        edge = np.nan
    if w is None:
        w = edge
        say(arguments, f"at the edge of chaos, sigma_w = {w:.10g}")
    widths = numbers(arguments.width, "--width", int)
    scan = width_scan(
        name, w, b, widths, arguments.depth, q0=arguments.q0, order=arguments.order,
        simulate=arguments.simulate, rng=arguments.seed,
    )  # fmt: skip
    lines = [str(scan.reports[0] if len(scan.reports) == 1 else scan)]
    body: dict[str, Any] = {
        "sigma_w": w,
        "sigma_b": b,
        "rows": scan.to_dataframe().to_dict("records"),
        "flags": {str(n): list(r.flags) for n, r in zip(scan.widths, scan.reports, strict=True)},
    }
    if b == 0 and abs(w - edge) < 1e-9:
        slopes = critical_slopes(name)
        lines += ["", str(slopes)]
        body["critical_slopes"] = record(slopes)
    elif b > 0 and np.isfinite(edge):
        edges = [quenched_edge(name, b, n) for n in scan.widths]
        lines += ["", *map(str, edges)]
        body["quenched_edge"] = [record(one) for one in edges]
    if arguments.dictionary:
        try:
            dictionary = o_n_dictionary(name, w, b)
        except AnalysisError as error:
            say(arguments, f"the dictionary has no numbers: {error}")
            dictionary = o_n_dictionary()
        lines += ["", str(dictionary)]
        body["dictionary"] = record(dictionary)
    assumptions = scan.reports[0].expansion.assumptions
    lines += [f"assumed: {line}" for line in assumptions]
    body["assumptions"] = list(assumptions)
    panels = [
        lambda ax, quantity=quantity: plot.finite_width(scan, quantity, ax=ax)
        for quantity in ("variance", "metric", "log_tangent", "log_tangent_variance")
    ]
    return Outcome("\n".join(lines), body, scan.to_dataframe(), {"": panels}, assumed(assumptions))


def recurrent(arguments: argparse.Namespace) -> Outcome:
    """Work out the dynamical mean-field theory of recurrent networks."""
    import pandas as pd

    from nnrg import plot
    from nnrg.theory.recurrent import (
        chaos_transition,
        compare_recurrent,
        rnn_dmft,
        rnn_dmft_discrete,
    )

    name, b = arguments.activation or "tanh", arguments.sigma_b or 0.0
    gains = numbers(arguments.sigma_w or "1.5", "--sigma-w")
    options = {"decay": arguments.decay, "noise": arguments.noise}
    solve: Any = rnn_dmft_discrete if arguments.discrete else rnn_dmft
    fields = [solve(name, g, b, **options) for g in gains]
    lines = [str(fields[0])] if len(fields) == 1 else [_gains(fields)]
    body: dict[str, Any] = {"fields": [record(f) for f in fields]}
    transition = None
    if not arguments.discrete:
        try:
            transition = chaos_transition(name, b, **options)
            lines.append(str(transition))
            body["transition"] = record(transition)
        except AnalysisError as error:
            lines.append(f"onset of chaos: {error}")
            body["transition"] = None
    found = []
    if arguments.simulate:
        widths = tuple(numbers(arguments.width, "--width", int))
        method: Any = "discrete" if arguments.discrete else "exponential"
        seeds = np.random.SeedSequence(arguments.seed).spawn(len(gains))
        for g, seed in zip(gains, seeds, strict=True):
            found.append(
                compare_recurrent(
                    name, g, b, widths=widths, n_networks=arguments.simulate,
                    duration=arguments.duration, method=method, rng=seed,
                    progress=told(arguments, f"gain {g:g}"), **options,
                )
            )  # fmt: skip
            lines.append(f"\n{found[-1]}")
    body["simulated"] = [
        {"sigma_w": g, "rows": one.to_dataframe().to_dict("records"), "flag": one.flag}
        for g, one in zip(gains, found, strict=False)
    ]
    frames = [f.to_dataframe().assign(sigma_w=f.sigma_w) for f in fields]
    last = found[-1] if found else fields[-1]
    panels: list[Callable[..., object]] = [lambda ax: plot.recurrent_correlation(last, ax=ax)]
    if len(fields) > 1:
        if arguments.out:  # the onset is a kink, which a line through few gains hides
            between = np.linspace(min(gains), max(gains), _GAINS)
            fields = fields + [solve(name, float(g), b, **options) for g in between]
        panels.append(
            lambda ax: plot.lyapunov_exponent(
                fields, measured=found, transition=transition, ax=ax
            )
        )  # fmt: skip
    assumptions = fields[0].assumptions
    return Outcome(
        "\n".join(lines), body, pd.concat(frames, ignore_index=True), {"": panels},
        assumed(assumptions),
    )  # fmt: skip


def _gains(fields: list[Any]) -> str:
    """Return a row for each gain."""
    lines = [f"{'sigma_w':>9}  {'phase':<14}{'c(0)':<26}{'lambda_max':<26}"]
    for f in fields:
        lines.append(
            f"{f.sigma_w:>9.6g}  {f.phase:<14}{f.variance!s:<26}{f.lyapunov!s:<26}".rstrip()
        )
        if f.flag:
            lines.append(f"  flag: {f.flag}")
    return "\n".join([*lines, *(f"assumed: {line}" for line in fields[0].assumptions)])
