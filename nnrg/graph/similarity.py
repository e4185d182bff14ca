"""Graphs of units that are alike: each joined with its nearest neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count, shown
from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.graph.connection_graph import ConnectionGraph

__all__ = ["similarity_graph", "similarity_graph_of_products"]

_MEASURES = ("cosine", "correlation", "euclidean")
_JOIN = ("either", "both")
# Entries of one slab of the matrix of similarities, 8 bytes each.
_SLAB = 8_000_000
# Rounding of products differs with the order of units; beyond it two similarities are one.
_DIGITS = 12
_MOST_TIES = 20
_SHOWN = 8

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def similarity_graph(
    vectors: npt.ArrayLike,
    *,
    neighbours: int = 10,
    measure: str = "cosine",
    absolute: bool = False,
    joined_by: str = "either",
    provenance: str = "similarity of vectors",
    sources: Iterable[str] = (),
) -> ConnectionGraph:
    """Return the graph of each unit and the units most like it.

    Parameters
    ----------
    vectors : array of shape (n_units, n_features)
        What is known of each unit: its weights, or its activations on probe inputs.
    neighbours : int
        Edges that each unit asks for; units as near as the last of them are neighbours too.
    measure : {"cosine", "correlation", "euclidean"}
        Similarity s of two units: cosine of their angle; the same with each unit's mean taken
        out; exp(-D^2 / 2 D_k^2) of their distance D, D_k being the median distance over all units
        to their last neighbour. Dimensionless; the weight of the edge.
    absolute : bool
        Whether units with opposite vectors are alike too: the magnitude of s then is the
        similarity.
    joined_by : {"either", "both"}
        Whether one of two units must ask for an edge (union), or both must (mutual).
    provenance : str
        Which numbers made the graph.
    sources : iterable of str
        Names of the tensors or data that `vectors` comes from; a field that comes from one of
        them cannot be renormalised on this graph.

    Returns
    -------
    ConnectionGraph
        Positive weights. `notes` say which units have no direction (a zero or constant vector:
        isolated nodes) and how many asked for neighbours of similarity zero or less (not edges).

    Raises
    ------
    ArgumentError
        If there are fewer than two units, or an option is none of the above.
    NonFiniteError
        If a number is NaN or infinite.
    AnalysisError
        If so many units are equally similar that "the nearest" means nothing, or none are alike.

    Notes
    -----
    Similarities are rounded to 12 digits and computed a slab at a time: memory is that of
    `vectors`, a slab of 64 MB, and the edges.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.graph.similarity import similarity_graph
    >>> angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    >>> similarity_graph(np.stack([np.cos(angle), np.sin(angle)], axis=1), neighbours=2)
    ConnectionGraph(12 nodes, 12 edges, 1 component)
    """
    if measure not in _MEASURES:
        raise ArgumentError(f"measure must be one of {', '.join(_MEASURES)}, got {shown(measure)}")
    if absolute and measure == "euclidean":
        raise ArgumentError("absolute=True is for angles; a distance has no sign")
    units = _as_units(vectors)
    how = _How(units.shape[0], neighbours, measure, absolute, joined_by)
    scaled, lost = _scaled(units, measure)
    return _joined(how, _slabs(scaled, measure), lost, provenance, sources)


def similarity_graph_of_products(
    products: Floats,
    *,
    neighbours: int = 10,
    absolute: bool = False,
    joined_by: str = "either",
    provenance: str = "similarity of vectors",
    sources: Iterable[str] = (),
) -> ConnectionGraph:
    """Return the graph of `similarity_graph` by cosine, from the products of the vectors.

    Parameters
    ----------
    products : array of shape (n_units, n_units)
        v_i . v_j of vectors that were never put next to one another.
    neighbours, absolute, joined_by, provenance, sources
        As in `similarity_graph`, and what is raised too.
    """
    _check_finite(products, "products")
    how = _How(products.shape[0], neighbours, "cosine", absolute, joined_by)
    square = np.diagonal(products)
    scale = np.divide(1.0, np.sqrt(np.maximum(square, 0)), out=np.zeros(how.n), where=square > 0)
    step = max(1, _SLAB // how.n)
    slabs = (
        (at, products[at : at + step] * scale[at : at + step, None] * scale)
        for at in range(0, how.n, step)
    )
    return _joined(how, slabs, np.flatnonzero(scale == 0), provenance, sources)


class _How:
    """How many neighbours units ask for, by what, and who must ask."""

    def __init__(
        self, n: int, neighbours: int, measure: str, absolute: bool, joined_by: str
    ) -> None:
        if joined_by not in _JOIN:
            raise ArgumentError(f"joined_by must be 'either' or 'both', got {shown(joined_by)}")
        self.n, self.measure, self.absolute, self.joined_by = n, measure, absolute, joined_by
        self.k = as_count("neighbours", neighbours, 1, n - 1, hint=f"there are {n} units")


def _joined(
    how: _How,
    slabs: Iterable[tuple[int, Floats]],
    lost: Ints,
    provenance: str,
    sources: Iterable[str],
) -> ConnectionGraph:
    """Return the graph of units by slabs of the matrix of similarities, `lost` without any."""
    notes = []
    if lost.size:
        named = ", ".join(map(str, lost[:_SHOWN].tolist())) + (
            ", ..." if lost.size > _SHOWN else ""
        )
        notes.append(f"{lost.size} units have no direction and are isolated nodes: {named}")
    row, column, value = _nearest(slabs, how, lost)
    if how.measure == "euclidean":
        value = _from_distance(row, value, how.n)
    unlike = int(np.count_nonzero(value <= 0))
    if unlike:
        notes.append(f"{unlike} of {value.size} nearest neighbours are not alike (s <= 0): no edge")
    keep = value > 0
    if not np.any(keep):
        raise AnalysisError(
            f"no two of {how.n} units have a positive similarity; try absolute=True or another "
            "measure"
        )
    asked = f"asked for by {how.joined_by} of two units"
    notes.insert(0, f"{how.k} nearest neighbours by {how.measure}, {asked}")
    return _as_graph(row[keep], column[keep], value[keep], how, provenance, sources, notes)


def _as_units(vectors: npt.ArrayLike) -> Floats:
    array = np.asarray(vectors)
    if array.ndim != 2 or array.shape[0] < 2 or array.shape[1] < 1:
        raise ArgumentError(
            f"vectors must have shape (n_units, n_features) with two units or more, got "
            f"{array.shape}; reshape them, units first"
        )
    try:
        units = array.astype(
            np.float64, casting="same_kind" if array.dtype.kind in "fc" else "safe"
        )
    except TypeError:
        raise ArgumentError(f"vectors must be real numbers, got {array.dtype}") from None
    _check_finite(units, "numbers of vectors")
    return units


def _check_finite(numbers: Floats, what: str) -> None:
    bad = int(np.count_nonzero(~np.isfinite(numbers)))
    if bad:
        raise NonFiniteError(f"{bad} of {numbers.size} {what} are NaN or infinite")


def _scaled(units: Floats, measure: str) -> tuple[Floats, Ints]:
    """Return vectors whose products are similarities, and the units that have no direction."""
    if measure == "euclidean":
        return units - units.mean(axis=0), np.empty(0, dtype=np.int64)
    largest = np.abs(units).max(axis=1, keepdims=True)
    centred = units / np.where(largest > 0, largest, 1)
    if measure == "correlation":
        centred -= centred.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(centred, axis=1, keepdims=True)
    # What is left of a constant vector after its mean is rounding.
    none = norm[:, 0] <= 1e-13 * np.sqrt(units.shape[1])
    scaled: Floats = np.where(none[:, None], 0.0, centred / np.where(norm > 0, norm, 1))
    return scaled, np.flatnonzero(none)


def _nearest(
    slabs: Iterable[tuple[int, Floats]], how: _How, lost: Ints
) -> tuple[Ints, Ints, Floats]:
    """Return who asks whom, and the similarity, or minus the squared distance, of the two."""
    n, k = how.n, how.k
    k = min(k, n - 1 - lost.size) if lost.size else k
    rows, columns, values = [], [], []
    total = 0
    for start, slab in slabs:
        if how.absolute:
            np.abs(slab, out=slab)
        np.round(slab, _DIGITS, out=slab)
        slab[np.arange(slab.shape[0]), np.arange(start, start + slab.shape[0])] = -np.inf
        slab[:, lost] = -np.inf
        slab[np.isin(np.arange(start, start + slab.shape[0]), lost)] = -np.inf
        last = np.partition(slab, n - max(k, 1), axis=1)[:, n - max(k, 1), None]
        row, column = np.nonzero((slab >= last) & (slab > -np.inf))
        total += row.size
        if total > _MOST_TIES * max(k, 1) * n:
            raise AnalysisError(
                f"more than {_MOST_TIES} times the {k} neighbours asked for are equally near: "
                "many units are the same; leave copies out, or ask for fewer neighbours"
            )
        rows.append(row + start)
        columns.append(column)
        values.append(slab[row, column])
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(values)


def _slabs(units: Floats, measure: str) -> Iterator[tuple[int, Floats]]:
    n = units.shape[0]
    step = max(1, _SLAB // n)
    square = np.einsum("if,if->i", units, units) if measure == "euclidean" else None
    scale = 1.0 if square is None else max(float(square.max()), np.finfo(float).tiny)
    for start in range(0, n, step):
        slab = units[start : start + step] @ units.T
        if square is not None:
            slab *= 2
            slab -= square[start : start + step, None]
            slab -= square
            slab /= scale  # so that rounding is relative to the size of the cloud
        yield start, slab


def _from_distance(row: Ints, value: Floats, n: int) -> Floats:
    """Return exp(-D^2 / 2 D_k^2) of minus the squared distances D^2."""
    square = np.maximum(-value, 0)
    last = np.zeros(n)
    np.maximum.at(last, row, square)
    middle = float(np.median(last))
    if middle <= 0:
        raise AnalysisError("most units have the same vector: distances tell nothing")
    similarity: Floats = np.exp(-square / (2 * middle))
    return similarity


def _as_graph(
    row: Ints,
    column: Ints,
    value: Floats,
    how: _How,
    provenance: str,
    sources: Iterable[str],
    notes: list[str],
) -> ConnectionGraph:
    from scipy.sparse import csr_array

    n = how.n
    asks = csr_array((value, (row, column)), shape=(n, n))
    if how.joined_by == "either":
        joined = asks.maximum(asks.T)
    else:
        joined = asks.minimum(asks.T)
    joined = joined.tocsr()
    joined.eliminate_zeros()
    joined.sort_indices()
    return ConnectionGraph(
        joined.indptr.astype(np.int64),
        joined.indices.astype(np.int64),
        joined.data.astype(np.float64),
        np.zeros(n, dtype=np.int64),
        ("units",),
        provenance,
        frozenset(sources),
        tuple(notes),
    )
