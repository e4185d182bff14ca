"""ProductBlocks: a weight matrix blocked by the neighbourhoods of its two populations."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nnrg._validate import shown
from nnrg.errors import ArgumentError
from nnrg.fields import Lattice, SynapticField
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg.neighbourhoods.hierarchy import Choice, Hierarchy, Neighbourhoods

__all__ = ["ProductBlocks"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ProductBlocks:
    """One rule for each of the two populations that a weight matrix connects.

    A block of the matrix is a block of its rows times a block of its columns.

    Parameters
    ----------
    rows, columns : Neighbourhoods, optional
        Rules that choose without the values of the field: on a graph of the population made from
        other layers or from held-out activations, by labels, at random. None leaves an axis as it
        is; the length of a block, (sites in a block)^(1/2), then grows by that of the other alone.

    Raises
    ------
    ArgumentError
        If a rule is none, both are None, or one would choose by a split of the samples.

    Notes
    -----
    A matrix field has few samples, most often one, and what is a sample of one axis are the sites
    of the other: to choose blocks of rows on some of the columns would leave those columns unfit
    to be measured, or measure them with blocks that they chose. A rule with a split is refused.

    Examples
    --------
    >>> import numpy as np
    >>> import nnrg
    >>> from nnrg.rg.neighbourhoods.labels import LabelBlocks
    >>> from nnrg.rg.neighbourhoods.product import ProductBlocks
    >>> weights = np.random.default_rng(1).normal(size=(1, 4, 6))
    >>> field = nnrg.SynapticField(weights, nnrg.Lattice((4, 6), populations=((0,), (1,))))
    >>> blocks = ProductBlocks(LabelBlocks([0, 1, 0, 1]), LabelBlocks([0, 0, 1, 1, 2, 2]))
    >>> [h.sizes(1).tolist() for h in blocks.choose(field, None, 1).hierarchies]
    [[2, 2], [2, 2, 2]]
    """

    rows: Neighbourhoods | None
    columns: Neighbourhoods | None

    def __post_init__(self) -> None:
        if self.rows is None and self.columns is None:
            raise ArgumentError("give a rule for the rows, the columns, or both; both are None")
        for name, rule in (("rows", self.rows), ("columns", self.columns)):
            if rule is not None and (
                isinstance(rule, type | ProductBlocks) or not isinstance(rule, Neighbourhoods)
            ):
                raise ArgumentError(
                    f"{name} must be a rule such as MatchingBlocks(graph), or None, got "
                    f"{shown(rule)}"
                )
            if getattr(rule, "split", None) is not None:
                raise ArgumentError(
                    f"{name} would be chosen on a part of the samples, and the samples of one axis "
                    "of a matrix are the sites of the other, which are all measured; give "
                    f"{type(rule).__name__} a graph from other layers or held-out activations"
                )

    @property
    def provenance(self) -> str:
        """Which numbers chose the blocks."""
        parts = [
            f"{name}: {'as they are' if rule is None else rule.provenance}"
            for name, rule in (("rows", self.rows), ("columns", self.columns))
        ]
        return "; ".join(parts)

    def choose(self, field: SynapticField, levels: int | None, fewest: int) -> Choice:
        """Choose nested blocks of both axes; see `Neighbourhoods.choose`.

        `fewest` counts blocks along each axis that is blocked. Both have as many levels as the one
        with fewer.

        Raises
        ------
        ArgumentError
            If the field is not on the product of two populations, a rule does not fit its axis, or
            there are not as many levels as asked for.
        AnalysisError
            If the numbers that choose are those that are measured, or no level can be formed.
        """
        sites = field.sites
        if not isinstance(sites, Lattice) or sites.populations != ((0,), (1,)):
            raise ArgumentError(
                f"ProductBlocks takes a matrix on two populations, field {field.name!r} is on "
                f"{sites!r}; try nnrg.Lattice((n_out, n_in), populations=((0,), (1,)))"
            )
        rules = (self.rows, self.columns)
        axes = [_numbers_of_sites(field, axis) for axis in (0, 1)]
        chosen = [
            None if rule is None else rule.choose(axis, levels, fewest)
            for rule, axis in zip(rules, axes, strict=True)
        ]
        n_levels = min(len(one.hierarchies[0]) for one in chosen if one is not None)
        # With fewer levels a rule may leave out fewer sites.
        chosen = [
            one
            if rule is None or one is None or len(one.hierarchies[0]) == n_levels
            else rule.choose(axis, n_levels, fewest)
            for rule, axis, one in zip(rules, axes, chosen, strict=True)
        ]
        values, shape = field.values, []
        hierarchies: list[Hierarchy] = []
        graphs: list[ConnectionGraph | None] = []
        for axis, one in enumerate(chosen):
            if one is None:
                hierarchies.append(_left_alone(sites.shape[axis], n_levels))
                graphs.append(None)
                shape.append(sites.shape[axis])
                continue
            kept = one.field.values[0].astype(np.int64)
            if not np.array_equal(kept, np.arange(sites.shape[axis])):
                values = np.take(values, kept, axis=axis + 1)
            hierarchies.append(one.hierarchies[0])
            graphs.append(one.graphs[0])
            shape.append(kept.size)
        if values is not field.values:
            lattice = Lattice(shape, axes=sites.axes, populations=sites.populations)
            field = replace(field, values=values, sites=lattice)
        return Choice(field, tuple(hierarchies), tuple(graphs))


def _numbers_of_sites(field: SynapticField, axis: int) -> SynapticField:
    """Return the sites of one axis, each with its number for a value.

    What a rule leaves out or reorders can then be read off what it returns.
    """
    n = field.sites.shape[axis]
    return SynapticField(
        np.arange(n, dtype=np.float64)[None],
        Lattice(n),
        name=f"{field.name} ({'rows' if axis == 0 else 'columns'})",
        natural=False,
        sources=field.sources,
    )


def _left_alone(n: int, n_levels: int) -> Hierarchy:
    out = Hierarchy([np.arange(n, dtype=np.int64)], ("one axis is left as it is",))
    # Made from partitions, a hierarchy has the sites themselves for one level only.
    object.__setattr__(out, "labels", out.labels * n_levels)
    return out
