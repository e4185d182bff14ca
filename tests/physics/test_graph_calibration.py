"""How often networks of independent weights are told from their nulls: as often as is promised.

Blocks of units are chosen by the other layers, or by half of the samples; nothing is there to be
found, and what is found is a false alarm.
"""

import numpy as np
import pytest

import nnrg
from nnrg.rg.verdict import verdict_run

NOTHING = "indistinguishable from permuted"
LAYERS = {"fc1.weight": (32, 24), "fc2.weight": (32, 32), "fc3.weight": (24, 32)}


def network(seed):
    rng = np.random.default_rng([77, seed])
    return nnrg.load({name: rng.normal(size=shape) for name, shape in LAYERS.items()})


def runs(count, **options):
    return [nnrg.flow_network(network(seed), rng=seed, **options) for seed in range(count)]


def scores(found, name):
    """Return all z-scores of one cumulant against the permutation."""
    tables = [run[field].cumulants for run in found for field in run]
    z = np.concatenate([t.z("permutation")[:, t.names.index(name)] for t in tables])
    return z[np.isfinite(z)]


def claims(found):
    """Return of how many runs any field is said to be more than its permuted self."""
    return sum(
        any(v.statement != NOTHING for v in verdict_run(run).verdicts.values()) for run in found
    )


@pytest.mark.slow
@pytest.mark.parametrize("units", ["matching", "pairs"])
def test_independent_weights_are_told_from_permuted_ones_once_in_twenty_runs_at_most(units):
    # A run claims something with a chance of at most 0.05: more than 13 of 100 do so once in 2000
    # times. Scores follow Student's t of 19 degrees, beyond 3.9 once in a thousand; scales of one
    # field are correlated, so that ten times as many are allowed, and the spread may be off by a
    # tenth.
    found = runs(100, units=units)
    assert all(list(run) == list(LAYERS) and not run.left_out for run in found)
    assert claims(found) <= 13
    for name in ("kappa_2", "ratio_3"):
        z = scores(found, name)
        assert z.size > 500
        assert np.mean(np.abs(z) > 3.9) < 0.01
        assert abs(np.mean(z)) < 0.15
        assert z.std() == pytest.approx(np.sqrt(19 / 17), rel=0.15)


def test_a_few_networks_of_independent_weights_show_nothing():
    # Three runs of three fields: a claim by chance once in seven times, if rank tests of 19 draws
    # were all that is asked; this seed has none. Scores beyond 8 have a chance below 1e-5.
    found = runs(3, nulls=(nnrg.NullModel("permutation", 19),))
    assert claims(found) == 0
    for name in ("kappa_1", "kappa_2", "neighbour:0"):
        assert np.abs(scores(found, name)).max() < 8


@pytest.mark.slow
def test_flows_of_independent_networks_compare_as_one_ensemble():
    # Each comparison claims a difference with a chance of at most 0.05 (Holm): more than 12 of 60
    # pairs do so once in 10^5 times.
    wide = {"a.weight": (64, 48), "b.weight": (64, 64), "c.weight": (32, 64)}
    told = 0
    for seed in range(60):
        flows = {}
        for which in "xy":
            rng = np.random.default_rng([78, seed, ord(which)])
            net = nnrg.load({name: rng.normal(size=shape) for name, shape in wide.items()})
            run = nnrg.flow_network(net, tensors=("a.weight",), units="pairs", nulls=(), rng=seed)
            flows[which] = run["a.weight"]
        told += any(row.holm <= 0.05 for row in nnrg.compare(flows).rows)
    assert told <= 12
