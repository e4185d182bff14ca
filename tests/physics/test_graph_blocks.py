"""Blocks chosen on graphs: what they must find, and what they must not make up."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest

import nnrg
from nnrg.errors import AnalysisError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.graph.similarity import similarity_graph
from nnrg.rg.neighbourhoods.blocking import arrange
from nnrg.rg.neighbourhoods.diffusion import DiffusionBlocks
from nnrg.rg.neighbourhoods.labels import LabelBlocks
from nnrg.rg.neighbourhoods.matching import MatchingBlocks
from nnrg.rg.neighbourhoods.modes import GraphModes
from nnrg.rg.neighbourhoods.random import RandomUnits
from nnrg.rg.neighbourhoods.seriation import SeriationBlocks

TOPIC = "Neighbourhoods on graphs"


def ring_noise(n_samples, n, correlation, seed):
    """An AR(1) field on a ring, by its spectrum."""
    k = 2 * np.pi * np.fft.rfftfreq(n)
    root = 1 / np.sqrt(1 - 2 * correlation * np.cos(k) + correlation**2)
    noise = np.random.default_rng(seed).normal(size=(n_samples, n))
    return np.fft.irfft(np.fft.rfft(noise) * root, n=n)


def test_matching_on_a_ring_is_the_flow_of_the_lattice(checked):
    n = 256
    values = ring_noise(40, n, 0.8, 1)
    ring = ConnectionGraph.from_networkx(nx.cycle_graph(n))
    here = nnrg.renormalize(nnrg.SynapticField(values, ring), MatchingBlocks())
    lattice = nnrg.SynapticField(values, nnrg.Lattice(n, periodic=True))
    there = nnrg.renormalize(lattice, nnrg.GridBlocks(2))
    assert here.scales == there.scales
    for one, two in zip(here.means, there.means, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-13)
    one, two = (flow.cumulants(order=6, nulls=()) for flow in (here, there))
    np.testing.assert_allclose(one.values, two.values, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(one.errors(), two.errors(), rtol=1e-9, atol=1e-12)
    ratio = here.variances()[5] / there.variances()[5]
    checked(TOPIC, "kappa_2 of MatchingBlocks over GridBlocks, AR(1) on a ring, b = 32", 1.0, ratio)


def hierarchical(seed, inside, beside, apart, members=16, groups=4, clusters=4):
    """Nodes in groups in clusters, joined with a probability that falls at each step outwards."""
    site = np.arange(members * groups * clusters)
    group, cluster = site // members, site // (members * groups)
    alike = np.where(cluster[:, None] == cluster, beside, apart)
    chance = np.where(group[:, None] == group, inside, alike)
    drawn = np.triu(np.random.default_rng(seed).random(chance.shape) < chance, 1)
    return ConnectionGraph.from_sparse((drawn | drawn.T).astype(float)), group, cluster


def is_level(hierarchy, truth):
    """Whether a partition is a level of a hierarchy."""
    return any(
        len(set(zip(labels.tolist(), truth.tolist(), strict=True)))
        == labels.max() + 1
        == truth.max() + 1
        for labels in hierarchy.labels
    )


def purity(labels, truth):
    """Share of the sites that are in the planted block that most sites of their block are in."""
    table = np.zeros((labels.max() + 1, truth.max() + 1), int)
    np.add.at(table, (labels, truth), 1)
    return table.max(axis=1).sum() / labels.size


def test_planted_blocks_are_found_at_both_of_their_scales():
    # Ten graphs. A rule that knew nothing would find neither partition in any of them.
    found, pure = [], []
    for seed in range(10):
        graph, group, cluster = hierarchical(seed, 0.9, 0.05, 0.0005)
        field = nnrg.SynapticField(np.ones((2, graph.n_nodes)), graph)
        (blocks,) = DiffusionBlocks().choose(field, None, 2).hierarchies
        found.append([is_level(blocks, group), is_level(blocks, cluster)])
        (pairs,) = MatchingBlocks().choose(field, None, 2).hierarchies
        counts = [pairs.n_blocks(level) for level in range(len(pairs))]
        pure.append(
            [
                purity([x for x, c in zip(pairs.labels, counts, strict=True) if c >= k][-1], truth)
                for k, truth in ((16, group), (4, cluster))
            ]
        )
    assert np.mean(found, axis=0).min() >= 0.8
    assert np.mean(pure, axis=0).min() > 0.97


def uneven(seed=5, n=192):
    return ConnectionGraph.from_networkx(nx.barabasi_albert_graph(n, 3, seed=seed))


def weighted(graph, seed=6):
    matrix = graph.to_sparse()
    matrix.data = np.random.default_rng(seed).random(matrix.nnz)
    return ConnectionGraph.from_sparse(matrix + matrix.T)


RULES = {
    "matching": lambda: MatchingBlocks(weighted(uneven())),
    "diffusion": lambda: DiffusionBlocks(weighted(uneven())),
    "spectral order": lambda: SeriationBlocks(weighted(uneven()), b=3),
    "modes": lambda: GraphModes(weighted(uneven()), 3),
    "split": lambda: MatchingBlocks(split=0.5, neighbours=6),
}
SLOW = ("spectral order", "modes", "split")


class Chosen:
    """A choice that was made before, for any field on the sites."""

    provenance = "chosen before"

    def __init__(self, choice):
        self.made = choice

    def choose(self, field, levels, fewest):
        return replace(self.made, field=field)


@pytest.mark.parametrize(
    "name", ["matching", "diffusion", *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW)]
)
def test_block_averages_of_independent_values_stay_independent(name, checked):
    # Means and pulls of 100 fields, of two cumulants at two scales. The estimates of kappa_4 are
    # unbiased but for equalised variances, which take up to 0.1 of one field's error, or one error
    # of the mean: a mean beyond 4.5 is a false alarm in 1e-3 of all rules. Of the pulls only the
    # spread is asked for; with 60 samples their mean is -0.15 on a lattice too.
    rule, fields = RULES[name](), 100
    if name in ("matching", "diffusion", "spectral order"):
        # The graph alone chooses: once for all fields.
        sites = nnrg.SynapticField(np.ones((1, 192)), nnrg.Lattice(192))
        choice = rule.choose(sites, 3, 2)
        assert np.unique(choice.hierarchies[0].sizes(2)).size > 1 or name == "spectral order"
        rule = Chosen(choice)
    n_samples = 80 if name == "split" else 60
    deviations, pulls = [], []
    for seed in range(fields):
        values = np.random.default_rng([seed, 7]).normal(size=(n_samples, 192))
        flow = nnrg.renormalize(
            nnrg.SynapticField(values, nnrg.Lattice(192)),
            rule,
            levels=3,
            errors=nnrg.Jackknife(over="samples"),
        )
        cumulants = flow.cumulants(order=4, nulls=())
        b = flow.means[0].shape[1] / np.array([m.shape[1] for m in flow.means])
        if name == "modes":
            b = 192 / np.array([192, *rule.counts(3)])
        at = [cumulants.names.index(operator) for operator in ("kappa_2", "kappa_4")]
        unit = np.stack([b, b**2], axis=1)[1:]
        value, error = (x[1:, at] * unit for x in (cumulants.values, cumulants.errors()))
        deviations.append(value - [1, 0])
        pulls.append(deviations[-1] / error)
    mean = np.mean(deviations, axis=0)
    of_mean = np.std(deviations, axis=0, ddof=1) / np.sqrt(fields)
    assert np.abs(mean / of_mean).max() < 4.5
    spread = np.std(pulls, axis=0)
    assert 0.75 < spread.min() and spread.max() < 1.3
    for column, (quantity, exact) in enumerate((("b kappa_2", 1.0), ("b^2 kappa_4", 0.0))):
        quantity = f"{quantity} of iid values, mean of 100 fields, third scale, {name}"
        checked(TOPIC, quantity, exact, exact + mean[1, column], of_mean[1, column])


def test_blocks_of_unequal_size_would_fake_a_fourth_cumulant():
    # The mixture of variances v = 1/B that plain means over diffusion blocks have.
    field = nnrg.SynapticField(
        np.random.default_rng(3).normal(size=(4000, 192)), weighted(uneven())
    )
    choice = DiffusionBlocks().choose(field, 3, 2)
    sizes = choice.hierarchies[0].sizes(2)
    v = 1 / sizes
    predicted = 3 * v.var() / v.mean() ** 2
    arranged, _ = arrange(choice)
    starts = choice.hierarchies[0].starts(2)
    plain = np.add.reduceat(arranged.values, starts[:-1], axis=1) / sizes
    excess = np.mean(plain**4) / np.mean(plain**2) ** 2 - 3
    assert predicted > 0.3
    assert excess == pytest.approx(predicted, abs=0.1)
    flow = nnrg.renormalize(field, DiffusionBlocks(), levels=3)
    cumulants = flow.cumulants(order=4, nulls=())
    at = cumulants.names.index("kappa_4")
    ratio = cumulants.values[2, at] / cumulants.errors()[2, at]
    assert abs(ratio) < 4


def variance_exponent(flow):
    """alpha of M_2(K) ~ K^alpha, the variance of block sums, between the first and last scale."""
    variance, scales = flow.variances(), np.array(flow.scales, dtype=float)
    return 2 + np.log(variance[-1] / variance[0]) / np.log(scales[-1] / scales[0])


def test_sorting_a_field_by_its_own_values_would_give_the_exponent_of_a_smooth_field(checked):
    n = 4096
    values = np.random.default_rng(11).normal(size=(1, n))
    rank = np.argsort(np.argsort(values[0]))
    levels = [rank // 2**level for level in range(1, 7)]
    known = nnrg.SynapticField(values, nnrg.Lattice(n), sources=frozenset({"fc1.bias"}))
    with pytest.raises(AnalysisError, match=r"'fc1.bias', which is what is measured"):
        nnrg.renormalize(known, LabelBlocks(levels, sources=["fc1.bias"]))
    nameless = nnrg.SynapticField(values, nnrg.Lattice(n))
    sorted_by_itself = nnrg.renormalize(nameless, LabelBlocks(levels), levels=7)
    assert any("independence not checked" in note for note in sorted_by_itself.notes)
    quantity = "alpha of iid numbers sorted by themselves (refused where sources tell), K = 64"
    checked(
        TOPIC, quantity, 2.0, variance_exponent(sorted_by_itself), None, rtol=0.01, source="B.6"
    )
    at_random = nnrg.renormalize(nameless, RandomUnits(2, seed=1), levels=7)
    # 64 blocks: the variance of the last scale is known to sqrt(2/63), ln 64 is 4.2.
    error = np.sqrt(2 / 63) / np.log(64)
    checked(
        TOPIC, "alpha of iid numbers in random blocks", 1.0, variance_exponent(at_random), error
    )


def test_a_graph_of_the_samples_that_are_measured_makes_variance_up(checked):
    # Independent units: their sample correlations are chance, and the graph picks the largest.
    values = np.random.default_rng(12).normal(size=(40, 128))
    in_sample = MatchingBlocks(similarity_graph(values.T, neighbours=8, measure="correlation"))
    field = nnrg.SynapticField(values, nnrg.Lattice(128))
    biased = nnrg.renormalize(field, in_sample, levels=2)
    twin = np.random.default_rng(13).normal(size=(80, 128))
    split = nnrg.renormalize(
        nnrg.SynapticField(twin, nnrg.Lattice(128)), MatchingBlocks(split=0.5), levels=2
    )
    results = []
    for flow in (biased, split):
        cumulants = flow.cumulants(order=2, nulls=())
        at = cumulants.names.index("kappa_2")
        b = 128 / flow.means[1].shape[1]
        results.append(b * np.array([cumulants.values[1, at], cumulants.errors()[1, at]]))
    (value, error), (held_out, its_error) = results
    assert value > 1 + 5 * error
    quantity = "b kappa_2 of iid units in pairs chosen on other samples"
    checked(TOPIC, quantity, 1.0, held_out, its_error)
