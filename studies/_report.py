"""What the studies share: their options, and their report as Markdown and JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

import nnrg
from nnrg.rg.observables import Observables
from nnrg.stats.estimate import Estimate

# Lines of the title and the figure, before which nothing is put.
_HEAD = 6


def arguments(question: str, name: str) -> argparse.Namespace:
    """Read the command line that all studies have."""
    parser = argparse.ArgumentParser(description=question)
    parser.add_argument("--seed", type=int, default=1, help="seed of every draw (default 1)")
    parser.add_argument("--quick", action="store_true", help="less data, the same steps")
    parser.add_argument("-o", "--output", type=Path, default=Path("out") / name)
    return parser.parse_args()


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a Markdown table, with an empty line after it."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return [*lines, ""]


def shown(number: Estimate) -> str:
    """Return a number with its error for a table; empty where it could not be told."""
    return "" if np.isnan(number.value) else str(number)


class Writer:
    """Collects a report, and writes it with its numbers."""

    def __init__(self, folder: Path, name: str, question: str) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        made = f"Made by `python studies/{name}.py`, nnrg {nnrg.__version__}."
        figure = f"![the figure of this study]({name}.png)"
        self.lines = [f"# {question}", "", made, "", figure, ""]

    def path(self, name: str) -> Path:
        """Return the path of a file of the study."""
        return self.folder / name

    def progress(self, what: str) -> None:
        """Say on stderr what is measured."""
        print(f"measuring {what}", file=sys.stderr)

    def add(self, lines: Sequence[str]) -> None:
        """Append lines to the report."""
        self.lines += lines

    def first(self, lines: Sequence[str]) -> None:
        """Put lines before the rest of the report."""
        self.lines[_HEAD:_HEAD] = lines

    def finish(self, results: Mapping[str, Observables]) -> None:
        """Write report.md and numbers.json; print the report."""
        text = "\n".join(self.lines).rstrip() + "\n"
        self.path("report.md").write_text(text, encoding="utf-8")
        numbers = {name: _plain(result) for name, result in results.items()}
        self.path("numbers.json").write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
        print(text)


def _plain(result: Observables) -> dict[str, object]:
    def listed(values: np.ndarray) -> list[object]:
        clean = np.where(np.isfinite(values), values, None)
        return list(clean.tolist())

    return {
        "scales": result.scales.tolist(),
        "names": list(result.names),
        "values": listed(result.values),
        "errors": listed(result.errors()),
        "z": {null: listed(result.z(null)) for null in result.nulls},
        "flags": [list(row) for row in result.flags],
    }
