"""Fields and lattices: what they accept, keep and refuse."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
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


@pytest.mark.parametrize(
    "length",
    [
        2.5,
        True,
        4.7,
        "12",
        ("12",),
        b"12",
        np.inf,
        (2.5, 3),
        (4, True),
        np.array(4.0),
        pytest.param(10**5000, id="huge"),
    ],
)
def test_length_that_is_not_an_integer_is_refused(length):
    with pytest.raises(ArgumentError, match="got") as caught:
        Lattice(length)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("periodic", value) for value in (None, 1, "no", (1, 0), (True,), (True, "no"))),
        *(("axes", value) for value in (3, "ab", (1, 2), ("a",), ("a", None))),
        *(
            ("populations", value)
            for value in ((0, 1), ("x",), ((0,), (True,)), ((0, 1), ()), 2, ((0.0, 1.0),), "01")
        ),
    ],
)
def test_option_that_does_not_say_one_thing_for_each_axis_is_refused(option, value):
    with pytest.raises(ArgumentError, match=f"{option} must .* got .*; try"):
        Lattice((4, 4), **{option: value})


def test_numbers_of_numpy_are_those_of_python():
    lattice = Lattice(np.array([4, 3]), np.array([True, False]), populations=np.array([[0], [1]]))
    assert lattice == Lattice((4, 3), (True, False), populations=((0,), (1,)))
    assert {type(n) for n in lattice.shape} == {int}
    assert Lattice(np.int32(4), np.bool_(True)) == Lattice(4, True)


def test_number_of_sites_of_a_huge_lattice_is_exact():
    assert Lattice((10**10, 10**10)).n_sites == 10**20


@pytest.mark.parametrize("factors", [2, (2,), (2, 0), (2, 9), (2, 1.5), None])
def test_lattice_is_coarsened_by_one_factor_for_each_axis(factors):
    with pytest.raises(ArgumentError, match="factors"):
        Lattice((8, 8)).coarsened(factors)


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
        [[1.0, 2.0, 3.0, 4.0], [1.0]],
        np.array([[1, 2, 3, 4]], dtype=object),
        np.array([[True, False, True, True]], dtype=object),
        np.array([[10**400, 1, 2, 3]], dtype=object),
        np.zeros((2, 4), dtype="M8[s]"),
        np.zeros((2, 4), dtype="m8[s]"),
        np.zeros((2, 4), dtype=[("a", "f8")]),
        np.zeros((2, 4), dtype="V8"),
        np.zeros((2, 4), dtype=ml_dtypes.int4),
        np.zeros((2, 4), dtype=ml_dtypes.uint2),
        np.ma.array(np.ones((2, 4)), mask=[[0, 0, 0, 1], [0, 0, 0, 0]]),
    ],
)
def test_values_that_are_no_field_are_refused(values):
    with pytest.raises(ArgumentError) as caught:
        SynapticField(values, Lattice(4))
    assert "\n" not in str(caught.value)


def test_numbers_beyond_double_precision_are_refused():
    values = np.ones((2, 4), np.longdouble)
    assert SynapticField(values, Lattice(4)).values.dtype == np.float64
    values[0, 0] = np.longdouble("1e4000")
    # Where a long double is a double, that number reads as infinite.
    expected = ArgumentError if np.isfinite(values[0, 0]) else NonFiniteError
    with pytest.raises(expected, match=r"beyond double precision|1 of 8"):
        SynapticField(values, Lattice(4))
    values[0, 0] = np.inf
    with pytest.raises(NonFiniteError, match="1 of 8"):
        SynapticField(values, Lattice(4))


def test_masked_array_without_masked_values_is_a_field():
    values = np.ma.array(np.arange(8.0).reshape(2, 4), mask=False)
    np.testing.assert_array_equal(SynapticField(values, Lattice(4)).values, values.data)


def test_eight_bit_floats_become_single_precision():
    values = np.array([[0.5, 1.0, -2.0, 4.0]]).astype(ml_dtypes.float8_e4m3fn)
    field = SynapticField(values, Lattice(4))
    assert field.values.dtype == np.float32
    np.testing.assert_array_equal(field.values, [[0.5, 1.0, -2.0, 4.0]])


def test_a_field_equals_itself_alone():
    values = np.zeros((2, 4))
    first, second = SynapticField(values, Lattice(4)), SynapticField(values, Lattice(4))
    assert first == first and first != second
    assert len({first, second}) == 2


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


def test_standardised_sites_have_unit_variance_and_no_mean():
    rng = np.random.default_rng(31)
    values = rng.normal(size=(50, 6, 4)) * rng.uniform(1, 9, size=(6, 4)) + rng.normal(size=(6, 4))
    field = SynapticField(values.astype(np.float32), Lattice((6, 4)), name="w", sample="neuron")
    got = field.standardised()
    np.testing.assert_allclose(got.values.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(got.values.std(axis=0, ddof=1), 1, rtol=1e-12)
    assert got.notes[-1] == "each site standardised over the samples"
    assert (got.name, got.sample, got.sites) == ("w", "neuron", field.sites)


def test_sites_of_few_samples_or_of_one_value_cannot_be_standardised():
    values = np.random.default_rng(32).normal(size=(9, 5))
    with pytest.raises(AnalysisError, match="9 samples"):
        SynapticField(values, Lattice(5)).standardised()
    dead = np.repeat(values, 2, axis=0)
    dead[:, 3] = 0.5
    with pytest.raises(AnalysisError, match="1 sites that are the same"):
        SynapticField(dead, Lattice(5)).standardised()
