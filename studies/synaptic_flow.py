"""Measure whether the kernel of trained weights flows with scale as their training data predict.

Perceptrons are trained on data of known covariance: rings with exponential and power-law
correlations, and patches of photographs. What the data predict, the law of the weights after so
many steps on blocks of sites with all other modes integrated out, stands beside the inverse
covariance of block averages of the trained weights: at the end of training with noisy labels, after
a fraction of the relaxation time, and with the noise of mini-batches.

Run ``python studies/synaptic_flow.py`` (minutes), or with ``--quick`` (seconds). Every training is
recorded in a file of the output folder: a run that was stopped goes on from there. Written:
``synaptic_flow``, ``synaptic_flow_regimes``, ``synaptic_flow_vertices`` as ``.pdf`` and ``.png``,
``report.md``, ``numbers.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from _kernel_experiments import EXPERIMENTS, Experiment, trained, vertices_of
from _kernel_pulls import of_pulls, pulls_of_law
from _kernel_report import TESTED, Found, Numbers, in_short, of_higher, say
from _report import Writer, arguments

import nnrg
from nnrg import SynapticField, plot
from nnrg.errors import AnalysisError
from nnrg.theory.synaptic.coarse_graining import coarse_grain_vertices
from nnrg.theory.synaptic.support_law import relaxed_law
from nnrg.theory.synaptic.trained_flow import TrainedKernelFlow, compare_kernel_flow
from nnrg.theory.synaptic.trained_law import training_law
from nnrg.theory.synaptic.vertex_flow import VertexFlow

if TYPE_CHECKING:
    from matplotlib.axes import Axes

QUESTION = "Does the kernel of trained weights flow with scale as that of their training data?"
DRAWS = 20
ENSEMBLES = 100
# Modes of which training has left more of the first weight are not compared with the data alone.
LEFT = 0.01

Panel = Callable[..., object]


def measure(one: Experiment, seed: int, folder: Path) -> Found:
    """Train, predict, compare."""
    data = one.inputs(one.n_samples, seed)
    before, after = trained(one, data, seed, folder)
    made = {
        "optimiser": one.optimiser, "steps": one.steps, "sigma_w": one.sigma_w,
        "label_noise": one.label_noise, "batch": one.batch,
    }  # fmt: skip
    vertices = vertices_of(one, data, seed, order=2)
    linear = one.activation == "linear"
    law = training_law(vertices if linear else vertices_of(one, data, seed, order=4), **made)
    levels = 3 if one.sites.dimension == 2 else 4
    field = SynapticField(after.reshape(-1, *one.sites.shape), one.sites)
    flow = nnrg.renormalize(field, nnrg.GridBlocks(2), levels=levels)
    options = {"distances": 4, "permutations": DRAWS, "rng": seed}
    if one.sigma_w:
        options["untrained"] = before
    size = {"levels": levels, "reach": one.reach}
    against_law = compare_kernel_flow(law, flow, **size, **options)
    alone = None if linear else training_law(vertices, **made)
    against = None if alone is None else compare_kernel_flow(alone, flow, **size, **options)
    try:
        action = coarse_grain_vertices(vertices, levels=levels, reach=one.reach)
    except AnalysisError:  # a mode that the data do not have
        slow = law.curvatures[np.abs(law.left) > LEFT]
        reached = relaxed_law(vertices, least_curvature=float(slow.max(initial=0.0)))
        beside = compare_kernel_flow(reached, flow, **size, **options)
        return Found(one, law, against_law, beside, None, support=reached)
    beside = compare_kernel_flow(action, flow, **options)
    return Found(one, law, against_law, beside, action, against)


def pages(found: Sequence[Found], higher: VertexFlow, null: VertexFlow) -> dict[str, list[Panel]]:
    """Return the panels of each figure."""
    out: dict[str, list[Panel]] = {"": [], "_regimes": [], "_vertices": []}
    for one in found:
        name = "" if one.experiment.main else "_regimes"
        first = partial(_flow, one)
        if one.against_quadratic is not None:
            first = partial(
                _deviations, one.against_quadratic, f"{one.experiment.title}, $V_2$ alone"
            )
        title = one.experiment.title + (", $V_2$ to $V_4$" if one.against_quadratic else "")
        out[name] += [first, partial(_deviations, one.against_law, title)]
        if one.experiment.main and one.vertices is not None:
            out["_vertices"].append(partial(_kernel, one, "range"))
    kept = [one for one in found if one.vertices is not None]
    out["_vertices"].append(partial(_kernel, kept[0], "k0"))
    frame = higher.to_dataframe()
    out["_vertices"] += [
        partial(_vertex, higher, null, quantity)
        for quantity in ("V4:contact", "V4:plateau", "V6:contact")
        if quantity in frame
    ]
    return out


def _flow(one: Found, ax: Axes) -> None:
    plot.kernel_flow(one.against_law, ax=ax)
    ax.set_xlabel(f"{one.experiment.title}: block length $b$ (sites)")


def _deviations(found: TrainedKernelFlow, title: str, ax: Axes) -> None:
    plot.kernel_deviations(found, ax=ax)
    ax.set_xlabel(f"{title}: block length $b$ (sites)")


def _kernel(one: Found, quantity: str, ax: Axes) -> None:
    assert one.vertices is not None
    plot.vertex_flow(one.vertices, quantity, trained=one.against_data, ax=ax)
    ax.set_xlabel(f"{one.experiment.title}: block length $b$ (sites)")


def _vertex(flow: VertexFlow, null: VertexFlow, quantity: str, ax: Axes) -> None:
    plot.vertex_flow(flow, quantity, null=null, ax=ax)


def _ensembles(one: Found, quick: bool) -> int:
    """Patches take as long as many rings."""
    if quick:
        return 10
    return ENSEMBLES if one.experiment.sites.dimension == 1 else ENSEMBLES // 5


def main() -> None:
    """Train, measure, draw, write."""
    options = arguments(QUESTION, "synaptic_flow")
    writer = Writer(options.output, "synaptic_flow", QUESTION)
    chosen = [one for one in EXPERIMENTS if one.quick or not options.quick]
    if options.quick:
        chosen = [replace(one, fields=512) for one in chosen]
    found = []
    for one in chosen:
        writer.progress(one.title)
        found.append(measure(one, options.seed, options.output))
    writer.progress("higher vertices")
    neuron = EXPERIMENTS[-1]
    data = neuron.inputs(neuron.n_samples, options.seed)
    order = 4 if options.quick else 6
    vertices = vertices_of(neuron, data, options.seed, order)
    mixed = np.random.default_rng(options.seed).permutation(data.inputs.shape[1])
    without = replace(vertices, inputs=vertices.inputs[:, mixed])
    higher, null = (coarse_grain_vertices(one, levels=4) for one in (vertices, without))
    notes = {
        "": "lines: law of training, nothing fitted; grey: permuted sites, untrained weights",
        "_regimes": "as the figure before, exponential correlations; last row in sigmas, by V_2 "
        "alone and with V_3 and V_4",
        "_vertices": "range and k_0 of kernels, vertices of a tanh neuron; errors of other data",
    }
    for name, panels in pages(found, higher, null).items():
        figure = plot.page(*panels, note=notes[name])
        for ending in ("pdf", "png"):
            plot.save(figure, writer.path(f"synaptic_flow{name}.{ending}"))
    plain = [one for one in found if one.experiment.activation == "linear"]
    pulls = []
    for one in plain:
        writer.progress(f"drawn ensembles, {one.experiment.title}")
        pulls.append(
            pulls_of_law(
                one.law, one.against_law, one.experiment.reach,
                _ensembles(one, options.quick), options.seed,
            )
        )  # fmt: skip
    writer.add([*in_short(found), *of_pulls(plain, pulls), *TESTED.splitlines(), ""])
    for name in ("_regimes", "_vertices"):
        writer.add([f"![{notes[name]}](synaptic_flow{name}.png)", ""])
    for one in found:
        writer.add(say(one))
    writer.add(of_higher(higher))
    writer.finish({one.experiment.title: Numbers(one.against_law) for one in found})


if __name__ == "__main__":
    main()
