"""The table of a topology: populations, their ends, and why those were joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnrg.networks._label import label

if TYPE_CHECKING:
    from nnrg.networks.topology import Population, Topology

__all__ = ["topology_table"]

Row = tuple[str, ...]

_HEADINGS = ("population", "neurons", "ends", "evidence")


def topology_table(topology: Topology, rows: int | None) -> str:
    """Return the table, with at most `rows` populations and as many notes."""
    full = [_HEADINGS, *(_cells(p) for p in topology.populations[:rows])]
    widths = [max(map(len, column)) for column in zip(*full, strict=True)]
    lines = [f"{len(topology.populations)} populations"]
    lines += ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in full]
    if len(topology.populations) >= len(full):
        lines.append(f"  ... {len(topology.populations) - len(full) + 1} more, all in .table()")
    if topology.notes:
        lines.append("not joined:")
        lines += [f"  {label(note, 250)}" for note in topology.notes[:rows]]
    return "\n".join(lines)


def _cells(population: Population) -> Row:
    ends = ", ".join(f"{label(e.tensor, 40)} {e.side}" for e in population.ends[:2])
    more = f" and {len(population.ends) - 2} more" if len(population.ends) > 2 else ""
    why = "; ".join(population.evidence[:3]) or "one end only"
    return label(population.name, 48), str(population.size), ends + more, label(why, 90)
