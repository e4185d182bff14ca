"""The mean-field theory of one network as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnrg.stats.estimate import format_value_error

if TYPE_CHECKING:
    from nnrg.theory.criticality.mean_field import MeanField

__all__ = ["text"]


def text(field: MeanField) -> str:
    """Return all numbers with their errors, one a line, and what was assumed."""
    exponent = field.lyapunov()
    lines = [
        f"mean field of {field.phi}, sigma_w = {field.sigma_w:.10g}, sigma_b = "
        f"{field.sigma_b:.10g}: {field.phase}",
        _row("q*", field.q_star, field.q_star_error),
        _row("chi_1", field.chi_1, field.chi_1_error),
        _row("chi_par", field.chi_par, field.chi_par_error),
        _row("c*", field.c_star, field.c_star_error),
        _row("chi_c*", field.chi_c, field.chi_c_error),
        _row("xi_q", field.xi_q, field.xi_q_error, " layers"),
        _row("xi_c", field.xi_c, field.xi_c_error, " layers"),
        _row("Lambda", exponent.value, exponent.error, " per layer (largest Lyapunov)"),
        "fixed points of q: "
        + (", ".join(f"{p.q:.8g} {p.stability}" for p in field.fixed_points) or "none"),
        *([f"flag: {field.flag}"] if field.flag else []),
        *(f"assumed: {line}" for line in field.assumptions),
    ]
    return "\n".join(lines)


def _row(name: str, value: float, error: float, unit: str = "") -> str:
    number = f"{value:g}" if not np.isfinite(value) else format_value_error(value, error)
    return f"  {name:<8s}{number}{unit}"
