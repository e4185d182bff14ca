"""What the numbers of a tensor are called, so that two uses of the same numbers are seen."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["source_name"]


def source_name(name: str, model: str, path: Path | None, values: npt.NDArray[Any]) -> str:
    """Return a name that tells tensors of two models apart, though they are called alike.

    Two seeds of one architecture have the same names of tensors, often of files too: the folder,
    or for arrays in memory the numbers, make the difference.
    """
    if path is not None:
        code = hashlib.sha256(str(path.absolute()).encode("utf-8", "surrogatepass"))
    else:
        code = hashlib.sha256(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
    return f"{name} of {model} #{code.hexdigest()[:6]}"
