"""Pairs: which samples choose them, what is left over, and what is refused."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.fields import Lattice, SynapticField
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg.neighbourhoods.hierarchy import Neighbourhoods
from nnrg.rg.neighbourhoods.pairs import PairBlocks, pair_hierarchy
from nnrg.simulate.gaussian import ar1


def units(values, **kwargs):
    return SynapticField(values, Lattice(values.shape[1]), natural=False, **kwargs)


def by_corrcoef(x, n_levels):
    """Pairing from the data at every level, one argmax at a time."""
    labels, blocks = [np.arange(x.shape[1])], [[i] for i in range(x.shape[1])]
    for _ in range(1, n_levels):
        sums = np.stack([x[:, b].sum(axis=1) for b in blocks], axis=1)
        left = np.corrcoef(sums.T)
        left[np.tril_indices(len(left))] = -np.inf
        merged = []
        for _ in range(len(blocks) // 2):
            i, j = np.unravel_index(np.argmax(left), left.shape)
            merged.append(blocks[i] + blocks[j])
            left[[i, j]] = left[:, [i, j]] = -np.inf
        blocks = merged
        label = np.full(x.shape[1], -1)
        for number, block in enumerate(blocks):
            label[block] = number
        labels.append(label)
    return labels


@pytest.mark.parametrize("n", [8, 21])
def test_levels_are_those_of_pairing_summed_data(n, rng):
    x = rng.normal(size=(60, n)) @ rng.normal(size=(n, n)) + rng.normal(size=n)
    for found, expected in zip(pair_hierarchy(x, 4), by_corrcoef(x, 4), strict=True):
        assert_array_equal(found, expected)


def test_single_precision_and_scale_change_nothing(rng):
    x = np.repeat(rng.normal(size=(500, 8)), 2, axis=1) + rng.normal(size=(500, 16))
    expected = pair_hierarchy(x, 3)
    for other in (x.astype(np.float32), 1e-30 * x, 1e30 * x, (1e-25 * x).astype(np.float32)):
        for found, known in zip(pair_hierarchy(other, 3), expected, strict=True):
            assert_array_equal(found, known)


def test_magnitude_pairs_units_of_opposite_sign(rng):
    x = rng.normal(size=(300, 3))
    x = np.hstack([x, -x + 0.1 * rng.normal(size=(300, 3))])
    label = pair_hierarchy(x, 2, magnitude=True)[1]
    assert_array_equal(label[:3], label[3:])
    signed = pair_hierarchy(x, 2)[1]
    assert np.sum(signed[:3] == signed[3:]) <= 1  # the last two units are left to each other


def test_other_samples_choose_than_are_measured(rng):
    # The first half of the samples pairs neighbours, the second the units four apart.
    first = np.repeat(rng.normal(size=(100, 4)), 2, axis=1)
    second = np.tile(rng.normal(size=(100, 4)), 2)
    x = np.vstack([first, second]) + 0.1 * rng.normal(size=(200, 8))
    chosen_on_first = PairBlocks(split=None, chosen_on=x[:100]).choose(units(x[100:]), 2, 1)
    label = chosen_on_first.hierarchies[0].labels[1]
    assert_array_equal(label, [0, 0, 1, 1, 2, 2, 3, 3])
    assert_array_equal(chosen_on_first.field.values, x[100:])
    field = units(x)
    split = PairBlocks(seed=3).samples(field)
    assert not set(split.choosing) & set(split.measuring)
    assert split.choosing.size + split.measuring.size == 200
    choice = PairBlocks(seed=3).choose(field, 3, 1)
    assert_array_equal(choice.field.values, x[split.measuring])
    expected = pair_hierarchy(x[split.choosing], 3)
    for level, labels in enumerate(choice.hierarchies[0].labels):
        same = labels[:, None] == labels
        assert_array_equal(same, expected[level][:, None] == expected[level])


def test_the_samples_measured_have_no_say(rng):
    x = rng.normal(size=(100, 12))
    split = PairBlocks().samples(units(x))
    y = x.copy()
    y[split.measuring] = rng.normal(size=(split.measuring.size, 12))
    one, other = (PairBlocks().choose(units(v), 3, 1).hierarchies[0] for v in (x, y))
    for a, b in zip(one.labels, other.labels, strict=True):
        assert_array_equal(a, b)


def test_repeated_samples_do_not_straddle_the_split(rng):
    x = rng.normal(size=(60, 100))
    field = units(np.vstack([x, 2 * x, -x]))
    split = PairBlocks().samples(field)
    assert not set(split.choosing % 60) & set(split.measuring % 60)
    assert any("repeat" in note for note in split.notes)
    assert split.group.max() + 1 == np.unique(split.measuring % 60).size


def test_sparse_samples_that_coincide_by_chance_are_not_repeats(rng):
    spikes = (rng.random((400, 80)) < 0.01).astype(float)
    split = PairBlocks().samples(units(spikes))
    assert split.choosing.size == 200 and not split.notes


def test_stretches_of_time_choose_in_turn(rng):
    series = ar1(6000, 16, rho=0.8, rng=rng).T.copy()
    split = PairBlocks(series=True).samples(units(series))
    # An AR(1) chain has tau = (1 + rho) / (2 (1 - rho)) = 4.5.
    distance = np.abs(split.measuring[:, None] - split.choosing).min()
    assert distance > 8
    assert np.unique(split.group).size >= 30
    jumps = np.diff(split.measuring) > 1
    assert_array_equal(jumps, np.diff(split.group) == 1)
    assert "stretches of time" in split.notes[0]


def test_groups_of_samples_that_others_chose_for(rng):
    x = rng.normal(size=(60, 100))
    held = PairBlocks(split=None, chosen_on=rng.normal(size=(20, 100)))
    split = held.samples(units(np.vstack([x, -2 * x, x])))
    assert_array_equal(split.measuring, np.arange(180))
    assert_array_equal(split.group.reshape(3, 60), np.tile(split.group[:60], (3, 1)))
    # tau = 4.5: stretches of 16 tau at least.
    series = ar1(3000, 100, rho=0.8, rng=rng).T.copy()
    held = PairBlocks(split=None, chosen_on=rng.normal(size=(20, 100)), series=True)
    group = held.samples(units(series)).group
    assert np.all(np.diff(group) >= 0) and np.bincount(group).min() >= 64
    with pytest.raises(AnalysisError, match="autocorrelation times long"):
        held.samples(units(series[:150]))


def test_what_an_odd_number_leaves_over_is_named_and_in_no_block(rng):
    x = np.repeat(rng.normal(size=(200, 3)), 2, axis=1) + 0.3 * rng.normal(size=(200, 6))
    x = np.hstack([x, rng.normal(size=(200, 1))])
    choice = PairBlocks().choose(units(x), 2, 1)
    assert choice.field.values.shape == (100, 6)
    assert_array_equal(choice.hierarchies[0].sizes(1), [2, 2, 2])
    assert any("units 6 are left over" in note for note in choice.hierarchies[0].notes)
    deeper = PairBlocks().choose(units(x), 3, 1)
    assert_array_equal(deeper.hierarchies[0].sizes(1), [2, 2])
    assert_array_equal(deeper.hierarchies[0].sizes(2), [4])


def test_a_graph_keeps_the_nodes_that_are_in_blocks(rng):
    ring = ConnectionGraph.from_sparse(np.roll(np.eye(7), 1, axis=1) + np.roll(np.eye(7), -1, 1))
    field = SynapticField(rng.normal(size=(40, 7)), ring)
    choice = PairBlocks().choose(field, 2, 1)
    assert choice.field.values.shape == (20, 6) and choice.graphs[0].n_nodes == 6
    assert choice.field.sites is choice.graphs[0]


def test_constant_units_are_named_and_paired_last(rng):
    x = rng.normal(size=(80, 6)) + rng.normal(size=(80, 1))
    x[:, [1, 4]] = 0.1
    choice = PairBlocks().choose(units(x), 2, 1)
    label = choice.hierarchies[0].labels[1]
    assert label[1] == label[4]
    assert any("units 1, 4 are constant" in note for note in choice.hierarchies[0].notes)


def test_levels_leave_the_fewest_blocks(rng):
    field = units(rng.normal(size=(40, 24)))
    assert len(PairBlocks().choose(field, None, 1).hierarchies[0]) == 5
    assert len(PairBlocks().choose(field, None, 6).hierarchies[0]) == 3
    with pytest.raises(AnalysisError, match="24 units make 3 levels"):
        PairBlocks().choose(field, 4, 6)


def test_provenance_says_which_samples_chose(rng):
    assert isinstance(PairBlocks(), Neighbourhoods)
    assert "50% of the samples, drawn with seed 7" in PairBlocks(seed=7).provenance
    assert "stretches of time" in PairBlocks(series=True).provenance
    held = PairBlocks(split=None, chosen_on=rng.normal(size=(30, 4)), magnitude=True)
    assert held.provenance == "magnitudes of correlations in 30 samples that are not measured"
    assert repr(held) == (
        "PairBlocks(split=None, chosen_on=<30 samples of 4 units>, magnitude=True)"
    )
    assert repr(PairBlocks(seed=7)) == "PairBlocks(split=0.5, seed=7)"


def test_choosing_and_measuring_on_the_same_numbers_is_refused(rng):
    x = rng.normal(size=(50, 6))
    with pytest.raises(ArgumentError, match="cannot be those that are measured"):
        PairBlocks(split=None)
    with pytest.raises(ArgumentError, match="cannot be those that are measured"):
        PairBlocks(split=0.5, chosen_on=x)
    for chosen in (x, x[10:30], np.vstack([rng.normal(size=(20, 6)), x[3:4]])):
        with pytest.raises(AnalysisError, match="among those that choose"):
            PairBlocks(split=None, chosen_on=chosen).choose(units(x), 2, 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"split": 0.0}, "above 0"),
        ({"split": 1}, "above 0"),
        ({"split": np.nan}, "finite"),
        ({"series": 1}, "series must be"),
        ({"magnitude": "yes"}, "magnitude must be"),
        ({"seed": -1}, "seed"),
        ({"split": None, "chosen_on": np.ones(3)}, "samples come first"),
        ({"split": None, "chosen_on": np.array([["a", "b"]])}, "real numbers"),
    ],
)
def test_bad_arguments(arguments, said):
    with pytest.raises(ArgumentError, match=said):
        PairBlocks(**arguments)


def test_bad_data(rng):
    with pytest.raises(NonFiniteError):
        PairBlocks(split=None, chosen_on=np.full((4, 4), np.nan))
    with pytest.raises(AnalysisError, match="1 sample cannot"):
        PairBlocks(split=None, chosen_on=np.ones((1, 4)))
    with pytest.raises(ArgumentError, match="of the 6 units"):
        PairBlocks(split=None, chosen_on=np.ones((5, 4))).choose(units(np.ones((9, 6))), 2, 1)
    with pytest.raises(AnalysisError, match="3 independent samples"):
        PairBlocks().choose(units(rng.normal(size=(3, 8))), 2, 1)
    with pytest.raises(AnalysisError, match="1 unit"):
        PairBlocks().choose(units(rng.normal(size=(30, 1))), None, 1)
    with pytest.raises(ArgumentError, match="along one axis"):
        PairBlocks().choose(SynapticField(np.ones((9, 4, 4)), Lattice((4, 4))), 2, 1)
    with pytest.raises(AnalysisError, match="autocorrelation time"):
        PairBlocks(series=True).choose(units(rng.normal(size=(60, 8)).cumsum(axis=0)), 2, 1)
