"""The pyramid done naively: reshape, mean, loop over sites and groups. NumPy only."""

from __future__ import annotations

import itertools

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
    """Return counts (G,), sums (G, order), bonds (G, d), gradients (G, d) by loops over sites."""
    shape = field.shape[1:]
    d = len(shape)
    n_cells = [len(own) - 1 for own in edges]
    n_groups = (sample_group.max() + 1) * int(np.prod(n_cells))
    counts, sums = np.zeros(n_groups, int), np.zeros((n_groups, order))
    bonds, gradients = np.zeros((n_groups, d), int), np.zeros((n_groups, d))
    x = (field - shift) / scale
    for sample in range(field.shape[0]):
        for site in itertools.product(*map(range, shape)):
            group = int(sample_group[sample])
            for axis in range(d):
                cell = np.searchsorted(edges[axis] // block[axis], site[axis], side="right") - 1
                group = group * n_cells[axis] + int(cell)
            value = x[(sample, *site)]
            counts[group] += 1
            sums[group] += value ** np.arange(1, order + 1)
            for axis in range(d):
                n = shape[axis]
                following = list(site)
                following[axis] += 1
                if following[axis] == n:
                    whole = finest[axis] % block[axis] == 0
                    if not (periodic[axis] and whole and n > 2):
                        continue
                    following[axis] = 0
                bonds[group, axis] += 1
                gradients[group, axis] += (x[(sample, *following)] - value) ** 2
    return counts, sums, bonds, gradients
