"""``nnrg theory criticality``: mean field of given numbers, or the place of a network."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from nnrg._commands import load_model
from nnrg._selection import choose
from nnrg._theory_command.outcome import Outcome, assumed, numbers, told
from nnrg._theory_command.record import record
from nnrg.errors import AnalysisError, ArgumentError

if TYPE_CHECKING:
    from nnrg.theory.criticality import CriticalLine, MeanField
    from nnrg.theory.placement import Placement

__all__ = ["criticality"]

_LINE_POINTS = 80
_MOST_PANELS = 6
_C0 = 0.5


def criticality(arguments: argparse.Namespace) -> Outcome:
    """Work out the mean field of the numbers given, or place a network."""
    if arguments.model is not None:
        return _placed(arguments)
    if arguments.tensors or arguments.chain:
        raise ArgumentError("--tensors and --chain are of a MODEL; give one, or leave them out")
    name = arguments.activation or "tanh"
    if arguments.sigma_w is None:
        return _edge(arguments, name)
    from nnrg.theory.criticality import MeanField

    b = arguments.sigma_b or 0.0
    field = MeanField(name, arguments.sigma_w, b, **_q0(arguments))
    line = _line(name, b)
    lines = [str(field), _nearest(name, b)]
    body: dict[str, Any] = {
        "mean_field": record(
            field, "phase", "q_star", "q_star_error", "chi_1", "chi_1_error", "chi_par",
            "chi_par_error", "c_star", "c_star_error", "xi_q", "xi_q_error", "xi_c", "xi_c_error",
            "flag", "assumptions",
        )
    }  # fmt: skip
    start = field.q0 if field.divergence or not field.q_star > 0 else field.q_star
    followed = MeanField(name, arguments.sigma_w, b, q0=start).propagate(arguments.depth, c0=_C0)
    runs = _ensembles(arguments, field, start)
    for run in runs:
        lines.append(f"\n{run}")
    body["trajectory"] = record(followed)
    body["simulated"] = [
        {"width": run.architecture.widths[0], "rows": run.to_dataframe().to_dict("records")}
        for run in runs
    ]
    panels: list[Callable[..., object]] = []
    if line is not None:
        panels.append(partial(_diagram, line, name, fields=[field]))
    if (followed.one_minus_c > 0).any():
        panels.append(partial(_decay, followed, runs))
    panels += _maps(arguments, field, line)
    pages = {"": panels} if panels else {}
    return Outcome(
        "\n".join(lines), body, followed.to_dataframe(), pages, assumed(field.assumptions)
    )


def _diagram(line: CriticalLine, name: str, ax: Any, **more: Any) -> None:
    from nnrg import plot
    from nnrg.theory.criticality import uniformity_line

    try:
        uniformity = uniformity_line(name)
    except AnalysisError:  # unbounded functions have none
        uniformity = None
    plot.phase_diagram(line, uniformity=uniformity, ax=ax, **more)


def _decay(followed: Any, runs: list[Any], ax: Any) -> None:
    from nnrg import plot

    plot.correlation_decay(followed, measured=runs, ax=ax)


def _q0(arguments: argparse.Namespace) -> dict[str, float]:
    return {} if arguments.q0 is None else {"q0": arguments.q0}


def _line(name: str, largest: float) -> CriticalLine | None:
    """Return the edge of chaos beyond the largest sigma_b; None if it has no point."""
    from nnrg.theory.criticality import critical_line

    top = max(0.8, 1.3 * largest)
    try:
        return critical_line(name, sigma_b=top * np.linspace(0, 1, _LINE_POINTS))
    except AnalysisError:
        return None


def _nearest(name: str, b: float) -> str:
    """Say where the edge of chaos is at this sigma_b."""
    from nnrg.stats.estimate import format_value_error
    from nnrg.theory.criticality import critical_line

    try:
        found = critical_line(name, sigma_b=[b])
    except AnalysisError as error:
        return f"edge of chaos at this sigma_b: none; {error}"
    number = format_value_error(found.sigma_w[0], found.sigma_w_error[0])
    return f"edge of chaos at sigma_b = {b:g}: sigma_w = {number}"


def _ensembles(arguments: argparse.Namespace, field: MeanField, q: float) -> list[Any]:
    """Draw networks whose inputs have the variance and the correlation that theory starts from."""
    if not arguments.simulate:
        return []
    if field.divergence:
        raise AnalysisError(
            f"q diverges ({field.divergence}): networks cannot be followed; take a smaller "
            "--sigma-w"
        )
    import nnrg

    own = (q - field.b2) / field.w2 if field.w2 > 0 else 0.0
    cosine = (_C0 * q - field.b2) / (q - field.b2) if own > 0 else np.nan
    if not abs(cosine) <= 1:
        raise AnalysisError(
            f"no inputs have q = {q:.4g} and c = {_C0:g} in the first layer at sigma_b = "
            f"{field.sigma_b:g}: the biases alone give more; leave --simulate out"
        )
    inputs = np.sqrt(2 * own) * np.array([[1.0, 0.0], [cosine, np.sqrt(1 - cosine**2)]])
    widths = numbers(arguments.width, "--width", int)
    seeds = np.random.SeedSequence(arguments.seed).spawn(len(widths))
    return [
        nnrg.simulate.random_networks(
            nnrg.simulate.DenseNetwork(
                field.phi, field.sigma_w, field.sigma_b, width=n, depth=arguments.depth
            ),
            inputs,
            arguments.simulate,
            order=2,
            rng=seed,
            progress=told(arguments, f"width {n}"),
        )
        for n, seed in zip(widths, seeds, strict=True)
    ]  # fmt: skip


def _maps(
    arguments: argparse.Namespace, field: MeanField, line: CriticalLine | None
) -> list[Callable[..., object]]:
    m = arguments.maps
    if not m:
        return []
    if not 2 <= m <= 60:
        raise ArgumentError(f"--maps: expected 2 to 60 points each way, got {m}")
    from nnrg import plot
    from nnrg.theory.criticality import MeanField

    w_top, b_top = 1.5 * (field.sigma_w or 1.0), max(0.8, 1.3 * field.sigma_b)
    if line is not None:
        w_top = max(w_top, 1.5 * float(np.nanmin(line.sigma_w)))
    tell = told(arguments, "depth scales")
    grid = []
    for w in np.linspace(w_top / m, w_top, m):
        grid += [MeanField(field.phi, w, b) for b in np.linspace(b_top / m, b_top, m)]
        [cell.xi_c for cell in grid[-m:]]  # worked out here, where progress is told
        tell(len(grid), m * m)
    return [
        lambda ax, quantity=quantity: plot.depth_scales(grid, quantity, line=line, ax=ax)
        for quantity in ("xi_q", "xi_c")
    ]


def _edge(arguments: argparse.Namespace, name: str) -> Outcome:
    """Return the whole edge of chaos, or its points at one sigma_b."""
    if arguments.simulate or arguments.maps:
        raise ArgumentError("--simulate and --maps need a network; give --sigma-w")
    from nnrg.theory.criticality import critical_line, half_stable_points, uniformity_line

    if arguments.sigma_b is not None:
        line = critical_line(name, sigma_b=[arguments.sigma_b])
    else:
        line = critical_line(name, sigma_b=np.linspace(0, 1, _LINE_POINTS))
    lines = [str(line)]
    body: dict[str, Any] = {"critical_line": record(line)}
    found = half_stable_points(name)
    body["half_stable_points"] = [record(point) for point in found]
    lines += [
        f"half-stable at sigma_w = {p.sigma_w:.10g}, sigma_b = {p.sigma_b:.10g}, q = {p.q:.10g}"
        for p in found
    ]
    try:
        uniformity = uniformity_line(name)
        lines.append(str(uniformity))
        body["uniformity"] = record(uniformity)
    except AnalysisError as error:
        lines.append(f"line of uniformity: {error}")
    panels = {"": [partial(_diagram, line, name)]} if np.isfinite(line.sigma_w).any() else {}
    note = "assumed: width infinite; weights and biases independent, Gaussian, of mean zero"
    return Outcome("\n".join(lines), body, line.to_dataframe(), panels, note)


def _placed(arguments: argparse.Namespace) -> Outcome:
    """Say where the layers of a network lie."""
    if arguments.sigma_w is not None or arguments.sigma_b is not None:
        raise ArgumentError(
            "sigma_w and sigma_b of a MODEL are measured; leave --sigma-w and --sigma-b out"
        )
    if arguments.simulate or arguments.maps:
        raise ArgumentError("--simulate and --maps are of a network of given --sigma-w")
    if arguments.activation is None:
        raise ArgumentError(
            "which activation follows the layers is not in a file of weights: give --activation, "
            "for example relu"
        )
    from nnrg.progress import Progress
    from nnrg.theory.placement import place_network

    net = load_model(arguments)
    names = choose(net, tuple(arguments.tensors)) if arguments.tensors else None
    bar = Progress(enabled=False if arguments.quiet or arguments.no_progress else None)
    try:
        placed = place_network(
            net,
            activation=arguments.activation,
            names=names,
            chain=arguments.chain.split(",") if arguments.chain else None,
            draws=arguments.draws,
            rng=arguments.seed,
            progress=bar,
        )
    finally:
        bar.close()
    pages = _placement_pages(placed, arguments.activation)
    body = record(placed)
    body["provenance_of_model"] = dict(placed.attrs)
    chosen = (
        f"{len(pages.get('-blocks', ()))} of {len(placed.blocks)} layers, those farthest from "
        "independent weights; p of each alone."
    )
    return Outcome(
        str(placed), body, placed.to_dataframe(), pages, assumed(placed.assumptions),
        {"-blocks": chosen},
    )  # fmt: skip


def _placement_pages(placed: Placement, activation: str) -> dict[str, list[Callable[..., object]]]:
    from nnrg import plot

    layers = [layer.scales for layer in placed.layers]
    line = _line(activation, max(s.sigma_b.value for s in layers))
    first: list[Callable[..., object]] = []
    if line is not None:
        first.append(partial(_diagram, line, activation, layers=layers))
    if placed.depth is not None:
        depth = placed.depth
        first += [
            lambda ax, q=q: plot.signal_flow(depth, q, ax=ax)
            for q in ("q", "c")
        ]  # fmt: skip
    pages = {"": first} if first else {}

    def farthest(flow: Any) -> float:
        return float(np.nanmax(np.abs(flow.sigmas), initial=0.0)) if flow.sigmas.size else -1.0

    shown = sorted((f for f in placed.blocks if f.scales.size), key=farthest, reverse=True)
    if shown:
        pages["-blocks"] = [
            lambda ax, flow=flow: plot.block_flow(flow, ax=ax) for flow in shown[:_MOST_PANELS]
        ]
    return pages
