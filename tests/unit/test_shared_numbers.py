"""A tensor that holds the measured numbers once more may not choose their neighbours."""

import numpy as np
import pytest
from safetensors.numpy import save_file

import nnrg
from nnrg._neighbours import Neighbours
from nnrg.errors import AnalysisError
from nnrg.networks import network
from nnrg.networks._shared_numbers import SharedNumbers

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


def stream(seed=6):
    """Tensors that one population enters, of which two share numbers, and what joins them."""
    rng = np.random.default_rng(seed)
    tensors = {f"layers.{i}.fc.weight": rng.normal(size=(24, 24)) for i in range(6)}
    tensors["layers.4.fc.weight"] = tensors["layers.1.fc.weight"] + rng.normal(size=(24, 24))
    first, *rest = tensors
    return tensors, [((first, "in"), (name, "in")) for name in rest]


def of_stream(net, joins):
    topology = net.topology(joins=joins, assume_order=False)
    (population,) = topology.of("layers.0.fc.weight", "in")
    return population


@pytest.mark.parametrize("room", [0, 10_000, 1 << 25])
def test_what_is_kept_changes_no_answer(room):
    """However much is kept, and whichever tensor is asked for first."""
    tensors, joins = stream()
    net = nnrg.load(tensors)
    population = of_stream(net, joins)
    one = SharedNumbers(net, room)
    for name in reversed(tensors):
        others = [t for t in tensors if t != name]
        usable, shared = one.without(population, [name], others)
        twin = {"layers.4.fc.weight": "layers.1.fc.weight"}
        twin |= {v: k for k, v in twin.items()}
        assert shared == ([twin[name]] if name in twin else [])
        assert usable == [t for t in others if t not in shared]


def test_tensors_of_a_stream_are_compared_once(tmp_path, monkeypatch):
    """Each is read once, for all the fields that ask."""
    tensors, joins = stream()
    save_file(tensors, tmp_path / "stream.safetensors")
    read, real = [], network.Network._read
    monkeypatch.setattr(
        network.Network, "_read", lambda self, name: read.append(name) or real(self, name)
    )
    net = nnrg.load(tmp_path / "stream.safetensors")
    population = of_stream(net, joins)
    comparison = SharedNumbers(net)
    for name in tensors:
        comparison.without(population, [name], [t for t in tensors if t != name])
    assert sorted(read) == sorted(tensors)


def test_the_name_of_a_source_is_told_without_its_numbers(tmp_path, monkeypatch):
    save_file({"fc.weight": FIRST}, tmp_path / "net.safetensors")
    net = nnrg.load(tmp_path / "net.safetensors")
    field = net.field("fc.weight")

    def refuse(self, name):
        raise AssertionError(f"{name} is read")

    monkeypatch.setattr(network.Network, "_read", refuse)
    assert field.sources == {net.source_of("fc.weight")}


def test_of_arrays_in_memory_the_numbers_tell_two_networks_apart():
    here, there = (nnrg.load({"fc.weight": numbers}) for numbers in (FIRST, -FIRST))
    assert here.source_of("fc.weight") != there.source_of("fc.weight")
    assert here.field("fc.weight").sources == {here.source_of("fc.weight")}
