"""Blocks: partitions of sites, and the permutation behind the null of every geometry."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnrg.errors import ArgumentError
from nnrg.fields import Lattice, SynapticField
from nnrg.rg.blocks import GridBlocks, RandomBlocks, as_blocks, permute_sites


def numbered(shape, n_samples=2, **options):
    """Each site holds its own number, the same in every sample but for an offset."""
    size = int(np.prod(shape))
    values = np.arange(size, dtype=float).reshape(shape)
    samples = np.stack([values + 1000 * s for s in range(n_samples)])
    return SynapticField(samples, Lattice(shape, **options))


@pytest.mark.parametrize("blocks", [GridBlocks, RandomBlocks])
def test_factors_are_one_for_each_axis(blocks):
    assert blocks(3).factors(Lattice((9, 6))) == (3, 3)
    assert blocks((2, 1)).factors(Lattice((9, 6))) == (2, 1)
    with pytest.raises(ArgumentError, match="3 factors but the lattice has 2"):
        blocks((2, 2, 2)).factors(Lattice((4, 4)))


@pytest.mark.parametrize("blocks", [GridBlocks, RandomBlocks])
@pytest.mark.parametrize(
    "b",
    [0, 1, -2, 1.5, 2.5, 2.0, True, (1, 1), (2, 0), (2, 1.5), (2, True), (), [], "2", None, 10**30],
)
def test_block_lengths_that_are_none_are_refused(blocks, b):
    with pytest.raises(ArgumentError, match="block length"):
        blocks(b)


@pytest.mark.parametrize("seed", [-1, 1.5, "a", None, True, 2**128])
def test_seeds_that_are_none_are_refused(seed):
    with pytest.raises(ArgumentError, match="seed must be an integer"):
        RandomBlocks(2, seed=seed)


def test_what_is_no_rule_for_blocks_is_refused():
    assert as_blocks(None) == GridBlocks(2)
    assert as_blocks(RandomBlocks(3)) == RandomBlocks(3)
    for value in (2, "grid", (2, 2), GridBlocks):
        with pytest.raises(ArgumentError, match=r"GridBlocks\(2\)"):
            as_blocks(value)


def test_grid_blocks_leave_the_field_alone():
    field = numbered((4, 4))
    assert GridBlocks(2).arrange(field) is field
    assert GridBlocks(np.int64(2)) == GridBlocks(2)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(0, 2**32))
def test_permutation_of_one_population_moves_whole_sites(shape, seed):
    field = numbered(shape)
    moved = permute_sites(field, np.random.default_rng(seed)).values.reshape(2, -1)
    assert sorted(moved[0]) == list(range(moved.shape[1]))
    np.testing.assert_array_equal(moved[1], moved[0] + 1000)  # alike in every sample


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32))
def test_permutation_of_two_populations_keeps_rows_and_columns(rows, columns, seed):
    field = numbered((rows, columns), populations=((0,), (1,)))
    moved = permute_sites(field, np.random.default_rng(seed)).values[0]
    np.testing.assert_array_equal(moved // columns, np.tile((moved // columns)[:, :1], columns))
    np.testing.assert_array_equal(moved % columns, np.tile((moved % columns)[:1], (rows, 1)))
    assert np.unique(moved).size == rows * columns


def test_population_over_axes_that_are_apart_is_permuted_as_one():
    # Axes 0 and 2 are the pixels of one image, axis 1 another population.
    field = numbered((3, 4, 2), populations=((0, 2), (1,)))
    moved = permute_sites(field, np.random.default_rng(5)).values[0]
    pixel = 10 * (moved // 8) + moved % 2
    row = moved // 2 % 4
    np.testing.assert_array_equal(pixel, np.repeat(pixel[:, :1], 4, axis=1))
    np.testing.assert_array_equal(row, np.broadcast_to(row[:1, :, :1], row.shape))
    assert np.unique(moved).size == 24


def test_every_permutation_is_equally_likely():
    field = numbered((3,), n_samples=1)
    rng = np.random.default_rng(6)
    seen = [tuple(permute_sites(field, rng).values[0].astype(int)) for _ in range(3000)]
    counts = np.array([seen.count(order) for order in set(seen)])
    assert counts.size == 6
    assert np.sum((counts - 500) ** 2 / 500) < 25.7  # chi-squared, 5 degrees, 1e-4


def test_random_blocks_are_those_of_their_seed():
    field = numbered((32,))
    first = RandomBlocks(2, seed=1).arrange(field)
    np.testing.assert_array_equal(first.values, RandomBlocks(2, seed=1).arrange(field).values)
    assert not np.array_equal(first.values, RandomBlocks(2, seed=2).arrange(field).values)
    assert first.notes == ("sites permuted at random",)
    assert "seed 1" in RandomBlocks(2, seed=1).provenance
    assert GridBlocks(2).provenance == "site index"
