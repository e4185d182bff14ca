"""Operators and bases: what names one, and what does not."""

import numpy as np
import pytest

from nnrg.errors import ArgumentError
from nnrg.rg.basis import Basis, Operator


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
