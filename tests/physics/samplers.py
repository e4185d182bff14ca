"""What tests of samplers share: exact Ising answers, and errors of averages over a chain."""

import numpy as np


def kaufman_energy(beta, n, m):
    """Energy per site of the Ising model on an n x m torus.

    B. Kaufman, Phys. Rev. 76 (1949) 1232: Z = 1/2 (2 sinh 2 beta)^(nm/2) times the sum of the
    products over r < n of 2 cosh(m g_{2r+1} / 2), 2 sinh(m g_{2r+1} / 2), 2 cosh(m g_{2r} / 2),
    2 sinh(m g_{2r} / 2); cosh g_l = cosh 2 beta coth 2 beta - cos(pi l / n), and
    g_0 = 2 beta + ln tanh beta has a sign.
    """

    def log_partition(b):
        level = np.arange(2 * n)
        g = np.arccosh(np.cosh(2 * b) / np.tanh(2 * b) - np.cos(np.pi * level / n))
        g[0] = 2 * b + np.log(np.tanh(b))
        logs, signs = [], []
        for part in (g[1::2], g[0::2]):
            half = m * np.abs(part) / 2
            logs.append(np.sum(half + np.log1p(np.exp(-2 * half))))
            signs.append(1.0)
            with np.errstate(divide="ignore"):
                logs.append(np.sum(half + np.log(-np.expm1(-2 * half))))
            signs.append(np.prod(np.sign(part)))
        top = max(logs)
        total = np.sum(np.array(signs) * np.exp(np.array(logs) - top))
        return n * m / 2 * np.log(2 * np.sinh(2 * b)) - np.log(2) + top + np.log(total)

    step = 1e-4
    near = [log_partition(beta + k * step) for k in (-2, -1, 1, 2)]
    slope = (near[0] - 8 * near[1] + 8 * near[2] - near[3]) / (12 * step)
    return -slope / (n * m)


def enumerated(beta, shape):
    """Energy per site, <m^2> and <m^4> of the Ising model, by summing over all states."""
    sites = int(np.prod(shape))
    total = np.zeros(3)
    norm = 0.0
    for states in np.array_split(np.arange(2**sites), max(1, 2**sites >> 12)):
        spins = 1.0 - 2.0 * ((states[:, None] >> np.arange(sites)) & 1)
        spins = spins.reshape(-1, *shape)
        energy = -sum(
            (spins * np.roll(spins, 1, a)).reshape(len(states), -1).sum(axis=1)
            for a in range(1, spins.ndim)
        )
        m = spins.reshape(len(states), -1).mean(axis=1)
        weight = np.exp(-beta * (energy + 2 * sites))
        norm += weight.sum()
        total += [(weight * x).sum() for x in (energy / sites, m**2, m**4)]
    return total / norm


def energy(spins):
    """Energy per site of each configuration."""
    axes = range(1, spins.ndim)
    products = sum(spins * np.roll(spins, 1, axis) for axis in axes)
    return -products.reshape(len(spins), -1).mean(axis=1, dtype=np.float64)


def magnetisation(spins):
    return spins.reshape(len(spins), -1).mean(axis=1, dtype=np.float64)


def binned(function, *series, bins=50):
    """Value and error of a function of means: delete-one jackknife over bins of the chain."""
    length = len(series[0]) // bins * bins
    blocks = np.array([s[:length].reshape(bins, -1).mean(axis=1) for s in series])
    means = blocks.mean(axis=1)
    left = (blocks.sum(axis=1, keepdims=True) - blocks) / (bins - 1)
    replicates = np.array([function(*column) for column in left.T])
    error = np.sqrt((bins - 1) * replicates.var(axis=0))
    return function(*means), error


def binder(m2, m4):
    """U_4 = 1 - <m^4> / 3 <m^2>^2."""
    return 1 - m4 / (3 * m2**2)


def correlation_ratio(length):
    """xi / L of the second moment, from |phi_k|^2 at k = 0 and at the smallest momentum."""
    return lambda zero, least: np.sqrt(zero / least - 1) / (2 * np.sin(np.pi / length) * length)


def spectrum_at_least_momentum(values):
    """|phi_k|^2 at k = 0 and, averaged over axes, at k = 2 pi / L along one axis."""
    n = values.shape[1]
    axes = range(1, values.ndim)
    wave = np.exp(2j * np.pi * np.arange(n) / n)
    profiles = [values.mean(axis=tuple(a for a in axes if a != axis)) for axis in axes]
    least = np.mean([np.abs(p @ wave / n) ** 2 for p in profiles], axis=0)
    return values.mean(axis=tuple(axes)) ** 2, least
