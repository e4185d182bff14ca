"""The parts of a field that the jackknife leaves out one at a time.

With several independent samples the parts are samples, those that repeat one another together;
else they are regions of the lattice, left out of all samples at once. A part is the same region at
every scale, so that the scales stay together in a replicate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, RepeatedSamplesError
from nnrg.fields import SynapticField
from nnrg.rg._sample_runs import run_length, run_note
from nnrg.stats.jackknife import FEWEST_SAMPLES, Jackknife
from nnrg.stats.partition import sample_groups

__all__ = ["Groups", "choose_groups", "fewest_blocks", "label_repeats", "unit", "whole"]

# Fewest blocks along an axis at the coarsest scale where regions are left out, by dimension.
_FEWEST_BLOCKS = {1: 16, 2: 4, 3: 3, 4: 2}
# Samples with a correlation above this, of either sign, are called repeats of one another, if that
# is five standard deviations or more: the typical correlation must be below 0.14.
_REPEATED = 0.7
_TYPICAL = 0.14
_MOST_COMPARED = 16384
# Of values that take so few levels, in so many samples, whole samples can be the same by chance.
_FEW_VALUES = 16
_SPARE_BITS = 10
_LOOKED_AT = 1024
# Repeats of which so many lie within a run of one another are those of a Markov chain.
_WITHIN = 0.9


@dataclass(frozen=True, slots=True)
class Groups:
    """A partition of samples and sites into jackknife groups.

    Attributes
    ----------
    sample_group : int array of shape (n_samples,)
    edges : one int array an axis
        Where the lattice at b = 1 is cut; multiples of the largest block.
    kind : str
        ``"samples"`` or ``"regions"``, for reports.
    note : str
        What a reader must know of them.
    """

    sample_group: npt.NDArray[np.int64]
    edges: tuple[npt.NDArray[np.int64], ...]
    kind: str
    note: str = ""

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        cells = int(np.prod([e.size - 1 for e in self.edges]))
        return (int(self.sample_group.max()) + 1) * cells

    def edges_at(
        self, factors: tuple[int, ...], level: int, shape: tuple[int, ...]
    ) -> tuple[npt.NDArray[np.int64], ...]:
        """Return the cuts in coordinates of the block lattice at one level."""
        cuts = []
        for edge, factor, length in zip(self.edges, factors, shape, strict=True):
            cut = edge // factor**level
            cut[-1] = length
            cuts.append(cut)
        return tuple(cuts)


def unit(field: SynapticField, errors: Jackknife) -> Literal["samples", "sites"]:
    """Say what is left out of a field: sites too where its samples are not independent."""
    if errors.over == "auto" and not field.independent:
        return "sites"
    return errors.unit(field.n_samples)


def fewest_blocks(field: SynapticField, errors: Jackknife) -> int:
    """Return how many blocks along an axis the coarsest scale must keep for an error to exist."""
    return 2 if unit(field, errors) == "samples" else _FEWEST_BLOCKS[field.sites.dimension]


def choose_groups(
    field: SynapticField,
    errors: Jackknife,
    regions: Callable[[int], tuple[npt.NDArray[np.int64], ...]],
) -> Groups:
    """Leave out samples where there are enough, else regions that no block straddles.

    `regions` gives the cuts between regions, of which there are at most so many along an axis.

    Raises
    ------
    RepeatedSamplesError
        If all samples are one, up to repetition.
    AnalysisError
        If there are fewer than two groups.
    """
    shape = field.sites.shape
    if unit(field, errors) == "samples":
        labels, note, length, tau = _parts(field)
        count = int(labels.max()) + 1
        most = min(errors.max_groups, count)
        if errors.blocks is None:
            most = min(most, max(1, count // length))
        said = run_note(count, most, length, tau)
        groups = Groups(
            sample_groups(count, most)[labels].astype(np.int64),
            tuple(np.array([0, n]) for n in shape),
            "samples",
            "; ".join(words for words in (note, said) if words),
        )
    else:
        cells = errors.cells_per_axis(field.sites.dimension)
        groups = Groups(
            np.zeros(field.n_samples, dtype=np.int64),
            regions(cells),
            "regions",
        )
    if groups.n_groups < 2 and groups.note:
        raise RepeatedSamplesError(
            f"the {field.n_samples} samples of field {field.name!r} repeat one another, each like "
            "the next: no error can be told; give their axis a lattice if it has one (--sites, "
            "sites=), take every n-th of a longer Markov chain, or leave out sites with "
            "Jackknife(over='sites')"
        )
    if groups.n_groups < 2:
        raise AnalysisError(
            f"field {field.name!r} has one jackknife group ({groups.kind}): no error can be told; "
            "give more samples, or leave out sites with Jackknife(over='sites')"
        )
    return groups


def _parts(field: SynapticField) -> tuple[npt.NDArray[np.int64], str, int, float]:
    """Label samples that repeat one another; say so, and how long runs of the others must be."""
    labels, note, gaps = _repeats(field)
    if gaps.size:
        # Neighbours of a slow chain are alike, which links it into one: runs are its parts.
        copies, said = _exact_copies(field)
        first = np.unique(copies, return_index=True)[1]
        length, tau = run_length(field, first)
        if first.size >= FEWEST_SAMPLES * length and np.mean(gaps <= length) > _WITHIN:
            return copies, said, length, tau
    return labels, note, *run_length(field, np.unique(labels, return_index=True)[1])


def label_repeats(field: SynapticField) -> tuple[npt.NDArray[np.int64], str]:
    """Label samples so that those which repeat one another, up to a factor, share a label."""
    return _repeats(field)[:2]


def _repeats(
    field: SynapticField,
) -> tuple[npt.NDArray[np.int64], str, npt.NDArray[np.int64]]:
    """Label samples as `label_repeats`; also return how far apart the two of each pair are."""
    n = field.n_samples
    alone, none = np.arange(n, dtype=np.int64), np.zeros(0, dtype=np.int64)
    if n < 2:
        return alone, "", none
    rows = field.values.reshape(n, -1)
    if n > _MOST_COMPARED or _typical(rows) > _TYPICAL:
        return *_exact_copies(field), none
    y = _unit_rows(rows)
    first, second = [], []
    for start in range(0, n, 1024):
        close = np.abs(y[start : start + 1024] @ y.T) > _REPEATED
        i, j = np.nonzero(close)
        first.append(i + start)
        second.append(j)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    i, j = np.concatenate(first), np.concatenate(second)
    links = coo_array((np.ones(i.size, dtype=np.int8), (i, j)), shape=(n, n))
    count, labels = connected_components(links, directed=False)
    if count == n:
        return alone, "", none
    note = (
        f"{n} samples are {count} that do not repeat one another (correlation above {_REPEATED} "
        "of either sign): repeats are left out together"
    )
    # In order of their first sample, so that neighbouring samples stay in neighbouring groups.
    _, at, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(at))
    return order[inverse].astype(np.int64), note, (j - i)[j > i].astype(np.int64)


def _unit_rows(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    y = rows.astype(np.float32)
    y /= np.maximum(np.sqrt(np.einsum("ij,ij->i", y, y, dtype=np.float64)), 1e-30)[:, None]
    return y


def _typical(rows: npt.NDArray[np.float64]) -> float:
    """Return the typical correlation of two samples, from pairs far apart in the list.

    Those are repeats of one another only by chance; copies of a whole set of samples are at one of
    two distances at most.
    """
    n = len(rows)
    medians = []
    for shift in {max(1, n // 2), max(1, n // 3)}:
        at = np.linspace(0, n - shift - 1, min(n - shift, _MOST_COMPARED)).astype(np.int64)
        pairs = np.einsum("ij,ij->i", _unit_rows(rows[at]), _unit_rows(rows[at + shift]))
        medians.append(float(np.median(np.abs(pairs))))
    return min(medians) / 0.6745


def _exact_copies(field: SynapticField) -> tuple[npt.NDArray[np.int64], str]:
    """Label samples so that exact copies share a label, in order of their first one.

    Not those of spins that are few, or mostly ordered, which are the same by chance; those of a
    constant field are refused for what they are, elsewhere.
    """
    rows = field.values.reshape(field.n_samples, -1)
    alone = np.arange(len(rows), dtype=np.int64)
    label: dict[bytes, int] = {}
    digests = (blake2b(row.tobytes(), digest_size=16).digest() for row in rows)
    labels = np.array([label.setdefault(one, len(label)) for one in digests], dtype=np.int64)
    if len(label) == len(rows) or _same_by_chance(rows, labels):
        return alone, ""
    return labels, f"{len(rows)} samples are {len(label)} and copies of them, left out together"


def _same_by_chance(rows: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> bool:
    """Say whether samples of so few levels can agree without being copies of one another."""
    levels = np.unique(rows[:: max(1, len(rows) // _LOOKED_AT)]).size
    if levels > _FEW_VALUES:
        return False
    commonest = rows[labels == np.bincount(labels).argmax()][0]
    possible, pairs = rows.shape[1] * np.log2(levels), 2 * np.log2(len(rows))
    return bool(possible < pairs + _SPARE_BITS or np.all(commonest == commonest[0]))


def whole(field: SynapticField) -> Groups:
    """Return one group that holds everything."""
    return Groups(
        np.zeros(field.n_samples, dtype=np.int64),
        tuple(np.array([0, n]) for n in field.sites.shape),
        "whole",
    )
