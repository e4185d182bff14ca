"""Fields and lattices: what they accept, keep and refuse."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnrg.errors import ArgumentError, NonFiniteError
from nnrg.fields import Lattice, SynapticField

SHAPES = st.lists(st.integers(1, 9), min_size=1, max_size=4)


@given(SHAPES, st.data())
def test_lattice_is_what_it_was_given(shape, data):
    periodic = data.draw(st.lists(st.booleans(), min_size=len(shape), max_size=len(shape)))
    lattice = Lattice(shape, periodic)
    assert lattice.shape == tuple(shape)
    assert lattice.periodic == tuple(periodic)
    assert lattice.dimension == len(shape)
    assert lattice.n_sites == np.prod(shape)
    assert lattice == Lattice(tuple(shape), tuple(periodic))
    assert hash(lattice) == hash(Lattice(tuple(shape), tuple(periodic)))


@given(SHAPES, st.data())
def test_coarsened_lattice_holds_whole_blocks(shape, data):
    factors = [data.draw(st.integers(1, n)) for n in shape]
    coarse = Lattice(shape, True).coarsened(factors)
    for n, f, m, closed in zip(shape, factors, coarse.shape, coarse.periodic, strict=True):
        assert m * f <= n < (m + 1) * f
        assert closed == (n % f == 0)


def test_coarsened_lattice_keeps_axes_and_populations():
    lattice = Lattice((8, 6), axes=("out", "in"), populations=((0,), (1,)))
    coarse = lattice.coarsened((2, 3))
    assert (coarse.shape, coarse.axes, coarse.populations) == ((4, 2), ("out", "in"), ((0,), (1,)))


def test_one_length_is_a_chain():
    assert Lattice(7) == Lattice((7,))
    assert repr(Lattice(7)) == "Lattice(7, open)"
    assert repr(Lattice((4, 3), True)) == "Lattice(4 x 3, periodic)"
    assert repr(Lattice((4, 3), (True, False))) == "Lattice(4 x 3, periodic=(True, False))"


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ((0,), {}),
        (((4, -1),), {}),
        (((),), {}),
        (((2, 2, 2, 2, 2),), {}),
        (("four",), {}),
        ((None,), {}),
        (((4, 4), (True,)), {}),
        (((4, 4),), {"axes": ("row",)}),
        (((4, 4),), {"populations": ((0,),)}),
        (((4, 4),), {"populations": ((0, 1), (1,))}),
    ],
)
def test_lattice_that_cannot_be_is_refused(arguments, options):
    with pytest.raises(ArgumentError, match="got"):
        Lattice(*arguments, **options)


@pytest.mark.parametrize("length", [2.5, True])
def test_length_that_is_not_an_integer_is_refused(length):
    with pytest.raises(ArgumentError, match="got"):
        Lattice(length)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])
def test_floating_point_numbers_are_kept_as_they_are(dtype):
    values = np.arange(24).astype(dtype).reshape(2, 3, 4)
    field = SynapticField(values, Lattice((3, 4)))
    assert field.values.dtype == values.dtype
    assert np.shares_memory(field.values, values)
    assert field.n_samples == 2


def test_big_endian_numbers_have_the_same_values():
    values = np.arange(6.0)
    field = SynapticField(values.astype(">f8"), Lattice(6))
    assert field.values.dtype == np.float64 and field.values.dtype.isnative
    np.testing.assert_array_equal(field.values[0], values)


def test_field_is_read_only_and_leaves_its_array_writable():
    values = np.zeros((1, 4))
    field = SynapticField(values, Lattice(4))
    with pytest.raises(ValueError, match="read-only"):
        field.values[0, 0] = 1.0
    values[0, 0] = 1.0  # the caller's own array is the caller's
    with pytest.raises(AttributeError):
        field.name = "other"


def test_array_without_samples_is_one_sample():
    field = SynapticField(np.zeros((3, 4)), Lattice((3, 4)))
    assert field.values.shape == (1, 3, 4)


def test_strided_array_has_the_same_values():
    values = np.arange(24.0).reshape(4, 6).T
    field = SynapticField(values, Lattice(4))
    assert field.values.flags.c_contiguous
    np.testing.assert_array_equal(field.values, values)


def test_replaced_adds_a_note_and_keeps_the_rest():
    field = SynapticField(np.zeros((2, 4)), Lattice(4), name="w", sample="row", natural=False)
    other = field.replaced(np.ones((2, 4)), "doubled").replaced(np.full((2, 4), 2.0), "again")
    assert other.notes == ("doubled", "again")
    assert (other.name, other.sample, other.natural) == ("w", "row", False)
    assert field.notes == () and np.all(field.values == 0)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((2, 5)),
        np.zeros((2, 4, 1)),
        np.zeros((0, 4)),
        np.zeros(()),
        np.zeros((2, 4), dtype=complex),
        np.zeros((2, 4), dtype=int),
        np.zeros((2, 4), dtype=bool),
        np.array([["a", "b", "c", "d"]]),
        None,
    ],
)
def test_values_that_are_no_field_are_refused(values):
    with pytest.raises(ArgumentError):
        SynapticField(values, Lattice(4))


def test_sites_that_are_no_lattice_are_refused():
    with pytest.raises(ArgumentError, match=r"try nnrg\.Lattice"):
        SynapticField(np.zeros((2, 4)), (4,))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])
def test_numbers_that_are_not_finite_are_counted_and_refused(bad, dtype):
    values = np.ones((10, 10), dtype=np.float64)
    values[3, 4] = values[7, 0] = bad
    with pytest.raises(NonFiniteError, match="2 of 100"):
        SynapticField(values.astype(dtype), Lattice(10))


def test_infinities_that_cancel_are_still_found():
    values = np.ones((2, 4))
    values[0, 0], values[1, 1] = np.inf, -np.inf
    with pytest.raises(NonFiniteError, match="2 of 8"):
        SynapticField(values, Lattice(4))


def test_large_finite_numbers_are_not_called_infinite():
    # Their sum overflows float32 (and float64); the numbers themselves are fine.
    for values in (np.full((4, 4), 3e38, np.float32), np.full((4, 4), 1e308)):
        assert SynapticField(values, Lattice(4)).n_samples == 4
