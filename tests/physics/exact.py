"""Exact answers for fields with known laws; NumPy and SciPy only, nothing of the package."""

from math import comb

import numpy as np
from scipy.integrate import quad
from scipy.linalg import eigh


def cumulants_from_moments(moments):
    """kappa_0 = 0, kappa_1 .. kappa_n from raw moments <phi^0> = 1, <phi>, ..., <phi^n>."""
    kappa = [0.0]
    for n in range(1, len(moments)):
        rest = sum(comb(n - 1, m - 1) * kappa[m] * moments[n - m] for m in range(1, n))
        kappa.append(moments[n] - rest)
    return np.array(kappa)


class Phi4Chain:
    """Transfer matrix of S = sum 1/2 (phi_{x+1}-phi_x)^2 + r/2 phi^2 + u/24 phi^4 + w/720 phi^6.

    T(phi, phi') = exp(-(phi-phi')^2/2 - V/2 - V'/2) on a uniform grid.
    """

    def __init__(self, r, u, w=0.0, *, points=601, edge=6.0):
        self.phi = np.linspace(-edge, edge, points)
        v = r / 2 * self.phi**2 + u / 24 * self.phi**4 + w / 720 * self.phi**6
        v -= v.min()
        steps = self.phi[:, None] - self.phi
        transfer = np.exp(-0.5 * steps**2 - 0.5 * v[:, None] - 0.5 * v)
        values, vectors = eigh(transfer, subset_by_index=[points - 2, points - 1])
        self.psi = np.abs(vectors[:, 1])
        self.transfer = transfer / values[1]
        self.correlation_length = 1 / np.log(values[1] / values[0])

    def block_cumulants(self, b, order=8):
        """kappa_0 = 0, kappa_1 .. kappa_order of the sum of b neighbouring sites.

        v_m <- sum_l C(m,l) phi^l T v_{m-l} from v_m = phi^m psi; <sum^m> = psi . v_m.
        """
        powers = [self.phi**m for m in range(order + 1)]
        vectors = [p * self.psi for p in powers]
        for _ in range(b - 1):
            moved = [self.transfer @ v for v in vectors]
            vectors = [
                sum(comb(m, k) * powers[k] * moved[m - k] for k in range(m + 1))
                for m in range(order + 1)
            ]
        return cumulants_from_moments([float(self.psi @ v) for v in vectors])

    def standardised(self, b, order=8):
        """lambda_n = kappa_n / kappa_2^(n/2) of the block of b sites, n = 0 .. order."""
        kappa = self.block_cumulants(b, order)
        return kappa / kappa[2] ** (np.arange(order + 1) / 2)

    def correlation(self, lags):
        """<phi_x phi_{x+n}> for n = 0 .. lags - 1."""
        out, vector = [], self.phi * self.psi
        for _ in range(lags):
            out.append(float(self.phi @ (self.psi * vector)))
            vector = self.transfer @ vector
        return np.array(out)


def zero_dimensional_cumulants(r, u, order=8):
    """Cumulants of one variable with S = r/2 phi^2 + u/24 phi^4."""

    def moment(n):
        weight = quad(
            lambda x: x**n * np.exp(-r / 2 * x * x - u / 24 * x**4),
            0,
            np.inf,
            epsabs=0,
            epsrel=1e-13,
        )
        return weight[0]

    norm = moment(0)
    return cumulants_from_moments(
        [moment(n) / norm if n % 2 == 0 else 0.0 for n in range(order + 1)]
    )


def ar1_block_correlation(rho, b, n):
    """<phi'_0 phi'_n>, n >= 1, of means over b sites of a unit-variance AR(1) chain."""
    return rho ** ((n - 1) * b + 1) * ((1 - rho**b) / (b * (1 - rho))) ** 2


def fgn_correlation(hurst, n):
    """Autocovariance of unit fractional Gaussian noise."""
    n = np.abs(np.asarray(n, dtype=float))
    p = 2 * hurst
    return 0.5 * ((n + 1) ** p - 2 * n**p + np.abs(n - 1) ** p)


def lattice_momentum_squared(shape):
    """sum_mu 4 sin^2(k_mu / 2) at every momentum of a periodic lattice."""
    axes = [4 * np.sin(np.pi * np.arange(n) / n) ** 2 for n in shape]
    return sum(np.meshgrid(*axes, indexing="ij"))


def free_propagator(shape, mass2, stiffness=1.0, sigma=2.0):
    """G(k) = 1 / (mass2 + stiffness khat^sigma)."""
    return 1 / (mass2 + stiffness * lattice_momentum_squared(shape) ** (sigma / 2))


def free_correlation(shape, mass2, stiffness=1.0, sigma=2.0):
    """<phi_0 phi_x> of the free field on a periodic lattice: the mean of G(k) e^{ikx}."""
    return np.fft.ifftn(free_propagator(shape, mass2, stiffness, sigma)).real


def free_block_propagator(shape, mass2, b, stiffness=1.0):
    """G'(K) of block means over b^d sites: the sum of G(k) |window(k)|^2 over the aliases of K."""
    g = free_propagator(shape, mass2, stiffness)
    for axis, n in enumerate(shape):
        k = 2 * np.pi * np.arange(n) / n
        window = np.abs(np.exp(1j * np.outer(k, np.arange(b))).mean(axis=1)) ** 2
        g = g * window.reshape([-1 if a == axis else 1 for a in range(len(shape))])
        folded = (*g.shape[:axis], b, n // b, *g.shape[axis + 1 :])
        g = g.reshape(folded).sum(axis=axis) / b
    return g
