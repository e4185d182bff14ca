"""A null model as an object, and its draws through the pipeline of a flow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, TypeVar, cast

import numba
import numpy as np

from nnrg._validate import as_count, as_items, shown
from nnrg.errors import ArgumentError
from nnrg.fields import SynapticField
from nnrg.rg.flow import Flow
from nnrg.rg.nulls._families import FAMILIES
from nnrg.rg.nulls._initialisation import as_references, digest, initialisation
from nnrg.rg.renormalize import repeat_flow

if TYPE_CHECKING:
    from nnrg.rg.nulls._initialisation import Reference

__all__ = ["NullModel", "measure_null", "null_models"]

T = TypeVar("T")
Draw = Callable[[np.random.Generator], SynapticField | Flow]

# Fields below so many values are measured faster than threads are started.
_THREADED = 1 << 14
# Draws that are made at once take so many bytes at most: block fields of all scales, and copies.
_MOST_BYTES = 1 << 27
_BYTES_A_VALUE = 24
_COPIES = 2  # of the field alone
_MOST_DRAWS = 1_000_000


@dataclass(frozen=True, slots=True, repr=False)
class NullModel:
    """A null model and how many times it is drawn.

    Parameters
    ----------
    name : str
        Which property is destroyed: ``"permutation"``, ``"shuffle"``, ``"rows"``, ``"columns"``,
        ``"phase"``, ``"initialisation"``, ``"rotation"``, ``"gaussian"``, ``"configuration"`` or
        ``"independent"``; see `nnrg.rg.nulls`.
    draws : int
        Independent draws, at least 3; z-scores follow Student's t with ``draws - 1`` degrees.
    reference : SynapticField, Network, or sequence of them
        For ``"initialisation"`` alone: the same tensor before training. Of one, samples are drawn
        with replacement; of several, each is a draw and `draws` is their number.

    Raises
    ------
    ArgumentError
        If the name is unknown, the draws are no integer in range, or a reference is missing or not
        asked for.

    Notes
    -----
    Where a null model leaves a number as it is, its draws have no spread and z is NaN.

    Examples
    --------
    >>> from nnrg.rg.nulls import NullModel
    >>> null = NullModel("shuffle", draws=50)
    >>> null, null.keeps
    (NullModel(name='shuffle', draws=50), 'the one-point law of the layer')
    """

    name: str = "permutation"
    draws: int = 20
    reference: Reference | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or self.name not in FAMILIES:
            raise ArgumentError(
                f"null model must be one of {', '.join(map(repr, FAMILIES))}, got "
                f"{shown(self.name)}; () stands for none"
            )
        draws = as_count("draws", self.draws, 3, _MOST_DRAWS, hint="try 20")
        if FAMILIES[self.name].prepare is None:
            if self.reference is None:
                raise ArgumentError(
                    f"null model {self.name!r} needs the tensor before training; try "
                    f"NullModel({self.name!r}, reference=field)"
                )
            references = as_references(self.reference)
            draws = len(references) if len(references) > 1 else draws
            object.__setattr__(self, "reference", references)
        elif self.reference is not None:
            raise ArgumentError(
                f"null model {self.name!r} takes no reference, got {shown(self.reference)}; "
                "'initialisation' does"
            )
        object.__setattr__(self, "draws", draws)

    def __repr__(self) -> str:
        """Show the numbers of a reference by their hash: files of settings compare by this text."""
        given = f"name={self.name!r}, draws={self.draws}"
        if self.reference is None:
            return f"NullModel({given})"
        return f"NullModel({given}, reference=<{digest(as_references(self.reference))}>)"

    @property
    def label(self) -> str:
        """Its number in the list of null models, such as N1."""
        return FAMILIES[self.name].label

    @property
    def keeps(self) -> str:
        """What of the field its draws share with it, in words."""
        return FAMILIES[self.name].keeps

    @property
    def destroys(self) -> str:
        """What of the field its draws have lost, in words."""
        return FAMILIES[self.name].destroys

    @property
    def needs(self) -> str:
        """What must be given besides the field, in words."""
        return FAMILIES[self.name].needs

    def prepare(self, flow: Flow) -> list[Draw]:
        """Return one function for each draw, from a generator to a field on the flow's sites.

        Where blocks are chosen again the draw is a flow.

        Raises
        ------
        AnalysisError
            If the field has no such null model.
        ArgumentError
            If the reference does not fit the field.
        """
        prepare = FAMILIES[self.name].prepare
        if prepare is not None:
            return [prepare(flow)] * self.draws
        references = as_references(self.reference)
        return [*initialisation(flow.field, flow.arranged, references, self.draws)]


def null_models(nulls: str | NullModel | Sequence[str | NullModel]) -> tuple[NullModel, ...]:
    """Return null models from names, objects, or a sequence of them, each at most once.

    Raises
    ------
    ArgumentError
        If one is unknown or named twice.
    """
    items = (nulls,) if isinstance(nulls, str | NullModel) else as_items(nulls)
    if items is None:
        raise ArgumentError(
            f"nulls must be names or NullModel objects, got {shown(nulls)}; () stands for none"
        )
    models = tuple(n if isinstance(n, NullModel) else NullModel(cast(str, n)) for n in items)
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
    of_field: Callable[[SynapticField], T] | None = None,
) -> Iterator[T]:
    """Yield the numbers of independent draws of a null model, through the same blocks and levels.

    Of draws that are fields `of_field`, if given, returns the same numbers without their flow.

    Draws are made on as many threads as Numba is set to, and memory allows, each from a seed of its
    own; their order and their numbers do not depend on the threads.
    """
    # Matrix factorisations have threads of their own: two at once hinder each other.
    alone = Lock() if FAMILIES[model.name].factorises else nullcontext()

    def one(draw: Draw, child: np.random.SeedSequence) -> T:
        with alone:
            drawn = draw(np.random.default_rng(child))
        if isinstance(drawn, Flow):
            return numbers(drawn)
        return numbers(repeat_flow(flow, drawn)) if of_field is None else of_field(drawn)

    draws, children = model.prepare(flow), seed.spawn(model.draws)
    size = flow.field.values.size
    held = _BYTES_A_VALUE if of_field is None else _COPIES * flow.field.values.dtype.itemsize
    at_once = min(numba.get_num_threads(), _MOST_BYTES // (held * size))
    if size < _THREADED or at_once < 2:
        yield from map(one, draws, children)
        return
    # A draw of several at once has one thread: kernels would start more than there are cores.
    with ThreadPoolExecutor(at_once, initializer=numba.set_num_threads, initargs=(1,)) as pool:
        yield from pool.map(one, draws, children)
