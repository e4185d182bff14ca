"""The report of the study of criticality: tables, answers, and what cannot be told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from _criticality_flows import NULLS, Found, farthest, null_chances
from _report import table

import nnrg

LEVEL = 0.01


def short(tensor: str) -> str:
    """Return the name of a tensor for a table."""
    return tensor.removesuffix(".weight").removesuffix(".dense").rpartition(".")[2]


def phase_of(found: Found, i: int) -> str:
    """Return the phase of one layer, or why there is none."""
    if found.group.normalised:
        return f"cannot be told: {found.group.between}"
    return found.placed.layers[i].phase


def say_places(results: Sequence[Found]) -> list[str]:
    """Write where each layer lies."""
    rows = []
    for found in results:
        for i, layer in enumerate(found.placed.layers):
            s = layer.scales
            iid = s.sigma_w.value / np.sqrt(2 * s.units * s.fan_in)
            outliers = "" if s.outliers < 0 else f"{s.outliers}, {s.top:.2f}"
            rows.append(
                [
                    found.group.title,
                    short(s.name),
                    f"{s.units} x {s.fan_in}",
                    found.group.activation,
                    str(s.sigma_w),
                    f"{s.sigma_w.error / iid:.1f}",
                    str(s.sigma_b) if s.bias else "none",
                    str(layer.chi_1),
                    f"{layer.sigmas:+.1f}",
                    phase_of(found, i),
                    "" if found.group.normalised else str(layer.xi_c),
                    str(s.kurtosis),
                    outliers,
                ]
            )
    head = ["network", "layer", "units x inputs", "activation", "sigma_w", "error / iid error"]
    head += ["sigma_b", "chi_1", "(chi_1 - 1) in sigmas", "phase", "xi_c (layers)"]
    head += ["excess kurtosis", "outliers, largest / edge"]
    return ["## Places on the phase diagram", "", PLACES, "", *table(head, rows)]


def say_depth(
    results: Sequence[Found], chances: Mapping[tuple[str, str, str, int], float]
) -> list[str]:
    """Write what inputs become in the network, in mean field, and in its nulls."""
    rows = []
    for found in results:
        depth = found.placed.depth
        if depth is None:
            continue
        for layer in range(len(depth.names)):
            for quantity in ("q", "c"):
                cells = [found.group.title, short(depth.names[layer]), quantity]
                cells.append(f"{getattr(depth, quantity)[layer]:.4g}")
                cells.append(f"{getattr(depth, f'{quantity}_theory')[layer]:.4g}")
                for null, draws in getattr(depth, f"{quantity}_nulls").items():
                    column = draws[:, layer]
                    cells.append(f"{column.mean():.4g} +- {column.std(ddof=1):.2g}")
                    p = chances[found.group.title, quantity, null, layer]
                    cells.append(f"{depth.sigmas[quantity, null][layer]:+.1f} ({p:.2g})")
                rows.append(cells)
    if not rows:
        return ["## Flow with depth", "", "Not in a quick run.", ""]
    head = ["network", "layer", "", "network", "mean field", "new weights", "sigmas (p)"]
    head += ["permuted weights", "sigmas (p)"]
    return ["## Flow with depth", "", DEPTH, "", *table(head, rows)]


def say_scale(results: Sequence[Found], chances: Mapping[tuple[str, str], float]) -> list[str]:
    """Write how block averages of weights depart from those of independent ones."""
    rows = []
    for found in results:
        for tensor, (flow, cumulants) in found.blocks.items():
            p = chances[found.group.title, tensor]
            known, at = np.flatnonzero(np.isfinite(flow.sigmas)), farthest(flow)
            row = [found.group.title, short(tensor), found.sites[tensor]]
            if not known.size or np.isnan(p):
                rows.append([*row, "", "", "", "cannot be told", "", "", ""])
                continue
            factor = nnrg.Estimate(
                float(flow.variance[at] * flow.sites[at]),
                float(flow.variance_error[at] * flow.sites[at]),
            )
            scores = [cumulants.z(null)[at, cumulants.names.index("kappa_2")] for null in NULLS]
            fourth = flow.ratio_sigmas[known]
            fourth = fourth[np.isfinite(fourth)]
            rows.append(
                [
                    *row,
                    f"{flow.scales[at]:g}",
                    str(factor),
                    f"{flow.sigmas[at]:+.1f}",
                    f"{p:.2g}",
                    *(f"{z:+.1f}" for z in scores),
                    f"{fourth[np.abs(fourth).argmax()]:+.1f}" if fourth.size else "",
                ]
            )
    head = ["network", "layer", "sites", "b", "B kappa_2(b) / kappa_2(1)", "sigmas from 1"]
    head += ["p of all scales", *(f"z ({null})" for null in NULLS), "lambda_4 B: largest sigmas"]
    return ["## Flow with scale", "", SCALE, "", *table(head, rows)]


def in_short(
    results: Sequence[Found],
    depths: Mapping[tuple[str, str, str, int], float],
    scales: Mapping[tuple[str, str], float],
) -> list[str]:
    """Write the answers."""
    by_phase: dict[str, list[str]] = {"ordered": [], "chaotic": [], "cannot be told": []}
    for found in results:
        for i, layer in enumerate(found.placed.layers):
            phase = phase_of(found, i).partition(":")[0]
            by_phase[phase].append(f"{found.group.title} {short(layer.scales.name)}")
    lines = ["## In short", ""]
    lines += [f"- {phase}: {', '.join(names) or 'none'}." for phase, names in by_phase.items()]
    near = [
        f"{f.group.title} {short(x.scales.name)} ({x.chi_1})"
        for f in results
        for x in f.placed.layers
        if not f.group.normalised and abs(x.sigmas) < 3
    ]
    lines.append(
        f"- chi_1 = 1 not excluded at 3 sigmas, without normalisation: {', '.join(near) or 'none'}."
        + (" Errors are large where a few weights hold most of the mean square." if near else "")
    )
    for null, word in (("gaussian", "new weights"), ("permuted", "permuted weights")):
        for quantity in ("q", "c"):
            keys = [k for k in depths if k[1] == quantity and k[2] == null]
            apart = [f"{k[0]} layer {k[3] + 1}" for k in keys if depths[k] < LEVEL]
            if keys:
                lines.append(
                    f"- {quantity} with depth, against {word}: {len(apart)} of {len(keys)} differ"
                    + (f" ({', '.join(apart)})." if apart else ".")
                )
    layers = sorted({k[3] for k in depths})
    if layers:
        counts = [[depths[k] < LEVEL for k in depths if k[3] == layer] for layer in layers]
        shares = [
            f"layer {n + 1}: {sum(c)} of {len(c)}" for n, c in zip(layers, counts, strict=True)
        ]
        lines.append(f"- Departures with depth by layer: {', '.join(shares)}.")
    iid, order = (null_chances(results, null) for null in ("shuffle", "permutation"))

    def listed(keys: Iterable[tuple[str, str]]) -> str:
        return ", ".join(f"{title} {short(tensor)}" for title, tensor in keys) or "none"

    lines += [
        f"- Flow with scale differs from that of the iid ensemble, the same weights shuffled: "
        f"{listed(k for k, p in iid.items() if p < LEVEL)}.",
        "- Of these, not told from their own weights with sites permuted: "
        f"{listed(k for k, p in iid.items() if p < LEVEL and not order[k] < LEVEL)}. Rows or "
        "columns of unequal size are enough for that.",
        "- Flow with scale not told from that of the iid ensemble: "
        f"{listed(k for k, p in iid.items() if p >= LEVEL)}.",
        f"- Flow with scale cannot be told: {listed(k for k, p in iid.items() if np.isnan(p))}.",
        "- By the errors over rows or regions alone, without null models, it differs from 1 / B in "
        f"{sum(p < LEVEL for p in scales.values())} of {len(scales)} layers.",
    ]
    return [*lines, "", CANNOT, ""]


PLACES = (
    "sigma_w^2 = inputs x mean square of the weights, sigma_b^2 = mean square of the biases, per "
    "layer; chi_1 of an endless network of such layers. Errors allow entries of one row, and of "
    "one column, to depend on each other; beside them how many times larger they are than those "
    "of independent Gaussian weights. Phases at 3 sigmas. Outliers: singular values above the "
    "edge of a random matrix of the same variance."
)
DEPTH = (
    "Pairs of Gaussian inputs of mean square 1 and correlation 0.5, followed through two layers "
    "with nothing but the activation in between. q: mean square of a preactivation, c: "
    "correlation of the two inputs there. New weights: Gaussian, with the measured mean squares; "
    "permuted: the network's own weights in random order; both with its width, 200 draws each. "
    "Sigmas are Student's t, p is adjusted (Holm) over the whole table. Mean field has infinite "
    "width."
)
SCALE = (
    "Weights averaged over blocks of b neighbours in the order of the file (frames and features of "
    "the wake words' first layers, taps of convolutions; of hidden units an order that means "
    "nothing). Of independent weights the variance falls as 1 / B, B sites in a block, and "
    "lambda_4 as well. Shown is the scale of the largest departure; p is of all scales together by "
    "the errors over rows or regions, adjusted (Holm) over all layers. z: distance from the same "
    "weights with their sites permuted, and all shuffled, which is the iid ensemble with the same "
    "law of one weight."
)
CANNOT = (
    "What cannot be told. Where a layer is followed by normalisation the scale of its weights does "
    "not reach the next one: ReLU then is at its scale-invariant point whatever sigma_w is, and a "
    "place on this diagram is that of a network without normalisation. Residual connections, "
    "strides and pooling are not in the theory; MiniLM has normalisation and a residual connection "
    "around each pair of layers, so that there is no chain of them. No file of weights has the "
    "activation: for the wake words and silero it was read from the operators of their files, for "
    "the others from their published code. Phases are those of endless networks of one kind of "
    "layer; these have a few layers of different kinds. Gated cells (silero's LSTM, g2p's GRU) are "
    "left out: the mean field of gates is another. Inputs of the flow with depth are Gaussian and "
    "not data. One network is one training run; errors are of its rows and columns."
)
