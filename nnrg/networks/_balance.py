"""The scales of units at which every unit's incoming and outgoing weights have one norm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError

__all__ = ["Link", "balance", "dead_units"]

_SWEEPS = 2000
_ACCURACY = 1e-13
_STILL = 3

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Link:
    """Squared weights between two populations, post x pre."""

    post: str
    pre: str
    squares: Floats


def dead_units(
    links: Sequence[Link], biases: Mapping[str, Floats], free: Mapping[str, int]
) -> dict[str, Bools]:
    """Return the units that nothing enters or nothing leaves, those of dead neighbours included."""
    dead = {name: np.zeros(size, dtype=bool) for name, size in free.items()}
    while True:
        found = 0
        for name, marks in dead.items():
            into, out = _norms(links, biases, name, {p: ~d for p, d in dead.items()})
            now = marks | (into <= 0) | (out <= 0)
            found += int(np.count_nonzero(now & ~marks))
            dead[name] = now
        if not found:
            return dead


def _norms(
    links: Sequence[Link], biases: Mapping[str, Floats], name: str, weights: Mapping[str, Bools]
) -> tuple[Floats, Floats]:
    into: Floats = biases[name].copy()
    out = np.zeros_like(into)
    for link in links:
        if link.post == name:
            pre = weights.get(link.pre)
            into += link.squares.sum(axis=1) if pre is None else link.squares @ pre
        if link.pre == name:
            post = weights.get(link.post)
            out += link.squares.sum(axis=0) if post is None else post @ link.squares
    return into, out


def balance(
    links: Sequence[Link], biases: Mapping[str, Floats], dead: Mapping[str, Bools]
) -> dict[str, Floats]:
    """Return the logarithm of each unit's scale; zero for dead units.

    Multiplying what enters a unit by s and dividing what leaves it changes the sum of all squared
    weights; at its minimum, which is unique as the sum is convex in ln s, both norms agree.
    Every step is exact for one population; a Newton step for the common scale of each
    population, the slow mode of deep networks, follows.
    """
    live = {name: (~marks).astype(float) for name, marks in dead.items()}
    logs = {name: np.zeros(marks.size) for name, marks in dead.items()}
    names = list(logs)
    still = 0
    for _ in range(_SWEEPS):
        largest = 0.0
        for name in (*names, *reversed(names)):
            into = biases[name].copy()
            out = np.zeros_like(into)
            for link in links:
                if link.post == name:
                    into += link.squares @ _powers(link.pre, logs, live, -2, link.squares.shape[1])
                if link.pre == name:
                    out += _powers(link.post, logs, live, 2, link.squares.shape[0]) @ link.squares
            alive = ~dead[name]
            new = np.zeros_like(into)
            new[alive] = np.log(out[alive] / into[alive]) / 4
            largest = max(largest, float(np.abs(new - logs[name]).max(initial=0)))
            logs[name] = new
        still = still + 1 if largest < _ACCURACY else 0
        if still >= _STILL or not names:
            return logs
        _move_together(links, biases, logs, live)
    raise AnalysisError(
        f"norms of units do not balance within {_SWEEPS} steps (last change {largest:.1e}): "
        "weights of very different size; leave units with vanishing weights out"
    )


def _powers(
    name: str, logs: Mapping[str, Floats], live: Mapping[str, Floats], power: int, size: int
) -> Floats:
    if name not in logs:
        return np.ones(size)
    powers: Floats = np.exp(power * logs[name]) * live[name]
    return powers


def _move_together(
    links: Sequence[Link],
    biases: Mapping[str, Floats],
    logs: dict[str, Floats],
    live: Mapping[str, Floats],
) -> None:
    """Take a Newton step in the common scale of each population."""
    place = {name: i for i, name in enumerate(logs)}
    slope, bend = np.zeros(len(place)), np.zeros((len(place), len(place)))
    for name, here in place.items():
        size = float(biases[name] @ (np.exp(2 * logs[name]) * live[name]))
        slope[here] += size
        bend[here, here] += 2 * size
    for link in links:
        post = _powers(link.post, logs, live, 2, link.squares.shape[0])
        pre = _powers(link.pre, logs, live, -2, link.squares.shape[1])
        size = float(post @ link.squares @ pre)
        i, j = place.get(link.post), place.get(link.pre)
        for end, sign in ((i, 1), (j, -1)):
            if end is not None:
                slope[end] += sign * size
                bend[end, end] += 2 * size
        if i is not None and j is not None:
            bend[i, j] -= 2 * size
            bend[j, i] -= 2 * size
    step = -np.linalg.lstsq(bend, slope, rcond=None)[0]
    step *= min(1.0, 1.0 / max(float(np.abs(step).max(initial=0)), 1e-300))
    for name, here in place.items():
        logs[name] = logs[name] + step[here] * live[name]
