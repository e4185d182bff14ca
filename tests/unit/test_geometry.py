"""From a weight tensor to a synaptic field: each number kept, in whatever order of axes."""

from itertools import permutations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnrg.errors import AnalysisError, ArgumentError, FormatError
from nnrg.fields import Lattice
from nnrg.networks._source import TensorSpec
from nnrg.networks.geometry import build_field, lattice_from_hint, oriented


def numbered(shape):
    return np.arange(float(np.prod(shape))).reshape(shape)


def spec(values, layout="", gates=""):
    return TensorSpec("w", values.shape, values.dtype.name, layout, gates)


def field_of(values, layout="", gates="", **options):
    return build_field(values, spec(values, layout, gates), **options)


LAYOUTS = ("O", "OI", "OIK", "OIHW", "OIDHW", "VC", "LC", "CMHW", "OVHW", "OIN")


@given(st.sampled_from(LAYOUTS), st.data())
def test_order_of_axes_in_the_file_does_not_matter(layout, data):
    shape = [1 if a == "N" else data.draw(st.integers(2, 5)) for a in layout]
    values = numbered(shape)
    expected = field_of(values, layout)
    for order in permutations(range(len(layout))):
        stored = np.ascontiguousarray(np.transpose(values, order))
        field = field_of(stored, "".join(layout[a] for a in order))
        np.testing.assert_array_equal(field.values, expected.values)
        assert field.sites == expected.sites
        assert (field.sample, field.natural) == (expected.sample, expected.natural)


@given(st.sampled_from(LAYOUTS), st.data())
def test_every_number_is_in_the_field_once(layout, data):
    shape = [1 if a == "N" else data.draw(st.integers(1, 6)) for a in layout]
    values = numbered(shape)
    if values.size < 2:
        return
    field = field_of(values, layout)
    np.testing.assert_array_equal(np.sort(field.values.ravel()), values.ravel())
    assert field.name == "w"


@given(st.permutations("OIHW"))
def test_oriented_axes_are_out_in_space(layout):
    layout = "".join(layout)
    sizes = dict(zip("OIHW", (2, 3, 4, 5), strict=True))
    turned, axes = oriented(numbered([sizes[a] for a in layout]), layout)
    assert axes == "OIHW" and turned.shape == (2, 3, 4, 5)


def test_matrix_lives_on_the_product_of_two_populations():
    values = numbered((3, 5))
    field = field_of(values, "OI")
    assert field.sites == Lattice((3, 5), axes=("out", "in"), populations=((0,), (1,)))
    assert (field.sample, field.natural, field.n_samples) == ("matrix", False, 1)
    np.testing.assert_array_equal(field.values[0], values)
    np.testing.assert_array_equal(field_of(values.T.copy(), "IO").values[0], values)


def test_rows_of_a_matrix_are_samples_on_the_lattice_of_the_in_axis():
    values = numbered((7, 12))
    lattice = Lattice((3, 4))
    field = field_of(values, "OI", sites=lattice)
    assert (field.sample, field.natural, field.sites) == ("out neuron", True, lattice)
    np.testing.assert_array_equal(field.values, values.reshape(7, 3, 4))
    turned = field_of(values, "OI", sites=Lattice(7), along="out")
    assert turned.sample == "in neuron"
    np.testing.assert_array_equal(turned.values, values.T)


def test_square_matrix_takes_the_in_axis_unless_told():
    values = numbered((4, 4))
    np.testing.assert_array_equal(field_of(values, "OI", sites=Lattice(4)).values, values)
    out = field_of(values, "OI", sites=Lattice((2, 2)), along="out")
    np.testing.assert_array_equal(out.values, values.T.reshape(4, 2, 2))
    whole = field_of(values, "OI", sites=Lattice((4, 4)))
    assert (whole.sample, whole.n_samples) == ("matrix", 1)


def test_large_kernels_live_on_their_taps():
    values = numbered((2, 3, 5, 4))
    field = field_of(values, "OIHW")
    assert field.sites == Lattice((5, 4), axes=("row", "column"))
    assert (field.sample, field.natural) == ("channel pair", True)
    np.testing.assert_array_equal(field.values, values.reshape(6, 5, 4))
    chain = field_of(numbered((2, 3, 8)), "OIK")
    assert chain.sites == Lattice(8, axes=("tap",))


def test_small_kernels_live_on_their_channels():
    values = numbered((8, 6, 3, 3))
    field = field_of(values, "OIHW")
    assert field.sites == Lattice((8, 6), axes=("out", "in"), populations=((0,), (1,)))
    assert (field.sample, field.natural, field.n_samples) == ("tap", False, 9)
    assert "too small to block" in field.notes[0]
    np.testing.assert_array_equal(field.values[4], values[:, :, 1, 1])


def test_kernel_of_one_tap_is_a_matrix():
    values = numbered((4, 5, 1, 1))
    field = field_of(values, "OIHW")
    assert field.sites.shape == (4, 5)
    assert field.sample == "matrix"
    np.testing.assert_array_equal(field.values[0], values[:, :, 0, 0])


def test_kernel_on_a_lattice_that_is_its_own():
    values = numbered((2, 3, 3, 3))
    field = field_of(values, "OIHW", sites=Lattice((3, 3), True))
    assert field.sites.periodic == (True, True)
    np.testing.assert_array_equal(field.values, values.reshape(6, 3, 3))


def test_gates_are_samples():
    values = numbered((12, 5))
    field = field_of(values, "OI", gates="ifgo")
    assert field.sites == Lattice((3, 5), axes=("out", "in"), populations=((0,), (1,)))
    assert field.n_samples == 4 and not field.natural
    assert field.sample == "gate (i, f, g, o)"
    np.testing.assert_array_equal(field.values[1], values[3:6])
    bias = field_of(numbered((12,)), "O", gates="ifgo")
    assert bias.values.shape == (4, 3)


def test_gates_stored_along_the_last_axis_are_the_same_samples():
    # Keras stores in x out, with the gates along out.
    values = numbered((12, 5))
    first = field_of(values, "OI", gates="ifgo")
    second = field_of(values.T.copy(), "IO", gates="ifgo")
    assert (second.sites, second.sample) == (first.sites, first.sample)
    np.testing.assert_array_equal(second.values, first.values)


def test_channels_of_a_position_embedding_are_samples():
    values = numbered((10, 4))
    field = field_of(values, "LC")
    assert (field.sites, field.sample) == (Lattice(10, axes=("position",)), "channel")
    assert field.natural
    np.testing.assert_array_equal(field.values, values.T)


def test_bias_lives_on_its_population():
    field = field_of(numbered((6,)), "O")
    assert (field.sites.shape, field.sample, field.natural) == ((6,), "layer", False)


@pytest.mark.parametrize(
    ("shape", "sites"), [((6,), (6,)), ((3, 4), (3, 4)), ((2, 2, 4), (4,)), ((2, 2, 4, 5), (4, 5))]
)
def test_layout_that_the_file_does_not_say_is_guessed_from_the_shape(shape, sites):
    assert field_of(numbered(shape)).sites.shape == sites


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2"])
def test_eight_bit_numbers_become_wider(name):
    values = np.array([[0.5, -1.0], [2.0, 0.25]]).astype(getattr(ml_dtypes, name))
    field = field_of(values, "OI")
    assert field.values.dtype == np.float32
    np.testing.assert_array_equal(field.values[0], [[0.5, -1.0], [2.0, 0.25]])


def test_single_numbers_have_no_sites():
    for shape in ((), (1,), (1, 1)):
        with pytest.raises(AnalysisError, match="no sites"):
            field_of(np.ones(shape))


def test_axes_of_unknown_meaning_are_refused():
    with pytest.raises(AnalysisError, match="not known"):
        field_of(numbered((3, 4)), "??")
    with pytest.raises(ArgumentError, match="3 axes"):
        field_of(numbered((3, 4, 5)), "OI")


def test_lattice_of_another_size_is_refused():
    values = numbered((6, 8))
    with pytest.raises(ArgumentError, match=r"6 \(O\) x 8 \(I\)"):
        field_of(values, "OI", sites=Lattice(7))
    with pytest.raises(ArgumentError, match="no axis"):
        field_of(values, "OI", sites=Lattice(6), along="in")
    with pytest.raises(ArgumentError, match="along must be"):
        field_of(values, "OI", sites=Lattice(6), along="sideways")
    with pytest.raises(ArgumentError, match="give sites= too"):
        field_of(values, "OI", along="in")


def test_hints_of_a_lattice():
    assert lattice_from_hint("32,16", "w") == Lattice((32, 16), axes=("row", "column"))
    assert lattice_from_hint("100", "w") == Lattice(100)
    assert lattice_from_hint("4,4,4", "w") == Lattice((4, 4, 4))


@pytest.mark.parametrize("hint", ["", "a,b", "3.5", "32;32", "x" * 1000])
def test_hints_that_are_no_lattice_are_refused(hint):
    with pytest.raises(FormatError, match="expected lengths") as refused:
        lattice_from_hint(hint, "w")
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("hint", ["0,4", "-1", "1,2,3,4,5"])
def test_hints_of_a_lattice_that_cannot_be_are_refused(hint):
    # What a file says wrongly is an error of the format, not of the caller.
    with pytest.raises(FormatError):
        lattice_from_hint(hint, "w")
