"""The rules of `make lint`, as part of the suite: ruff's lint and format, mypy in strict mode."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Only what git may hold is checked: a working copy has other folders too.
CODE = [name for name in ("docs", "kernels", "nnrg", "studies", "tests") if (ROOT / name).is_dir()]


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "--no-fix", *CODE],
        ["ruff", "format", "--check", *CODE],
        ["mypy"],
    ],
    ids=["lint", "format", "types"],
)
def test_source_is_clean(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
