"""Synaptic fields and the lattices they live on.

A field is numbers on sites, samples first: ``values.shape == (n_samples, *sites.shape)``. What a
sample is, is the caller's statement: one neuron's row of incoming weights, one network of an
ensemble, or the whole of one matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError, NonFiniteError

__all__ = ["Lattice", "SynapticField"]

_KEPT_DTYPES = ("float64", "float32", "float16", "bfloat16")


@dataclass(frozen=True, slots=True, init=False)
class Lattice:
    """A regular lattice of sites in one to four dimensions.

    Parameters
    ----------
    shape : int or sequence of int
        Sites along each axis.
    periodic : bool or sequence of bool
        Whether each axis closes on itself. Weights of a trained network live on open lattices.
    axes : sequence of str, optional
        What each axis is: ``("row", "column")`` of pixels, ``("tap",)``, ``("out", "in")``.
    populations : sequence of sequence of int, optional
        The axes that together are the index of one population of neurons, ``((0, 1),)`` for the
        pixels of an image, ``((0,), (1,))`` for a weight matrix on the product of two populations.
        A relabelling of neurons permutes the sites of one population. Default: all axes together.

    Raises
    ------
    ArgumentError
        If a length is not positive, or there are not one to four axes.

    Examples
    --------
    >>> from nnrg.fields import Lattice
    >>> Lattice((28, 28)).n_sites
    784
    >>> Lattice((512, 128), populations=((0,), (1,)))
    Lattice(512 x 128, open, 2 populations)
    """

    shape: tuple[int, ...]
    periodic: tuple[bool, ...]
    axes: tuple[str, ...]
    populations: tuple[tuple[int, ...], ...]

    def __init__(
        self,
        shape: int | Sequence[int],
        periodic: bool | Sequence[bool] = False,
        *,
        axes: Sequence[str] | None = None,
        populations: Sequence[Sequence[int]] | None = None,
    ) -> None:
        lengths = _lengths(shape)
        d = len(lengths)
        closed = (bool(periodic),) * d if isinstance(periodic, bool) else tuple(map(bool, periodic))
        if len(closed) != d:
            raise ArgumentError(
                f"periodic must be one bool or one for each of {d} axes, got {len(closed)}"
            )
        names = tuple(axes) if axes is not None else tuple(f"axis {a}" for a in range(d))
        if len(names) != d:
            raise ArgumentError(f"axes must name each of {d} axes, got {names!r}")
        groups = (
            tuple(tuple(int(a) for a in p) for p in populations)
            if populations is not None
            else (tuple(range(d)),)
        )
        if sorted(a for p in groups for a in p) != list(range(d)):
            raise ArgumentError(
                f"populations must hold each of the axes 0..{d - 1} once, got {groups!r}"
            )
        for name, value in zip(
            ("shape", "periodic", "axes", "populations"),
            (lengths, closed, names, groups),
            strict=True,
        ):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        kinds = set(self.periodic)
        closed = f"periodic={self.periodic}"
        if len(kinds) == 1:
            closed = "periodic" if self.periodic[0] else "open"
        many = f", {len(self.populations)} populations" if len(self.populations) > 1 else ""
        return f"Lattice({' x '.join(map(str, self.shape))}, {closed}{many})"

    @property
    def dimension(self) -> int:
        """Number of axes d."""
        return len(self.shape)

    @property
    def n_sites(self) -> int:
        """Number of sites."""
        return int(np.prod(self.shape, dtype=np.int64))

    def coarsened(self, factors: Sequence[int]) -> Lattice:
        """Return the lattice of whole blocks of `factors` sites, counted from the origin.

        A periodic axis with a remainder does not close on itself any more.
        """
        return Lattice(
            [n // f for n, f in zip(self.shape, factors, strict=True)],
            [p and n % f == 0 for p, n, f in zip(self.periodic, self.shape, factors, strict=True)],
            axes=self.axes,
            populations=self.populations,
        )


def _lengths(shape: int | Sequence[int]) -> tuple[int, ...]:
    try:
        lengths = (int(shape),) if np.isscalar(shape) else tuple(int(n) for n in shape)  # type: ignore[arg-type, union-attr]
    except (TypeError, ValueError):
        raise ArgumentError(f"shape must be integers, got {shape!r}") from None
    if not 1 <= len(lengths) <= 4 or min(lengths) < 1:
        raise ArgumentError(
            f"shape must be one to four lengths of at least 1, got {lengths!r}; "
            "fields on graphs have sites of another kind"
        )
    return lengths


@dataclass(frozen=True, slots=True)
class SynapticField:
    """Values on sites, samples first.

    Parameters
    ----------
    values : array of shape (n_samples, *sites.shape) or sites.shape
        float16, bfloat16, float32 and float64 are kept as they are; the array is not copied, and is
        read-only here. Without a sample axis it is one sample.
    sites : Lattice
        Where the values live.
    name : str
        What the field is, for tables and figures.
    sample : str
        What one sample is (``"out neuron"``, ``"network"``).
    natural : bool
        Whether the order of the sites means something (pixels, taps, positions). The index of a
        hidden neuron does not: its blocks are random ones, see the *Definitions* page.
    notes : tuple of str
        What was done to the numbers on the way, printed with every result.

    Raises
    ------
    ArgumentError
        If shapes disagree, the field is empty, or the numbers are integers or complex.
    NonFiniteError
        If a value is NaN or infinite.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.fields import Lattice, SynapticField
    >>> SynapticField(np.ones((10, 8, 8)), Lattice((8, 8)), name="filters")
    SynapticField('filters', 10 samples on Lattice(8 x 8, open), float64)
    """

    values: npt.NDArray[Any]
    sites: Lattice
    name: str = "field"
    sample: str = "sample"
    natural: bool = True
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not isinstance(self.sites, Lattice):
            raise ArgumentError(
                f"sites must be a Lattice, got {type(self.sites).__name__}; try nnrg.Lattice(shape)"
            )
        values = np.asarray(self.values)
        if values.shape == self.sites.shape:
            values = values[None]
        if values.shape[1:] != self.sites.shape:
            raise ArgumentError(
                f"values must have shape (n_samples, {', '.join(map(str, self.sites.shape))}), "
                f"got {values.shape}; reshape them, samples first"
            )
        if values.size == 0:
            raise ArgumentError(f"field {self.name!r} is empty: shape {values.shape}")
        values = _as_float(values, self.name)
        _check_finite(values, self.name)
        values = values.view()
        values.flags.writeable = False
        object.__setattr__(self, "values", values)

    def __repr__(self) -> str:
        return (
            f"SynapticField({self.name!r}, {self.n_samples} samples on {self.sites}, "
            f"{self.values.dtype.name})"
        )

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return int(self.values.shape[0])

    def replaced(self, values: npt.NDArray[Any], note: str | None = None) -> SynapticField:
        """Return the same field with other values, and a note on how they came about."""
        notes = self.notes if note is None else (*self.notes, note)
        return replace(self, values=values, notes=notes)


def _as_float(values: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    kind = values.dtype
    if kind.name in _KEPT_DTYPES and kind.isnative:
        return np.ascontiguousarray(values)
    if np.issubdtype(kind, np.complexfloating):
        raise ArgumentError(
            f"field {name!r} is complex ({kind}): the action is defined for real fields; "
            "pass the real or the imaginary part"
        )
    if np.issubdtype(kind, np.integer) or kind == np.bool_:
        raise ArgumentError(
            f"field {name!r} holds integers ({kind}): derivatives of the action do not exist for "
            "discrete values; dequantise them (scale and zero point) if they stand for real numbers"
        )
    try:
        return np.ascontiguousarray(values, dtype=np.float32 if kind.itemsize <= 2 else np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(f"field {name!r} must hold numbers, got dtype {kind}") from None


def _check_finite(values: npt.NDArray[Any], name: str) -> None:
    # A sum is one fast pass and cannot hide NaN; only when it is not finite are they counted.
    with np.errstate(all="ignore"):
        total = values.sum(dtype=np.float32 if values.dtype.itemsize <= 4 else np.float64)
    if not np.isfinite(total):
        bad = int(np.count_nonzero(~np.isfinite(values)))
        if bad:
            raise NonFiniteError(
                f"field {name!r} has {bad} of {values.size} values that are NaN or infinite; "
                "remove or repair them first"
            )
