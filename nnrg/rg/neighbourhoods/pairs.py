"""Neighbourhoods of the phenomenological RG: units paired by their correlation, again and again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, as_real, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.fields import SynapticField
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.lattice import Lattice
from nnrg.rg.neighbourhoods._pairing import pair_hierarchy, pair_levels, pairing_notes
from nnrg.rg.neighbourhoods._split import Split, all_measured, at_random, in_time, is_sparse
from nnrg.rg.neighbourhoods.hierarchy import Choice, Hierarchy

__all__ = ["PairBlocks", "flat_units", "pair_hierarchy"]


@dataclass(frozen=True, slots=True, eq=False)
class PairBlocks:
    r"""Pair the two most correlated units, then the two most correlated of the rest, and so on.

    Pairs are paired again in the same way, by the correlation of their sums: blocks hold 1, 2, 4,
    .. units. Pairing picks large correlations, and so in part large fluctuations: measured on the
    samples that chose, independent units too seem to gain variance faster than their number. The
    samples are therefore split, some choose and the others are measured.

    Where the number of units or blocks is odd, the one that is left in the end is left out of all
    levels: blocks of unequal size would fake interactions.

    Parameters
    ----------
    split : float or None
        Share of the samples that choose. None if `chosen_on` is given, which alone
        chooses then.
    series : bool
        Whether the samples are steps of one time series: then stretches of time choose and are
        measured in turn, with gaps of two autocorrelation times between them. Else samples are
        drawn by `seed`, and those that repeat one another stay together.
    chosen_on : SynapticField or array of shape (n, n_units), optional
        Other samples of the same units, on which pairs are chosen. All of the field is measured.
    magnitude : bool
        Whether correlations of either sign count. Blocks are sums all the same, so that two units
        of opposite sign cancel.
    seed : int
        Which samples choose.

    Raises
    ------
    ArgumentError
        If an argument is out of range, or not exactly one of `split` and `chosen_on` is given.

    Notes
    -----
    Of N independent units, T samples choose pairs of correlation :math:`\rho_{max} \approx
    \sqrt{2 \ln N / T}` or somewhat more, and the variance of a sum seems to grow by
    :math:`2^{1 + \log_2(1 + \rho_{max})}` a step; on other samples it doubles.

    Method: L. Meshulam et al., Physical Review Letters 123 (2019) 178103,
    doi:10.1103/PhysRevLett.123.178103, where the same samples choose and are measured.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.fields import Lattice, SynapticField
    >>> from nnrg.rg.neighbourhoods.pairs import PairBlocks
    >>> rng = np.random.default_rng(1)
    >>> twins = rng.normal(size=(400, 4)).repeat(2, axis=1) + 0.1 * rng.normal(size=(400, 8))
    >>> field = SynapticField(twins, Lattice(8), natural=False)
    >>> choice = PairBlocks().choose(field, levels=2, fewest=1)
    >>> choice.hierarchies[0].labels[1].tolist(), choice.field.n_samples
    ([0, 0, 1, 1, 2, 2, 3, 3], 200)
    """

    split: float | None = 0.5
    series: bool = False
    chosen_on: SynapticField | npt.NDArray[Any] | None = None
    magnitude: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("series", "magnitude"):
            if not isinstance(getattr(self, name), bool | np.bool_):
                raise ArgumentError(
                    f"{name} must be True or False, got {shown(getattr(self, name))}"
                )
        as_count("seed", self.seed, 0)
        if (self.split is None) == (self.chosen_on is None):
            raise ArgumentError(
                "samples that choose pairs cannot be those that are measured: give a split, "
                "PairBlocks(split=0.5), or others, PairBlocks(split=None, chosen_on=held_out)"
            )
        if self.split is not None and not 0 < as_real("split", self.split, hint="try 0.5") < 1:
            raise ArgumentError(f"split must be above 0 and below 1, got {self.split}; try 0.5")
        if self.chosen_on is not None:
            object.__setattr__(self, "chosen_on", _as_samples(self.chosen_on))

    def __repr__(self) -> str:
        given = f"split={self.split}"
        if self.chosen_on is not None:
            n, units = cast(npt.NDArray[Any], self.chosen_on).shape
            given = f"split=None, chosen_on=<{n} samples of {units} units>"
        for name, default in (("series", False), ("magnitude", False), ("seed", 0)):
            if (value := getattr(self, name)) != default:
                given += f", {name}={value}"
        return f"PairBlocks({given})"

    @property
    def provenance(self) -> str:
        """Which numbers chose the blocks."""
        kind = "magnitudes of correlations" if self.magnitude else "correlations"
        if self.split is None:
            n = len(cast(npt.NDArray[Any], self.chosen_on))
            return f"{kind} in {n} samples that are not measured"
        share = f"{self.split:.0%} of the samples"
        if self.series:
            return f"{kind} in {share}, stretches of time in turn with those that are measured"
        return f"{kind} in {share}, drawn with seed {self.seed}; the others are measured"

    def samples(self, field: SynapticField) -> Split:
        """Return which samples of a field choose, and which are measured.

        Raises
        ------
        AnalysisError
            If they are too few, or samples that choose are among those measured.
        """
        values = flat_units(field)
        if self.split is not None:
            if self.series:
                return in_time(values, self.split)
            return at_random(values, self.split, self.seed)
        self._check_held_out(field)
        return all_measured(values, self.series)

    def choosing(self, field: SynapticField, split: Split) -> npt.NDArray[Any]:
        """Return the samples that choose, of shape (n, n_units)."""
        if self.chosen_on is not None:
            return cast(npt.NDArray[Any], self.chosen_on)
        return np.asarray(flat_units(field)[split.choosing])

    def choose(self, field: SynapticField, levels: int | None, fewest: int) -> Choice:
        """Choose pairs, pairs of pairs, and so on; what is measured is the other samples.

        Units that an odd number leaves over at any level are in no block at all, so that all levels
        are of the same units.

        Raises
        ------
        ArgumentError
            If the field has more than one axis of sites.
        AnalysisError
            If there are too few units or samples, or samples that are split are not independent.
        """
        values = flat_units(field)
        units = values.shape[1]
        if self.split is not None and not self.series and not field.independent:
            raise AnalysisError(
                f"samples of field {field.name!r} are not independent: those that choose would "
                "tell of those that are measured; give chosen_on=, or series=True for a time series"
            )
        wanted = pair_levels(units, levels, fewest)
        split = self.samples(field)
        chosen = self.choosing(field, split)
        partitions = pair_hierarchy(chosen, wanted, magnitude=self.magnitude)
        kept = np.flatnonzero(partitions[-1] >= 0)
        notes = [*split.notes, *pairing_notes(chosen, partitions)]
        if self.chosen_on is None:
            notes.insert(0, f"{split.measuring.size} of {field.n_samples} samples are measured")
        graph = field.sites if isinstance(field.sites, ConnectionGraph) else None
        sites: Lattice | ConnectionGraph = field.sites
        if kept.size < units:
            graph = None if graph is None else graph.subgraph(kept)
            sites = Lattice(kept.size) if graph is None else graph
        measured = replace(field, values=field.values[np.ix_(split.measuring, kept)], sites=sites)
        # Blocks are numbered anew without those that are left out.
        whole = [np.unique(labels[kept], return_inverse=True)[1] for labels in partitions]
        hierarchy = Hierarchy(whole, notes)
        return Choice(measured, (hierarchy,), (graph,))

    def _check_held_out(self, field: SynapticField) -> None:
        chosen, values = cast(npt.NDArray[Any], self.chosen_on), flat_units(field)
        if chosen.shape[1] != values.shape[1]:
            raise ArgumentError(
                f"samples that choose must be of the {values.shape[1]} units of field "
                f"{field.name!r}, got {chosen.shape[1]}; give the same units in the same order"
            )
        if np.shares_memory(chosen, values):
            repeated = min(len(chosen), len(values))
        elif is_sparse(values):  # samples of sparse activity coincide by chance
            repeated = 0
        else:
            known = {row.tobytes() for row in chosen.astype(np.float64)}
            repeated = sum(row.tobytes() in known for row in values.astype(np.float64))
        if repeated:
            raise AnalysisError(
                f"{repeated} of {len(values)} samples of field {field.name!r} are among those that "
                "choose the pairs: numbers measured on them are biased; hold out others, or split"
            )


def flat_units(field: SynapticField) -> npt.NDArray[Any]:
    """Return the values of a field of units, of shape (n_samples, n_units).

    Raises
    ------
    ArgumentError
        If the sites of the field have more than one axis.
    """
    values = field.values
    if values.ndim != 2:
        raise ArgumentError(
            f"pairs are made of units along one axis, field {field.name!r} has "
            f"{values.ndim - 1}; reshape its values to (n_samples, n_units)"
        )
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float32)


def _as_samples(given: object) -> npt.NDArray[Any]:
    """Return held-out samples as a read-only array (n, n_units), checked like a field."""
    if not isinstance(given, SynapticField):
        array = np.asarray(given)
        if array.ndim != 2:
            raise ArgumentError(
                f"samples that choose must have shape (n, n_units), got {array.shape}; samples "
                "come first"
            )
        given = SynapticField(array, Lattice(array.shape[1] or 1), name="samples that choose")
    if given.n_samples < 2:
        raise AnalysisError(f"{given.n_samples} sample cannot choose pairs, two are needed")
    return flat_units(given)
