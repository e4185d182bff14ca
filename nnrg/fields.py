"""Synaptic fields and the lattices they live on.

A field is numbers on sites, samples first: ``values.shape == (n_samples, *sites.shape)``. What a
sample is, is the caller's statement: one neuron's row of incoming weights, one network of an
ensemble, or the whole of one matrix.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, SupportsIndex, cast

import numpy as np
import numpy.typing as npt

from nnrg._field_values import as_array, as_float, check_finite
from nnrg._validate import as_count, shown
from nnrg.errors import AnalysisError, ArgumentError

__all__ = ["Lattice", "SynapticField"]

# Fewer samples do not tell the variance of a site.
_FEWEST_SAMPLES = 10


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
        If a length is no positive integer, there are not one to four axes, or an option does not
        say one thing for each of them.

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
        lengths = _lengths("shape", shape)
        d = len(lengths)
        closed = _periodic(periodic, d)
        names = _axes(axes, d)
        groups = _populations(populations, d)
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
        return prod(self.shape)

    def coarsened(self, factors: Sequence[int]) -> Lattice:
        """Return the lattice of whole blocks of `factors` sites, counted from the origin.

        A periodic axis with a remainder does not close on itself any more.

        Raises
        ------
        ArgumentError
            If the factors are not one for each axis, or an axis holds no whole block.
        """
        steps = _lengths("factors", factors)
        if len(steps) != len(self.shape) or any(
            f > n for f, n in zip(steps, self.shape, strict=True)
        ):
            raise ArgumentError(
                f"factors must be one for each axis of {self!r} and no longer than it, got "
                f"{shown(factors)}"
            )
        return Lattice(
            [n // f for n, f in zip(self.shape, steps, strict=True)],
            [p and n % f == 0 for p, n, f in zip(self.periodic, self.shape, steps, strict=True)],
            axes=self.axes,
            populations=self.populations,
        )


def _lengths(name: str, shape: object) -> tuple[int, ...]:
    try:
        operator.index(cast(SupportsIndex, shape))
        items: tuple[object, ...] = (shape,)
    except TypeError:
        items = _items(shape)
    if not 1 <= len(items) <= 4:
        raise ArgumentError(
            f"{name} must be an integer or one to four of them, got {shown(shape)}; try (28, 28)"
        )
    return tuple(as_count(f"each length of {name}", n) for n in items)


def _periodic(periodic: object, d: int) -> tuple[bool, ...]:
    single = isinstance(periodic, bool | np.bool_)
    items = (periodic,) * d if single else _items(periodic)
    if len(items) != d or not all(isinstance(p, bool | np.bool_) for p in items):
        raise ArgumentError(
            f"periodic must be one bool or one for each of {d} axes, got {shown(periodic)}; "
            "try True or False"
        )
    return tuple(map(bool, items))


def _axes(axes: object, d: int) -> tuple[str, ...]:
    if axes is None:
        return tuple(f"axis {a}" for a in range(d))
    names = _items(axes)
    if len(names) != d or not all(isinstance(a, str) for a in names):
        raise ArgumentError(
            f"axes must name each of {d} axes, got {shown(axes)}; try a tuple of {d} str"
        )
    return cast(tuple[str, ...], names)


def _populations(populations: object, d: int) -> tuple[tuple[int, ...], ...]:
    if populations is None:
        return (tuple(range(d)),)
    try:
        groups = tuple(
            tuple(as_count("axis", a, 0, d - 1) for a in _items(p)) for p in _items(populations)
        )
    except ArgumentError:
        groups = ()
    if sorted(a for p in groups for a in p) != list(range(d)) or not all(groups):
        raise ArgumentError(
            f"populations must hold each of the axes 0..{d - 1} once, got {shown(populations)}; "
            f"try {tuple((a,) for a in range(d))}"
        )
    return groups


def _items(value: object) -> tuple[object, ...]:
    """Return the items of a sequence; a str, or what cannot be iterated, has none."""
    if isinstance(value, str | bytes):
        return ()
    try:
        return tuple(cast(Iterable[object], value))
    except TypeError:
        return ()


@dataclass(frozen=True, slots=True, eq=False)
class SynapticField:
    """Values on sites, samples first. Two fields are equal only if they are one object.

    Parameters
    ----------
    values : array
        Of shape ``(n_samples, *sites.shape)``, or ``sites.shape`` for one sample. float16,
        bfloat16, float32 and float64 are kept as they are; the array is not copied, and is
        read-only here. What is written to it elsewhere changes the field unchecked.
    sites : Lattice
        Where the values live.
    name : str
        What the field is, for tables and figures.
    sample : str
        What one sample is (``"out neuron"``, ``"network"``).
    natural : bool
        Whether the order of the sites means something (pixels, taps, positions). The index of a
        hidden neuron does not: its blocks are random ones, see the *Definitions* page.
    independent : bool
        Whether samples are independent draws, so that errors may leave out samples. The taps of a
        kernel and the gates of a cell are not.
    notes : tuple of str
        What was done to the numbers on the way, printed with every result.

    Raises
    ------
    ArgumentError
        If shapes disagree, the field is empty or masked, or the values are no real numbers within
        double precision: integers, complex, Python objects.
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
    independent: bool = True
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if not isinstance(self.sites, Lattice):
            raise ArgumentError(
                f"sites must be a Lattice, got {type(self.sites).__name__}; try nnrg.Lattice(shape)"
            )
        values = as_array(self.values, self.name)
        if values.shape == self.sites.shape:
            values = values[None]
        if values.shape[1:] != self.sites.shape:
            raise ArgumentError(
                f"values must have shape (n_samples, {', '.join(map(str, self.sites.shape))}), "
                f"got {values.shape}; reshape them, samples first"
            )
        if values.size == 0:
            raise ArgumentError(f"field {self.name!r} is empty: shape {values.shape}")
        values = as_float(values, self.name)
        check_finite(values, self.name)
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

    def standardised(self) -> SynapticField:
        """Return the field with the mean and the standard deviation of each site taken out.

        Sites of unequal variance look like a quartic interaction: a mixture of Gaussians with
        variances v has excess kurtosis 3 Var(v)/E[v]^2. Means and deviations are those over the
        samples, n - 1 in the denominator, and count as known afterwards: of n samples they take a
        share of order 1/n.

        Returns
        -------
        SynapticField
            float64, dimensionless.

        Raises
        ------
        AnalysisError
            If there are fewer than ten samples, or a site has the same value in all.

        Examples
        --------
        >>> import numpy as np
        >>> from nnrg.fields import Lattice, SynapticField
        >>> values = np.arange(30.0).reshape(10, 3) * [1, 2, 3]
        >>> SynapticField(values, Lattice(3)).standardised().values.std(axis=0, ddof=1)
        array([1., 1., 1.])
        """
        if self.n_samples < _FEWEST_SAMPLES:
            raise AnalysisError(
                f"field {self.name!r} has {self.n_samples} samples: the variance of a site is not "
                f"known from fewer than {_FEWEST_SAMPLES}; leave its sites as they are"
            )
        values = self.values.astype(np.float64)
        values -= values.mean(axis=0)
        spread = values.std(axis=0, ddof=1)
        dead = int(np.count_nonzero(spread == 0))
        if dead:
            raise AnalysisError(
                f"field {self.name!r} has {dead} sites that are the same in every sample and "
                "cannot be standardised; leave them out, or leave the sites as they are"
            )
        return self.replaced(values / spread, "each site standardised over the samples")
