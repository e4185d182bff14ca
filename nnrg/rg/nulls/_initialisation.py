"""N5: the same tensor at initialisation, through the same flow."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from nnrg._validate import shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.fields import Lattice, SynapticField

if TYPE_CHECKING:
    from nnrg.networks.network import Network

    One: TypeAlias = SynapticField | Network
    Reference: TypeAlias = One | Sequence[One]

__all__ = ["as_references", "digest", "initialisation"]

Arranged = Callable[[SynapticField], SynapticField]
Draw = Callable[[np.random.Generator], SynapticField]

# Below so many samples a bootstrap does not know the spread of what it draws from.
_FEWEST = 10
_ONE = "give the tensor at initialisation as a SynapticField or Network"


def as_references(reference: object) -> tuple[One, ...]:
    """Return the initialisations as a tuple; one, or three and more.

    Raises
    ------
    ArgumentError
        If they are no fields or networks.
    """
    from nnrg.networks.network import Network

    items = (reference,) if isinstance(reference, SynapticField | Network) else reference
    if not isinstance(items, Sequence) or isinstance(items, str | bytes):
        raise ArgumentError(f"reference must be a field or several, got {shown(reference)}; {_ONE}")
    if not all(isinstance(item, SynapticField | Network) for item in items):
        raise ArgumentError(f"reference must hold fields only, got {shown(reference)}; {_ONE}")
    if len(items) not in (1, *range(3, 1_000_001)):
        raise ArgumentError(
            f"reference must be one initialisation or at least 3, got {len(items)}; "
            "two have no spread to speak of"
        )
    return tuple(items)


def digest(references: tuple[One, ...]) -> str:
    """Return a short hash of the numbers, so that settings which differ in them differ."""
    code = hashlib.sha256()
    for item in references:
        if isinstance(item, SynapticField):
            code.update(f"{item.values.dtype.name} {item.sites!r} ".encode())
            code.update(np.ascontiguousarray(item.values).reshape(-1).view(np.uint8).data)
        else:
            code.update(item.sha256().encode())
    return code.hexdigest()[:12]


def initialisation(
    field: SynapticField, arranged: Arranged, references: tuple[One, ...], draws: int
) -> list[Draw]:
    """Prepare N5: each of several initialisations as it is, or draws from the samples of one.

    A single initialisation of n_0 samples knows its own numbers with an error, and the trained
    field of n samples has one too. Draws of m samples with replacement, 1/m = 1/n + 1/n_0, spread
    by both together, so that z is what it says where training has done nothing: up to the skewness
    of a number over few samples, as with any bootstrap. A tensor that training has moved little
    shares its numbers with its initialisation, and z then is closer to zero than for two strangers.

    Raises
    ------
    AnalysisError
        If a single initialisation has too few samples, or samples that depend on one another.
    ArgumentError
        If an initialisation lives on other sites.
    """
    fields = [arranged(_matching(field, item)) for item in references]
    if len(fields) > 1:
        return [_given(f) for f in fields]
    start = fields[0]
    n, n_0 = field.n_samples, start.n_samples
    if not start.independent or min(n, n_0) < _FEWEST:
        raise AnalysisError(
            f"initialisation of {field.name!r} has {n_0} samples for {n}, fewer than "
            f"{_FEWEST} independent ones: one draw has no error; give several initialisations, "
            "reference=[first, second, third, ...]"
        )
    size = max(2, round(n * n_0 / (n + n_0)))

    def draw(rng: np.random.Generator) -> SynapticField:
        chosen = start.values[rng.integers(0, n_0, size)]
        return start.replaced(chosen, "samples of the initialisation, drawn with replacement")

    return [draw] * draws


def _given(field: SynapticField) -> Draw:
    return lambda rng: field


def _matching(field: SynapticField, item: One) -> SynapticField:
    """Return the initialisation on the sites of the field."""
    if isinstance(item, SynapticField):
        start = item
    elif isinstance(field.sites, Lattice):
        start = item.field(field.name, field.sites)
    else:
        start = replace(item.field(field.name), sites=field.sites)
    if start.sites.shape != field.sites.shape or (
        isinstance(field.sites, Lattice) and start.lattice.periodic != field.sites.periodic
    ):
        raise ArgumentError(
            f"initialisation of {field.name!r} must live on {field.sites!r}, got {start.sites!r}; "
            "give the same tensor on the same lattice"
        )
    return start
