"""A network flow as text: each tensor at one scale, and what was not measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nnrg.networks._label import label
from nnrg.rg.cumulants import align
from nnrg.stats.estimate import format_value_error

if TYPE_CHECKING:
    from nnrg.rg.network_flow.flow import NetworkFlow
    from nnrg.rg.network_flow.measured import MeasuredTensor

__all__ = ["flow_table"]

_SCREEN = 30
_BLOCKS = 16
_SHOWN = ("ratio_4", "neighbour:0", "neighbour:1", "mp_top", "mp_outliers", "f_S")
_HEADS = ("lambda_4", "corr rows", "corr cols", "top/MP", "outliers", "f_S")


def flow_table(flow: NetworkFlow) -> str:
    """Return one row for each tensor, z-scores behind the numbers.

    Of the coarsest scale that leaves 16 blocks along an axis: fewer have large errors.
    """
    lines = [["tensor", "b", "blocks", *_HEADS]]
    for name, tensor in list(flow.tensors.items())[:_SCREEN]:
        means = tensor.flow.means
        level = max(
            [i for i, m in enumerate(means) if max(m.shape[1:]) >= _BLOCKS] or [len(means) - 1]
        )
        first, last = ("x".join(map(str, m.shape[1:])) for m in (means[0], means[level]))
        row = [label(name, 40), f"{tensor.flow.scales[level]}", f"{first} -> {last}"]
        lines.append([*row, *(_number(tensor, quantity, level) for quantity in _SHOWN)])
    out = [repr(flow), align(lines, left=(0,))] if flow.tensors else [repr(flow)]
    if len(flow.tensors) > _SCREEN:
        out.append(f"and {len(flow.tensors) - _SCREEN} more; flow.to_dataframe() has all scales")
    out.append("value(error), z against the first null model in brackets; ! flagged")
    for name, why in list(flow.not_measured.items())[:6]:
        out.append(f"not measured: {label(name, 40)}: {why}")
    if len(flow.not_measured) > 6:
        out.append(f"and {len(flow.not_measured) - 6} more are not measured")
    return "\n".join([*out, *flow.notes])


def _number(tensor: MeasuredTensor, quantity: str, level: int) -> str:
    if quantity not in tensor.quantities:
        return ""
    holder = tensor.holder(quantity)
    i = holder.names.index(quantity)
    value, error = holder.values[level, i], holder.errors()[level, i]
    if not np.isfinite(value):
        return "-"
    score = holder.z()[level, i]
    text = format_value_error(value, error) if np.isfinite(error) else f"{value:.3g}(?)"
    text += "!" if holder.flags[level][i] else ""
    return text if np.isnan(score) else f"{text} [{score:+.1f}]"
