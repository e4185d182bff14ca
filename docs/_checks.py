"""The tables of known answers, out of what the physics tests wrote down."""

import json
from itertools import groupby
from math import hypot, log10
from pathlib import Path

from nnrg.stats.estimate import format_value_error


def known_answers():
    """Return a table for each topic: quantity, expected, obtained with its error, pull."""
    path = Path(__file__).with_name("checks.json")
    entries = json.loads(path.read_text(encoding="utf-8"))
    parts = []
    for topic, rows in groupby(entries, key=lambda entry: entry["topic"]):
        parts.append(f"## {topic}\n")
        parts.append("| quantity | expected | from | obtained | pull |\n|---|---|---|---|---|")
        parts += [f"| {' | '.join(_cells(entry))} |" for entry in rows]
        parts.append("")
    return "\n".join(parts)


def _cells(entry):
    """Quantity, expected, source, obtained and pull of one known answer."""
    expected, obtained, error = entry["expected"], entry["obtained"], entry["error"]
    if entry["uncertainty"]:
        known = format_value_error(expected, entry["uncertainty"])
    else:
        known = f"{expected:.10g}"
    if error is None:
        size = abs(obtained - expected) / (abs(expected) or 1.0)
        agreement = "equal" if size == 0 else f"to 1e{log10(size):.0f}"
        return entry["quantity"], known, entry["source"], f"{obtained:.10g}", agreement
    pull = (obtained - expected) / hypot(error, entry["uncertainty"])
    return (
        entry["quantity"],
        known,
        entry["source"],
        format_value_error(obtained, error),
        f"{pull:+.1f}",
    )
