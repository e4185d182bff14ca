"""Momenta in a ball: their free density, and free motion with mirror reflection at the surface."""

from __future__ import annotations

from math import pi

import numpy as np
import numpy.typing as npt

__all__ = ["draw_momenta", "fly"]

Floats = npt.NDArray[np.float64]


def fly(position: Floats, velocity: Floats, time: float, radius: float) -> tuple[Floats, Floats]:
    """Return positions and velocities after a time, with reflections at the surface.

    Parameters
    ----------
    position, velocity : array of shape (C, d, N)
        d is 1 or 2; positions inside the ball.
    time, radius : float
    """
    moved = position + time * velocity
    if position.shape[1] == 1:
        return _fold(moved, velocity, radius)
    out = (moved**2).sum(axis=1) > radius**2
    if not out.any():
        return moved, velocity
    chain, unit = np.nonzero(out)
    turned = velocity.copy()
    at, heading = _bounce(position[chain, :, unit].T, velocity[chain, :, unit].T, time, radius)
    moved[chain, :, unit], turned[chain, :, unit] = at.T, heading.T
    return moved, turned


def _fold(moved: Floats, velocity: Floats, radius: float) -> tuple[Floats, Floats]:
    along = np.mod(moved + radius, 4 * radius)
    back = along > 2 * radius
    place = np.where(back, 3 * radius - along, along - radius)
    return place, np.where(back, -velocity, velocity)


def _bounce(start: Floats, velocity: Floats, time: float, radius: float) -> tuple[Floats, Floats]:
    """Fly in a disc, all chords of one flight being of one length; columns leave the disc."""
    speed = np.hypot(*velocity)
    heading = velocity / speed
    along = (start * heading).sum(axis=0)
    half = np.sqrt(np.maximum(radius**2 - (start**2).sum(axis=0) + along**2, 0.0))
    first = np.maximum(half - along, 0.0)
    hit = start + first * heading
    left = np.maximum(time * speed - first, 0.0)
    # A chord of length zero touches the circle and stays there.
    chord = np.maximum(2 * half, np.finfo(float).tiny)
    count = np.where(half > 0, np.floor(left / chord), 0.0)
    normal = hit / radius
    heading = heading - 2 * (heading * normal).sum(axis=0) * normal
    side = np.sign(start[0] * velocity[1] - start[1] * velocity[0])
    angle = 2 * side * count * np.arcsin(np.minimum(half / radius, 1.0))
    cos, sin = np.cos(angle), np.sin(angle)

    def turn(v: Floats) -> Floats:
        return np.stack([cos * v[0] - sin * v[1], sin * v[0] + cos * v[1]])

    heading = turn(heading)
    return turn(hit) + (left - count * chord) * heading, speed * heading


def draw_momenta(
    rng: np.random.Generator, shape: tuple[int, int, int], mass: float, cutoff: float, split: float
) -> Floats:
    """Draw momenta b of density (b^2 + m^2)^(split - 1) in the ball, shape (n, d, N)."""
    number, dimension, width = shape
    if dimension == 1:
        return _line(rng, number * width, mass, cutoff, split).reshape(shape)
    share, square = rng.random((number, width)), mass**2
    if split == 0:
        b2 = square * np.expm1(share * np.log1p(cutoff**2 / square))
    else:
        low, high = square**split, (square + cutoff**2) ** split
        b2 = (low + share * (high - low)) ** (1 / split) - square
    angle = rng.uniform(-pi, pi, share.shape)
    size = np.sqrt(np.clip(b2, 0.0, cutoff**2))
    return np.stack([size * np.cos(angle), size * np.sin(angle)], axis=1)


def _line(rng: np.random.Generator, count: int, mass: float, cutoff: float, split: float) -> Floats:
    """Draw by rejection, from the propagator or from the uniform density."""
    found = np.empty(0)
    while found.size < count:
        u = rng.uniform(-1.0, 1.0, count)
        if split <= 0.5:
            b = mass * np.tan(u * np.arctan(cutoff / mass))
            share = ((b**2 + mass**2) / (cutoff**2 + mass**2)) ** split
        else:
            b = cutoff * u
            share = (mass**2 / (b**2 + mass**2)) ** (1 - split)
        found = np.concatenate([found, b[rng.random(count) < share]])
    return found[:count]
