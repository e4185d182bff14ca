"""Tensors that are the same numbers under two names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nnrg.networks.roles import TensorRole

__all__ = ["tied_names"]


def tied_names(roles: Iterable[TensorRole]) -> dict[str, str]:
    """Return for each later name of the same stored numbers the first one."""
    first: dict[Any, str] = {}
    tied = {}
    for role in roles:
        if role.spec.storage is not None and role.trained:
            name = first.setdefault((role.spec.storage, role.spec.dtype), role.spec.name)
            if name != role.spec.name:
                tied[role.spec.name] = name
    return tied
