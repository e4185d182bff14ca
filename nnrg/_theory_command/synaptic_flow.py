"""``nnrg theory synaptic --flow``: vertices of data and weights trained on it, scale by scale."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnrg._theory_command.outcome import Outcome, assumed, told
from nnrg._theory_command.record import record
from nnrg._theory_command.synaptic import optimiser_of
from nnrg._theory_command.synaptic_data import inputs_of
from nnrg.errors import AnalysisError, ArgumentError

if TYPE_CHECKING:
    from nnrg.activation_functions import Activation

__all__ = ["kernel_flow"]

Array = npt.NDArray[np.float64]

_STEPS, _DRAWS, _DISTANCES, _LEVELS = 400, 20, 4, 4
# Trained neurons for each weight, and at least.
_FIELDS, _FEWEST = 4, 256
_ORDER = 6
# Modes of which more of the first weight is left are not compared with the data alone.
_LEFT = 0.01
# Variance of what a neuron that is not linear is given to learn, and noise of its labels.
_SIGNAL, _NOISE = 0.25, 0.1


def kernel_flow(arguments: argparse.Namespace) -> Outcome:
    """Train neurons with noisy labels, and put their kernel beside that of the data.

    Neurons that are not linear start near weights that fit the clean labels: there their cost is
    quadratic, and beyond that has the vertices V_3, V_4 and so on.
    """
    if arguments.record is not None:
        raise ArgumentError("--flow trains on data of its own; leave --record out")
    if arguments.data is None and arguments.covariance is None:
        raise ArgumentError("--flow needs data: give --data FILE or --covariance exponential:4")
    if arguments.staggered:
        raise ArgumentError("--flow takes the field as it is; leave --staggered out")
    from nnrg.activation_functions import as_activation

    data, sites, what = inputs_of(arguments)
    x = data.inputs.reshape(len(data.inputs), -1)
    levels = _levels(sites.shape)
    optimiser = optimiser_of(arguments, arguments.optimiser or "heavy-ball")
    steps = _STEPS if arguments.steps is None else arguments.steps
    rng = np.random.default_rng(arguments.seed)
    fields = max(_FEWEST, _FIELDS * x.shape[1])
    phi = as_activation(arguments.activation or "linear")
    exact, y, noise = _task(phi, x, data.targets, rng)
    # Heavy, after all that may be refused.
    from nnrg import plot
    from nnrg.simulate.training import Recording, perceptron, train
    from nnrg.theory.synaptic.coarse_graining import coarse_grain_vertices
    from nnrg.theory.synaptic.perceptron import perceptron_vertices
    from nnrg.theory.synaptic.support_law import relaxed_law
    from nnrg.theory.synaptic.trained_flow import compare_kernel_flow
    from nnrg.theory.synaptic.trained_law import training_law

    sigma_w = noise
    start = exact + sigma_w / np.sqrt(x.shape[1]) * rng.normal(size=(fields, x.shape[1]))
    made = train(
        perceptron(x.shape[1], fields, phi), (x, y + noise * rng.normal(size=(len(x), fields))),
        optimiser=optimiser, steps=steps, initial={"layers.0.weight": start},
        record=Recording([0, steps], outputs=False), rng=rng, progress=told(arguments, "training"),
    )  # fmt: skip
    if made.diverged is not None:
        raise AnalysisError(f"{made.diverged['message']}; take a smaller --learning-rate")
    before, after = (made.weights["layers.0.weight"][0, at] for at in (0, -1))
    vertices = perceptron_vertices(
        x, y, activation=phi, weights=exact, order=2 if phi.name == "linear" else _ORDER,
        sites=sites,
    )  # fmt: skip
    law = training_law(
        vertices, optimiser=optimiser, steps=steps, sigma_w=sigma_w, label_noise=noise
    )
    options: dict[str, Any] = {
        "distances": _DISTANCES, "permutations": _DRAWS, "untrained": before, "rng": rng
    }  # fmt: skip
    found = compare_kernel_flow(law, after, levels=levels, reach=arguments.reach, **options)
    lines = [f"data: {what}", str(law), "beside the law of its training:", str(found), ""]
    body: dict[str, Any] = {
        "data": what,
        "law": record(law),
        "against_law": _compared(found),
        "vertices": None,
        "against_data": None,
    }
    panels: list[Callable[..., object]] = [
        lambda ax: plot.kernel_flow(found, ax=ax),
        lambda ax: plot.kernel_deviations(found, ax=ax),
    ]
    notes = list(law.assumptions)
    try:
        action = coarse_grain_vertices(vertices, levels=levels, reach=arguments.reach)
    except AnalysisError as error:
        lines.append(f"vertices: {error}")
        # The modes that the data have, and training has reached.
        slow = float(law.curvatures[np.abs(law.left) > _LEFT].max(initial=0.0))
        if slow < law.curvatures[0]:
            reached = relaxed_law(vertices, least_curvature=slow)
            seen = compare_kernel_flow(
                reached, after, levels=levels, reach=arguments.reach, **options
            )
            lines += [str(reached), "beside the kernel of the data on these modes:", str(seen)]
            body["against_data"] = _compared(seen)
            notes += reached.assumptions
    else:
        beside = compare_kernel_flow(action, after, **options)
        lines += [str(action), "", "beside the kernel of the data itself:", str(beside)]
        body |= {"vertices": record(action), "against_data": _compared(beside)}
        panels += [
            lambda ax: plot.vertex_flow(action, "k0", trained=beside, ax=ax),
            lambda ax: plot.vertex_flow(action, "range", trained=beside, ax=ax),
        ]
        if vertices.order == _ORDER:
            panels += [
                lambda ax, v=v: plot.vertex_flow(action, f"{v}:contact", ax=ax)
                for v in ("V4", "V6")
            ]
        notes += action.assumptions
    note = assumed([*notes, f"{fields} {phi.name} neurons, label noise {noise:g}"])
    return Outcome("\n".join(lines).rstrip(), body, found.to_dataframe(), {"": panels}, note)


def _task(
    phi: Activation, x: Array, targets: Array | None, rng: np.random.Generator
) -> tuple[Array, Array, float]:
    """Return the expansion point, clean labels (P, 1) and the noise of labels and start."""
    exact = np.zeros(x.shape[1])
    if phi.name == "linear":
        y = np.zeros((len(x), 1)) if targets is None else np.reshape(targets, (len(x), -1))[:, :1]
        return exact, y, 1.0
    if targets is not None:
        raise ArgumentError(
            "--flow of a neuron that is not linear needs labels that it can fit: it makes its own; "
            "give --data without targets"
        )
    exact = rng.standard_normal((x.shape[1],))
    exact *= float(np.sqrt(_SIGNAL) / (x @ exact).std())
    return exact, phi(x @ exact)[:, None], _NOISE


def _levels(shape: tuple[int, ...]) -> int:
    """Return how many times blocks of two divide every axis into two at least, and one."""
    levels = 1
    while levels < _LEVELS and all(n % 2**levels == 0 and n >= 2 ** (levels + 1) for n in shape):
        levels += 1
    if levels == 1:
        raise ArgumentError(
            f"--flow: blocks of two do not divide axes of {', '.join(map(str, shape))} sites; "
            "give --sites that are a power of two"
        )
    return levels


def _compared(found: Any) -> dict[str, Any]:
    chi2, numbers, p = found.joint()
    return {
        **record(found, "verdict", "p", "agrees", "quadratic"),
        "chi2": chi2,
        "numbers": numbers,
        "joint_p": p,
        "null_p": {name: found.null_p(name) for name in found.nulls},
    }
