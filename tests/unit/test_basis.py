"""Operators and bases: what names one, and what does not."""

import numpy as np
import pytest

from nnrg.errors import ArgumentError
from nnrg.fields import Lattice
from nnrg.rg.basis import Basis
from nnrg.rg.operators import Operator


def test_one_operator_is_a_basis():
    assert Basis("phi2") == Basis(("phi2",)) == Basis(Operator("phi2"))
    assert Basis(["phi2", Operator("phi4")]).names == ("phi2", "phi4")


@pytest.mark.parametrize("operators", [5, None, 2.5, (3,), ("phi2", None), (b"phi2",), b"phi2"])
def test_what_names_no_operators_is_refused(operators):
    with pytest.raises(ArgumentError, match=r"expected phi, phi2|try Basis"):
        Basis(operators)


@pytest.mark.parametrize("name", [3, None, "phi9", "phi2\n", ["phi2"]])
def test_name_of_no_operator_is_refused(name):
    with pytest.raises(ArgumentError, match="unknown operator") as caught:
        Operator(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("order", [0, 3, 5, 10, 4.0, True, "4", None, np.array([2, 4])])
def test_order_of_no_scalar_basis_is_refused(order):
    with pytest.raises(ArgumentError, match="order must be"):
        Basis.scalar(order)


@pytest.mark.parametrize(
    "operators",
    [
        (),
        ("phi9",),
        ("phi0",),
        ("phi1",),
        ("grad2:4",),
        ("phi2", "phi2"),
        ("grad2", "grad2:0"),
        ("x",),
        ("J:1.414", "J:1.4142"),
        ("grad2", "J:1"),
        ("phi4", "U:1", "phi3phi:1", "phi2grad2"),
    ],
)
def test_basis_that_is_none_is_refused(operators):
    with pytest.raises(ArgumentError):
        Basis(operators)


def test_axis_that_the_lattice_has_not_is_refused():
    with pytest.raises(ArgumentError, match="names an axis"):
        Basis(("phi2", "grad2:1")).on(1)


def test_scalar_basis_has_the_terms_of_its_order():
    assert Basis.scalar(2).names == ("phi", "phi2", "grad2")
    assert Basis.scalar(4, odd=False).names == ("phi2", "phi4", "grad2")
    assert Basis.scalar(8).names == ("phi", "phi2", "phi3", "phi4", "phi6", "phi8", "grad2")
    assert Basis.scalar(6).on(3).names[-3:] == ("grad2:0", "grad2:1", "grad2:2")
    for order in (3, 0, 10, "6"):
        with pytest.raises(ArgumentError, match="order must be"):
            Basis.scalar(order)


def test_engineering_dimensions_of_the_free_field():
    # y_2 = 2, y_4 = 4 - d, y_6 = 6 - 2d.
    for d in (1, 2, 3, 4):
        dimensions = [Operator(n).engineering_dimension(d) for n in ("phi2", "phi4", "phi6")]
        assert dimensions == [2, 4 - d, 6 - 2 * d]
        assert Operator("phi").engineering_dimension(d) == (d + 2) / 2
        assert Operator("grad2:0").engineering_dimension(d) == 0


def test_scalar_basis_has_the_distances_asked_for():
    basis = Basis.scalar(4, shells=2, quartic=2)
    assert basis.names[-3:] == ("grad2", "J[2]", "U[2]")
    assert basis.on(2).names[-4:] == ("J:1.414", "J:2", "U:1", "U:1.414")
    assert basis.on(1).names[-4:] == ("J:2", "J:3", "U:1", "U:2")
    assert basis.fields.tolist() == [1, 2, 3, 4, 2, 2, 4]
    for shells in (-1, 1.5, "2"):
        with pytest.raises(ArgumentError, match="shells must be"):
            Basis.scalar(4, shells=shells)


@pytest.mark.parametrize(
    ("lattice", "out"),
    [
        (Lattice((16, 16)), {}),
        (Lattice((8, 8)), {"J:3": "no room: distance 3 on 8 open sites"}),
        (Lattice((16, 6)), {n: "no room" for n in ("J:2", "J:2.236", "J:3", "U:2")}),
        (Lattice((6, 16), periodic=True), {"J:3": "redundant: distance 3 on 6 periodic sites"}),
        (Lattice((2, 2), periodic=True), {"J:1.414": "redundant", **dict.fromkeys(
            ("J:2", "J:2.236", "J:3", "U:2"), "redundant")}),
    ],
)  # fmt: skip
def test_operators_that_a_small_lattice_cannot_tell(lattice, out):
    basis = Basis(("phi2", "phi4", "grad2", "J:1.414", "J:2", "J:2.236", "J:3", "U:1", "U:2"))
    told = basis.on(2).out_of_room(lattice)
    assert set(told) == set(out)
    assert all(told[name].startswith(reason) for name, reason in out.items())
    assert set(basis.on(2).without(told).names).isdisjoint(told)
