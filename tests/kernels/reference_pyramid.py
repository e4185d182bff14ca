"""The pyramid done naively: reshape, mean, shifted copies, one bin a group. NumPy only."""

from __future__ import annotations

import numpy as np


def block_means(field: np.ndarray, factors: tuple[int, ...]) -> np.ndarray:
    """Average the last axes of `field` over whole blocks; what is left at the end is cut off."""
    for axis, factor in enumerate(factors, start=1):
        n = field.shape[axis] // factor
        field = np.moveaxis(field, axis, -1)[..., : n * factor]
        field = field.reshape(*field.shape[:-1], n, factor).mean(axis=-1)
        field = np.moveaxis(field, -1, axis)
    return field


def levels(field: np.ndarray, factors: tuple[int, ...], steps: int) -> list[np.ndarray]:
    fields = [field.astype(np.float64)]
    for _ in range(steps):
        fields.append(block_means(fields[-1], factors))
    return fields


def statistics(
    field: np.ndarray,
    finest: tuple[int, ...],
    block: tuple[int, ...],
    periodic: tuple[bool, ...],
    sample_group: np.ndarray,
    edges: tuple[np.ndarray, ...],
    order: int,
    shift: float,
    scale: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return counts (G,), sums (G, order), bonds (G, d), gradients (G, d)."""
    d = field.ndim - 1
    group = np.broadcast_to(sample_group.reshape(-1, *(1,) * d), field.shape)
    for axis in range(d):
        coordinate = np.arange(field.shape[1 + axis])
        cell = np.searchsorted(edges[axis] // block[axis], coordinate, side="right") - 1
        group = group * (len(edges[axis]) - 1) + np.expand_dims(
            cell, tuple(a for a in range(d + 1) if a != 1 + axis)
        )
    n_groups = (sample_group.max() + 1) * int(np.prod([len(own) - 1 for own in edges]))

    def add(places: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        return np.bincount(places.reshape(-1), numbers.reshape(-1), n_groups)

    x = (field - shift) / scale
    counts = add(group, np.ones(field.shape)).astype(int)
    sums = np.stack([add(group, x**power) for power in range(1, order + 1)], axis=-1)
    bonds, gradients = np.zeros((n_groups, d), int), np.zeros((n_groups, d))
    for axis in range(d):
        n = field.shape[1 + axis]
        wrapped = periodic[axis] and finest[axis] % block[axis] == 0 and n > 2
        lower = np.arange(n if wrapped else n - 1)
        ends = np.take(x, lower, axis=1 + axis)
        step = np.take(x, (lower + 1) % n, axis=1 + axis) - ends
        owner = np.take(group, lower, axis=1 + axis)
        bonds[:, axis] = add(owner, np.ones(step.shape))
        gradients[:, axis] = add(owner, step**2)
    return counts, sums, bonds, gradients
