"""Which sites and blocks the units of a tensor get when nothing is said."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import nnrg
from nnrg._neighbours import Neighbours
from nnrg.errors import ArgumentError, RepeatedSamplesError
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.rg.blocks import GridBlocks, RandomBlocks
from nnrg.rg.neighbourhoods.matching import MatchingBlocks
from nnrg.rg.neighbourhoods.pairs import PairBlocks
from nnrg.rg.neighbourhoods.product import ProductBlocks


def mlp(*sizes: int, seed: int = 1) -> nnrg.Network:
    rng = np.random.default_rng(seed)
    layers = {
        f"fc{i}.weight": rng.normal(size=(n_out, n_in)) / np.sqrt(n_in)
        for i, (n_in, n_out) in enumerate(pairwise(sizes), 1)
    }
    return nnrg.load(
        {**layers, **{f"fc{i}.bias": rng.normal(size=n) for i, n in enumerate(sizes[1:], 1)}}
    )


def test_a_lattice_stays_a_lattice():
    net = nnrg.load({"conv.weight": np.random.default_rng(1).normal(size=(8, 4, 16, 16))})
    placed = Neighbours(net).place(net.field("conv.weight"))
    assert isinstance(placed.blocks, GridBlocks) and "natural" in placed.why


def test_a_matrix_between_two_others_is_blocked_along_both_axes():
    net = mlp(32, 40, 48, 24)
    placed = Neighbours(net).place(net.field("fc2.weight"))
    assert isinstance(placed.blocks, ProductBlocks)
    assert "fc1.weight" in placed.why and "fc3.weight" in placed.why
    flow = nnrg.renormalize(placed.field, placed.blocks)
    for graph in flow.graphs[0]:
        assert isinstance(graph, ConnectionGraph)
        assert not graph.sources & placed.field.sources


def test_a_matrix_with_one_known_side_has_samples_on_a_graph():
    net = mlp(32, 40, 48)
    first = Neighbours(net).place(net.field("fc1.weight"))
    last = Neighbours(net).place(net.field("fc2.weight"))
    assert isinstance(first.blocks, MatchingBlocks) and isinstance(last.blocks, MatchingBlocks)
    assert first.field.values.shape == (32, 40) and last.field.values.shape == (48, 40)
    np.testing.assert_array_equal(first.field.values, net.tensors["fc1.weight"].T)


def test_a_matrix_alone_is_split():
    net = nnrg.load({"fc.weight": np.random.default_rng(1).normal(size=(60, 40))})
    placed = Neighbours(net).place(net.field("fc.weight"))
    assert isinstance(placed.blocks, MatchingBlocks) and placed.blocks.split == 0.5
    flow = nnrg.renormalize(placed.field, placed.blocks)
    assert flow.field.n_samples == 30  # the others chose


def test_few_samples_stay_in_index_order():
    net = nnrg.load({"fc.weight": np.random.default_rng(1).normal(size=(6, 8))})
    placed = Neighbours(net).place(net.field("fc.weight"))
    assert isinstance(placed.blocks, GridBlocks) and "index order" in placed.why


@pytest.mark.parametrize(
    ("rule", "kind"), [("index", GridBlocks), ("random", RandomBlocks), ("pairs", PairBlocks)]
)
def test_rules_that_are_asked_for(rule, kind):
    net = mlp(32, 40, 48, 24)
    assert isinstance(Neighbours(net, rule).place(net.field("fc2.weight")).blocks, kind)


def test_products_that_are_kept_give_the_graph_of_the_vectors():
    """A population that three tensors touch: the same graph as from the vectors themselves."""
    rng = np.random.default_rng(3)
    net = nnrg.load(
        {
            "rnn.weight_ih_l0": rng.normal(size=(128, 20)),
            "rnn.weight_hh_l0": rng.normal(size=(128, 32)),
            "head.weight": rng.normal(size=(10, 32)),
        }
    )
    own = "head.weight"
    placed = Neighbours(net).place(net.field(own))
    graph = nnrg.renormalize(placed.field, placed.blocks).graphs[0][0]
    direct = net.similarity_graph((own, "in"), excluding=own)
    assert graph is not None and graph.n_edges == direct.n_edges
    np.testing.assert_allclose(np.sort(graph.weights), np.sort(direct.weights), atol=1e-9)


def test_relabelling_hidden_units_changes_no_number():
    rng = np.random.default_rng(4)
    first, second, third = (rng.normal(size=s) for s in ((40, 32), (48, 40), (24, 48)))
    p, q = rng.permutation(40), rng.permutation(48)
    here = nnrg.load({"fc1.weight": first, "fc2.weight": second, "fc3.weight": third})
    there = nnrg.load(
        {"fc1.weight": first[p], "fc2.weight": second[q][:, p], "fc3.weight": third[:, q]}
    )
    a, b = (
        nnrg.flow_network(net, tensors=("fc2.weight",), nulls=(), rng=1) for net in (here, there)
    )
    one, two = a["fc2.weight"].cumulants, b["fc2.weight"].cumulants
    np.testing.assert_allclose(one.values, two.values, rtol=1e-8, atol=1e-10)


def test_a_run_says_what_was_chosen_and_why():
    run = nnrg.flow_network(mlp(32, 40, 48, 24), tensors=("fc2.weight",), nulls=(), rng=1)
    attrs = run["fc2.weight"].cumulants.attrs
    assert "neighbours by cosine of weights in fc3.weight" in attrs["notes"]
    assert attrs["sites_kind"] == "product" and "MatchingBlocks" in attrs["blocks"]


def test_an_unknown_rule_is_refused():
    with pytest.raises(ArgumentError, match="matching"):
        Neighbours(mlp(4, 4), "nearest")


def smooth_inputs(n_out: int, side: int, seed: int = 3) -> np.ndarray:
    """Rows that are smooth images, as the first layer of a trained network has them."""
    k2 = np.add.outer(np.fft.fftfreq(side) ** 2, np.fft.fftfreq(side) ** 2)
    noise = np.random.default_rng(seed).normal(size=(n_out, side, side))
    smooth = np.fft.ifft2(np.fft.fft2(noise) * np.exp(-100 * k2)).real
    return (smooth / smooth.std()).reshape(n_out, -1)


def test_a_first_layer_whose_inputs_are_each_like_the_next_is_measured_along_them():
    # As samples of the units above they are one: no error could be told, and it was left out.
    rng = np.random.default_rng(1)
    layers = {"0.weight": smooth_inputs(40, 16), "2.weight": rng.normal(size=(10, 40))}
    run = nnrg.flow_network(nnrg.load(layers), levels=3, nulls=(), rng=1)
    assert "0.weight" in run
    assert run["0.weight"].couplings.series["sites"][0] == 20 * 256  # half of 40 rows
    notes = run["0.weight"].couplings.attrs["notes"]
    assert "each like the next" in notes and "--sites '0.weight=16x16'" in notes


def test_only_inputs_that_may_be_an_image_are_asked_after():
    net = mlp(64, 49, 36)
    first, last = (Neighbours(net).place(net.field(f"fc{i}.weight")).why for i in (1, 2))
    assert "--sites 'fc1.weight=8x8'" in first and "--sites" not in last
    net = mlp(60, 49)
    assert "--sites" not in Neighbours(net).place(net.field("fc1.weight")).why
    rng = np.random.default_rng(1)  # channels and pixels of a convolution, flattened
    net = nnrg.load({"c.weight": rng.normal(size=(16, 4, 5, 5)), "w": rng.normal(size=(40, 64))})
    assert "--sites" not in Neighbours(net).place(net.field("w")).why


def test_samples_that_are_all_one_are_told_with_what_helps():
    field = nnrg.SynapticField(smooth_inputs(40, 16).T.copy(), nnrg.Lattice(40), name="w")
    with pytest.raises(
        RepeatedSamplesError, match=r"256 samples of field 'w'.*--sites, sites=.*over='sites'"
    ):
        nnrg.renormalize(field)
