"""Exponents of critical lattices: the field dimension from block means, three dimensions.

Bounds of 4 errors on each number: exceeded by chance once in 16 thousand.
"""

import numpy as np
import pytest

import nnrg
from nnrg.rg.scaling.derived import numbers
from nnrg.rg.scaling.finite_size import finite_size_observables, fit_size_exponent
from nnrg.simulate import hopping_couplings, ising, phi4_lattice
from nnrg.stats.collapse import ScalingCurve, collapse
from nnrg.stats.replicates import Replicates

CRITICAL = np.log(1 + np.sqrt(2)) / 2


@pytest.mark.slow
def test_field_dimension_of_ising_blocks(checked):
    # kappa_2 of block means falls as b^(-2 Delta), Delta = 1/8, at a fixed share b / L of the
    # lattice. Sites in place of a continuum add 0.1 b^(-7/4) of it: 1e-3 in Delta from b = 8 on.
    shares = {2: [], 4: []}
    sizes = (32, 64, 128)
    for size, n_samples in zip(sizes, (20_000, 10_000, 4000), strict=True):
        spins = ising((size, size), n_samples, beta=CRITICAL, clusters=8, rng=size)
        flow = nnrg.renormalize(spins, levels=int(np.log2(size)))
        measured = flow.cumulants(order=2, nulls=())
        for share, parts in shares.items():
            parts.append(numbers(measured, ["kappa_2"], scales=[size // share]))
    for share, parts in shares.items():
        power = fit_size_exponent(np.array(sizes) / share, Replicates.join(parts)).estimate
        quantity = f"Delta from kappa_2 of blocks of L / {share}, L = 32 to 128"
        value, error = -power.value / 2, power.error / 2
        topic, moved = "2-d Ising model, finite-size scaling", 3e-4 if share == 2 else 1e-3
        checked(topic, quantity, 1 / 8, value, error, uncertainty=moved)
        assert error < 0.01


BETA, LAMBDA = 0.3750966, 1.1


def three_dimensions(size, beta, n_samples, seed):
    couplings = hopping_couplings(beta, LAMBDA, 3)
    options = {"stride": 3, "clusters": 3, "thermalise": 1000}
    values = phi4_lattice((size,) * 3, n_samples, **couplings, rng=seed, **options)
    field = nnrg.SynapticField(values, nnrg.Lattice((size,) * 3, periodic=True), independent=False)
    return finite_size_observables(field)


@pytest.mark.slow
def test_exponents_of_the_ising_class_in_three_dimensions(checked):
    # At lambda = 1.1 the leading corrections of phi^4 vanish.
    topic = "3-d Ising class"
    sizes = (8, 12, 16)
    runs = [three_dimensions(size, BETA, 20_000, size) for size in sizes]
    chi = Replicates.join([run.select("susceptibility") for run in runs])
    power = fit_size_exponent(np.array(sizes, dtype=float), chi).estimate
    options = {"uncertainty": 1e-6, "source": "published"}
    quantity = "y_h of phi^4 at beta_c, lambda = 1.1, L = 8 to 16"
    checked(topic, quantity, 2.4818511, (power.value + 3) / 2, power.error / 2, **options)
    curves = []
    for size in sizes:
        betas = BETA + np.linspace(-0.2, 0.2, 5) / size**1.6
        binder = [
            three_dimensions(size, beta, 6000, 100 * size + i).select("binder")
            for i, beta in enumerate(betas)
        ]
        curves.append(ScalingCurve(size, betas, Replicates.join(binder)))
    found = collapse(curves, start=(0.37, 0.6))
    assert found.p > 1e-3
    nu, critical = found.nu, found.critical
    options = {"uncertainty": 4e-6, "source": "published"}
    quantity = "nu of phi^4, lambda = 1.1, data collapse"
    checked(topic, quantity, 1 / 1.587375, nu.value, nu.error, **options)
    options = {"uncertainty": 4e-7, "source": "published"}
    quantity = "beta_c of phi^4, lambda = 1.1, data collapse"
    checked(topic, quantity, BETA, critical.value, critical.error, **options)
