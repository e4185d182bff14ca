"""A tensor that holds the measured numbers once more may not choose their neighbours."""

import numpy as np
import pytest
from safetensors.numpy import save_file

import nnrg
from nnrg._neighbours import Neighbours
from nnrg.errors import AnalysisError

FIRST = np.random.default_rng(1).normal(size=(96, 128))
NOISE = np.random.default_rng(2).normal(size=(128, 96))


def placed(net, name):
    return Neighbours(net).place(net.field(name))


@pytest.mark.parametrize(
    "second",
    [FIRST.T.copy(), -3 * FIRST.T, FIRST.T + NOISE, FIRST.T + 5 * NOISE],
    ids=["copy", "multiple", "half", "correlation 0.2"],
)
@pytest.mark.parametrize("name", ["encoder.weight", "decoder.weight"])
def test_tied_matrices_stored_twice_choose_by_a_split(second, name):
    net = nnrg.load({"encoder.weight": FIRST, "decoder.weight": second})
    found = placed(net, name)
    assert "no other tensor with numbers of its own" in found.why
    assert "half of the samples choose" in found.why
    with pytest.raises(AnalysisError, match="an artefact"):
        net.similarity_graph("encoder:out", excluding=name)


def test_tied_matrices_in_a_file_too(tmp_path):
    tensors = {"encoder.weight": FIRST, "decoder.weight": np.ascontiguousarray(FIRST.T)}
    save_file(tensors, tmp_path / "tied.safetensors")
    net = nnrg.load(tmp_path / "tied.safetensors")
    assert "no other tensor with numbers of its own" in placed(net, "encoder.weight").why


def test_independent_matrices_choose_and_common_means_are_no_common_numbers():
    rng = np.random.default_rng(3)
    of_units, of_inputs = rng.normal(size=(96, 1)), rng.normal(size=128)
    first = FIRST + 3 * of_units + 3 * of_inputs
    second = (rng.normal(size=(96, 128)) + 3 * of_units + 3 * of_inputs).T
    net = nnrg.load({"encoder.weight": first, "decoder.weight": second})
    assert "cosine of weights in decoder.weight" in placed(net, "encoder.weight").why


def test_a_third_tensor_chooses_alone_and_the_copy_is_said_to_be_left_out():
    third = np.random.default_rng(4).normal(size=(50, 96))
    net = nnrg.load({"fc1.weight": FIRST, "fc2.weight": third})
    joined = net.topology(joins=[])
    assert joined.population("fc1:out").size == 96
    tied = {"in.weight": FIRST, "a.weight": FIRST.T.copy(), "b.weight": third}
    net = nnrg.load(tied)
    topology = net.topology(
        assume_order=False,
        joins=[
            (("in.weight", "out"), ("a.weight", "in")),
            (("in.weight", "out"), ("b.weight", "in")),
        ],
    )
    graph = net.similarity_graph("in:out", excluding="in.weight", topology=topology)
    assert graph.provenance.endswith("b.weight") and "a.weight" not in graph.provenance
    both = net.similarity_graph("in:out", excluding="b.weight", topology=topology)
    assert "in.weight, a.weight" in both.provenance


def test_blocks_of_one_graph_are_put_in_a_row_on_it():
    rng = np.random.default_rng(5)
    tensors = {"fc1.weight": rng.normal(size=(64, 40)), "fc2.weight": rng.normal(size=(30, 64))}
    run = nnrg.flow_network(nnrg.load(tensors), units="seriation", nulls=(), rng=1)
    assert "spectral order" in run["fc1.weight"].couplings.attrs["blocks_chosen_by"]
