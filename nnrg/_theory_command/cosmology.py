"""``nnrg theory cosmology``: networks trained as universes, or a recorded training read as one."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg._theory_command.outcome import Outcome, assumed, numbers, told
from nnrg._theory_command.record import record
from nnrg.errors import AnalysisError, ArgumentError

if TYPE_CHECKING:
    from nnrg.simulate.training import TrainingRecord
    from nnrg.theory.cosmology import HubbleScan, UniverseComparison

__all__ = ["cosmology"]

Arrays = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]

# Options of networks that are trained, and what they are without being given.
_TRAINING: dict[str, Any] = {
    "width": "128",
    "depth": "1",
    "data_size": None,
    "learning_rate": None,
    "activation": "tanh",
    "sigma_w": 1.0,
    "sigma_b": 0.5,
    "momentum": 0.9,
    "seeds": 8,
    "steps": None,
    "records": None,
}
_MODES = 3
_SPECTRUM = 16
_FOLLOWED = 8


def cosmology(arguments: argparse.Namespace) -> Outcome:
    """Train networks and measure their Hubble rates, or read a record of training."""
    mode: str | int = arguments.mode
    if mode != "mean":
        try:
            mode = int(mode)
        except ValueError:
            raise ArgumentError(
                f"--mode: expected mean or a number of a mode, got {arguments.mode!r}"
            ) from None
    if arguments.record is not None:
        return _read(arguments, mode)
    from nnrg.theory.cosmology import hubble_scan

    given = {
        name: default if getattr(arguments, name) is None else getattr(arguments, name)
        for name, default in _TRAINING.items()
    }
    match = arguments.match or "momentum"
    if match != "momentum" and arguments.momentum is not None:
        raise ArgumentError(f"--momentum is of --match momentum, got {match}")

    def whole(name: str) -> list[int] | None:
        text = given[name]
        return None if text is None else numbers(text, f"--{name.replace('_', '-')}", int)

    rates = given["learning_rate"]
    scan = hubble_scan(
        None if arguments.data is None else _arrays(arguments.data),
        match=match,
        learning_rates=None if rates is None else numbers(rates, "--learning-rate"),
        widths=whole("width") or (),
        depths=whole("depth") or (),
        data_sizes=whole("data_size"),
        momentum=given["momentum"],
        activation=given["activation"],
        sigma_w=given["sigma_w"],
        sigma_b=given["sigma_b"],
        mode=mode,
        n_seeds=given["seeds"],
        steps=given["steps"],
        tolerance=arguments.tolerance,
        folder=given["records"],
        rng=arguments.seed,
        progress=told(arguments, "trainings"),
    )
    table = scan.to_dataframe()
    body = {
        **record(scan),
        "rows": table.to_dict("records"),
        "laws": [_law(scan, place) for place in scan.places],
        "universe": _universe(scan.universe),
    }
    lines = [str(scan), *(f"assumed: {line}" for line in scan.assumptions)]
    pages = {"": _scan_panels(scan), "-universe": _universe_panels(scan.universe)}
    return Outcome("\n".join(lines), body, table, pages, assumed(scan.assumptions))


def _universe(universe: UniverseComparison) -> dict[str, Any]:
    return {**record(universe), "verdicts": universe.summary().to_dict("records")}


def _law(scan: HubbleScan, place: Any) -> dict[str, Any]:
    found = {name: getattr(place, name) for name in ("width", "depth", "n_data")}
    law = scan.laws.get(place)
    if law is None:
        return {**found, "unfitted": scan.unfitted[place]}
    numbers_ = record(law)
    for name in ("fits", "rows"):
        numbers_.pop(name)
    return {**found, **numbers_}


def _scan_panels(scan: HubbleScan) -> list[Callable[..., object]]:
    from nnrg import plot

    panels: list[Callable[..., object]] = []
    if any(row.fit is not None and row.fit.hubble.value > 0 for row in scan.rows):
        panels.append(_panel(plot.hubble_rates, scan))
    panels += [
        _panel(plot.duality_failures, scan, against)
        for against in ("kernel_drift", "learning_rate")
    ]
    panels += [
        _panel(plot.hubble_invariant, scan, axis)
        for axis in ("width", "depth", "n_data")
        if len(scan.along(axis)) > 1
    ]
    return panels


def _universe_panels(universe: UniverseComparison) -> list[Callable[..., object]]:
    from nnrg import plot

    modes = [name for name in ("mean", "0", "1") if name in universe.names]
    panels = [_panel(plot.universe_trajectory, universe, name) for name in modes]
    return [*panels, _panel(plot.universe_spectrum, universe)]


def _panel(draw: Callable[..., object], *what: Any) -> Callable[..., object]:
    return lambda ax: draw(*what, ax=ax)


def _read(arguments: argparse.Namespace, mode: str | int) -> Outcome:
    """Read a record of training."""
    wrong = [name for name in _TRAINING if getattr(arguments, name) is not None]
    if wrong:
        raise ArgumentError(
            f"--{wrong[0].replace('_', '-')} is of networks to be trained; leave it out with "
            "--record"
        )
    from nnrg.simulate.training import open_record
    from nnrg.theory.cosmology import compare_universe, fit_background

    made = open_record(arguments.record)
    data = _data_of(arguments, made)
    ball = (made.configuration.get("optimiser") or {}).get("optimiser") == "HeavyBall"
    match = arguments.match or ("momentum" if ball else "second_order")
    size = 1 if made.outputs is None else made.outputs[0, 0].size
    try:
        universe = compare_universe(
            made, *data, match=match, tolerance=arguments.tolerance,
            n_modes=min(_FOLLOWED, size),
        )  # fmt: skip
    except ArgumentError as error:
        if arguments.data is None and str(error).startswith(("inputs", "targets")):
            raise ArgumentError(f"{error}; give --data if it was not trained on a circle") from None
        raise
    lines, fits, unfitted = [str(universe)], [], {}
    for one in dict.fromkeys(["mean", mode, *range(min(_MODES, len(universe.names) - 1))]):
        try:
            fit = fit_background(made, *data, match=match, mode=one)
        except AnalysisError as error:
            unfitted[str(one)] = str(error)
            lines += ["", f"{one} mode: no Hubble rate: {error}"]
            continue
        fits.append(record(fit))
        lines += ["", str(fit)]
    pages = {"": _universe_panels(universe)}
    body: dict[str, Any] = {
        "universe": _universe(universe),
        "fits": fits,
        "unfitted": unfitted,
        "provenance_of_record": dict(made.provenance),
    }
    if not ball:
        spectrum = _spectrum(made, data, min(_SPECTRUM, size))
        lines += ["", str(spectrum)]
        body["spectrum"] = record(spectrum)
        pages["-rates"] = [_rates_panel(spectrum)]
    lines += [f"assumed: {line}" for line in universe.assumptions]
    return Outcome(
        "\n".join(lines), body, universe.to_dataframe(), pages, assumed(universe.assumptions)
    )


def _spectrum(made: TrainingRecord, data: Arrays, n_modes: int) -> Any:
    """Return rates of modes from the start until the outputs have come once nearer, about."""
    from nnrg.theory.cosmology import perturbation_spectrum

    cost = made.losses.mean(axis=0)
    below = np.flatnonzero(cost < cost[0] * np.exp(-2))
    last = made.steps[max(int(below[0]) if below.size else len(cost) - 1, 1)]
    return perturbation_spectrum(
        made, *data, window=(int(made.steps[0]), int(last)),
        n_modes=n_modes,
    )  # fmt: skip


def _rates_panel(spectrum: Any) -> Callable[..., object]:
    from nnrg import plot

    return _panel(plot.perturbation_rates, spectrum)


def _data_of(arguments: argparse.Namespace, made: TrainingRecord) -> Arrays:
    """Return the data of a record: those of a file, or the circle if it was trained on that."""
    from nnrg.theory.cosmology import circle_data

    if arguments.data is not None:
        return _arrays(arguments.data)
    shape = () if made.outputs is None else made.outputs.shape
    count = shape[2] if shape else 0
    ring = made.model is not None and made.model.input_shape == (2,) and shape[3:] == (1,)
    if not ring or count < 2 or count & (count - 1):
        raise ArgumentError(
            "a record does not hold the data it was trained on; give --data FILE with arrays "
            "called inputs and targets"
        )
    ring_data = circle_data(count)
    return ring_data.inputs, np.asarray(ring_data.targets)


def _arrays(path: str) -> Arrays:
    """Read inputs and targets through the readers of networks, which trust no file."""
    import nnrg

    found = nnrg.load(path).tensors
    missing = [name for name in ("inputs", "targets") if name not in found]
    if missing:
        raise ArgumentError(
            f"{path}: no array called {missing[0]} that holds real numbers; there are "
            f"{', '.join(list(found)[:5])}"
        )
    return np.asarray(found["inputs"], np.float64), np.asarray(found["targets"], np.float64)
