"""All null models of a flow, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np

from nnrg.errors import AnalysisError
from nnrg.fields import SynapticField
from nnrg.rg.flow import Flow
from nnrg.rg.nulls._defaults import DefaultNulls, Nulls, WherePossible, chosen_nulls
from nnrg.rg.nulls.model import measure_null

__all__ = ["measure_nulls"]

T = TypeVar("T")


def measure_nulls(
    flow: Flow,
    nulls: Nulls,
    seed: np.random.SeedSequence,
    numbers: Callable[[Flow], T],
    tick: Callable[[int, int], None] = lambda done, of: None,
    *,
    of_field: Callable[[SynapticField], T] | None = None,
) -> tuple[Flow, dict[str, list[T]]]:
    """Return the numbers of all draws of each null model, and the flow with what is to be said.

    A null model that was asked for and that the field does not have is an error; one that is run by
    default, or was asked for where it is possible, is left out with a note. `tick` is called with
    the draws done and their total; `of_field` is as in `measure_null`.
    """
    models = chosen_nulls(nulls, flow)
    asked = nulls is not None and not isinstance(nulls, DefaultNulls | WherePossible)
    if isinstance(nulls, DefaultNulls):
        flow = _noted(flow, nulls.notes(flow))
    total = sum(model.draws for model in models)
    done, out = 0, {}
    for model in models:
        drawn = []
        try:
            for one in measure_null(flow, model, seed, numbers, of_field):
                drawn.append(one)
                tick(done + len(drawn), total)
        except AnalysisError as error:
            if asked:
                raise
            flow = _noted(flow, (f"null model {model.name!r} left out: {error}",))
            tick(done + model.draws, total)
        else:
            out[model.name] = drawn
        done += model.draws
    return flow, out


def _noted(flow: Flow, notes: tuple[str, ...]) -> Flow:
    if not notes:
        return flow
    return replace(flow, field=replace(flow.field, notes=(*flow.field.notes, *notes)))
