"""Activations of the shipped network on patches of the photographs that it was not trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import train_patches

import nnrg
import nnrg.data
from nnrg import SynapticField
from nnrg.networks.activations import activations

LAYERS = [("encoder.weight", "encoder.bias", "relu")]
NOISE = train_patches.Settings().noise
# Windows of held-out pixels that share none: 4 columns and 8 rows of each photograph.
COLUMNS, ROWS = 4, 8
WINDOWS = len(train_patches.PHOTOGRAPHS) * COLUMNS * ROWS


@dataclass(frozen=True)
class Activity:
    """What one network does.

    Attributes
    ----------
    net : nnrg.Network
    measured : SynapticField
        On held-out patches, in the order of the windows that they are from.
    choosing : SynapticField
        On patches of the part that the network was trained on.
    """

    net: nnrg.Network
    measured: SynapticField
    choosing: SynapticField


def activity(state: str, per_window: int, rng: np.random.Generator) -> Activity:
    """Return the activity of the network, ``"trained"`` or ``"initial"``, on noisy patches."""
    path = nnrg.data.default_network_path if state == "trained" else nnrg.data.initial_network_path
    net = nnrg.load(path())
    photographs, _ = train_patches.photographs()
    held_out = photographs[:, :, train_patches.SPLIT :]
    windows = [
        window
        for photograph in held_out
        for rows in np.array_split(photograph, ROWS, axis=0)
        for window in np.array_split(rows, COLUMNS, axis=1)
    ]
    clean = np.concatenate(
        [train_patches.draw_patches(window[None], per_window, rng) for window in windows]
    )
    trained_on = photographs[:, :, : train_patches.SPLIT]
    other = train_patches.draw_patches(trained_on, len(clean), rng)

    def run(patches: np.ndarray, data: str) -> SynapticField:
        noise = rng.standard_normal(patches.shape, dtype=np.float32)
        noisy = patches + np.float32(NOISE) * noise
        return activations(net, noisy, LAYERS, data=data)

    return Activity(net, run(clean, "held-out patches"), run(other, "patches trained on"))
