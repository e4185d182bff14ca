"""``nnrg theory synaptic``: training as motion of fields, of a record or of an optimiser alone."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from nnrg._theory_command.learning_rate import LEARNING_RATE, schedule_of
from nnrg._theory_command.outcome import Outcome, assumed
from nnrg._theory_command.record import record
from nnrg._theory_command.training_data import trained_on
from nnrg._validate import as_count
from nnrg.errors import AnalysisError, ArgumentError

if TYPE_CHECKING:
    from nnrg.simulate.training import TrainingRecord
    from nnrg.simulate.training.optimisers import Optimiser
    from nnrg.theory.synaptic import DepthContinuity, TrainingModes
    from nnrg.theory.synaptic.friction_maps import Discretisation

__all__ = ["optimiser_of", "steps_of", "synaptic"]

Panel = Callable[..., object]

_OF_OPTIMISER = ("learning_rate", "momentum", "schedule", "steps")
_OF_DATA = (
    "covariance", "sites", "periodic", "samples", "activation", "reach", "staggered", "loss",
)  # fmt: skip
_STEPS = 400
_CONTINUITIES = 24
_SAMPLES = 64
_MAPS: tuple[Discretisation, ...] = ("backward", "symmetric", "exponential")


def synaptic(arguments: argparse.Namespace) -> Outcome:
    """Read a record, an optimiser, or data as a synaptic field theory."""
    if arguments.flow:
        from nnrg._theory_command.synaptic_flow import kernel_flow

        return kernel_flow(arguments)
    if arguments.record is not None:
        _refuse(arguments, (*_OF_OPTIMISER, "optimiser", *_OF_DATA), "--record")
        return _recorded(arguments)
    if arguments.network is not None:
        raise ArgumentError("--network is of --record; give one, or leave it out")
    if arguments.data is not None or arguments.covariance is not None:
        from nnrg._theory_command.synaptic_data import data_sources

        return data_sources(arguments)
    if arguments.optimiser is None:
        raise ArgumentError(
            "nothing to read: give --record FILE, --data FILE, --covariance or --optimiser"
        )
    _refuse(arguments, _OF_DATA, "--optimiser")
    return _history(arguments)


def _refuse(arguments: argparse.Namespace, names: Sequence[str], whose: str) -> None:
    for name in names:
        if getattr(arguments, name) not in (None, False):
            raise ArgumentError(
                f"--{name.replace('_', '-')} does not go with {whose}; leave one of them out"
            )


def steps_of(arguments: argparse.Namespace) -> int:
    """Return the number of steps of training."""
    return as_count("--steps", _STEPS if arguments.steps is None else arguments.steps, 2)


def optimiser_of(arguments: argparse.Namespace, kind: str | None = None) -> Optimiser:
    """Return the optimiser that words describe."""
    from nnrg.simulate import training

    name = kind or arguments.optimiser
    eta = LEARNING_RATE if arguments.learning_rate is None else arguments.learning_rate
    rate = schedule_of(arguments.schedule, eta, steps_of(arguments))
    if name == "gradient-descent":
        if arguments.momentum is not None:
            raise ArgumentError("gradient-descent has no --momentum; take heavy-ball")
        return training.GradientDescent(rate)
    made = {"heavy-ball": training.HeavyBall, "nesterov": training.Nesterov}.get(name)
    if made is None:
        raise ArgumentError("the friction of adam is that of its gradients: give --record FILE")
    return made(rate, 0.9 if arguments.momentum is None else arguments.momentum)


def _history(arguments: argparse.Namespace) -> Outcome:
    made, d = optimiser_of(arguments), arguments.dimension
    steps = steps_of(arguments)
    from nnrg.theory.synaptic import compare_modes, cosmic_history, friction

    frictions = []
    for name in _MAPS:
        if name == "exponential" and not getattr(made, "momentum", 0):
            continue  # of infinite friction
        frictions.append(friction(made, dimension=d, discretisation=name))
    history = cosmic_history(made, steps, dimension=d)
    hubble = frictions[0].hubble
    pair = compare_modes(np.linspace(0, 6 / hubble, 401), 20 * hubble, hubble=hubble, dimension=d)
    from nnrg import plot  # heavy, after all that may be refused

    lines = [*map(str, frictions), "", str(history), "", str(pair)]
    body = {
        "optimiser": made.describe(),
        "friction": [record(one, "hubble", "gamma_per_step") for one in frictions],
        "history": record(history, "e_folds"),
        "modes": record(pair, "mismatch"),
    }
    panels: list[Panel] = [
        lambda ax, quantity=quantity: plot.expansion_history(history, quantity, ax=ax)
        for quantity in ("hubble", "log_scale_factor")
    ]
    panels.append(partial(_drawn, plot.redshift, pair))
    note = assumed([*frictions[0].assumptions, "static data beside de Sitter"])
    return Outcome("\n".join(lines), body, history.to_dataframe(), {"": panels}, note)


def _recorded(arguments: argparse.Namespace) -> Outcome:
    from nnrg.simulate.training import open_record

    made = open_record(arguments.record)
    member, d = arguments.network or 0, arguments.dimension
    if not 0 <= member < made.n_seeds:
        raise ArgumentError(f"--network: expected 0 to {made.n_seeds - 1}, got {member}")
    given = None if arguments.data is None else (made, *trained_on(made, arguments.data))
    from nnrg import plot  # heavy, after all that may be refused
    from nnrg.theory import synaptic as theory

    lines, body = [str(made), ""], {"training": _summary(made)}
    pages: dict[str, list[Panel]] = {}
    kind = made.configuration.get("optimiser", {}).get("optimiser", "an unknown optimiser")
    first: list[Panel] = []
    friction = theory.record_friction(made, seed=member, dimension=d)
    lines.append(str(friction))
    body["friction"] = record(friction, "hubble")
    note = f"{kind}, start {member} of {made.n_seeds}; d = {d}."
    if friction.assumptions:
        note = f"{note} {assumed(friction.assumptions)}"
    table = made.to_dataframe()
    history = _tried(
        lines,
        body,
        "history",
        lambda: theory.record_history(made, seed=member, dimension=d),
        lambda found: record(found, "e_folds"),
    )
    if history is not None:
        first.append(partial(_drawn, plot.expansion_history, history))
    if given is None:
        lines.append("action, energy and continuity need what it was trained on: give --data FILE")
        if first:
            pages[""] = first
        return Outcome("\n".join(lines), body, table, pages, note)
    modes = _tried(
        lines,
        body,
        "modes",
        lambda: theory.record_modes(*given, seed=member, dimension=d),
        _of_modes,
    )
    action = _tried(lines, body, "action", lambda: theory.record_action(*given, seed=member))
    notes = {}
    if modes is not None:
        first.insert(0, partial(_drawn, plot.training_modes, modes))
        if modes.flags:
            notes[""] = (
                f"(a) {'; '.join(modes.flags)}; curves that are off by a tenth are left out."
            )
    if action is not None:
        table = action.to_dataframe()
        first += [partial(_drawn, f, action) for f in (plot.energy_law, plot.action_residual)]
    if first:
        pages[""] = first
    depth = _depth(arguments, given, member, lines, body)
    if depth:
        pages["-depth"] = depth
    sources = _tried(
        lines,
        body,
        "sources",
        lambda: theory.record_sources(*given, seed=member),
        lambda found: record(found, "static"),
    )
    if sources is not None:
        pages.setdefault("-depth", []).append(partial(_drawn, plot.source_strengths, sources))
    return Outcome("\n".join(lines), body, table, pages, note, notes)


def _depth(
    arguments: argparse.Namespace,
    given: tuple[TrainingRecord, Any, Any],
    member: int,
    lines: list[str],
    body: dict[str, Any],
) -> list[Panel]:
    """Return panels of the energy along depth, at steps all over the training."""
    from nnrg import plot
    from nnrg.theory import synaptic as theory

    made = given[0]
    at = np.linspace(0, len(made.steps) - 1, _CONTINUITIES).round().astype(int)
    steps = [int(step) for step in made.steps[np.unique(at)]]

    def follow() -> list[DepthContinuity]:
        return [theory.record_continuity(*given, seed=member, step=step) for step in steps]

    try:
        flows = follow()
    except (AnalysisError, ArgumentError) as error:
        lines += ["", f"continuity: none: {error}"]
        body["continuity"] = None
        return []
    worst = max(flow.relative_residual for flow in flows)
    shown = max(flows, key=lambda flow: float(np.abs(flow.current).max()))
    lines += [
        "",
        f"continuity along depth at {len(flows)} steps, residual at most {worst:.1e}; the largest "
        "current:",
        str(shown),
    ]
    body["continuity"] = {
        "steps": steps,
        "relative_residual": [flow.relative_residual for flow in flows],
        "flows": [record(flow) for flow in flows],
    }
    panels: list[Panel] = [
        partial(_drawn, plot.energy_current, shown),
        lambda ax: plot.continuity_residual(flows, steps, ax=ax),
    ]
    flow = _tried(
        lines,
        body,
        "depth",
        lambda: theory.coarse_grain_depth(
            theory.recorded_chain(made, seed=member), np.asarray(given[1])[:_SAMPLES]
        ),
    )
    if flow is not None and len(flow.scales) > 1:
        panels.append(partial(_drawn, plot.depth_flow, flow))
    return panels


def _tried(
    lines: list[str],
    body: dict[str, Any],
    name: str,
    make: Callable[[], Any],
    recorded: Callable[[Any], dict[str, Any]] = record,
) -> Any:
    """Return what is made, told and recorded; where it cannot be, why."""
    try:
        found = make()
    except (AnalysisError, ArgumentError) as error:
        lines += ["", f"{name}: none: {error}"]
        body[name] = None
        return None
    lines += ["", str(found)]
    body[name] = recorded(found)
    return found


def _of_modes(modes: TrainingModes) -> dict[str, Any]:
    """Return modes of training; complex exponents as their real and imaginary parts."""
    names = ("steps", "hubble_times", "fields", "discrete", "continuous", "curvature_drift")
    return {
        **{name: getattr(modes, name).tolist() for name in names},
        "weights": modes.weights.to_dataframe().to_dict("records"),
        "hubble": modes.weights.hubble,
        "deviation": modes.deviation().tolist(),
        "continuum_deviation": modes.continuum_deviation().tolist(),
        "flags": list(modes.flags),
    }


def _drawn(draw: Callable[..., object], what: Any, ax: Any) -> object:
    return draw(what, ax=ax)


def _summary(made: TrainingRecord) -> dict[str, Any]:
    return {
        "configuration": dict(made.configuration),
        "steps": [int(made.steps[0]), int(made.steps[-1])],
        "n_steps": len(made.steps),
        "flags": list(made.flags),
        "provenance": dict(made.provenance),
    }
