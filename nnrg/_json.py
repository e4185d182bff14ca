"""What ``--json`` prints: one object, every value with its error, finite numbers or null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnrg.results import Run
    from nnrg.rg.observables import Observables

__all__ = ["SCHEMA_VERSION", "as_json", "run_to_dict"]

SCHEMA_VERSION = 1


def as_json(value: Mapping[str, Any]) -> str:
    """Return one JSON object with its schema version; NaN and infinity become null."""
    return json.dumps(_finite({"schema_version": SCHEMA_VERSION, **value}), allow_nan=False)


def _finite(item: Any) -> Any:
    if isinstance(item, Mapping):
        return {str(k): _finite(v) for k, v in item.items()}
    if isinstance(item, list | tuple):
        return [_finite(v) for v in item]
    if hasattr(item, "item"):
        item = item.item()
    return None if isinstance(item, float) and not math.isfinite(item) else item


def run_to_dict(run: Run) -> dict[str, Any]:
    """Return a run as plain dicts and lists; NaN where a number could not be told."""
    return {
        "provenance": dict(run.attrs),
        "left_out": dict(run.left_out),
        "leading": run.leading.name,
        "fields": {
            name: {
                "settings": dict(m.couplings.attrs),
                "cumulants": _records(m.cumulants, "name"),
                "couplings": _records(m.couplings, "operator"),
                "fit": {
                    key: m.couplings.series[key].tolist()
                    for key in ("chi2", "dof", "p", "condition", "sites", "sigma")
                },
            }
            for name, m in run.measurements.items()
        },
    }


def _records(result: Observables, what: str) -> list[dict[str, Any]]:
    errors, z = result.errors(), result.z()
    null, spread = result.null_mean(), result.null_spread()
    return [
        {
            "scale": b.item(),
            what: name,
            "value": float(result.values[level, i]),
            "error": float(errors[level, i]),
            "n_samples": int(result.n_samples[level]),
            "null": float(null[level, i]),
            "null_spread": float(spread[level, i]),
            "z": float(z[level, i]),
            "flag": result.flags[level][i],
        }
        for level, b in enumerate(result.scales)
        for i, name in enumerate(result.names)
    ]
