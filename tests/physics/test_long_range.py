"""Ising chains with couplings between all spins: mean-field exponents, and eta = 2 - sigma.

S = -sum_(x<y) K_(x-y) s_x s_y on a ring, K_r = K sum over images of |r + jL|^-(1 + sigma).
"""

from itertools import product

import numba
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gamma, zeta

from nnrg.stats.fits import correlated_fit
from nnrg.stats.replicates import Replicates

LONG_RANGE = "Long-range Ising"


@numba.njit
def clusters(spins, cumulative, flips, rng, mean, size):
    """Flip Wolff clusters; write the mean spin after, and the mean size of, `flips` of them.

    E. Luijten and H. W. J. Bloete, Int. J. Mod. Phys. C 6 (1995) 359: from one active bond the next
    is drawn from the sum of couplings in between, whatever the number of spins.
    """
    n = spins.size
    stack = np.empty(n, np.int64)
    for sample in range(mean.size):
        total = 0
        for _ in range(flips):
            start = int(n * rng.random())
            sign = spins[start]
            spins[start] = -sign
            stack[0] = start
            waiting, total = 1, total + 1
            while waiting:
                waiting -= 1
                x, r = stack[waiting], 0
                while True:
                    reach = cumulative[r] + 0.5 * rng.standard_exponential()
                    if reach >= cumulative[n - 1]:
                        break
                    r = np.searchsorted(cumulative, reach, side="right")
                    y = (x + r) % n
                    if spins[y] == sign:
                        spins[y] = -sign
                        stack[waiting] = y
                        waiting, total = waiting + 1, total + 1
        mean[sample] = spins.sum() / n
        size[sample] = total / flips


def mean_field(sigma):
    """Critical coupling of spins with infinitely many neighbours of the same total strength."""
    return 1 / (2 * zeta(1 + sigma))


def ring(n, sigma, k):
    """K_r for r = 1 .. n - 1."""
    r = np.arange(1, n) / n
    return k * (zeta(1 + sigma, r) + zeta(1 + sigma, 1 - r)) / n ** (1 + sigma)


def run(n, sigma, ratio, n_samples, flips, seed, thermalise=200):
    """Mean spin of each sample, and mean size of the clusters, at K = ratio * mean field."""
    cumulative = np.append(0.0, np.cumsum(ring(n, sigma, ratio * mean_field(sigma))))
    rng = np.random.default_rng(seed)
    spins = np.where(rng.random(n) < 0.5, 1, -1)
    mean, size = np.empty((2, thermalise + n_samples))
    clusters(spins, cumulative, flips, rng, mean, size)
    return mean[thermalise:], size[thermalise:]


def powers(m):
    """|m|, m^2, m^4 of successive samples; groups of hundreds are independent of one another."""
    return Replicates.of_mean(np.stack([np.abs(m), m**2, m**4], axis=1), max_groups=40)


def zero_mode(r):
    """<abs m>^2 / <m^2>, U_4 and ln <m^2> of the weight exp(-r m^2 - m^4)."""
    m0, m1, m2, m4 = (
        quad(lambda m, k=k: m**k * np.exp(-r * m**2 - m**4), 0, 8)[0] for k in (0, 1, 2, 4)
    )
    return m1**2 / (m0 * m2), 1 - m4 * m0 / (3 * m2**2), np.log(m2 / m0)


def test_sampler_has_the_law_of_all_states():
    # Eight spins, 256 states: <m^2> and <m^4> in four errors, a false alarm in 8000.
    n, sigma, ratio = 8, 0.5, 0.9
    spins = np.array(list(product([1, -1], repeat=n)))
    k = ring(n, sigma, ratio * mean_field(sigma))
    energy = sum(k[r - 1] * np.sum(spins * np.roll(spins, -r, axis=1), axis=1) for r in range(1, n))
    weight = np.exp(energy / 2)
    m = spins.mean(axis=1)
    known = [np.sum(weight * m**p) / np.sum(weight) for p in (2, 4)]
    found, size = run(n, sigma, ratio, 40_000, 4, seed=3)
    errors = powers(found).errors()[1:]
    assert np.all(np.abs(powers(found).values[1:] - known) < 4 * errors)
    # The mean size of Wolff clusters is the susceptibility, in every state of the chain.
    sizes = Replicates.of_mean(size[:, None], max_groups=40).estimates()[0]
    assert abs(sizes.value - n * known[0]) < 4 * sizes.error


def test_zero_mode_of_the_mean_field_box_at_criticality(checked):
    # Moments of exp(-m^4) are Gamma functions: <abs m>^2 / <m^2> = 1 / sqrt 2.
    ratio, binder, _ = zero_mode(0.0)
    known = 1 - gamma(0.25) ** 2 / (12 * gamma(0.75) ** 2)
    checked(LONG_RANGE, "<abs m>^2 / <m^2> of the critical zero mode", 0.5**0.5, ratio, rtol=1e-8)
    checked(LONG_RANGE, "U_4 of the critical zero mode", known, binder, rtol=1e-8)


@pytest.mark.slow
def test_mean_field_box_at_sigma_below_one_half(checked):
    # Where <abs m>^2 / <m^2> has its critical value 1/sqrt 2, U_4 has that of the zero mode; the
    # shift of K there, L^(sigma - 1), drops out, and what is left falls as L^(-1/2). From where K
    # was, U_4 and chi are moved there along the curves of the zero mode.
    sigma, binders, chi = 0.3, [], []
    sizes = {256: (1.045, 1.06), 1024: (1.057, 1.07), 4096: (1.065, 1.072), 16384: (1.067, 1.071)}
    ratio, *curves = np.transpose([zero_mode(r) for r in np.linspace(-2, 3, 51)])
    curves = [np.polynomial.Polynomial.fit(ratio, curve, 9) for curve in curves]
    known = zero_mode(0.0)[1]
    for n, ratios in sizes.items():
        draws = 16_000 if n < 10_000 else 6000
        both = Replicates.join(
            [
                powers(run(n, sigma, x, draws, int(0.75 * n**0.5), seed=n + i)[0])
                for i, x in enumerate(ratios)
            ]
        )

        def at_ratio(means, n=n):
            m1, m2, m4 = means.reshape(2, 3).T
            measured = 1 - m4 / (3 * m2**2), np.log(n * m2)
            return np.array(
                [
                    np.mean(x - curve(m1**2 / m2) + curve(0.5**0.5))
                    for x, curve in zip(measured, curves, strict=True)
                ]
            )

        found = both.map(at_ratio)
        binders.append(found.select(0))
        chi.append(found.select(1))
        one = found.estimates()[0]
        assert one.error < 0.01, n
    size = np.array(list(sizes), dtype=float)
    fit = correlated_fit(np.stack([np.ones(4), size**-0.5], axis=1), size, Replicates.join(binders))
    assert fit.p > 1e-3
    one = fit.estimate("p0")
    checked(LONG_RANGE, "U_4 of the periodic box, sigma = 0.3", known, one.value, one.error)
    # chi grows as the root of the volume, not as L^sigma; u L^(2 sigma - 1) corrects it.
    fit = correlated_fit(
        np.stack([np.ones(4), np.log(size), size ** (2 * sigma - 1)], axis=1),
        size,
        Replicates.join(chi),
    )
    assert fit.p > 1e-3
    one = fit.estimate("p1")
    checked(LONG_RANGE, "power of L in chi of the box, sigma = 0.3", 0.5, one.value, one.error)


@pytest.mark.slow
def test_susceptibility_has_gamma_one_at_sigma_below_one_half(checked):
    # A ring longer than every correlation length; 1/chi = A t^gamma (1 + a t).
    ratios = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
    chi = []
    for i, x in enumerate(ratios):
        size = run(2**17, 0.3, x, 200, 10_000, seed=50 + i, thermalise=40)[1]
        chi.append(Replicates.of_mean(size[:, None], max_groups=20).map(lambda c: 1 / c))

    def law(x, amplitude, critical, power, a):
        t = np.abs(1 - x / critical)
        return amplitude * t**power * (1 + a * t)

    fit = correlated_fit(
        law,
        ratios,
        Replicates.join(chi),
        start=(0.9, 1.07, 1.0, 0.1),
        names=("amplitude", "critical", "gamma", "a"),
    )
    assert fit.p > 1e-3
    one = fit.estimate("gamma")
    checked(LONG_RANGE, "gamma, sigma = 0.3", 1.0, one.value, one.error)


@pytest.mark.slow
def test_eta_is_two_less_sigma_above_one_half(checked):
    # Where the Binder cumulant has one value for all sizes, close to that at criticality, chi grows
    # as L^(2 - eta) = L^sigma, corrected by L^-omega with omega = 2 sigma - 1 to first order.
    sigma, binder, logs = 0.7, 0.49, []
    sizes = {
        256: ((1.38, 1.41), 20_000),
        1024: ((1.39, 1.41), 12_000),
        4096: ((1.396, 1.405), 6000),
        16384: ((1.398, 1.404), 3000),
    }
    for n, (ratios, draws) in sizes.items():
        both = Replicates.join(
            [
                powers(run(n, sigma, x, draws, int(0.9 * n**0.3), seed=10 * n + i)[0])
                for i, x in enumerate(ratios)
            ]
        )

        def at_binder(means, n=n):
            _, m2, m4 = means.reshape(2, 3).T
            u = 1 - m4 / (3 * m2**2)
            step = (binder - u[0]) / (u[1] - u[0])
            chi = np.log(n * m2)
            return np.array([chi[0] + step * (chi[1] - chi[0]), step])

        found = both.map(at_binder)
        logs.append(found.select(0))
    size = np.array(list(sizes), dtype=float)
    rows = np.stack([np.ones(4), np.log(size), size ** (1 - 2 * sigma)], axis=1)
    fit = correlated_fit(rows, size, Replicates.join(logs))
    assert fit.p > 1e-3
    one = fit.estimate("p1")
    checked(LONG_RANGE, "2 - eta, sigma = 0.7", sigma, one.value, one.error)
