"""Operators: their derivatives are those of their sums, whatever the lattice."""

from itertools import product
from math import cos, factorial, sin, sqrt

import numpy as np
import pytest

import nnrg
from nnrg.errors import ArgumentError
from nnrg.rg.basis import Basis
from nnrg.rg.custom_operator import CustomOperator
from nnrg.rg.distances import distances, shell
from nnrg.rg.operators import Operator
from nnrg.rg.schwinger_dyson import linear_system

COSINE = CustomOperator("cosine", lambda y: -sin(y), lambda y: -cos(y))
EXCHANGE = CustomOperator(
    "exchange",
    lambda y, n: (y - n) ** 3 / 6,
    lambda y, n: (y - n) ** 2 / 2,
    distance=sqrt(2),
    fields=4,
)


def neighbours(phi, squared):
    """The field at every site displaced by each vector of a squared length, both signs."""
    reach = range(-4, 5)
    steps = [s for s in product(reach, repeat=phi.ndim) if sum(a * a for a in s) == squared]
    axes = tuple(range(phi.ndim))
    return [np.roll(phi, s, axes) for s in steps]


def action(name, phi):
    """One operator of one periodic field, as its definition says; analytic in phi."""
    kind, _, of = name.partition(":")
    if kind == "grad2":
        return sum((np.roll(phi, -1, int(of)) - phi).ravel() ** 2) / 2
    if kind in ("J", "U", "phi3phi"):
        near = neighbours(phi, round(float(of) ** 2))
        term = {
            "J": lambda n: (phi - n) ** 2 / 4,  # each pair is met twice
            "U": lambda n: phi**2 * n**2 / 4,
            "phi3phi": lambda n: phi**3 * n / 6,
        }[kind]
        return sum(term(n).sum() for n in near)
    if kind == "phi2grad2":
        return sum((phi**2 * (n - phi) ** 2).sum() for n in neighbours(phi, 1)) / 4
    if kind == "cosine":
        return np.cos(phi).sum()
    if kind == "exchange":
        return sum(((phi - n) ** 4).sum() for n in neighbours(phi, 2)) / 48
    power = int(kind[3:] or 1)
    return (phi**power).sum() / factorial(power)


def gradient(name, phi):
    """dO/dphi_x by a step along the imaginary axis: exact to rounding."""
    out = np.empty(phi.shape)
    for x in np.ndindex(phi.shape):
        moved = phi.astype(complex)
        moved[x] += 1e-30j
        out[x] = action(name, moved).imag / 1e-30
    return out


def curvature(name, phi):
    """d^2 O/dphi_x^2 by central differences of the gradient at each site."""
    out = np.empty(phi.shape)
    for x in np.ndindex(phi.shape):
        ends = []
        for step in (1e-5, -1e-5):
            moved = phi.astype(complex)
            moved[x] += step + 1e-30j
            ends.append(action(name, moved).imag / 1e-30)
        out[x] = (ends[0] - ends[1]) / 2e-5
    return out


CASES = {
    (11,): ("phi", "phi2", "phi4", "phi8", "grad2", "J[3]", "U:2", "phi3phi:1", COSINE),
    (7, 5): ("phi3", "grad2", "J[3]", "U[4]", "phi2grad2", "phi3phi:2", EXCHANGE, COSINE),
    (3, 5, 3): ("phi2", "phi6", "grad2", "J:1.414", "J:1.732", "U:1.414", "phi2grad2"),
}


@pytest.mark.parametrize("shape", CASES)
def test_equations_are_those_of_the_derivatives_of_the_action(shape):
    values = np.random.default_rng(4).normal(size=(12, *shape))
    field = nnrg.SynapticField(values, nnrg.Lattice(shape, periodic=True))
    flow = nnrg.renormalize(field, levels=1)
    basis = Basis(CASES[shape]).on(len(shape))
    system = linear_system(flow, 0, basis, test=False)
    phi = values / system.unit
    first = [np.stack([gradient(name, one) for one in phi]) for name in basis.names]
    second = [np.stack([curvature(name, one) for one in phi]) for name in basis.names]
    expected = [[np.mean(a * b) for b in first] for a in first]
    np.testing.assert_allclose(system.matrix[0], expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(system.rhs[0], [c.mean() for c in second], rtol=1e-6, atol=1e-8)


def test_own_operator_that_is_a_known_one_has_its_coupling():
    values = np.random.default_rng(5).normal(size=(60, 12, 12))
    values[:, 1:] += 0.5 * values[:, :-1]
    flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice((12, 12))), levels=2)
    quartic = CustomOperator("mine", lambda y: y**3 / 6, lambda y: y**2 / 2, fields=4)
    diagonal = CustomOperator(
        "other", lambda y, n: y - n, lambda y, n: 1.0, distance=sqrt(2), fields=2
    )
    known = nnrg.fit_couplings(flow, basis=Basis(("phi2", "phi4", "J:1.414")), nulls=())
    own = nnrg.fit_couplings(flow, basis=Basis(("phi2", quartic, diagonal)), nulls=())
    np.testing.assert_allclose(own.values, known.values, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(own.errors(), known.errors(), rtol=1e-7)
    assert own.names == ("phi2", "mine", "other")
    assert own.fields.tolist() == [2, 4, 2]


def test_number_of_neighbours_at_each_distance():
    # Representations as sums of two and of three squares, one of each opposite pair.
    assert [2 * len(shell(2, n)) for n in distances(2, longest=3)] == [4, 4, 4, 8, 4, 4]
    assert [2 * len(shell(3, n)) for n in (1, 2, 3, 4, 5, 6, 7, 8, 9)] == [
        *(6, 12, 8, 6, 24, 24, 0, 12, 30),
    ]
    assert distances(1, longest=3) == (1, 4, 9)


def test_names_and_what_they_say():
    assert Operator("J:1.41421").name == "J:1.414"
    assert Operator("J:2.236").reach(2) == 2
    assert Operator("U:3").range == 3.0
    assert [o.name for o in Operator("J[4]").on(2)] == ["J:1.414", "J:2", "J:2.236", "J:2.828"]
    assert [o.name for o in Operator("U[2]").on(1)] == ["U:1", "U:2"]
    for d in (1, 2, 3):
        assert Operator("U:1").engineering_dimension(d) == 4 - d
        assert Operator("phi3phi:2").engineering_dimension(d) == 4 - d
        assert Operator("phi2grad2").engineering_dimension(d) == 2 - d
        assert Operator("J:2").engineering_dimension(d) == 0
    assert EXCHANGE.even
    assert not CustomOperator("odd", lambda y: 3 * y**2, lambda y: 6 * y, fields=3).even
    assert COSINE.even


@pytest.mark.parametrize("name", ["J:1.5", "J:0", "U:9", "J[0]", "U[", "phi3phi", "J:nan", "J:-1"])
def test_distance_of_no_sites_is_refused(name):
    with pytest.raises(ArgumentError, match="unknown operator"):
        Operator(name)


def test_distance_that_a_lattice_has_not_is_refused():
    with pytest.raises(ArgumentError, match="no two sites of a 1-d lattice are at that distance"):
        Basis(("phi2", "J:1.414")).on(1)
    with pytest.raises(ArgumentError, match="asks for 90 distances"):
        Basis(("phi2", "J[90]")).on(2)


@pytest.mark.parametrize(
    ("derivative", "second", "options", "reason"),
    [
        (lambda y: y**3, lambda y: y**2, {}, "second is not the derivative"),
        (lambda y: y**3, lambda y: 3 * y**2, {"fields": 3}, "not of degree 2"),
        (lambda y, n: y * n**2, lambda y, n: n**2, {}, "functions of 1 number"),
        (lambda y: complex(y), lambda y: 1.0, {}, "functions of 1 number"),
        (lambda y: np.poly1d([1, 0])(y), lambda y: 1.0, {}, "that Numba compiles"),
        ("y**3", lambda y: 1.0, {}, "functions of 1 number"),
        (lambda y, n: n, lambda y, n: 0.0, {"distance": 1.5}, "distance must be"),
        (lambda y, n: n**2, lambda y, n: 0.0, {"distance": 1}, "no symmetric v"),
        (lambda y: 1 / 0, lambda y: y, {}, "ZeroDivisionError"),
        (lambda y: float("inf"), lambda y: y, {}, "not finite"),
        (lambda y: y, lambda y: 1.0, {"fields": -1}, "fields must be"),
    ],
)
def test_own_operator_that_is_none_is_refused(derivative, second, options, reason):
    with pytest.raises(ArgumentError, match=reason):
        CustomOperator("own", derivative, second, **options)


@pytest.mark.parametrize("name", ["phi4", "J:2", "", "two words", 3, "x" * 40])
def test_own_operator_needs_a_name_of_its_own(name):
    with pytest.raises(ArgumentError, match=r"known operator|short word"):
        CustomOperator(name, lambda y: y, lambda y: 1.0)
