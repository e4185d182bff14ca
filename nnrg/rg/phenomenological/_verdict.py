"""What may be said of scaling, given the draws of independent units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from nnrg.rg.phenomenological.exponents import ScalingExponent
from nnrg.rg.phenomenological.nulls import IndependentUnits, NullScore

__all__ = ["conclude"]

# Chance of beating N8 that is taken with units that are independent.
_ALPHA = 0.05
_DECADES = 2.0


def conclude(
    fits: Mapping[str, ScalingExponent],
    scores: Sequence[NullScore],
    rank_p: float,
    null: IndependentUnits | None,
    tuned: bool,
) -> tuple[bool, str]:
    """Return whether N8 is beaten, and the verdict in a sentence."""
    if null is None:
        return False, "cannot be told: the null model of independent units (N8) was not run"
    units = f"independent units (N8{', same tuning' if tuned else ''})"
    if not scores:
        return False, f"cannot be told: no number with an error that {units} change"
    if 1 / (null.draws + 1) > _ALPHA:
        least = int(np.ceil(1 / _ALPHA)) - 1
        return False, f"cannot be told from {null.draws} draws of {units}, take at least {least}"
    first = scores[0]
    if not (rank_p <= _ALPHA and first.adjusted <= _ALPHA):
        return False, (
            f"does not beat {units}, no scaling: largest of {len(scores)} scores is "
            f"z = {first.z:+.1f} ({first.name}), adjusted p = {first.adjusted:.2g}"
        )
    beating = [s for s in scores if s.adjusted <= _ALPHA]
    said = "; ".join(f"{s.name} {s.value:.3g} against {s.null_mean:.3g}" for s in beating)
    return True, f"beats {units}: {said}; {_scaling(fits['alpha'], beating)}"


def _scaling(alpha: ScalingExponent, beating: Sequence[NullScore]) -> str:
    if "alpha" not in {s.name for s in beating}:
        return "no scaling: alpha is that of independent units"
    if alpha.refusal:
        return f"no scaling: alpha {alpha.refusal}"
    if alpha.decades < _DECADES:
        return (
            f"a power over {alpha.decades:.1f} decades of K, too few to call it scaling (two are "
            "needed)"
        )
    low, high = alpha.window
    return f"scaling of the variance within K = {low:g} .. {high:g}, alpha = {alpha.estimate}"
