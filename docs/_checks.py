"""The tables of known answers, out of what the physics tests wrote down."""

import json
import re
from itertools import groupby
from math import hypot, log10
from pathlib import Path

from nnrg.stats.estimate import format_value_error

CHECKS = Path(__file__).with_name("checks.json")


def known_answers():
    """Return a summary, then a table for each topic: expected, obtained with its error, pull."""
    entries = sorted(json.loads(CHECKS.read_text(encoding="utf-8")), key=_order)
    parts = [_summary(entries), ""]
    for topic, rows in groupby(entries, key=lambda entry: entry["topic"]):
        parts.append(f"## {topic}\n")
        parts.append("| quantity | expected | from | obtained | pull |\n|---|---|---|---|---|")
        parts += [f"| {' | '.join(_cells(entry))} |" for entry in rows]
        parts.append("")
    return "\n".join(parts)


def pull(entry):
    """Distance of what was obtained from what is known in errors, both together."""
    error = hypot(entry["error"], entry["uncertainty"])
    return (entry["obtained"] - entry["expected"]) / error


def _order(entry):
    """Topics by name; in them quantities by name, with numbers in order of size."""
    pieces = re.split(r"(\d+(?:\.\d+)?)", entry["quantity"])
    return entry["topic"], [float(p) if i % 2 else p for i, p in enumerate(pieces)]


def _summary(entries):
    """How many numbers there are, and whether the pulls are those of honest errors."""
    pulls = [pull(entry) for entry in entries if entry["error"] is not None]
    exact = len(entries) - len(pulls)
    text = f"{len(entries)} numbers: {exact} without a statistical error, {len(pulls)} with one."
    if pulls:
        square = sum(p * p for p in pulls) / len(pulls)
        beyond = sum(abs(p) > 2 for p in pulls)
        text += (
            f" The mean square of the pulls is {square:.2f}, where honest errors give 1, and "
            f"{beyond} of them are beyond 2, where chance alone puts {0.0455 * len(pulls):.0f}."
        )
    return text


def _cells(entry):
    """Quantity, expected, source, obtained and pull of one known answer."""
    expected, obtained, error = entry["expected"], entry["obtained"], entry["error"]
    if entry["uncertainty"]:
        known = format_value_error(expected, entry["uncertainty"])
    else:
        known = f"{expected:.12g}"
    if error is None:
        size = abs(obtained - expected) / (abs(expected) or 1.0)
        agreement = "equal" if size == 0 else f"to 1e{log10(size):.0f}"
        return entry["quantity"], known, entry["source"], f"{obtained:.12g}", agreement
    found = format_value_error(obtained, error)
    return entry["quantity"], known, entry["source"], found, f"{pull(entry):+.1f}"
