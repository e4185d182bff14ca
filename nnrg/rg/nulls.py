"""Null models: the field with one property destroyed, through the same pipeline.

N1, ``"permutation"``: the sites of each population are relabelled at random, alike in every sample.
It keeps every value, the correlations between samples and the rows' norms, and destroys what the
order of the sites says. A flow that does not differ from it is the flow of random neighbourhoods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numba
import numpy as np

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
from nnrg.fields import SynapticField
from nnrg.rg.blocks import permute_sites
from nnrg.rg.flow import Flow, repeat_flow

__all__ = ["NullModel", "measure_null", "null_models"]

T = TypeVar("T")

# Fields below so many values are measured faster than threads are started.
_THREADED = 1 << 14

_MODELS: dict[str, Callable[[SynapticField, np.random.Generator], SynapticField]] = {
    "permutation": permute_sites,
}


_MOST_DRAWS = 1_000_000


@dataclass(frozen=True, slots=True)
class NullModel:
    """A null model and how many times it is drawn.

    Parameters
    ----------
    name : {"permutation"}
        Which property is destroyed.
    draws : int
        Independent draws, at least 3; z-scores follow Student's t with ``draws - 1`` degrees.

    Raises
    ------
    ArgumentError
        If the name is unknown or the draws are no integer in range.
    """

    name: str = "permutation"
    draws: int = 20

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or self.name not in _MODELS:
            raise ArgumentError(
                f"null model must be one of {', '.join(map(repr, _MODELS))}, got "
                f"{shown(self.name)}; () stands for none"
            )
        draws = as_count("draws", self.draws, 3, _MOST_DRAWS, hint="try 20")
        object.__setattr__(self, "draws", draws)


def null_models(nulls: str | NullModel | Sequence[str | NullModel]) -> tuple[NullModel, ...]:
    """Return null models from names, objects, or a sequence of them, each at most once.

    Raises
    ------
    ArgumentError
        If one is unknown or named twice.
    """
    if isinstance(nulls, str | NullModel):
        nulls = (nulls,)
    if not isinstance(nulls, Iterable):
        raise ArgumentError(
            f"nulls must be names or NullModel objects, got {shown(nulls)}; () stands for none"
        )
    models = tuple(n if isinstance(n, NullModel) else NullModel(n) for n in nulls)
    names = [m.name for m in models]
    if len(set(names)) < len(names):
        raise ArgumentError(
            f"null models must differ, got {', '.join(names)}; ask for more draws of one"
        )
    return models


def measure_null(
    flow: Flow,
    model: NullModel,
    seed: np.random.SeedSequence,
    numbers: Callable[[Flow], T],
) -> Iterator[T]:
    """Yield the numbers of independent draws of a null model, through the same blocks and levels.

    Draws are made on as many threads as Numba is set to, each from a seed of its own; their order
    and their numbers do not depend on the threads.
    """
    draw = _MODELS[model.name]

    def one(child: np.random.SeedSequence) -> T:
        return numbers(repeat_flow(flow, draw(flow.field, np.random.default_rng(child))))

    children = seed.spawn(model.draws)
    if flow.field.values.size < _THREADED or (threads := numba.get_num_threads()) < 2:
        yield from map(one, children)
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(one, children)
