"""What a verdict asks of a run and of the tests of scaling, which live above it or beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from nnrg.rg.observables import Observables

__all__ = ["Measured", "Run", "Scaling"]


class Scaling(Protocol):
    """The outcome of the tests of scaling, as `nnrg.rg.scaling` gives it."""

    @property
    def passed(self) -> bool:
        """Whether the flow scales."""
        ...

    @property
    def reason(self) -> str:
        """Why, or why not, in words."""
        ...


class Measured(Protocol):
    """Cumulants and couplings of one field, as a run holds them."""

    @property
    def cumulants(self) -> Observables:
        """Its cumulants."""
        ...

    @property
    def couplings(self) -> Observables:
        """Its couplings, on the same null draws."""
        ...


class Run(Protocol):
    """Measurements by the name of their field."""

    def __iter__(self) -> Iterator[str]: ...

    def __getitem__(self, name: str, /) -> Measured: ...
