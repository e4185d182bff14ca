"""Laws of the weights of random networks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_real, shown
from nnrg.errors import ArgumentError

__all__ = ["NORMAL", "WeightLaw", "weight_law"]

Draw = Callable[[np.random.Generator, tuple[int, ...]], npt.NDArray[np.float64]]

_ROOT_12 = math.sqrt(12.0)


@dataclass(frozen=True, slots=True)
class WeightLaw:
    """Law of a weight in units of its standard deviation: mean zero, variance one.

    Attributes
    ----------
    name : str
    draw : callable
        From a generator and a shape to numbers.
    """

    name: str
    draw: Draw


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    return rng.standard_normal(shape)


def _uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    return (rng.random(shape) - 0.5) * _ROOT_12


NORMAL = WeightLaw("normal", _normal)
"""The law under which layers have an exact one."""


def weight_law(spec: str | WeightLaw) -> WeightLaw:
    """Return the law of a name: ``"normal"``, ``"uniform"``, ``"student:NU"``, or itself.

    Raises
    ------
    ArgumentError
        If the name is unknown, or Student's law has no variance (NU <= 2).

    Examples
    --------
    >>> import numpy as np
    >>> weights = weight_law("student:5").draw(np.random.default_rng(1), (100_000,))
    >>> print(round(weights.var(), 1))
    1.0
    """
    if isinstance(spec, WeightLaw):
        return spec
    if spec == "normal":
        return NORMAL
    if spec == "uniform":
        return WeightLaw("uniform", _uniform)
    name, _, degrees = spec.partition(":") if isinstance(spec, str) else ("", "", "")
    if name == "student":
        try:
            nu = as_real("nu", float(degrees))
        except ValueError:
            nu = 0.0
        if nu > 2:
            scale = math.sqrt((nu - 2) / nu)
            return WeightLaw(str(spec), lambda rng, shape: scale * rng.standard_t(nu, shape))
    raise ArgumentError(
        "weights must be 'normal', 'uniform', 'student:NU' with NU > 2, or a WeightLaw, got "
        f"{shown(spec)}; try 'student:5'"
    )
