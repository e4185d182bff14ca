"""Rows of a contracted graph: entries of a block's nodes gathered, ordered and added up."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg_kernels._jit import borrowing_kernel, inlined_kernel
from nnrg_kernels._prefetch import prefetch

__all__ = [
    "count_columns",
    "count_members",
    "merge_rows",
    "place_rows",
    "relabel",
    "scatter_rows",
    "sort_members",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Index = npt.NDArray[Any]
Words = npt.NDArray[np.uint64]

# Up to this many entries are ordered by comparing all with all, which is vectorised.
FEW = 64
LANES = 32
SLOT = 6  # bits of the number of one of FEW
OWN = np.uint64(FEW - 1)
HALF = np.uint64(32)
LOW = np.uint64(0xFFFFFFFF)
ONE = np.uint64(1)
# Rows asked for ahead, and 32-bit entries in a cache line.
AHEAD = 8
LINE = 16


@borrowing_kernel
def count_members(indptr: Ints, labels: Ints, first: Ints, entries: Ints) -> None:
    """Count the nodes of each block before `first[block + 1]`, and their entries likewise."""
    for node in range(labels.size):
        block = labels[node]
        first[block + 1] += 1
        entries[block + 1] += indptr[node + 1] - indptr[node]
    for block in range(first.size - 1):
        first[block + 1] += first[block]
        entries[block + 1] += entries[block]


@borrowing_kernel
def sort_members(
    labels: Ints, first: Ints, members: npt.NDArray[np.int32], small: npt.NDArray[np.int32]
) -> None:
    """List the nodes of each block, ascending, and copy the labels to 32 bits.

    `first` is shifted by a block on return: `first[block]` is where the next block starts.
    """
    for node in range(labels.size):
        block = labels[node]
        small[node] = np.int32(block)
        members[first[block]] = np.int32(node)
        first[block] += 1


@borrowing_kernel
def relabel(
    indices: npt.NDArray[Any], labels: npt.NDArray[np.int32], out: npt.NDArray[np.int32]
) -> None:
    """Write the block of each entry: looked up in passing, while rows are still in order."""
    for e in range(indices.size):
        out[e] = labels[np.uint64(indices[e])]


@inlined_kernel
def _gather(
    indptr: Ints,
    blocks: npt.NDArray[np.int32],
    weights: npt.NDArray[Any],
    members: npt.NDArray[np.int32],
    begin: int,
    end: int,
    block: int,
    keys: npt.NDArray[np.int32],
    values: Floats,
    within: Floats,
) -> int:
    """Collect the entries of a block's nodes towards higher blocks; return how many."""
    count = np.uint64(0)
    inside = 0.0
    for t in range(begin, end):
        if t + 2 * AHEAD < members.size:
            prefetch(indptr, np.int64(members[t + 2 * AHEAD]))
            soon = indptr[members[t + AHEAD]]
            for line in range(0, 2 * LINE, LINE):
                prefetch(blocks, soon + line)
                prefetch(weights, soon + line)
        node = members[t]
        first, last = indptr[node], indptr[node + 1]
        row, row_weights = blocks[first:last], weights[first:last]
        for e in range(row.size):
            label = row[e]
            weight = np.float64(row_weights[e])
            # Written always and counted sometimes: a branch would be mispredicted half the time.
            keys[count] = label
            values[count] = weight
            count = np.uint64(count + np.uint64(label > block))
            if label == block:
                inside += weight
    within[block] = 0.5 * inside  # each edge was met at both of its ends
    return int(np.int64(count))


@inlined_kernel
def _merge_few(
    keys: npt.NDArray[np.int32],
    values: Floats,
    count: int,
    packed: Index,
    ordered: Index,
    last: int,
    columns: npt.NDArray[Any],
    sums: npt.NDArray[Any],
    at: int,
    shift: np.uint64,
    counts: Ints,
) -> int:
    """Order at most FEW entries by rank, add up those of one column; return the end of the row."""
    number = packed.dtype.type
    for e in range(count):
        packed[e] = number(number(number(keys[e]) << SLOT) | number(e))
    padded = (count + LANES - 1) // LANES * LANES
    for e in range(count, padded):
        packed[e] = last
    everything = packed[:padded]
    for e in range(count):
        key = packed[e]
        rank = number(0)
        for f in range(everything.size):
            rank = number(rank + number(everything[f] < key))
        ordered[np.uint64(rank)] = key
    e = 0
    while e < count:
        column = np.uint64(ordered[e] >> SLOT)
        total = values[np.uint64(ordered[e]) & OWN]
        e += 1
        while e < count and np.uint64(ordered[e] >> SLOT) == column:
            total += values[np.uint64(ordered[e]) & OWN]
            e += 1
        rounded = sums.dtype.type(total)
        if rounded != 0.0:
            columns[at] = column
            sums[at] = rounded
            counts[column >> shift] += 1
            at += 1
    return at


@inlined_kernel
def _merge_many(
    keys: npt.NDArray[np.int32],
    values: Floats,
    count: int,
    dense: Floats,
    bits: Words,
    summary: Words,
    columns: npt.NDArray[Any],
    sums: npt.NDArray[Any],
    at: int,
    shift: np.uint64,
    counts: Ints,
) -> int:
    """Add up entries in a row of all columns, whose touched ones two levels of bits keep."""
    for e in range(count):
        column = np.uint64(keys[e])
        dense[column] += values[e]
        word = np.uint64(column >> np.uint64(6))
        bits[word] |= np.uint64(ONE << np.uint64(column & np.uint64(63)))
        summary[word >> np.uint64(6)] |= np.uint64(ONE << np.uint64(word & np.uint64(63)))
    for s in range(summary.size):
        filled = summary[s]
        summary[s] = np.uint64(0)
        while filled:
            word = np.uint64(np.uint64(np.uint64(s) << np.uint64(6)) + _lowest(filled))
            filled = np.uint64(filled & np.uint64(filled - ONE))
            touched = bits[word]
            bits[word] = np.uint64(0)
            while touched:
                column = np.uint64(np.uint64(word << np.uint64(6)) + _lowest(touched))
                touched = np.uint64(touched & np.uint64(touched - ONE))
                total = sums.dtype.type(dense[column])
                dense[column] = 0.0
                if total != 0.0:
                    columns[at] = column
                    sums[at] = total
                    counts[column >> shift] += 1
                    at += 1
    return at


@borrowing_kernel
def _lowest(word: np.uint64) -> np.uint64:
    """Return the place of the lowest bit that is set: the exponent of a power of two."""
    power = np.float64(np.uint64(word & np.uint64(~word + ONE)))
    return np.uint64(np.uint64(power.view(np.uint64) >> np.uint64(52)) - np.uint64(1023))


@borrowing_kernel
def merge_rows(
    indptr: Ints,
    blocks: npt.NDArray[np.int32],
    weights: npt.NDArray[Any],
    members: npt.NDArray[np.int32],
    first: Ints,
    start: int,
    stop: int,
    at: int,
    keys: npt.NDArray[np.int32],
    values: Floats,
    packed: Index,
    dense: Floats,
    bits: Words,
    summary: Words,
    columns: npt.NDArray[Any],
    sums: npt.NDArray[Any],
    upper: Ints,
    shift: np.uint64,
    counts: Ints,
    within: Floats,
) -> None:
    """Write rows start .. stop of the upper triangle, one after the other from `at` on.

    `upper` receives where each row begins and ends, `counts` the entries of each bucket of columns,
    which share all bits of their number from `shift` on.
    """
    few, ordered, last = packed[:FEW], packed[FEW : 2 * FEW], packed[2 * FEW]
    for block in range(start, stop):
        count = _gather(
            indptr,
            blocks,
            weights,
            members,
            first[block],
            first[block + 1],
            block,
            keys,
            values,
            within,
        )
        upper[block, 0] = at
        if count <= FEW:
            at = _merge_few(
                keys, values, count, few, ordered, last, columns, sums, at, shift, counts
            )
        else:
            at = _merge_many(
                keys, values, count, dense, bits, summary, columns, sums, at, shift, counts
            )
        upper[block, 1] = at


@borrowing_kernel
def scatter_rows(
    columns: npt.NDArray[Any],
    sums: npt.NDArray[Any],
    upper: Ints,
    start: int,
    stop: int,
    shift: np.uint64,
    cursor: Ints,
    entries: Words,
    values: npt.NDArray[Any],
) -> None:
    """Copy entries of rows start .. stop to the bucket of their column, in the order of rows.

    `cursor` holds where the next entry of each bucket goes; an entry is its row above its column.
    """
    for block in range(start, stop):
        begin, end = upper[block]
        row, row_sums = columns[begin:end], sums[begin:end]
        for e in range(row.size):
            column = np.uint64(row[e])
            bucket = np.uint64(column >> shift)
            at = np.uint64(cursor[bucket])
            entries[at] = np.uint64(np.uint64(np.uint64(block) << HALF) | column)
            values[at] = row_sums[e]
            cursor[bucket] = np.int64(at + ONE)


@borrowing_kernel
def count_columns(entries: Words, counts: Ints) -> None:
    """Add the number of entries of each column to `counts`."""
    for e in range(entries.size):
        counts[np.uint64(entries[e] & LOW)] += 1


@borrowing_kernel
def place_rows(
    entries: Words,
    values: npt.NDArray[Any],
    columns: npt.NDArray[Any],
    sums: npt.NDArray[Any],
    upper: Ints,
    indptr: Ints,
    cursor: Ints,
    start: int,
    stop: int,
    out_columns: npt.NDArray[Any],
    out_sums: npt.NDArray[Any],
) -> None:
    """Write rows start .. stop whole: the lower triangle is the upper one of the rows before.

    `entries` are those of the columns start .. stop, by row, so that the lower columns ascend too.
    """
    for block in range(start, stop):
        cursor[block] = indptr[block]
    for e in range(entries.size):
        column = np.uint64(entries[e] & LOW)
        at = np.uint64(cursor[column])
        out_columns[at] = np.int64(np.uint64(entries[e] >> HALF))
        out_sums[at] = values[e]
        cursor[column] = np.int64(at + ONE)
    for block in range(start, stop):
        begin, end = upper[block]
        row, row_sums = columns[begin:end], sums[begin:end]
        at = np.uint64(cursor[block])
        to, to_sums = out_columns[at : at + row.size], out_sums[at : at + row.size]
        for e in range(row.size):
            to[e] = row[e]
            to_sums[e] = row_sums[e]
