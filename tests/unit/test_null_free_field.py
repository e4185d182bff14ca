"""The free field as a null model: its fit is exact, its draws have the fitted moments."""

import numpy as np
import pytest

import nnrg
from nnrg.errors import AnalysisError
from nnrg.rg.nulls._free_field import fit_free_field, gaussian


@pytest.mark.parametrize("periodic", [True, False, (True, False)])
def test_the_fitted_free_field_has_the_moments_of_the_field(periodic):
    lattice = nnrg.Lattice((6, 5), periodic=periodic)
    values = np.random.default_rng(10).normal(size=(30, 6, 5)).cumsum(axis=1)
    r, stiffness = fit_free_field(nnrg.SynapticField(values, lattice))
    # The covariance is the inverse of r + sum Z_a (minus the Laplacian of axis a), as a matrix.
    laplace = []
    for axis, length in enumerate(lattice.shape):
        bonds = np.diff(np.eye(length), axis=0)
        if lattice.periodic[axis]:
            bonds = np.vstack([bonds, np.eye(length)[0] - np.eye(length)[-1]])
        one = bonds.T @ bonds
        laplace.append(np.kron(one, np.eye(5)) if axis == 0 else np.kron(np.eye(6), one))
    covariance = np.linalg.inv(
        r * np.eye(30) + sum(z * a for z, a in zip(stiffness, laplace, strict=True))
    )
    flat = (values - values.mean()).reshape(30, 30)
    # The common mean takes one of 30 mean modes, of variance 1/r on 30 sites.
    variance = np.trace(covariance) / 30 - 1 / (30 * 30 * r)
    assert variance == pytest.approx(np.mean(flat**2), rel=1e-8)
    for one in laplace:
        jump = np.einsum("ni,ij,nj->", flat, one, flat) / 900
        assert np.trace(one @ covariance) / 30 == pytest.approx(jump, rel=1e-8)


def test_the_free_field_of_one_sample_has_its_mean_variance_and_differences():
    values = np.random.default_rng(15).normal(size=(1, 24, 24)).cumsum(axis=1).cumsum(axis=2) + 5
    field = nnrg.SynapticField(values, nnrg.Lattice((24, 24)))
    draw, rng = gaussian(field), np.random.default_rng(16)

    def numbers(y):
        return [y.mean(), y.var(), *(np.mean(np.diff(y, axis=a) ** 2) for a in (1, 2))]

    drawn = np.array([numbers(draw(rng).values) for _ in range(300)])
    np.testing.assert_allclose(drawn[:, 0], values.mean(), rtol=1e-10)
    error = drawn.std(axis=0) / np.sqrt(300)
    assert np.all(np.abs(drawn.mean(axis=0) - numbers(values))[1:] < 4.5 * error[1:])


@pytest.mark.parametrize("periodic", [True, False, (False, True)])
def test_free_fields_are_drawn_with_their_covariance(periodic):
    lattice = nnrg.Lattice((4, 3), periodic=periodic)
    values = np.random.default_rng(11).normal(size=(50, 4, 3)).cumsum(axis=1)
    field = nnrg.SynapticField(values, lattice)
    many = field.replaced(np.tile(values, (400, 1, 1)))
    draw = gaussian(many)(np.random.default_rng(12)).values.reshape(20000, 12)
    fits = [fit_free_field(f) for f in (field, many.replaced(draw.reshape(-1, 4, 3)))]
    # 20000 samples know r and Z to 1 %.
    np.testing.assert_allclose(fits[1][0], fits[0][0], rtol=0.05)
    np.testing.assert_allclose(fits[1][1], fits[0][1], rtol=0.05, atol=0.01)


@pytest.mark.parametrize("axis", [1, 2])
def test_a_field_constant_along_an_axis_has_no_free_field(axis):
    values = np.random.default_rng(13).normal(size=(20, 8, 8))
    values = np.repeat(values.mean(axis=axis, keepdims=True), 8, axis=axis)
    with pytest.raises(AnalysisError, match="does not vary along every axis"):
        fit_free_field(nnrg.SynapticField(values, nnrg.Lattice((8, 8))))
