"""A network from a file beside random ones: places of its layers, flows with scale and depth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from nnrg._random import as_seed
from nnrg._validate import shown
from nnrg.activation_functions import Activation, Function, as_activation
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.networks.network import Network
from nnrg.provenance import describe_run, utc_now
from nnrg.stats.estimate import Estimate, format_value_error
from nnrg.stats.multiple_testing import adjust_p_values
from nnrg.theory.placement.blocks import BlockFlow, block_flow
from nnrg.theory.placement.layers import dense_chain, layer_matrix, placeable, scales_of
from nnrg.theory.placement.phase import LayerPhase, layer_phase
from nnrg.theory.placement.signal import SignalFlow, signal_flow

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Placement", "place_network"]

_SCREEN = 24
_LEVEL = 0.01
_ASSUMED = (
    "each layer is placed as if all layers had its (sigma_w, sigma_b)",
    "mean field: weights independent with mean zero, width infinite; a trained layer departs from "
    "it as its notes say",
    "the flow with scale averages weights that are neighbours in the order of the file",
)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the layers of a network lie, and how far its flows are from those of random networks.

    Attributes
    ----------
    network, activation : str
    layers : tuple of LayerPhase
        In the order of the file.
    blocks : tuple of BlockFlow
        The flow of each layer's block averages against that of independent weights.
    chances : array of shape (n_layers,)
        p of each of these flows, for all layers together (Holm).
    depth : SignalFlow or None
        Flow of q and c with depth, where the layers are one chain.
    notes, assumptions : tuple of str
    attrs : mapping
        Provenance: version, seed, SHA-256 of the file, times.
    """

    network: str
    activation: str
    layers: tuple[LayerPhase, ...]
    blocks: tuple[BlockFlow, ...]
    chances: np.ndarray
    depth: SignalFlow | None
    notes: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = _ASSUMED
    attrs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chances.flags.writeable = False

    def to_dataframe(self) -> pd.DataFrame:
        """Return a table with a row for each layer; errors in columns of their own."""
        import pandas as pd

        rows = []
        for layer, flow, chance in zip(self.layers, self.blocks, self.chances, strict=True):
            s = layer.scales
            numbers = {
                "sigma_w": s.sigma_w,
                "sigma_b": s.sigma_b,
                "chi_1": layer.chi_1,
                "q_star": layer.q_star,
                "xi_c": layer.xi_c,
                "critical_sigma_w": layer.critical_sigma_w,
                "kurtosis": s.kurtosis,
            }
            row: dict[str, object] = {"name": s.name, "units": s.units, "fan_in": s.fan_in}
            for name, number in numbers.items():
                row[name], row[f"{name}_error"] = number.value, number.error
            row |= {
                "phase": layer.phase,
                "chi_1_sigmas": layer.sigmas,
                "distance_sigmas": layer.distance,
                "outliers": s.outliers,
                "block_flow_sigmas": _largest(flow),
                "block_flow_p": chance,
                "notes": "; ".join([*([layer.flag] if layer.flag else []), *s.notes]),
            }
            rows.append(row)
        return pd.DataFrame(rows)

    def _departures(self) -> list[str]:
        """Return each kind of departure from the theory once, with how many layers have it."""
        found: dict[str, list[str]] = {}
        for layer in self.layers:
            for text in [*([layer.flag] if layer.flag else []), *layer.scales.notes]:
                found.setdefault(text.partition(":")[0], []).append(text)
        total = len(self.layers)
        return [
            texts[0] if total == 1 else f"{kind}: {len(texts)} of {total} layers"
            for kind, texts in found.items()
        ]

    def __str__(self) -> str:
        count = len(self.layers)
        lines = [
            f"{self.network} among random networks of {self.activation}: {count} "
            f"layer{'s' if count > 1 else ''}",
            f"  {'layer':<32s} {'sigma_w':<11s} {'sigma_b':<11s} {'chi_1':<11s} "
            f"{'from 1':>7s}  {'phase':<14s} {'blocks against iid':<18s}",
        ]
        for layer, flow, chance in zip(
            self.layers[:_SCREEN], self.blocks, self.chances, strict=False
        ):
            s = layer.scales
            name = s.name if len(s.name) <= 32 else f"...{s.name[-29:]}"
            lines.append(
                f"  {name:<32s} {_text(s.sigma_w):<11s} {_text(s.sigma_b):<11s} "
                f"{_text(layer.chi_1):<11s} {layer.sigmas:+7.1f}  {layer.phase:<14s} "
                f"{_block_verdict(flow, chance)}"
            )
        if len(self.layers) > _SCREEN:
            lines.append(f"  ... {len(self.layers) - _SCREEN} more: to_dataframe() has them")
        lines.append("from 1: (chi_1 - 1) in its errors; below 3 the phase cannot be told")
        lines.append(
            "blocks against iid: largest departure of B kappa_2(b) / kappa_2(1) from 1 in sigmas, "
            "and p of all scales and layers together"
        )
        if self.depth is not None:
            lines += ["", str(self.depth)]
        lines += [f"note: {note}" for note in [*self._departures(), *self.notes]]
        return "\n".join([*lines, *(f"assumed: {line}" for line in self.assumptions)])


def _text(number: Estimate) -> str:
    if not np.isfinite(number.value):
        return f"{number.value:g}"
    return format_value_error(number.value, number.error) if number.error else f"{number.value:.6g}"


def _largest(flow: BlockFlow) -> float:
    known = flow.sigmas[np.isfinite(flow.sigmas)]
    return float(known[np.abs(known).argmax()]) if known.size else float("nan")


def _block_verdict(flow: BlockFlow, chance: float) -> str:
    if not np.isfinite(chance):
        return "cannot be told"
    word = "differ" if chance < _LEVEL else "agree"
    return f"{word}, {_largest(flow):+.1f}, p = {chance:.2g}"


def place_network(
    network: Network,
    *,
    activation: str | Activation | Function | None = None,
    names: Sequence[str] | None = None,
    chain: Sequence[str] | None = None,
    factor: int = 2,
    draws: int = 48,
    rng: object = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Placement:
    """Estimate (sigma_w, sigma_b) of every layer and put it beside random networks.

    Parameters
    ----------
    network : Network
        See `nnrg.load`.
    activation : str, Activation or callable
        What follows each layer. It is not in a file of weights: you say it.
    names : sequence of str, optional
        Weights to place; all dense, convolutional and recurrent ones by default.
    chain : sequence of str, optional
        Dense weights that follow one another, for the flow with depth. By default all layers, if
        the network's topology says that each feeds the next; an empty sequence leaves it out.
    factor : int
        Block factor of the flow with scale.
    draws : int
        Of each null model of the flow with depth.
    rng : numpy.random.Generator, numpy.random.SeedSequence, int or None
        For probes and nulls of the flow with depth.
    progress : callable, optional
        Called with a label, steps done and their number.

    Returns
    -------
    Placement

    Raises
    ------
    ArgumentError
        If the activation is missing or unknown, or a name is no layer or comes twice.
    AnalysisError
        If a layer holds NaN, or all its weights are zero.

    Notes
    -----
    Mean field and its phases: see `nnrg.theory.criticality.MeanField`; the errors are those of
    (sigma_w, sigma_b), which come from how much rows and columns of the weights differ.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> rng = np.random.default_rng(1)
    >>> weights = {f"{i}.weight": rng.normal(0, 1.5 / 16, (256, 256)) for i in range(3)}
    >>> placed = place_network(nnrg.load(weights), activation="tanh", draws=8, rng=2)
    >>> [layer.phase for layer in placed.layers]
    ['chaotic', 'chaotic', 'chaotic']
    """
    if not isinstance(network, Network):
        raise ArgumentError(f"expected a Network, got {shown(network)}; try nnrg.load")
    if activation is None:
        raise ArgumentError(
            "which activation follows the layers is not in a file of weights: give activation="
            "'tanh', 'relu', 'gelu' or another name"
        )
    started, phi, seed = utc_now(), as_activation(activation), as_seed(rng)
    kept, left_out = placeable(network, names)
    notes = list(left_out)
    layers, blocks = [], []
    for done, name in enumerate(kept):
        if progress is not None:
            progress(name, done, len(kept))
        layers.append(layer_phase(scales_of(network, name), phi))
        blocks.append(_flow_of(network, name, factor))
    if progress is not None:
        progress("layers", len(kept), len(kept))
    chances = adjust_p_values([flow.p for flow in blocks], "holm")
    chain = [chain] if isinstance(chain, str) else chain
    follow = dense_chain(network, kept if chain is None else chain)
    depth = None
    if follow:
        depth = signal_flow(
            [(layer_matrix(network, w), network.tensors[b] if b else None) for w, b in follow],
            phi,
            names=[w for w, _ in follow],
            draws=draws,
            rng=seed,
        )
        if chain is None:
            notes.append(
                "flow with depth: which layer feeds which is taken from network.topology()"
            )
    elif chain:
        raise ArgumentError(
            "the chain must be two dense layers or more, each fed by the one before as "
            f"network.topology() says; got {', '.join(map(str, chain))}"
        )
    else:
        notes.append("no flow with depth: the layers are no chain of dense ones; give chain=")
    return Placement(
        network=network.name,
        activation=str(phi),
        layers=tuple(layers),
        blocks=tuple(blocks),
        chances=np.asarray(chances),
        depth=depth,
        notes=tuple(notes),
        attrs={
            **describe_run("place_network", started),
            "sha256": network.sha256(),
            "seed": str(seed.entropy),
        },
    )


def _flow_of(network: Network, name: str, factor: int) -> BlockFlow:
    """Return the flow of one layer; one without scales where it has a single site."""
    try:
        return block_flow(network.field(name), factor=factor)
    except AnalysisError as error:
        return BlockFlow.untold(name, str(error))
