"""Every example in a docstring runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def with_examples() -> list[str]:
    """Modules whose source holds an example, by dotted name."""
    names = []
    for package in (ROOT / "nnrg", ROOT / "kernels" / "nnrg_kernels"):
        for path in sorted(package.rglob("*.py")):
            if ">>> " in path.read_text(encoding="utf-8"):
                parts = path.relative_to(package.parent).with_suffix("").parts
                names.append(".".join(p for p in parts if p != "__init__"))
    return names


@pytest.mark.parametrize("name", with_examples())
def test_examples_of_docstrings(name: str) -> None:
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder()
    runner = doctest.DocTestRunner(verbose=False)
    report: list[str] = []
    for example in finder.find(module, name):
        runner.run(example, out=report.append)
    assert runner.summarize(verbose=False).attempted > 0, f"{name}: no example was found"
    assert not report, "".join(report)
