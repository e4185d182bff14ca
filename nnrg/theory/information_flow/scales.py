"""What the scale of an information-space flow is, and what it is not."""

from __future__ import annotations

__all__ = ["DEPTH", "MODES", "MOMENTUM", "SIGMA"]

_LIMIT = (
    "information-space flow: it must not be overlaid with beta functions of block spins unless a "
    "map between the scales is stated"
)

SIGMA = f"{_LIMIT}; here b is the ratio of two deviations of weights, no length of a block"
MOMENTUM = f"{_LIMIT}; here k is a momentum conjugate to the inputs, not to the sites of neurons"
MODES = f"{_LIMIT}; here the scale is the number of kernel modes kept on the measure of the data"
DEPTH = f"{_LIMIT}; here the scale is the number of layers"
