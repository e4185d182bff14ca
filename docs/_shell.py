"""A ``%%bash`` for the executed pages that prints the whole output at once.

The built-in magic sends it in pieces, and the pieces are joined by line breaks in the page.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

__all__ = ["load_ipython_extension"]


def load_ipython_extension(ipython: Any) -> None:
    """Replace ``%%bash``; a cell whose last command fails stops the build."""
    ipython.register_magic_function(_bash, magic_kind="cell", magic_name="bash")


def _bash(line: str, cell: str) -> None:
    done = subprocess.run(["bash", "-uc", cell], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}\n{done.stdout}{done.stderr}")
    sys.stdout.write(done.stdout)
