"""Populations of a network and its graph: joins with their evidence, signs, relabelling."""

from __future__ import annotations

import json

import numpy as np
import pytest
from formats.onnx_files import node, write_model

import nnrg
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.graph.similarity import similarity_graph
from nnrg.networks import _topology_graph
from nnrg.networks._topology_ends import End


def network(shapes, seed=0):
    rng = np.random.default_rng(seed)
    return nnrg.load({name: rng.normal(size=shape) for name, shape in shapes.items()})


def ends(topology, population):
    return {(e.tensor, e.side) for e in topology.population(population).ends}


def bert(width=8, wide=16, layers=2, vocabulary=11):
    shapes = {
        "embeddings.word_embeddings.weight": (vocabulary, width),
        "embeddings.position_embeddings.weight": (7, width),
        "embeddings.LayerNorm.weight": (width,),
    }
    for i in range(layers):
        at = f"encoder.layer.{i}."
        for part in ("query", "key", "value"):
            shapes[f"{at}attention.self.{part}.weight"] = (width, width)
            shapes[f"{at}attention.self.{part}.bias"] = (width,)
        shapes[at + "attention.output.dense.weight"] = (width, width)
        shapes[at + "attention.output.LayerNorm.weight"] = (width,)
        shapes[at + "intermediate.dense.weight"] = (wide, width)
        shapes[at + "intermediate.dense.bias"] = (wide,)
        shapes[at + "output.dense.weight"] = (width, wide)
        shapes[at + "output.LayerNorm.weight"] = (width,)
    return shapes | {"pooler.dense.weight": (width, width)}


def test_layers_in_a_row_are_joined_and_say_that_it_was_assumed():
    net = network({"a.weight": (8, 4), "a.bias": (8,), "b.weight": (3, 8)})
    topology = net.topology()
    assert [(p.name, p.size) for p in topology.populations] == [
        ("a:in", 4),
        ("a:out", 8),
        ("b:out", 3),
    ]
    assert ends(topology, "a:out") == {("a.weight", "out"), ("a.bias", "unit"), ("b.weight", "in")}
    assert "assumed from order" in topology.population("a:out").evidence
    assert "assumed from order" in str(topology)
    apart = net.topology(assume_order=False)
    assert len(apart.populations) == 4


def test_sizes_that_disagree_stay_apart_and_are_named():
    topology = network({"a.weight": (8, 4), "b.weight": (3, 7)}).topology()
    assert len(topology.populations) == 4
    assert "its 7 inputs are not the 8 outputs of a.weight" in topology.notes[0]


def test_what_the_caller_knows_comes_first():
    net = network({"a.weight": (5, 4), "b.weight": (5, 4)})
    joined = net.topology(joins=[(("a.weight", "in"), ("b.weight", 1))])
    assert "given" in joined.population("a:in").evidence
    for joins, message in (
        ([("a.weight", "b.weight")], "pair of ends"),
        ([(("a.weight", "in"), ("b.weight", "out"))], "4 neurons there and 'b.weight' 5"),
        ([(("c.weight", "in"), ("b.weight", "out"))], "no trained tensor 'c.weight'"),
        ([(("a.weight", 2), ("b.weight", 0))], "0 populations along 2"),
    ):
        with pytest.raises(ArgumentError, match=message):
            net.topology(joins=joins)


def test_a_transformer_has_one_residual_stream_and_two_populations_in_attention():
    topology = network(bert()).topology()
    stream = ends(topology, "encoder.layer:stream")
    assert {("embeddings.word_embeddings.weight", "out"), ("pooler.dense.weight", "in")} < stream
    assert ("embeddings.LayerNorm.weight", "unit") in stream
    for i in range(2):
        at = f"encoder.layer.{i}."
        assert {
            (at + "output.dense.weight", "out"),
            (at + "intermediate.dense.weight", "in"),
        } < stream
        attention = at + "attention.self."
        assert ends(topology, f"encoder.layer.{i}.attention:query-key") == {
            (attention + f"{part}.{kind}", side)
            for part in ("query", "key")
            for kind, side in (("weight", "out"), ("bias", "unit"))
        }
        assert ends(topology, f"encoder.layer.{i}.attention:value") == {
            (attention + "value.weight", "out"),
            (attention + "value.bias", "unit"),
            (at + "attention.output.dense.weight", "in"),
        }
        assert topology.population(f"encoder.layer.{i}:feed-forward").size == 16
    assert {p.size for p in topology.populations} == {7, 8, 11, 16}
    assert not topology.notes


@pytest.mark.parametrize(
    ("fused", "out", "up", "down"),
    [
        ("h.{}.attn.c_attn", "h.{}.attn.c_proj", "h.{}.mlp.c_fc", "h.{}.mlp.c_proj"),
        ("blocks.{}.attn.qkv", "blocks.{}.attn.proj", "blocks.{}.mlp.fc1", "blocks.{}.mlp.fc2"),
        ("layers.{}.self_attn.in_proj", "layers.{}.self_attn.out_proj", "layers.{}.linear1",
         "layers.{}.linear2"),
    ],
)  # fmt: skip
def test_fused_query_key_value_is_cut_in_three(fused, out, up, down):
    shapes = {}
    for i in range(2):
        shapes |= {f"{fused}.weight".format(i): (24, 8), f"{fused}.bias".format(i): (24,)}
        shapes |= {f"{out}.weight".format(i): (8, 8), f"{up}.weight".format(i): (32, 8)}
        shapes |= {f"{down}.weight".format(i): (8, 32)}
    topology = network(shapes).topology()
    one, two, three = topology.of(f"{fused}.weight".format(1), "out")
    assert one is two and one.name.endswith("attention:query-key") and one.size == 8
    assert three.name.endswith("attention:value")
    assert {(e.start, e.stop) for e in one.ends} == {(0, 8), (8, 16)}
    assert (out.format(1) + ".weight", "in") in ends(topology, three.name)
    (stream,) = topology.of(f"{fused}.weight".format(0), "in")
    assert stream.size == 8 and len([e for e in stream.ends if e.side == "out"]) == 4


def test_experts_sublayers_and_two_streams_are_told_apart():
    at = "model.layers.0."
    shapes = {at + f"self_attn.{p}_proj.weight": (8, 8) for p in "qkvo"}
    for e in (0, 1):
        for word, shape in (("w1", (5, 8)), ("w3", (5, 8)), ("w2", (8, 5))):
            shapes[f"{at}block_sparse_moe.experts.{e}.{word}.weight"] = shape
    shapes[at + "block_sparse_moe.gate.weight"] = (2, 8)
    topology = network(shapes).topology(assume_order=False)
    one, two = (topology.population(f"model.layers.0.experts.{e}:feed-forward") for e in (0, 1))
    assert len(one.ends) == len(two.ends) == 3 and one is not two
    shapes = {}
    for side, width in (("encoder", 8), ("decoder", 6)):
        part = f"{side}.block.0.layer."
        shapes |= {f"{part}0.SelfAttention.{p}.weight": (width, width) for p in "qkvo"}
        shapes |= {part + "1.DenseReluDense.wi.weight": (16, width)}
        shapes |= {part + "1.DenseReluDense.wo.weight": (width, 16)}
        shapes |= {part + "0.layer_norm.weight": (width,)}
    shapes["shared.weight"] = (10, 8)
    topology = network(shapes).topology(assume_order=False)
    for side, width in (("encoder", 8), ("decoder", 6)):
        stream = topology.population(f"{side}.block:stream")
        assert (stream.size, len(stream.ends)) == (width, 7)
        assert topology.population(f"{side}.block.0:feed-forward").size == 16


def test_axes_that_are_not_known_join_nothing_and_are_named():
    arrays = {
        "model.layers.0.mlp.experts.gate_up_proj": np.ones((3, 8, 10)),
        "model.layers.0.self_attn.q_proj.weight": np.ones((8, 8)),
        "model.layers.0.self_attn.k_proj.weight": np.ones((8, 8)),
    }
    topology = nnrg.load(arrays).topology()
    assert any("gate_up_proj: what its axes are is not known" in note for note in topology.notes)
    assert "gate_up_proj" not in {e.tensor for p in topology.populations for e in p.ends}


def test_attention_is_split_into_heads_with_grouped_keys():
    shapes = {}
    for part, size in (("q_proj", 12), ("k_proj", 6), ("v_proj", 6)):
        shapes[f"model.layers.0.self_attn.{part}.weight"] = (size, 9)
    shapes |= {
        "model.layers.0.self_attn.o_proj.weight": (9, 12),
        "model.layers.0.mlp.gate_proj.weight": (20, 9),
        "model.layers.0.mlp.up_proj.weight": (20, 9),
        "model.layers.0.mlp.down_proj.weight": (9, 20),
        "model.norm.weight": (9,),
    }
    net = network(shapes)
    topology = net.topology(heads=4)
    # Two heads of keys of three units each; each is read by two of the four heads of queries.
    queries = topology.of("model.layers.0.self_attn.q_proj.weight", "out")
    keys = topology.of("model.layers.0.self_attn.k_proj.weight", "out")
    assert [p.size for p in queries] == [3, 3, 3, 3] and [p.size for p in keys] == [3, 3]
    assert [q is keys[i // 2] for i, q in enumerate(queries)] == [True] * 4
    mixed = topology.of("model.layers.0.self_attn.o_proj.weight", "in")
    assert mixed[3] is topology.of("model.layers.0.self_attn.v_proj.weight", "out")[1]
    assert len(topology.of("model.layers.0.mlp.gate_proj.weight", "out")[0].ends) == 3
    assert {p.size for p in net.topology().populations} == {6, 9, 12, 20}


def test_the_number_of_heads_is_read_beside_the_file(tmp_path):
    from safetensors.numpy import save_file

    rng = np.random.default_rng(1)
    save_file({n: rng.normal(size=s) for n, s in bert().items()}, tmp_path / "model.safetensors")
    net = nnrg.load(tmp_path / "model.safetensors")
    with pytest.raises(ArgumentError, match=r"no num_attention_heads in a config\.json"):
        net.topology(heads=True)
    (tmp_path / "config.json").write_text(json.dumps({"num_attention_heads": 4}))
    names = [p.name for p in net.topology(heads=True).populations]
    assert sum("attention:query-key head" in name for name in names) == 8
    with pytest.raises(ArgumentError, match="no attention"):
        network({"a.weight": (4, 4)}).topology(heads=2)


def test_the_gates_of_a_recurrent_layer_are_copies_of_its_hidden_state():
    shapes = {}
    for layer, into in ((0, 5), (1, 12)):
        for back in ("", "_reverse"):
            shapes[f"lstm.weight_ih_l{layer}{back}"] = (24, into)
            shapes[f"lstm.weight_hh_l{layer}{back}"] = (24, 6)
            shapes[f"lstm.bias_ih_l{layer}{back}"] = (24,)
    topology = network(shapes).topology()
    hidden = topology.population("lstm.l0:hidden")
    assert hidden.size == 6
    assert ("lstm.weight_hh_l0", "in") in ends(topology, "lstm.l0:hidden")
    assert {e.copies for e in hidden.ends if e.side != "in"} == {4}
    # Both directions of the first layer are the input of the second, one after the other.
    below = topology.of("lstm.weight_ih_l1", "in")
    assert [p.name for p in below] == ["lstm.l0:hidden", "lstm.l0_reverse:hidden"]


def test_gates_are_combined_and_both_directions_of_the_recurrence_added():
    net = network({"lstm.weight_ih_l0": (12, 2), "lstm.weight_hh_l0": (12, 3)})
    own = net.tensors["lstm.weight_hh_l0"].reshape(4, 3, 3)
    for combine, matrix in (
        ("sum", own.sum(axis=0)),
        ("norm", np.sqrt(np.square(own).sum(axis=0))),
    ):
        graph = net.graph(["lstm.l0:hidden"], combine=combine)
        expected = matrix + matrix.T
        np.fill_diagonal(expected, 0)
        np.testing.assert_allclose(graph.to_sparse().toarray(), expected, rtol=1e-12)
        assert any("recurrent, both directions added" in note for note in graph.notes)


def test_signs_strengths_and_parallel_connections():
    net = network({"q.weight": (4, 3), "k.weight": (4, 3)})
    joins = [(("q.weight", side), ("k.weight", side)) for side in ("in", "out")]
    q, k = net.tensors["q.weight"], net.tensors["k.weight"]
    for strength, matrix in (
        ("signed", q + k),
        ("absolute", np.abs(q) + np.abs(k)),
        ("square", q**2 + k**2),
    ):
        graph = net.graph(joins=joins, strength=strength)
        dense = graph.to_sparse().toarray()
        np.testing.assert_allclose(dense[3:, :3], matrix, rtol=1e-14)
        np.testing.assert_array_equal(dense, dense.T)
        assert not dense[:3, :3].any() and not dense[3:, 3:].any()
        assert graph.signed == (strength == "signed")
        assert any("q.weight, k.weight" in note for note in graph.notes)
        assert graph.sources == {net.source_of("q.weight"), net.source_of("k.weight")}


@pytest.mark.parametrize("flatten", ["channels first", "channels last"])
def test_pixels_of_a_channel_and_taps_are_combined(flatten):
    net = network({"conv.weight": (5, 2, 3, 3), "fc.weight": (4, 5 * 6)})
    assert "say flatten=" in net.topology().notes[0]
    topology = net.topology(flatten=flatten)
    wide = net.tensors["fc.weight"]
    pixels = (
        wide.reshape(4, 5, 6)
        if flatten == "channels first"
        else wide.reshape(4, 6, 5).swapaxes(1, 2)
    )
    for combine, conv, dense in (
        ("sum", net.tensors["conv.weight"].sum((2, 3)), pixels.sum(2)),
        ("norm", np.linalg.norm(net.tensors["conv.weight"].reshape(5, 2, 9), axis=2),
         np.linalg.norm(pixels, axis=2)),
    ):  # fmt: skip
        adjacency = net.graph(topology, combine=combine).to_sparse().toarray()
        np.testing.assert_allclose(adjacency[2:7, :2], conv, rtol=1e-12)
        np.testing.assert_allclose(adjacency[7:, 2:7], dense, rtol=1e-12)
    with pytest.raises(ArgumentError, match="flatten"):
        net.topology(flatten="rows")


def test_depthwise_kernels_and_shortcuts_of_residual_blocks():
    topology = network(
        {
            "conv1.weight": (6, 3, 3, 3),
            "bn1.weight": (6,),
            "layer1.0.conv1.weight": (6, 6, 3, 3),
            "layer1.0.bn1.weight": (6,),
            "layer1.0.conv2.weight": (6, 6, 3, 3),
            "layer1.1.conv1.weight": (6, 6, 3, 3),
            "layer1.1.conv2.weight": (6, 6, 3, 3),
            "layer2.0.conv1.weight": (9, 6, 3, 3),
            "layer2.0.conv2.weight": (9, 9, 3, 3),
            "layer2.0.downsample.0.weight": (9, 6, 1, 1),
            "dw.weight": (9, 1, 3, 3),
            "fc.weight": (2, 9),
        }
    ).topology()
    (stream,) = topology.of("layer1.0.conv1.weight", "in")
    for tensor, side in (
        ("conv1.weight", "out"),
        ("layer1.0.conv2.weight", "out"),
        ("layer1.1.conv2.weight", "out"),
        ("layer2.0.conv1.weight", "in"),
        ("layer2.0.downsample.0.weight", "in"),
    ):
        assert topology.of(tensor, side) == (stream,)
    (last,) = topology.of("fc.weight", "in")
    assert (
        (last,)
        == topology.of("dw.weight", "unit")
        == topology.of("layer2.0.downsample.0.weight", "out")
    )
    assert (last,) == topology.of("layer2.0.conv2.weight", "out")


def test_a_writer_that_sorts_names_does_not_put_layer_10_before_layer_2():
    shapes = {f"fc{i}.weight": (i + 1, i) for i in range(1, 13)}
    net = network(dict(sorted(shapes.items())))
    for i in range(1, 12):
        assert (f"fc{i + 1}.weight", "in") in ends(net.topology(), f"fc{i}:out")


@pytest.mark.parametrize("strongest", [None, 3])
def test_relabelling_hidden_units_relabels_the_graph_and_nothing_else(strongest):
    rng = np.random.default_rng(3)
    arrays = {
        "conv.weight": rng.normal(size=(7, 2, 3, 3)),
        "conv.bias": rng.normal(size=7),
        "fc1.weight": rng.normal(size=(30, 7)),
        "fc1.bias": rng.normal(size=30),
        "fc2.weight": rng.normal(size=(4, 30)),
    }
    order, channels = rng.permutation(30), rng.permutation(7)
    moved = dict(arrays)
    moved["conv.weight"], moved["conv.bias"] = (
        arrays["conv.weight"][channels],
        arrays["conv.bias"][channels],
    )
    moved["fc1.weight"] = arrays["fc1.weight"][order][:, channels]
    moved["fc1.bias"] = arrays["fc1.bias"][order]
    moved["fc2.weight"] = arrays["fc2.weight"][:, order]
    one, other = (nnrg.load(a).graph(strongest=strongest) for a in (arrays, moved))
    nodes = np.concatenate([[0, 1], 2 + channels, 9 + order, 39 + np.arange(4)])
    assert one.populations == other.populations
    same = one.permuted(nodes)
    assert np.array_equal(same.indptr, other.indptr)
    assert np.array_equal(same.indices, other.indices)
    np.testing.assert_array_equal(same.weights, other.weights)
    spectra = [np.linalg.eigvalsh(g.laplacian("signed").toarray()) for g in (one, other)]
    np.testing.assert_allclose(*spectra, atol=1e-12 * np.abs(spectra[0]).max())
    similar = [
        nnrg.load(a).similarity_graph("fc1:out", excluding="fc2.weight", neighbours=4)
        for a in (arrays, moved)
    ]
    relabelled = similar[0].permuted(order)
    assert np.array_equal(relabelled.indices, similar[1].indices)
    np.testing.assert_allclose(relabelled.weights, similar[1].weights, rtol=1e-10)


def test_the_strongest_edges_of_each_neuron_and_a_threshold():
    net = network({"w.weight": (20, 30)})
    w = net.tensors["w.weight"]
    rank = lambda a: (-np.abs(a)).argsort(-1).argsort(-1)  # noqa: E731
    keep = (rank(w) < 3) | (rank(w.T).T < 3)
    dense = net.graph(strongest=3).to_sparse().toarray()[30:, :30]
    np.testing.assert_array_equal(dense, np.where(keep, w, 0))
    both = net.graph(strongest=3, threshold=1.5).to_sparse().toarray()[30:, :30]
    np.testing.assert_array_equal(both, np.where(keep & (np.abs(w) >= 1.5), w, 0))
    assert net.graph(strongest=100).n_edges == 600
    tied = nnrg.load({"w.weight": np.ones((4, 5))}).graph(strongest=1)
    assert tied.n_edges == 20


def test_populations_that_nothing_joins_are_named_and_unused_tensors_are_no_sources():
    net = network({"a.weight": (8, 4), "b.weight": (3, 8), "c.bias": (5,)})
    graph = net.graph(excluding="b*")
    assert graph.populations == (("a:in", 4), ("a:out", 8))
    assert graph.sources == {net.source_of("a.weight")}
    assert any("left out: b:out, c:out" in note for note in graph.notes)
    assert net.graph(["a:out", "b:out"]).populations == (("a:out", 8), ("b:out", 3))
    with pytest.raises(AnalysisError, match="no tensor of arrays in memory joins"):
        net.graph(["a:in", "b:out"])
    with pytest.raises(ArgumentError, match="no population 'hidden'; there are a:in"):
        net.graph(["hidden"])
    with pytest.raises(ArgumentError, match="excluding: no trained tensor matches"):
        net.graph(excluding="z*")
    for none in (None, 3, ["a", 3]):
        with pytest.raises(ArgumentError, match="excluding must be names of tensors"):
            net.graph(excluding=none)
    for options in ({"strength": "abs"}, {"combine": "max"}, {"strongest": 0}, {"threshold": -1.0}):
        with pytest.raises(ArgumentError):
            net.graph(**options)


def test_a_graph_that_is_too_large_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(_topology_graph, "MOST_EDGES", 1000)
    net = network({"emb.weight": (300, 8)})
    with pytest.raises(AnalysisError, match=r"2,400 edges and take .* try strongest="):
        net.graph()
    assert net.graph(strongest=1).n_edges <= 308
    monkeypatch.setattr(_topology_graph, "_MOST_PAIRS", 2000)
    with pytest.raises(AnalysisError, match="2,400 pairs"):
        net.graph(strongest=1)


def test_similar_units_come_from_other_tensors_than_the_field():
    net = network({"fc1.weight": (20, 6), "fc1.bias": (20,), "fc2.weight": (5, 20)})
    rows = net.similarity_graph("fc1:out", excluding="fc2.weight", neighbours=3)
    direct = similarity_graph(net.tensors["fc1.weight"], neighbours=3)
    np.testing.assert_array_equal(rows.indices, direct.indices)
    assert rows.sources == {net.source_of("fc1.weight")} and rows.names == ("fc1:out",)
    columns = net.similarity_graph(("fc2.weight", "in"), excluding="fc1.weight", neighbours=3)
    other = similarity_graph(net.tensors["fc2.weight"].T, neighbours=3)
    np.testing.assert_array_equal(columns.indices, other.indices)
    both = net.similarity_graph("fc1:out", excluding=(), neighbours=3)
    assert len(both.sources) == 2
    field = net.field("fc2.weight")
    assert not field.sources & rows.sources and field.sources & both.sources
    with pytest.raises(AnalysisError, match=r"no weights but those of fc2\.weight touch .* half"):
        net.similarity_graph("fc2:out", excluding="fc2.weight")
    with pytest.raises(AnalysisError, match="no outgoing weights"):
        net.similarity_graph("fc1:out", excluding="fc2.weight", weights="outgoing")
    with pytest.raises(ArgumentError, match="weights must be"):
        net.similarity_graph("fc1:out", excluding=(), weights="rows")


def test_an_end_says_which_entries_belong_to_a_neuron():
    assert End("w", 0, 0, 24, 4).units == 6
    topology = network({"a.weight": (8, 4)}).topology()
    assert topology.to_dict()["populations"][0]["ends"][0]["units"] == 4
    with pytest.raises(ArgumentError, match="no population along 'up'"):
        topology.of("a.weight", "up")


def test_an_onnx_graph_says_what_joins_what(tmp_path):
    shapes = {
        "last.w": (4, 24), "k1": (6, 3, 3, 3), "b1": (6,), "k2": (6, 6, 3, 3), "dw": (6, 1, 3, 3),
        "last.b": (4,), "other": (6, 6, 1, 1), "slope": (6,),
    }  # fmt: skip
    rng = np.random.default_rng(7)
    path = write_model(
        tmp_path / "net.onnx",
        [
            node("Conv", "x", "k1", "b1", output="h1"),
            node("Mul", "h1", "slope", output="r1"),
            node("Conv", "r1", "k2", output="h2"),
            node("Add", "r1", "h2", output="sum"),
            node("Conv", "sum", "dw", output="d", group=6),
            node("Flatten", "d", output="flat"),
            node("Gemm", "flat", "last.w", "last.b", output="y", transB=1),
            node("Conv", "x2", "other", output="z"),
        ],
        {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()},
    )
    topology = nnrg.load(path).topology(assume_order=False)
    (stream,) = topology.of("k1", "out")
    for tensor, side in (
        ("k2", "in"), ("k2", "out"), ("dw", 0), ("last.w", "in"), ("b1", 0), ("slope", 0)
    ):  # fmt: skip
        assert topology.of(tensor, side) == (stream,)
    (pixels,) = [e for e in stream.ends if e.tensor == "last.w"]
    assert (pixels.copies, pixels.copies_first) == (4, False)
    assert all(why.startswith("ONNX graph") for why in stream.evidence)
    assert topology.of("other", "in")[0].size == 6 and topology.of("other", "in") != (stream,)


def test_an_onnx_cell_whose_gates_are_put_in_order_on_the_way(tmp_path):
    rng = np.random.default_rng(8)
    shapes = {"k": (8, 3, 1), "cell.W": (20, 8), "cell.R": (20, 5), "out.w": (5, 2)}
    parts = []
    for name in ("W", "R"):
        parts += [
            node("Slice", f"cell.{name}", "s0", "e0", "axis", output=f"{name}0"),
            node("Slice", f"cell.{name}", "s1", "e1", "axis", output=f"{name}1"),
            node("Concat", f"{name}1", f"{name}0", output=f"{name}c", axis=0),
            node("Unsqueeze", f"{name}c", "axis", output=f"{name}u"),
        ]
    path = write_model(
        tmp_path / "cell.onnx",
        [
            node("Conv", "x", "k", output="h"),
            node("Transpose", "h", output="t", perm=[2, 0, 1]),
            *parts,
            node("LSTM", "t", "Wu", "Ru", output="Y", hidden_size=5),
            node("MatMul", "Y", "out.w", output="y"),
        ],
        {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
        | {
            name: np.array([value])
            for name, value in (("s0", 0), ("e0", 5), ("s1", 5), ("e1", 20), ("axis", 0))
        },
    )
    topology = nnrg.load(path).topology(assume_order=False)
    assert topology.of("k", "out") == topology.of("cell.W", "in")
    (hidden,) = topology.of("cell.R", "in")
    assert (hidden.name, hidden.size) == ("cell.R:hidden", 5)
    for tensor, side in (("cell.R", "out"), ("cell.W", "out"), ("out.w", "in")):
        assert topology.of(tensor, side) == (hidden,)


@pytest.mark.parametrize("heads", [None, 2])
def test_every_entry_of_every_axis_of_neurons_is_in_one_population(heads):
    shapes = bert() | {"h.0.attn.c_attn.weight": (24, 8), "h.0.attn.c_proj.weight": (8, 8)}
    shapes |= {"lstm.weight_ih_l0": (20, 8), "lstm.weight_hh_l0": (20, 5)}
    net = network(shapes)
    covered = {}
    for population in net.topology(heads=heads).populations:
        for end in population.ends:
            assert end.units == population.size
            mark = covered.setdefault((end.tensor, end.axis), [])
            mark += range(end.start, end.stop)
    assert covered.keys() == {(n, a) for n, s in shapes.items() for a in range(len(s))}
    for (name, axis), entries in covered.items():
        assert sorted(entries) == list(range(shapes[name][axis]))
