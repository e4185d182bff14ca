"""The phi^4 sampler at its critical points, and against the exact free field.

Bounds of 4 errors on each number: exceeded by chance once in 16 thousand.
"""

import numpy as np
import pytest
from physics import exact
from physics.samplers import binder, binned, magnetisation

from nnrg.errors import ArgumentError
from nnrg.simulate import hopping_couplings, phi4_lattice


def identity(x):
    return x


def test_hopping_form_is_the_same_action_but_for_a_constant(rng):
    beta, lam = 0.37, 1.3
    for d in (1, 2, 3):
        phi = rng.normal(size=(5, *(4,) * d))
        axes = tuple(range(1, d + 1))
        c = hopping_couplings(beta, lam, d)
        neighbours = sum(phi * np.roll(phi, 1, a) for a in axes)
        hopping = (phi**2 + lam * (phi**2 - 1) ** 2 - beta * neighbours).sum(axis=axes)
        gradient = sum((np.roll(phi, 1, a) - phi) ** 2 for a in axes)
        ours = c["stiffness"] / 2 * gradient + c["r"] / 2 * phi**2 + c["u"] / 24 * phi**4
        constant = hopping - ours.sum(axis=axes)
        np.testing.assert_allclose(constant, lam * 4**d, rtol=1e-12)


@pytest.mark.parametrize(
    "arguments", [(-0.1, 1.0, 2), (0.5, 0.0, 2), (0.5, 1.0, 4), (np.nan, 1.0, 2)]
)
def test_hopping_couplings_out_of_range_are_refused(arguments):
    with pytest.raises(ArgumentError, match="got"):
        hopping_couplings(*arguments)


def test_free_field_has_the_exact_mean_square(checked):
    expected = exact.free_correlation((128, 128), 0.5).flat[0]
    assert abs(expected - 0.316235) < 5e-7
    phi = phi4_lattice((128, 128), 400, r=0.5, u=0.0, rng=1, stride=10, clusters=0)
    value, error = binned(identity, (phi**2).mean(axis=(1, 2)), bins=40)
    assert error < 4e-4
    checked(
        "phi^4 sampler", "<phi^2> of the free field, 128 x 128, r = 0.5", expected, value, error
    )


def binder_cumulant(shape, beta, lam, chains):
    """U_4 and its error, of chains of ten thousand configurations each."""
    c = hopping_couplings(beta, lam, len(shape))
    options = {"stride": 4, "clusters": 2, "thermalise": 1000}
    m = np.concatenate(
        [magnetisation(phi4_lattice(shape, 10_000, **c, rng=n, **options)) for n in range(chains)]
    )
    return binned(binder, m**2, m**4, bins=20 * chains)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("beta", "expected", "known"),
    [(0.6796, 0.6029, 0.0008), (0.6806, 0.6096, 0.0007), (0.6816, 0.6144, 0.0008)],
)
def test_two_dimensions_near_the_critical_point(beta, expected, known, checked):
    # Reported of L = 32 with the errors given; critical is beta = 0.680605(4).
    value, error = binder_cumulant((32, 32), beta, 1.0, chains=6)
    assert error < 1.3e-3
    quantity = f"U_4 in 2-d, lambda = 1, L = 32, beta = {beta}"
    options = {"uncertainty": known, "source": "simulation"}
    checked("phi^4 sampler", quantity, expected, value, error, **options)


@pytest.mark.slow
def test_two_dimensions_at_the_critical_point(checked):
    # U_4 = 0.610692(2) for L to infinity; 0.6112(9) was reported of L = 64.
    value, error = binder_cumulant((64, 64), 0.680605, 1.0, chains=4)
    assert error < 2e-3
    quantity = "U_4 in 2-d, lambda = 1, L = 64, beta_c = 0.680605"
    checked("phi^4 sampler", quantity, 0.610692, value, error, source="published")


@pytest.mark.slow
def test_three_dimensions_at_the_critical_point(checked):
    # U_4* = 0.46548(5), with no leading corrections at lambda = 1.1.
    value, error = binder_cumulant((16, 16, 16), 0.3750966, 1.1, chains=5)
    assert error < 4e-3
    quantity = "U_4 in 3-d, lambda = 1.1, L = 16, beta_c = 0.3750966"
    options = {"uncertainty": 5e-5, "source": "published"}
    checked("phi^4 sampler", quantity, 0.46548, value, error, **options)
