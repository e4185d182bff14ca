"""A network coarse-grained as one object: exact laws of blocking, and what must be refused."""

import io
import itertools
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import nnrg
import nnrg.data
from nnrg import progress
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.graph.similarity import similarity_graph
from nnrg.rg.neighbourhoods.hierarchy import Hierarchy
from nnrg.rg.neighbourhoods.labels import LabelBlocks
from nnrg.rg.neighbourhoods.matching import MatchingBlocks
from nnrg.rg.network_flow.depth import depth_blocks
from nnrg.rg.network_flow.layers import alternate
from nnrg.rg.network_flow.renormalize import renormalize_network


def chain(seed=1, sizes=(24, 64, 64, 32, 10), **more):
    """A multilayer perceptron with biases, its layers called fc1, fc2, .."""
    rng = np.random.default_rng(seed)
    arrays = dict(more)
    for i, (n_in, n_out) in enumerate(pairwise(sizes), 1):
        arrays[f"fc{i}.weight"] = rng.normal(size=(n_out, n_in))
        arrays[f"fc{i}.bias"] = rng.normal(size=n_out)
    return arrays


def mixed(seed=2):
    """Convolutions, a recurrent cell with gates, and a head: every kind of end."""
    rng = np.random.default_rng(seed)
    shapes = {
        "conv1.weight": (32, 3, 5),
        "conv1.bias": (32,),
        "conv2.weight": (48, 32, 3),
        "conv2.bias": (48,),
        "lstm.weight_ih_l0": (4 * 40, 48),
        "lstm.weight_hh_l0": (4 * 40, 40),
        "lstm.bias_ih_l0": (4 * 40,),
        "fc.weight": (2, 40),
        "fc.bias": (2,),
    }
    return nnrg.load({name: rng.normal(size=shape) for name, shape in shapes.items()})


def pairs(n, levels):
    """Blocks of 2, 4, .. units in a random order, the last ones smaller."""
    order = np.random.default_rng(n).permutation(n)
    return Hierarchy([order // 2**level for level in range(1, levels + 1)])


def blocked_by_hand(matrix, rows, columns):
    """Means over blocks, by the loop of the definition."""
    return np.array(
        [
            [matrix[np.ix_(rows == x, columns == y)].mean() for y in range(columns.max() + 1)]
            for x in range(rows.max() + 1)
        ]
    )


@pytest.fixture(scope="module")
def given():
    net = mixed()
    blocks = {p.name: pairs(p.size, 3) for p in net.topology().populations if p.size >= 9}
    return net, renormalize_network(net, blocks, nulls=(), rng=1), blocks


def test_matrices_are_block_means_and_gates_and_taps_stay_apart(given):
    net, flow, blocks = given
    for level in (1, 2, 3):
        at = flow.at(level)
        hidden, conv = (
            blocks[flow.topology.of(name, side)[0].name].labels[level]
            for name, side in (("lstm.weight_hh_l0", "in"), ("conv2.weight", "out"))
        )
        first = blocks[flow.topology.of("conv1.weight", "out")[0].name].labels[level]
        for tap in range(3):
            np.testing.assert_allclose(
                at["conv2.weight"][..., tap],
                blocked_by_hand(net.tensors["conv2.weight"][..., tap], conv, first),
                atol=1e-13,
            )
        gates = net.tensors["lstm.weight_hh_l0"].reshape(4, 40, 40)
        coarse = at["lstm.weight_hh_l0"].reshape(4, hidden.max() + 1, -1)
        for gate in range(4):
            expected = blocked_by_hand(gates[gate], hidden, hidden)
            np.testing.assert_allclose(coarse[gate], expected, atol=1e-13)
        bias = [net.tensors["conv2.bias"][conv == x].mean() for x in range(conv.max() + 1)]
        np.testing.assert_allclose(at["conv2.bias"], bias, atol=1e-13)


def test_two_steps_are_one_for_nested_blocks_of_equal_size():
    net = nnrg.load(chain(sizes=(32, 64, 16)))
    sizes = {p.name: p.size for p in net.topology().populations}
    order = {name: np.random.default_rng(n).permutation(n) for name, n in sizes.items()}
    whole = renormalize_network(
        net,
        {name: Hierarchy([o // 2, o // 4]) for name, o in order.items()},
        nulls=(),
        rng=1,
    )
    halfway = whole.network(1)
    again = renormalize_network(
        halfway,
        {name: Hierarchy([whole.halves[0].partitions[name].hierarchy.steps(2)]) for name in sizes},
        topology=whole.topology_at(1),
        nulls=(),
        rng=1,
    )
    for name, array in whole.at(2).items():
        np.testing.assert_allclose(again.at(1)[name], array, atol=1e-12)


def test_graphs_of_blocks_are_the_contracted_graph_and_keep_the_sums(given):
    net, flow, _ = given
    graph = net.graph(combine="sum")
    base = flow.graph(0)
    np.testing.assert_array_equal(base.indices, graph.indices)
    np.testing.assert_allclose(base.weights, graph.weights, rtol=1e-12)
    hierarchies = flow.halves[0].hierarchies
    for level in (1, 2, 3):
        labels, start = [], 0
        for name, size in graph.populations:
            own = hierarchies[name].labels[min(level, len(hierarchies[name]) - 1)]
            assert own.size == size
            labels.append(own + start)
            start += int(own.max()) + 1
        contracted = graph.contracted(np.concatenate(labels))
        coarse = flow.graph(level)
        assert coarse.populations == contracted.populations
        difference = (coarse.to_sparse() - contracted.to_sparse()).toarray()
        assert np.abs(difference).max() < 1e-11
        between = coarse.to_sparse().toarray()
        name = {n: i for i, n in enumerate(coarse.names)}
        for connection in flow.topology.connections():
            if connection.pre == connection.post:
                continue
            post, pre = (coarse.population == name[p] for p in (connection.post, connection.pre))
            total = net.tensors[connection.tensor].sum()
            assert between[np.ix_(post, pre)].sum() == pytest.approx(total, abs=1e-9)


def test_heat_capacity_is_that_of_the_graphs_of_blocks():
    flow = renormalize_network(nnrg.load(chain(seed=23)), nulls=(), rng=1)
    for half, numbers in enumerate(h.graph for h in flow.halves):
        for level in range(flow.levels):
            graph = flow.graph(level, half=half, measured=True)
            assert graph.n_nodes == numbers.series["blocks"][level]
            tau = 1 / graph.strengths().mean()
            at = numbers.names.index("C:1")
            expected = graph.heat_capacity([tau], kind="signed")[0].value
            assert numbers.values[level, at] == pytest.approx(expected, rel=1e-9)


def test_the_graph_that_is_measured_is_of_tensors_that_did_not_choose():
    net = nnrg.load(chain(seed=24))
    flow = renormalize_network(net, nulls=(), rng=1)
    for number, half in enumerate(flow.halves):
        assert half.chosen_by
        graph = flow.graph(0, half=number, measured=True)
        expected = net.graph(combine="sum", excluding=sorted(half.chosen_by))
        np.testing.assert_allclose(graph.weights, expected.weights, rtol=1e-12)
        assert half.graph.attrs["edges_of"] == graph.provenance
    # Blocks whose graph names its tensor: the same rule.
    units = similarity_graph(net.tensors["fc2.weight"], sources=[net.source_of("fc2.weight")])
    flow = renormalize_network(net, {"fc2:out": MatchingBlocks(units)}, nulls=(), rng=1)
    graph = flow.graph(0, measured=True)
    assert graph.n_edges == net.graph(excluding="fc2.weight").n_edges


def test_graphs_of_independent_weights_are_told_from_permuted_units_as_often_as_by_chance():
    # Blocks of strong weights would make it all of them: 5 errors away at short times.
    scores = []
    for seed in range(6):
        net = nnrg.load(chain(seed=seed, sizes=(30, 40, 50, 40, 10)))
        flow = renormalize_network(net, levels=2, nulls="permutation", rng=seed)
        for half in flow.halves:
            z = half.graph.z("permutation")[1]
            scores.append(z[half.graph.names.index("C:0.3")])
    # Twelve values of Student's t with 19 degrees of freedom: 1.3 is four standard deviations.
    assert abs(np.mean(scores)) < 1.3 and np.sqrt(np.mean(np.square(scores))) < 2.2


def test_relabelled_units_of_the_same_function_have_the_same_flow():
    arrays = chain(seed=3)
    order = np.random.default_rng(4).permutation(64)
    moved = {
        **arrays,
        "fc2.weight": arrays["fc2.weight"][order],
        "fc2.bias": arrays["fc2.bias"][order],
        "fc3.weight": arrays["fc3.weight"][:, order],
    }
    for rule in ("matching", "seriation"):
        one, other = (
            renormalize_network(nnrg.load(a), rule, nulls=(), rng=1) for a in (arrays, moved)
        )
        assert list(one.tensors) == list(other.tensors)
        for name in one.tensors:
            a, b = one.tensors[name], other.tensors[name]
            for x, y in zip(a.flow.means, b.flow.means, strict=True):
                np.testing.assert_allclose(np.sort(x, None), np.sort(y, None), atol=1e-10)
            if a.spectrum is not None:
                np.testing.assert_allclose(a.spectrum.values, b.spectrum.values, rtol=1e-8)
        for a, b in zip(one.halves, other.halves, strict=True):
            np.testing.assert_allclose(a.graph.values, b.graph.values, rtol=1e-8)


@pytest.mark.parametrize(("gauge", "change"), [("relu", 3.0), ("tanh", -1.0)])
def test_scales_and_signs_of_units_are_fixed_first(gauge, change):
    arrays = chain(seed=5)
    factor = np.where(np.arange(64) % 3 == 0, change, 1.0)
    moved = {
        **arrays,
        "fc1.weight": arrays["fc1.weight"] * factor[:, None],
        "fc1.bias": arrays["fc1.bias"] * factor,
        "fc2.weight": arrays["fc2.weight"] / factor,
    }
    flows = [
        renormalize_network(nnrg.load(a), gauge=gauge, nulls=(), rng=1) for a in (arrays, moved)
    ]
    for level in range(flows[0].levels):
        for name, array in flows[0].at(level).items():
            np.testing.assert_allclose(flows[1].at(level)[name], array, rtol=1e-7, atol=1e-9)


def test_every_tensor_is_measured_where_it_did_not_choose():
    net = nnrg.load(chain(seed=6))
    flow = renormalize_network(net, nulls=(), rng=1)
    assert [alternate(net, net.topology())[f"fc{i}.weight"] for i in (1, 2, 3, 4)] == [0, 1, 0, 1]
    assert set(flow.tensors) | set(flow.not_measured) == set(net.specs)
    for name, tensor in flow.tensors.items():
        half = flow.halves[tensor.half]
        assert name not in half.chosen_by
        for axis in tensor.axes:
            assert net.source_of(name) not in axis.partition.sources
    assert {t.half for n, t in flow.tensors.items() if n.endswith("weight")} == {0, 1}


def test_gates_and_states_of_one_cell_choose_for_one_another():
    colour = alternate(mixed(), mixed().topology())
    assert colour["lstm.weight_ih_l0"] != colour["lstm.weight_hh_l0"]
    assert colour["conv2.weight"] != colour["lstm.weight_ih_l0"]


def test_what_chose_is_blocked_and_not_measured():
    net = nnrg.load(chain(seed=7))
    flow = renormalize_network(net, split=None, nulls=(), rng=1)
    assert all(name.endswith("bias") for name in flow.tensors)
    assert flow.not_measured["fc2.weight"] == "its own numbers chose the blocks"
    assert flow.at(1)["fc2.weight"].shape[0] < 64
    with pytest.raises(ArgumentError, match="its own numbers chose"):
        flow.tensor("fc2.weight")


def test_blocks_from_a_tensor_itself_are_not_measured_on_it():
    arrays = chain(seed=8)
    net = nnrg.load(arrays)
    graph = net.similarity_graph("fc1:out", excluding="fc1.weight")
    flow = renormalize_network(net, {"fc1:out": MatchingBlocks(graph)}, nulls=(), rng=1)
    assert flow.not_measured["fc2.weight"] == "its own numbers chose the blocks"
    assert "fc1.weight" in flow.tensors


def test_activations_on_held_out_inputs_choose_for_all_tensors():
    net = nnrg.load(chain(seed=9))
    probes = np.random.default_rng(10).normal(size=(200, 24))
    hidden = np.maximum(probes @ net.tensors["fc1.weight"].T, 0)
    graph = similarity_graph(hidden.T, sources={"activations"}, measure="correlation")
    flow = renormalize_network(net, {"fc1:out": MatchingBlocks(graph)}, nulls=(), rng=1)
    assert {"fc1.weight", "fc1.bias", "fc2.weight"} == set(flow.tensors)
    assert "no blocks given" in flow.not_measured["fc3.weight"]
    assert flow.notes == ()


def test_a_coarse_network_is_saved_and_analysed_again(tmp_path):
    flow = renormalize_network(nnrg.load(chain(seed=11)), nulls=(), rng=1)
    coarse = flow.network(1)
    flow.save_network(tmp_path / "coarse.safetensors", 1)
    loaded = nnrg.load(tmp_path / "coarse.safetensors")
    for name, array in flow.at(1).items():
        np.testing.assert_array_equal(loaded.tensors[name], coarse.tensors[name])
        np.testing.assert_allclose(loaded.tensors[name], array, rtol=1e-6)
    again = renormalize_network(loaded, nulls=(), rng=1)
    assert again.levels == flow.levels - 1
    with pytest.raises(ArgumentError, match="safetensors"):
        flow.save_network(tmp_path / "coarse.bin", 1)


class Interrupted(io.StringIO):
    """A terminal at which a run is interrupted when it says that it is done."""

    def isatty(self):
        return True

    def write(self, text):
        if "[" + 20 * "#" in text:
            raise KeyboardInterrupt
        return super().write(text)


def test_the_bar_is_cleared_where_a_run_is_interrupted(monkeypatch):
    stream = Interrupted()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr(progress, "_PATIENCE", -1.0)
    with pytest.raises(KeyboardInterrupt):
        renormalize_network(nnrg.load(chain()), "random", nulls=(), rng=1)
    assert stream.getvalue().endswith("\r\x1b[K")


def test_a_permutation_keeps_one_population_on_both_axes():
    """Of a symmetric recurrent matrix every draw is symmetric at every scale."""
    rng = np.random.default_rng(12)
    w = rng.normal(size=(32, 32))
    net = nnrg.load({"rnn.weight_ih_l0": rng.normal(size=(32, 8)), "rnn.weight_hh_l0": w + w.T})
    flow = renormalize_network(net, nulls=nnrg.NullModel("permutation", draws=5), rng=1)
    numbers = flow.tensor("rnn.weight_hh_l0").spectrum
    i = numbers.names.index("f_S")
    np.testing.assert_allclose(numbers.values[:, i], 1, rtol=1e-12)
    np.testing.assert_allclose(numbers.nulls["permutation"][..., i], 1, rtol=1e-12)
    np.testing.assert_allclose(numbers.series["f_S_iid"][0], 33 / 64)


def test_seeds_repeat_and_everything_prints():
    net = nnrg.load(chain(seed=13))
    nulls = nnrg.NullModel("permutation", draws=4)
    one, other = (renormalize_network(net, nulls=nulls, rng=3) for _ in range(2))
    frame = one.to_dataframe()
    assert frame.equals(other.to_dataframe())
    assert {"graph", "fc2.weight"} <= set(frame["tensor"])
    assert {"C_peak", "mp_top", "ratio_4"} <= set(frame["quantity"])
    text = str(one)
    assert "fc2.weight" in text and len(text.splitlines()) < 45
    assert one.estimate("fc2.weight", "kappa_2", 0).error > 0


def test_progress_counts_tensors_and_graphs():
    seen = []
    flow = renormalize_network(
        nnrg.load(chain(seed=3, sizes=(16, 16, 16))),
        nulls=(),
        rng=1,
        progress=lambda done, total: seen.append((done, total)),
    )
    total = len(flow.tensors) + len(flow.not_measured) + len(flow.halves)
    assert seen == [(done, total) for done in (*range(total - 2), total - 1, total)]


def test_random_and_other_rules_give_nested_blocks_of_all_units():
    net = nnrg.load(chain(seed=14))
    for rule in ("random", "seriation", "diffusion"):
        flow = renormalize_network(net, rule, nulls=(), rng=1)
        for half in flow.halves:
            for name, partition in half.partitions.items():
                assert partition.hierarchy.n_sites == flow.topology.population(name).size
        assert "fc2.weight" in flow.tensors


def test_pixels_keep_their_natural_order():
    net = nnrg.load(nnrg.data.default_network_path())
    flow = renormalize_network(net, nulls=(), rng=1)
    assert flow.halves[0].partitions["encoder:in"].provenance.startswith("natural order")
    at = flow.at(2)["encoder.weight"]
    filters = net.tensors["encoder.weight"].astype(float)
    half = flow.tensor("encoder.weight").half
    rows = flow.at(2, half=half)["encoder.weight"]
    squares = filters.reshape(96, 16, 2, 16, 2).mean(axis=(2, 4)).reshape(96, 256)
    assert at.shape[1] == 256
    order = flow.halves[half].partitions["encoder:in"].hierarchy.labels[2]
    cell = np.arange(1024) // 64 * 16 + np.arange(1024) % 32 // 2
    place = np.empty(256, dtype=int)
    place[cell] = order
    np.testing.assert_allclose(rows[:, place], squares, atol=1e-6)


def test_bad_input_is_refused_by_name():
    net = nnrg.load(chain(seed=15))
    cases = [
        (("louvain",), {}, "neighbourhoods must be one of"),
        ((), {"split": "halves"}, "split must be"),
        (({"nowhere": [0, 1]},), {}, "no population 'nowhere'"),
        (({"fc1:out": np.arange(32) // 2},), {}, "do not fit the 64"),
        (({"fc1:out": MatchingBlocks},), {}, "the class MatchingBlocks"),
        (({"fc1:out": MatchingBlocks(split=0.5)},), {}, "not by a share of samples"),
        ((), {"levels": 1.5}, "levels"),
        ((), {"excluding": "nothing.*"}, "no trained tensor matches"),
    ]
    for args, options, message in cases:
        with pytest.raises(ArgumentError, match=message):
            renormalize_network(net, *args, **options, rng=1)
    with pytest.raises(AnalysisError, match="no population"):
        renormalize_network(net, {}, rng=1)
    flow = renormalize_network(net, {"fc1:out": np.arange(64) // 2}, nulls=(), rng=1)
    assert "independence not checked" in flow.notes[0]
    with pytest.raises(ArgumentError, match="level"):
        flow.at(7)
    with pytest.raises(ArgumentError, match="half"):
        flow.at(1, half=1)


def test_tensors_left_out_are_blocked_and_nothing_else():
    net = nnrg.load(chain(seed=24))
    flow = renormalize_network(net, excluding="fc4.*", nulls=(), rng=1)
    assert flow.not_measured["fc4.weight"] == flow.not_measured["fc4.bias"] == "left out, as asked"
    assert "fc4:out" not in flow.graph(1).names and "fc3:out" in flow.graph(1).names
    assert flow.at(1)["fc4.weight"].shape[1] < 32
    assert not any("fc4.weight" in half.chosen_by for half in flow.halves)


def test_labels_that_say_whose_numbers_they_are_keep_the_rule():
    net = nnrg.load(chain(seed=16))
    named = LabelBlocks(np.arange(64) // 4, sources=[net.source_of("fc1.weight")])
    flow = renormalize_network(net, {"fc1:out": named}, nulls=(), rng=1)
    assert "fc1.weight" in flow.not_measured and "fc2.weight" in flow.tensors


def test_constant_tensors_are_named_not_measured():
    flow = renormalize_network(
        nnrg.load(chain(seed=17) | {"fc2.bias": np.ones(64)}), rng=1, nulls=()
    )
    assert "fc2.bias" in flow.not_measured


# -- depth ---------------------------------------------------------------------------------------


def layers(values, name="layer.{}.norm.bias"):
    return nnrg.load({name.format(i): v for i, v in enumerate(values)})


def test_blocks_of_layers_are_their_means_and_nest():
    values = np.random.default_rng(18).normal(size=(8, 50))
    flow = depth_blocks(layers(values), "layer.*.norm.bias", aligned=True, draws=3, rng=1)
    np.testing.assert_allclose(flow.fields[2], values.reshape(2, 4, 50).mean(axis=1), atol=1e-14)
    np.testing.assert_allclose(flow.fields[2], flow.fields[1].reshape(2, 2, 50).mean(axis=1))


def test_identical_layers_do_not_shrink_and_a_remainder_is_said():
    values = np.repeat(np.random.default_rng(19).normal(size=(1, 50)), 5, axis=0)
    flow = depth_blocks(layers(values), "layer.*.norm.bias", aligned=True, draws=3, rng=1)
    numbers = flow.numbers
    np.testing.assert_allclose(numbers.values[:, numbers.names.index("growth")], [1, 2])
    np.testing.assert_allclose(numbers.values[0, 2:], 1)
    assert any("the last 1 of 5 layers" in note for note in flow.notes)
    assert "cannot be told" in flow.verdict


def test_linear_layers_are_composed_in_the_order_of_the_signal():
    rng = np.random.default_rng(20)
    up, down = rng.normal(size=(2, 4, 12, 12)) / 4
    names = "encoder.layer.{}.intermediate.dense.weight", "encoder.layer.{}.output.dense.weight"
    arrays = {n.format(i): w[i] for n, w in zip(names, (up, down), strict=True) for i in range(4)}
    for i, inner in itertools.product(range(4), ("query", "key", "value")):
        arrays[f"encoder.layer.{i}.attention.self.{inner}.weight"] = rng.normal(size=(12, 12))
        arrays[f"encoder.layer.{i}.attention.output.dense.weight"] = rng.normal(size=(12, 12))
    net = nnrg.load(arrays)
    pair = tuple(n.replace("{}", "*") for n in reversed(names))
    maps = np.einsum("lij,ljk->lik", down, up)
    one = np.eye(12)
    for how, expected in (
        ("average", (maps[0] + maps[1]) / 2),
        ("compose", maps[1] @ maps[0]),
        ("residual", (one + maps[1]) @ (one + maps[0]) - one),
    ):
        flow = depth_blocks(net, pair, how=how, draws=3, rng=1)
        np.testing.assert_allclose(flow.fields[1][0], expected, atol=1e-12)
    with pytest.raises(AnalysisError, match="no identity across them"):
        depth_blocks(net, pair[0], rng=1)


def test_depth_refuses_what_is_no_stack():
    net = layers(np.random.default_rng(21).normal(size=(4, 20)))
    for pattern, error, message in [
        ("layer.0.norm.bias", ArgumentError, "with one \\*"),
        ("layer.*.missing", ArgumentError, "two at least"),
        ("layer.*.norm.bias", AnalysisError, "no identity"),
    ]:
        with pytest.raises(error, match=message):
            depth_blocks(net, pattern, rng=1)
    with pytest.raises(ArgumentError, match="how must be"):
        depth_blocks(net, "layer.*.norm.bias", how="sum", aligned=True, rng=1)
    with pytest.raises(AnalysisError, match="cannot be composed"):
        depth_blocks(net, "layer.*.norm.bias", how="compose", aligned=True, rng=1)
    with pytest.raises(ArgumentError, match="ask for fewer levels"):
        depth_blocks(net, "layer.*.norm.bias", levels=5, aligned=True, rng=1)


# -- figure --------------------------------------------------------------------------------------


def test_figure_has_a_panel_for_each_quantity_and_a_line_for_each_layer():
    from nnrg.plot._network_flow import network_flow

    net = nnrg.load(chain(seed=22))
    flow = renormalize_network(net, nulls=nnrg.NullModel("permutation", draws=4), rng=1)
    fig = network_flow(flow, ["ratio_4", "mp_top"])
    shown = [ax for ax in fig.axes if ax.get_visible()]
    assert len(shown) == 2
    assert all(len(ax.containers) == 4 for ax in shown)
    assert any(len(ax.collections) > 4 for ax in shown)
    with pytest.raises(ArgumentError, match="no quantity"):
        network_flow(flow, ["entropy"])
    with pytest.raises(ArgumentError, match="nothing to draw"):
        network_flow(replace(flow, tensors={}))
