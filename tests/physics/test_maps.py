"""RG maps in closed form: fixed points and exponents to all published digits."""

from itertools import product

import numpy as np
import pytest
from physics import exact

from nnrg.rg.scaling.ising_maps import ising_decimation, migdal_kadanoff
from nnrg.rg.scaling.local_potential import local_potential
from nnrg.rg.scaling.maps import fixed_point_of_map, linearise

ISING = "Ising maps in closed form"


def test_migdal_kadanoff_in_two_dimensions(checked):
    fixed = fixed_point_of_map(migdal_kadanoff, [0.3], b=2)
    name = "of Migdal and Kadanoff, d = 2, b = 2"
    checked(ISING, f"K* {name}", 0.304688931718, fixed.couplings[0], rtol=1e-12)
    checked(ISING, f"y_t {name}", 0.747235718929, fixed.exponents[0], rtol=1e-12)


def test_migdal_kadanoff_is_the_closed_form_and_decimation():
    k = np.linspace(0.05, 2, 20)
    np.testing.assert_allclose(migdal_kadanoff(k), 0.5 * np.log(np.cosh(4 * k)), rtol=1e-12)
    for b in (2, 3, 5):
        chain = ising_decimation([np.exp(-2 * 0.7), 0.0], b=b)
        kept = migdal_kadanoff(0.7, b=b, dimension=1)
        np.testing.assert_allclose(chain, [np.exp(-2 * kept), 0], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("b", [2, 3, 7])
def test_ising_chain_decimation(b, checked):
    # tanh K' = tanh^b K, xi' = xi / b, and y_t = y_h = 1 at zero temperature.
    t = np.exp(-2 * 0.4)
    after = ising_decimation([t, 0.0], b=b)[0]

    def xi(bond):
        return -1 / np.log((1 - bond) / (1 + bond))

    np.testing.assert_allclose(xi(after), xi(t) / b, rtol=1e-12)
    fixed = fixed_point_of_map(lambda g: ising_decimation(g, b=b), [0.0, 0.0], b=b)
    np.testing.assert_allclose(fixed.couplings, 0, atol=0)
    kept = np.tanh(-0.5 * np.log(after))
    checked(ISING, f"tanh K' of the chain, K = 0.4, b = {b}", np.tanh(0.4) ** b, kept)
    for name, y in zip(("y_t", "y_h"), fixed.exponents, strict=True):
        checked(ISING, f"{name} of the chain at zero temperature, b = {b}", 1.0, y, rtol=1e-12)


def test_ising_chain_in_a_field_keeps_its_partition_function():
    # Sum over every second spin of a ring of six, by enumeration.
    k, h = 0.6, 0.3

    def weights(k, h, n, spins):
        return np.exp(
            k * np.sum(spins * np.roll(spins, -1, axis=1), axis=1) + h * spins.sum(axis=1)
        )

    six = np.array(list(product([1, -1], repeat=6)))
    three = np.array(list(product([1, -1], repeat=3)))
    full = weights(k, h, 6, six)
    kept = np.array([full[(six[:, ::2] == s).all(axis=1)].sum() for s in three])
    t, field = ising_decimation([np.exp(-2 * k), h], b=2)
    coarse = weights(-0.5 * np.log(t), field, 3, three)
    np.testing.assert_allclose(kept / kept[0], coarse / coarse[0], rtol=1e-12)


def niemeijer_van_leeuwen(couplings):
    """First cumulant on the triangular lattice: cells of three spins, by enumeration."""
    k, h = couplings
    spins = np.array(list(product([1, -1], repeat=3)))
    bonds = sum(spins[:, i] * spins[:, j] for i, j in ((0, 1), (1, 2), (2, 0)))
    up = spins.sum(axis=1) > 0
    weight = np.exp(k * bonds[up])
    # Mean of one spin where the majority is up; two bonds join neighbouring cells.
    mean = np.sum(weight * spins[up, 0]) / np.sum(weight)
    return np.array([2 * k * mean**2, 3 * h * mean])


def test_niemeijer_van_leeuwen(checked):
    fixed = fixed_point_of_map(niemeijer_van_leeuwen, [0.3, 0.0], b=np.sqrt(3))
    np.testing.assert_allclose(fixed.couplings[1], 0, atol=1e-10)
    name = "of Niemeijer and van Leeuwen, triangular lattice"
    checked(ISING, f"K* {name}", 0.3356135116, fixed.couplings[0], rtol=1e-10)
    checked(ISING, f"y_t {name}", 0.882203, fixed.exponents[1], rtol=1e-6)
    checked(ISING, f"y_h {name}", 1.369070, fixed.exponents[0], rtol=1e-6)


@pytest.mark.parametrize("b", [2, 3])
def test_decimated_ar1_chain(b, checked):
    # As a map of (r, Z): rho' = rho^b; at r = 0 the mass is relevant, r / Z grows as b^2.
    def rg_map(couplings):
        r, z = couplings
        centre = r + 2 * z  # rho + 1 / rho = centre / Z
        rho = (centre - np.sqrt(r * (r + 4 * z))) / (2 * z)
        variance = 1 / np.sqrt(r * (r + 4 * z))
        far = rho**b
        return np.array([(1 - far) / (1 + far), far / (1 - far**2)]) / variance

    r, z = 0.3, 1.2
    once = rg_map(rg_map(np.array([r, z])))
    # Decimation composes, and the chain keeps its variance.
    composed = [(r + 2 * z) / z, 1 / np.sqrt(r * (r + 4 * z))]
    rho = (composed[0] - np.sqrt(composed[0] ** 2 - 4)) / 2
    after = (once[0] + 2 * once[1]) / once[1]
    np.testing.assert_allclose((after - np.sqrt(after**2 - 4)) / 2, rho ** (b * b), rtol=1e-10)
    np.testing.assert_allclose(
        1 / np.sqrt(once[0] * (once[0] + 4 * once[1])), composed[1], rtol=1e-10
    )
    slope = linearise(lambda rho: rho**b, [1.0], b=b)
    quantity = f"exponent of 1 - rho at rho = 1 under decimation, b = {b}"
    checked("AR(1) chain", quantity, 1.0, slope.exponents[0], rtol=1e-12)


@pytest.mark.parametrize("sigma", [0.7, 1.0, 2.0])
@pytest.mark.parametrize("shape", [(48,), (12, 12)])
def test_gaussian_mass_by_block_averages_in_real_space(sigma, shape, checked):
    # With Delta = (d - sigma)/2 the mass 1/G'(0) grows as b^sigma, at every b.
    d = len(shape)
    for b in (2, 3):

        def rg_map(mass2, b=b):
            correlation = exact.free_correlation(shape, mass2[0], 1.0, sigma)
            for axis in range(d):
                moved = (np.roll(correlation, j - i, axis) for i in range(b) for j in range(b))
                correlation = sum(moved) / b**2
            blocks = correlation[tuple(slice(None, None, b) for _ in shape)]
            return np.array([b ** -(d - sigma) / blocks.sum()])

        found = linearise(rg_map, [0.2], b=b)
        topic = "Free field, block averages" if sigma == 2 else "Long-range Gaussian field"
        quantity = f"exponent of 1/G(0), k^{sigma:g}, d = {d}, b = {b}"
        checked(topic, quantity, sigma, found.exponents[0], rtol=1e-7)


LPA = "Local potential approximation, d = 3"


def test_local_potential_of_the_ising_class(checked):
    found = local_potential()
    for name, known in (("nu", 0.6495617739), ("omega", 0.6557459392)):
        obtained = getattr(found, name).value
        checked(LPA, f"{name} of one component", known, obtained, rtol=1.5e-10, source="published")
    assert found.nu.error < 1e-9 and found.omega.error < 1e-8
    assert abs(found.slope[0] + 0.186064249) < 1e-8


# D. F. Litim, Nucl. Phys. B 631 (2002) 128, table 1, and the spherical model N -> infinity.
@pytest.mark.parametrize(("n", "nu"), [(2, 0.708211), (3, 0.761123), (4, 0.804348)])
def test_local_potential_of_other_classes(n, nu, checked):
    obtained = local_potential(n).nu.value
    checked(LPA, f"nu of {n} components", nu, obtained, rtol=1e-6, source="published")


def test_local_potential_approaches_the_spherical_model():
    far, farther = local_potential(100), local_potential(1000)
    for exponent in ("nu", "omega"):
        a, b = getattr(far, exponent).value - 1, getattr(farther, exponent).value - 1
        assert 9.5 < a / b < 10.5  # corrections fall as 1/N


def test_local_potential_converges_exponentially():
    exact = local_potential(nodes=90).nu.value
    errors = [abs(local_potential(nodes=n).nu.value - exact) for n in (30, 45)]
    assert errors[1] < errors[0] / 30
