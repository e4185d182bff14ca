"""The field theory that an engineered network is to have: its numbers and what follows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import pi, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real, shown
from nnrg.errors import ArgumentError
from nnrg.simulate._cutoff_propagator import spectral_integral
from nnrg.simulate._waves import box_nodes

__all__ = ["EngineeredTheory", "constants"]

Floats = npt.NDArray[np.float64]

# (cutoff * box / pi)^d; more do not fit in memory with their fields.
_MOST_WAVES = 2e4


class _Constants(NamedTuple):
    norm: float
    volume: float
    tadpole: float
    side: Floats
    weights: Floats


@dataclass(frozen=True, slots=True)
class EngineeredTheory:
    """The numbers of an `EngineeredNetwork`, which describes them."""

    mass: float
    coupling: float
    cutoff: float
    box: float
    width: int
    dimension: int = 1
    split: float = 0.0
    normal_ordered: bool = False

    def __post_init__(self) -> None:
        for name in ("mass", "cutoff", "box"):
            value = as_real(name, getattr(self, name))
            if value <= 0:
                raise ArgumentError(f"{name} must be positive, got {value}; try 1, 4 and 6")
            object.__setattr__(self, name, value)
        coupling = as_real("coupling", self.coupling)
        if coupling < 0:
            raise ArgumentError(
                f"coupling must not be negative, got {coupling}: the density of a single amplitude "
                "would grow as exp(|lambda| a^4) and could not be normalised at any width; "
                "give lambda >= 0"
            )
        split = as_real("split", self.split)
        if not 0 <= split <= 1:
            raise ArgumentError(
                f"split must be from 0 (momenta) to 1 (amplitudes), got {split}; try 0"
            )
        if not isinstance(self.normal_ordered, bool):
            raise ArgumentError(
                f"normal_ordered must be True or False, got {shown(self.normal_ordered)}"
            )
        width = as_count("width", self.width, 2)
        dimension = as_count("dimension", self.dimension, 1, 2)
        whole = {"coupling": coupling, "split": split, "width": width, "dimension": dimension}
        for name, number in whole.items():
            object.__setattr__(self, name, number)
        if self.cutoff * self.box < pi:
            raise ArgumentError(
                f"the box must hold half a wave of the cutoff, cutoff * box >= pi, got "
                f"{self.cutoff * self.box:.3g}; take a larger box"
            )
        waves = (self.cutoff * self.box / pi) ** dimension
        if waves > _MOST_WAVES:
            raise ArgumentError(
                f"the box must hold at most {_MOST_WAVES:g} waves of the cutoff, got {waves:.3g}; "
                "take a smaller box or cutoff"
            )

    def __str__(self) -> str:
        ordered = ", normal ordered" if self.normal_ordered else ""
        first = (
            f"phi^4 network, d = {self.dimension}: m = {self.mass:g}, "
            f"lambda = {self.coupling:g}{ordered}, cutoff {self.cutoff:g}, box {self.box:g}, "
            f"width {self.width}, split {self.split:g}"
        )
        return "\n".join([first, *(f"note: {note}" for note in self.notes)])

    @property
    def notes(self) -> tuple[str, ...]:
        """Where the continuum or the bulk is out of reach."""
        found = []
        if self.cutoff < 2 * self.mass:
            found.append(
                f"the cutoff is {self.cutoff / self.mass:.2g} masses: no waves propagate, the "
                "field is an almost flat band; take a cutoff of several masses"
            )
        if self.box * self.mass < 2:
            found.append(
                f"the box is {self.box * self.mass:.2g} correlation lengths: it has no bulk; "
                "take a larger one"
            )
        return tuple(found)

    def spectral(self, r: npt.ArrayLike, power: float = 1.0) -> tuple[Floats, float]:
        """Return the Fourier transform of (p^2 + m^2)^-power at distances r, and its error."""
        return spectral_integral(r, self.mass, self.cutoff, self.dimension, power)

    def two_point(self, r: npt.ArrayLike) -> Floats:
        """Return G at distances r, exact at any width if the coupling is zero."""
        return self.spectral(r)[0]

    @property
    def counterterm(self) -> float:
        """Coefficient of phi^2 / 2 in the interaction; zero unless normal ordered."""
        return -0.5 * self.coupling * self.tadpole if self.normal_ordered else 0.0

    @property
    def tadpole(self) -> float:
        """G at distance zero, the mean square of the free field."""
        return constants(self).tadpole

    @property
    def norm(self) -> float:
        """Factor of the sum over neurons."""
        return constants(self).norm

    def quadrature(self) -> tuple[Floats, Floats]:
        """Return nodes (K, d) and weights (K,) that integrate phi^4 over the box to rounding."""
        known = constants(self)
        axes = np.meshgrid(*(known.side,) * self.dimension, indexing="ij")
        return np.stack(axes, axis=-1).reshape(-1, self.dimension), known.weights


@lru_cache(maxsize=32)
def constants(network: EngineeredTheory) -> _Constants:
    """Return what follows from the numbers of a network and is needed again and again."""
    spectrum = float(network.spectral(0.0, 1 - network.split)[0])
    side, weights = box_nodes(network.cutoff, network.box)
    whole = weights if network.dimension == 1 else np.multiply.outer(weights, weights).ravel()
    side.flags.writeable = whole.flags.writeable = False
    return _Constants(
        norm=sqrt(2 * spectrum / network.width),
        volume=(2 * pi) ** network.dimension * spectrum,
        tadpole=float(network.two_point(0.0)),
        side=side,
        weights=whole,
    )
