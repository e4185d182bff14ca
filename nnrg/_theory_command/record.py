"""Results of theories as plain numbers: what ``nnrg theory`` writes as JSON and CSV."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from nnrg.activation_functions import Activation
from nnrg.stats.estimate import Estimate
from nnrg.stats.fits import FitResult

__all__ = ["record"]

_LARGEST = 10_000


def record(result: Any, *also: str) -> dict[str, Any]:
    """Return the numbers of a result with their errors, and its table as ``rows``.

    Parameters
    ----------
    result : frozen dataclass
    *also : str
        Properties to put in, besides its fields.
    """
    names = [f.name for f in fields(result) if not f.name.startswith("_")]
    found = {name: _plain(getattr(result, name)) for name in (*names, *also)}
    out = {name: value for name, value in found.items() if value is not _LEFT_OUT}
    if hasattr(result, "to_dataframe"):
        out["rows"] = result.to_dataframe().to_dict("records")
    return out


_LEFT_OUT = object()


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Activation):
        return value.name
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Estimate):
        return {"value": value.value, "error": value.error, "flag": value.flag}
    if isinstance(value, FitResult):
        return _fit(value)
    if isinstance(value, np.ndarray):
        return value.tolist() if value.size <= _LARGEST else _LEFT_OUT
    if isinstance(value, tuple | list):
        items = [_plain(v) for v in value]
        return [v for v in items if v is not _LEFT_OUT]
    if is_dataclass(value) and type(value).__module__.startswith("nnrg.theory."):
        return record(value)
    return _LEFT_OUT


def _fit(fit: FitResult) -> dict[str, Any]:
    values = {name: fit.estimate(name) for name in fit.names}
    return {
        "parameters": {n: {"value": e.value, "error": e.error} for n, e in values.items()},
        "chi2": fit.chi2,
        "dof": fit.dof,
        "p": fit.p,
        "flag": fit.flag,
    }
