"""A reconstructed action as text and as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg.rg.cumulants import align
from nnrg.stats.estimate import Estimate, shown_number
from nnrg.theory.edgeworth._contractions import lifted

if TYPE_CHECKING:
    import pandas as pd

    from nnrg.theory.edgeworth.result import ReconstructedAction

__all__ = ["frame", "table"]

Array = npt.NDArray[np.float64]

_LABELS = {"action": "action", "1PI": "1PI (tree)", "schwinger-dyson": "Schwinger-Dyson"}


def frame(found: ReconstructedAction) -> pd.DataFrame:
    """Return the local couplings, one row for each kind and r."""
    import pandas as pd

    variances = _variances(found)
    rows = []
    for kind in found.kinds:
        for r in found.legs(kind):
            g, scaled = found.local(r, kind=kind), _scaled(found, r, kind, variances)
            rows.append(
                {
                    "coupling": f"g{r}",
                    "kind": kind,
                    "value": g.value,
                    "error": g.error,
                    "scaled": scaled.value,
                    "scaled_error": scaled.error,
                    "last_term": found.last_term(r) if kind == "action" else float("nan"),
                    "n_samples": g.n_samples,
                    "flag": g.flag,
                }
            )
    return pd.DataFrame(rows)


def _variances(found: ReconstructedAction) -> Array:
    """Return the mean variance of the points, whole and in every replicate."""
    cumulants = found.cumulants
    kernel, points = cumulants.inverse.kernel, cumulants.inverse.coordinates.T
    # phi(x) = sum_k c_k legs(x, k) in the kept modes; what is left out is not resampled.
    legs = kernel @ points + cumulants.inverse.nugget * points
    kept = cumulants.entries[2] @ lifted(legs, cumulants.n_modes, 2).mean(axis=0)
    return np.asarray(np.trace(kernel) / len(kernel) + kept - kept[0])


def _scaled(found: ReconstructedAction, r: int, kind: str, variances: Array) -> Estimate:
    """Return the local coupling in units of the variance, which is measured with it."""
    cumulants = found.cumulants
    weights = lifted(cumulants.inverse.coordinates.T, cumulants.n_modes, r).mean(axis=0)
    local = found.rows(r, kind=kind) @ weights
    return cumulants.replicates((local * variances ** (r / 2))[:, None]).estimate()


def table(found: ReconstructedAction) -> str:
    """Return the local couplings of every kind side by side, and what they are worth."""
    inverse, n = found.cumulants.inverse, found.cumulants.n_samples
    source = "given correlators" if np.isnan(n) else f"{n:.0f} samples"
    lines = [["g_r(x, .., x)", *(_LABELS[k] for k in found.kinds), "last term"]]
    for r in found.legs():
        locals_ = [found.local(r, kind=k) if r in found.legs(k) else None for k in found.kinds]
        cells = ["-" if g is None else shown_number(g.value, g.error) for g in locals_]
        last = found.last_term(r)
        lines.append([f"g{r}", *cells, "-" if np.isnan(last) else f"{last:.2g}"])
    worth = found.validity
    parts = [
        f"action to eps^{found.order} from {source}: {inverse}",
        align(lines, left=(0,)),
        f"largest lambda_4 {shown_number(worth.excess.value, worth.excess.error)}, "
        f"loops change G^-1 by {shown_number(worth.loop_ratio.value, worth.loop_ratio.error)}",
    ]
    if found.locality is not None:
        parts.append(str(found.locality))
        parts += [f"! {flag}" for flag in [found.locality.flag] if flag]
    if found.couplings is not None:
        parts.append(f"lattice action by the Schwinger-Dyson equations:\n{found.couplings}")
    parts += [f"! {flag}" for flag in found.flags]
    if found.recommended == "schwinger-dyson":
        parts.append("the series is not to be trusted: use the Schwinger-Dyson action")
    elif found.recommended == "none":
        parts.append("the series is not to be trusted" + _way_out(found))
    return "\n".join(parts)


def _way_out(found: ReconstructedAction) -> str:
    """Say what else could be done where there is no other action either."""
    if found.polynomial is None:
        return ": give samples of a few modes for the Schwinger-Dyson action"
    return ", nor is any action of a field without a smooth density"
