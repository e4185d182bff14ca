"""Synaptic fields: numbers on the sites of a lattice or the nodes of a graph.

A field is numbers on sites, samples first: ``values.shape == (n_samples, *sites.shape)``. What a
sample is, is the caller's statement: one neuron's row of incoming weights, one network of an
ensemble, or the whole of one matrix.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._field_values import as_array, as_float, check_finite
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.lattice import Lattice

__all__ = ["Lattice", "SynapticField"]

# Fewer samples do not tell the variance of a site.
_FEWEST_SAMPLES = 10


@dataclass(frozen=True, slots=True, eq=False)
class SynapticField:
    """Values on sites, samples first. Two fields are equal only if they are one object.

    Parameters
    ----------
    values : array
        Of shape ``(n_samples, *sites.shape)``, or ``sites.shape`` for one sample. float16,
        bfloat16, float32 and float64 are kept as they are; the array is not copied, and is
        read-only here. What is written to it elsewhere changes the field unchecked.
    sites : Lattice or ConnectionGraph
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
    sources : frozenset of str
        Names of the tensors or data that the values come from: blocks must not be chosen by them.

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
    sites: Lattice | ConnectionGraph
    name: str = "field"
    sample: str = "sample"
    natural: bool = True
    independent: bool = True
    notes: tuple[str, ...] = field(default=())
    sources: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not isinstance(self.sites, Lattice | ConnectionGraph):
            raise ArgumentError(
                f"sites must be a Lattice or a ConnectionGraph, got {type(self.sites).__name__}; "
                "try nnrg.Lattice(shape)"
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

    @property
    def lattice(self) -> Lattice:
        """The sites, if they are a lattice.

        Raises
        ------
        ArgumentError
            If the field lives on a graph.
        """
        if not isinstance(self.sites, Lattice):
            raise ArgumentError(
                f"field {self.name!r} lives on a graph, and this needs a lattice; "
                "SynapticField(values, nnrg.Lattice(n)) puts it on one"
            )
        return self.sites

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
