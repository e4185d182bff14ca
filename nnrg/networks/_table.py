"""The table of a network for people, and the same as JSON-able values for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nnrg.networks._label import label
from nnrg.networks._source import Skipped
from nnrg.networks.roles import AXES, TensorRole

if TYPE_CHECKING:
    from nnrg.networks.network import Network

__all__ = ["SCREEN", "as_dict", "table"]

SCREEN = 24
"""Rows of tensors that ``print(net)`` shows; the middle of longer tables is left out."""

_HEADINGS = ("tensor", "shape", "dtype", "role", "axes", "parameters")


def table(net: Network, rows: int | None) -> str:
    """Return the table, with at most `rows` tensors and half as many left out."""
    lines = [_title(net)]
    cells = [_cells(net.roles[name]) for name in net.specs]
    lines += _aligned(_HEADINGS, _shortened(cells, rows))
    kinds = Counter[str]()
    for name, spec in net.specs.items():
        kinds[net.roles[name].kind] += spec.size
    totals = ", ".join(f"{kind} {count:,}" for kind, count in kinds.most_common())
    lines.append(f"trained parameters: {net.n_parameters:,} ({totals})")
    assumed = [label(name, 30) for name in net.specs if net.roles[name].assumed]
    if assumed:
        shown = ", ".join(assumed[:4]) + (f" and {len(assumed) - 4} more" if assumed[4:] else "")
        lines.append(f"axes assumed to be torch's, out before in: nothing tells those of {shown}")
    if net.skipped:
        lines.append("left out:")
        lines += [
            f"  {line}" for line in _left_out(net.skipped, None if rows is None else rows // 2)
        ]
    return "\n".join(lines)


def as_dict(net: Network) -> dict[str, Any]:
    """Return names, shapes, roles and reasons as JSON-able values."""
    return {
        "path": None if net.path is None else str(net.path),
        "format": net.format,
        "n_parameters": net.n_parameters,
        "metadata": dict(net.metadata),
        "tensors": [
            {
                "name": name,
                "shape": list(spec.shape),
                "dtype": spec.dtype,
                "role": net.roles[name].kind,
                "layer": net.roles[name].layer,
                "layout": spec.layout,
                "layout_from": net.roles[name].layout_from,
                "gates": spec.gates,
                "populations": list(net.roles[name].populations),
                "parameters": spec.size,
            }
            for name, spec in net.specs.items()
        ],
        "left_out": [
            {"name": entry.name, "reason": entry.reason, "size": entry.size}
            for entry in net.skipped
        ],
    }


def _title(net: Network) -> str:
    dtypes = sorted({spec.dtype for spec in net.specs.values()})
    return (
        f"{net.name}: {net.format}, {len(net.specs)} tensors, "
        f"{net.n_parameters:,} parameters, {' '.join(dtypes)}"
    )


def _cells(role: TensorRole) -> tuple[str, ...]:
    spec = role.spec
    axes = " x ".join(AXES.get(letter, letter) for letter in spec.layout)
    if spec.gates:
        axes = f"{axes}, gates {spec.gates}"
    shape = " x ".join(map(str, spec.shape)) or "()"
    return label(spec.name, 48), shape, spec.dtype, role.kind, axes, f"{spec.size:,}"


def _shortened(cells: list[tuple[str, ...]], rows: int | None) -> list[tuple[str, ...] | str]:
    if rows is None or len(cells) <= rows:
        return list(cells)
    head, tail = rows * 3 // 4, rows // 4
    more = f"... {len(cells) - head - tail} more, all in net.table()"
    return [*cells[:head], more, *cells[-tail:]]


def _aligned(headings: Sequence[str], rows: list[tuple[str, ...] | str]) -> list[str]:
    full = [headings, *(row for row in rows if not isinstance(row, str))]
    widths = [max(len(row[i]) for row in full) for i in range(len(headings))]
    lines = []
    for row in (headings, *rows):
        if isinstance(row, str):
            lines.append(f"  {row}")
            continue
        padded = [cell.ljust(width) for cell, width in zip(row[:-1], widths[:-1], strict=True)]
        lines.append("  " + "  ".join([*padded, row[-1].rjust(widths[-1])]))
    return lines


def _left_out(skipped: Sequence[Skipped], rows: int | None) -> list[str]:
    lines = []
    for entry in skipped[:rows]:
        size = f" ({entry.size:,} numbers)" if entry.size else ""
        lines.append(f"{label(entry.name, 48)}{size}: {label(entry.reason, 200)}")
    if len(skipped) > len(lines):
        lines.append(f"... {len(skipped) - len(lines)} more, all in net.table()")
    return lines
