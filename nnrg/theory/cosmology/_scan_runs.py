"""The trainings of a scan of Hubble rates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError, SourceError
from nnrg.simulate.training import (
    MLP,
    GradientDescent,
    HeavyBall,
    Recording,
    TrainingData,
    TrainingRecord,
    train,
)
from nnrg.stats._arrays import real_array
from nnrg.theory.cosmology._modes import NULL, kernels_of
from nnrg.theory.cosmology._rates import UntoldError
from nnrg.theory.cosmology._scan_rows import ScanPlace, ScanRow, judged
from nnrg.theory.cosmology._universe_result import UniverseComparison
from nnrg.theory.cosmology.background import fit_background
from nnrg.theory.cosmology.both_sides import compare_universe
from nnrg.theory.cosmology.circles import circle_data
from nnrg.theory.cosmology.kernels import tangent_kernel

__all__ = ["Begun", "ScanRuns", "as_rates", "scan_places"]

Array = npt.NDArray[np.float64]

_DECADES = {"momentum": (1e-3, 1e-1), "slow_roll": (2e-3, 2e-1), "second_order": (2e-3, 2e-1)}
_RATES = 5
# Of the first-order matches: decays of the mode that are followed; of the heavy ball: Hubble times.
_DECAYS, _HUBBLE_TIMES = 2.0, 5.0
_FRAMES = 60
_MOST_STEPS = 1_000_000
# The fastest mode turns by no more from frame to frame, in radians.
_TURN = 1.0
_MODES = 8
# Bytes of a record that is not in a file.
_MEMORY = 2 << 30


@dataclass(frozen=True, slots=True, eq=False)
class Begun:
    """A kind of network before training: theta of the mode, the largest theta, and weights."""

    place: ScanPlace
    model: MLP
    theta: float
    top: float
    weights: Mapping[str, Array]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ScanRuns:
    """What is the same for all trainings of a scan; `law` is activation, sigma_w and sigma_b."""

    match: str
    momentum: float
    mode: str | int
    tolerance: float
    n_seeds: int
    law: tuple[Any, float, float]
    seed: np.random.SeedSequence
    rates: Array | None
    steps: int | None
    folder: Path | None
    data: tuple[Array, Array]

    @property
    def activation(self) -> str:
        """Name of the activation function."""
        return str(MLP((1, 1, 1), self.law[0]).activation.name)

    def model(self, place: ScanPlace) -> MLP:
        """Return the network at a place, if its records fit into memory."""
        activation, sigma_w, sigma_b = self.law
        x, y = self.data
        widths = (x.shape[1], *[place.width] * place.depth, y.shape[1])
        model = MLP(widths, activation, sigma_w=sigma_w, sigma_b=sigma_b)
        numbers = (2 if self.match == "momentum" else 1) * self.n_seeds * model.n_parameters
        if self.folder is None and 8 * numbers * _FRAMES > _MEMORY:
            raise ArgumentError(
                f"{place}: a training takes {8e-9 * numbers * _FRAMES:.1f} GB of memory; give a "
                "folder for records, fewer seeds or smaller networks"
            )
        return model

    def begin(self, place: ScanPlace) -> Begun:
        """Draw networks, and find what moves the mode."""
        model, x = self.model(place), self.data[0]
        drawn, theta, top = [], [], []
        for member in range(self.n_seeds):
            key = (*self.seed.spawn_key, place.width, place.depth, member)
            child = np.random.SeedSequence(self.seed.entropy, spawn_key=key)
            drawn.append(model.initial(np.random.Generator(np.random.SFC64(child))))
            kernel = tangent_kernel(model, drawn[-1], x[: place.n_data])
            values = np.linalg.eigvalsh(kernel)[::-1]
            top.append(values[0])
            if self.mode == "mean":
                theta.append(kernel.sum() / len(kernel))
            else:
                if isinstance(self.mode, str):
                    raise ArgumentError(
                        f'mode must be "mean" or an integer, got {shown(self.mode)}'
                    )
                theta.append(values[as_count("mode", self.mode, 0, len(values) - 1)])
        if min(theta) <= NULL * max(top):
            raise AnalysisError(
                f"the tangent kernel does not move mode {self.mode} of {place}: its eigenvalue is "
                "zero; take a lower number"
            )
        weights = {name: np.stack([one[name] for one in drawn]) for name in model.shapes}
        return Begun(place, model, float(np.mean(theta)), float(np.mean(top)), weights)

    def rates_of(self, begun: Begun) -> list[float]:
        """Return the learning rates of a network."""
        if self.rates is not None:
            return [float(rate) for rate in self.rates]
        shares = np.geomspace(*_DECADES[self.match], _RATES)
        return [float(share / begun.top) for share in shares]

    def _plan(self, begun: Begun, eta: float) -> tuple[int, int]:
        """Return how many steps to make, and how often to record."""
        ball, mu = self.match == "momentum", self.momentum
        if self.steps is not None:
            steps = self.steps
        elif ball:
            steps = math.ceil(3 * _HUBBLE_TIMES / (1 - mu))
        else:
            needed = _DECAYS / (eta * begun.theta)
            if needed > _MOST_STEPS:
                raise ArgumentError(
                    f"the mode of {begun.place} decays in {needed:.2g} steps at a learning rate of "
                    f"{eta:.3g}; give larger ones, or the number of steps"
                )
            steps = max(_FRAMES // 5, math.ceil(needed))
        stride = max(1, steps // _FRAMES)
        if ball and mu:
            cosine = (1 + mu - eta * begun.top) / (2 * math.sqrt(mu))
            if cosine < 1:
                stride = max(1, min(stride, int(_TURN / math.acos(max(cosine, -1.0)))))
        return steps, stride

    def run(self, begun: Begun, eta: float) -> tuple[ScanRow, TrainingRecord | None]:
        """Train one network at one learning rate, and fit it; no record where it diverges."""
        place = begun.place
        x, y = (values[: place.n_data] for values in self.data)
        steps, stride = self._plan(begun, eta)
        ball, path = self.match == "momentum", None
        if self.folder is not None:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise SourceError(
                    f"{self.folder}: cannot be made ({error.strerror or error}); give a folder you "
                    "own"
                ) from None
            name = f"width{place.width}-depth{place.depth}-data{place.n_data}-eta{eta:.9g}"
            path = self.folder / f"{name}.safetensors"
        record = train(
            begun.model,
            (x, y),
            optimiser=HeavyBall(eta, self.momentum) if ball else GradientDescent(eta),
            steps=steps,
            record=Recording(stride, path=path),
            n_seeds=self.n_seeds,
            initial=begun.weights,
            rng=self.seed,
            progress=lambda done, total: None,
        )
        fit, why, untold, drift = None, "", False, math.nan
        if record.diverged is not None:
            why = str(record.diverged["message"])
        else:
            last = int(record.steps[-1])
            try:
                fit = fit_background(
                    record, x, y, match=self.match, mode=self.mode, window=(0, last)
                )
                drift = fit.kernel_drift.value
            except AnalysisError as error:
                why, untold = str(error), isinstance(error, UntoldError)
                drift = float(kernels_of(record, x, y).drift(-1).mean())
        row = judged(
            place,
            eta,
            begun.theta,
            match=self.match,
            momentum=self.momentum,
            tolerance=self.tolerance,
            kernel_drift=drift,
            n_seeds=self.n_seeds,
            fit=fit,
            why=why,
            untold=untold,
        )
        return row, None if record.diverged is not None else record

    def compare(self, place: ScanPlace, record: TrainingRecord) -> UniverseComparison:
        """Return both sides of the duality."""
        x, y = (values[: place.n_data] for values in self.data)
        modes = min(_MODES, y.size)
        return compare_universe(
            record, x, y, match=self.match, n_modes=modes, tolerance=self.tolerance
        )


def as_rates(values: object) -> Array:
    """Return learning rates, rising, or raise ArgumentError."""
    found = real_array("learning_rates", values)  # type: ignore[arg-type]
    if found.ndim != 1 or not found.size or not (np.isfinite(found) & (found > 0)).all():
        raise ArgumentError(f"learning_rates must be positive numbers, got {shown(values)}")
    return np.unique(found)


def _counts(name: str, values: object, low: int) -> list[int]:
    if not isinstance(values, Sequence | np.ndarray) or isinstance(values, str) or not len(values):
        raise ArgumentError(f"{name} must be a sequence of integers, got {shown(values)}")
    return list(dict.fromkeys(as_count(name, value, low, 1 << 20) for value in values))


def scan_places(
    data: object, widths: object, depths: object, data_sizes: object
) -> tuple[list[ScanPlace], Array, Array]:
    """Return the networks of a scan, its inputs (P, n) and targets (P, m)."""
    w, d = _counts("widths", widths, 1), _counts("depths", depths, 0)
    sizes = None if data_sizes is None else _counts("data_sizes", data_sizes, 2)
    if data is None:
        sizes = sizes or [16]
        data = circle_data(1 << (max(sizes) - 1).bit_length())
    if isinstance(data, TrainingData):
        data = (data.inputs, data.targets)
    if not isinstance(data, tuple | list) or len(data) != 2 or data[1] is None:
        raise ArgumentError(f"data must be TrainingData or (inputs, targets), got {shown(data)}")
    x, y = real_array("inputs", data[0]), real_array("targets", data[1])
    y = y[:, None] if y.ndim == 1 else y
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or len(x) < 2:
        raise ArgumentError(
            f"data must be inputs (P, n) and targets (P, m) or (P,) with P at least 2, got "
            f"{x.shape} and {y.shape}"
        )
    if not np.isfinite(x).all() or not np.isfinite(y).all():
        raise NonFiniteError("inputs or targets hold values that are NaN or infinite; drop them")
    sizes = sizes or [len(x)]
    if max(sizes) > len(x):
        raise ArgumentError(f"data_sizes must be at most the {len(x)} data, got {max(sizes)}")
    found = [ScanPlace(width, d[0], sizes[0]) for width in w]
    found += [ScanPlace(w[0], depth, sizes[0]) for depth in d]
    found += [ScanPlace(w[0], d[0], size) for size in sizes]
    return list(dict.fromkeys(found)), x, y
