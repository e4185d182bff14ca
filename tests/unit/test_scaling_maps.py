"""RG maps: derivatives, bad input, frozen results."""

import numpy as np
import pytest

from nnrg.errors import AnalysisError, ArgumentError
from nnrg.rg.scaling.ising_maps import ising_decimation, migdal_kadanoff
from nnrg.rg.scaling.local_potential import local_potential
from nnrg.rg.scaling.maps import fixed_point_of_map, linearise


def two(g):
    return np.array([g[0] ** 2 + g[1], np.sin(g[0]) * g[1]])


def jacobian_of_two(g):
    return np.array([[2 * g[0], 1], [np.cos(g[0]) * g[1], np.sin(g[0])]])


def test_derivatives_by_complex_step_and_by_differences():
    point = np.array([0.7, -1.3])
    exact = linearise(two, point, b=2).matrix
    np.testing.assert_allclose(exact, jacobian_of_two(point), rtol=1e-14)

    def real_only(g):
        return np.array([float(x) for x in two(g)])  # refuses complex numbers

    def drops(g):
        return two(np.asarray(g).real)  # or forgets the imaginary part

    for rg_map in (real_only, drops):
        rough = linearise(rg_map, point, b=2).matrix
        np.testing.assert_allclose(rough, jacobian_of_two(point), rtol=1e-9)


def test_eigenvectors_are_dual_and_ordered():
    matrix = np.array([[3.0, 1.0, 0.0], [0.5, -2.0, 1.0], [0.0, 0.2, 0.5]])
    found = linearise(lambda g: matrix @ g, np.zeros(3), b=3.0)
    np.testing.assert_allclose(found.left @ found.right, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(matrix @ found.right, found.right * found.eigenvalues, atol=1e-12)
    assert np.all(np.diff(np.abs(found.eigenvalues)) <= 0)
    np.testing.assert_allclose(found.exponents, np.log(np.abs(found.eigenvalues)) / np.log(3))
    with pytest.raises(ValueError, match="read-only"):
        found.matrix[0, 0] = 0
    assert "y = " in str(found)


def test_a_map_without_all_eigenvectors_is_no_error():
    found = linearise(lambda g: np.array([[2.0, 1.0], [0.0, 2.0]]) @ g, [0, 0], b=2)
    np.testing.assert_allclose(found.exponents, [1, 1], atol=1e-7)


def test_no_fixed_point_is_said():
    with pytest.raises(AnalysisError, match="start it elsewhere"):
        fixed_point_of_map(lambda g: g + 1 + g**2, [0.0], b=2)


def test_no_derivative_is_said():
    with pytest.raises(AnalysisError, match="no finite derivative"):
        linearise(lambda g: np.where(g > 0.5, np.nan, g).real, [0.499], b=2)


@pytest.mark.parametrize("couplings", [[], [np.nan], [[1.0]], ["a"], [1j]])
def test_bad_couplings(couplings):
    with pytest.raises(ArgumentError, match="couplings must be"):
        linearise(lambda g: g, couplings, b=2)


@pytest.mark.parametrize("b", [1, 0.5, np.nan, "2", True])
def test_bad_length_factor(b):
    with pytest.raises(ArgumentError, match="b must be"):
        linearise(lambda g: g, [1.0], b=b)


def test_bad_maps():
    with pytest.raises(ArgumentError, match="function"):
        linearise(3, [1.0], b=2)
    with pytest.raises(ArgumentError, match="shape"):
        linearise(lambda g: g[:0], [1.0], b=2)


def test_bad_arguments_of_known_maps():
    for b in (1, 2.0, True):
        with pytest.raises(ArgumentError, match="b must be"):
            migdal_kadanoff([0.3], b=b)
        with pytest.raises(ArgumentError, match="b must be"):
            ising_decimation([0.3, 0.0], b=b)
    with pytest.raises(ArgumentError, match="dimension"):
        migdal_kadanoff([0.3], dimension=0)
    with pytest.raises(ArgumentError, match=r"exp\(-2K\)"):
        ising_decimation([0.3])
    for n in (0, 1.0, -1):
        with pytest.raises(ArgumentError, match="n_components"):
            local_potential(n)
    with pytest.raises(ArgumentError, match="nodes"):
        local_potential(nodes=10)


def test_local_potential_is_frozen_and_prints():
    found = local_potential(2)
    assert "nu = 0.7082109" in str(found) and "N = 2" in str(found)
    assert found.rho[0] == 0 and np.isinf(found.rho[-1]) and np.all(np.diff(found.rho[:-1]) > 0)
    with pytest.raises(ValueError, match="read-only"):
        found.slope[0] = 1.0
