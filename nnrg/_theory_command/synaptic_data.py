"""``nnrg theory synaptic`` of data: vertices, gradient expansion, Lorentz report, local toys."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from nnrg._theory_command.outcome import Outcome, assumed, numbers
from nnrg._theory_command.record import record
from nnrg._theory_command.synaptic import optimiser_of, steps_of
from nnrg._theory_command.training_data import arrays, as_classes
from nnrg.errors import AnalysisError, ArgumentError

if TYPE_CHECKING:
    from nnrg.lattice import Lattice
    from nnrg.simulate.training import TrainingData

__all__ = ["data_sources", "inputs_of"]

_SAMPLES, _SITES, _SIDE = 2000, "32", 16
_ORDER = 4


def data_sources(arguments: argparse.Namespace) -> Outcome:
    """Work out what data make of the action of weights."""
    data, sites, what = inputs_of(arguments)
    x = data.inputs.reshape(len(data.inputs), -1)
    loss = arguments.loss or "mse"
    targets = data.targets
    made = optimiser_of(arguments, arguments.optimiser or "heavy-ball")
    steps = steps_of(arguments)
    if loss == "cross_entropy":
        if targets is None:
            raise ArgumentError("--loss cross_entropy: targets are needed, classes for example")
        targets = as_classes(targets)
    from nnrg.theory.synaptic import (
        friction,
        gradient_expansion,
        lorentz_report,
        perceptron_vertices,
        ring_toy,
    )

    vertices = perceptron_vertices(
        x,
        targets,
        activation=arguments.activation or "linear",
        order=_ORDER,
        loss=loss,
        sites=sites,
    )
    found = friction(made, dimension=arguments.dimension)
    closes = not any(c and n % 2 for n, c in zip(sites.shape, sites.periodic, strict=True))
    expansions = [
        gradient_expansion(vertices, reach=arguments.reach, staggered=staggered)
        for staggered in ((True,) if arguments.staggered else (False, True)[: 1 + closes])
    ]
    lines = [f"data: {what}", str(vertices), ""]
    body: dict[str, Any] = {
        "data": what,
        "provenance_of_data": vertices.provenance,
        "vertices": {
            "rows": vertices.to_dataframe().to_dict("records"),
            "assumptions": list(vertices.assumptions),
        },
        "friction": record(found, "hubble"),
        "expansions": [],
    }
    for one in expansions:
        moments = one.moments()
        lines += [str(one), ""]
        body["expansions"].append(
            {
                **record(one),
                "mass2": {"value": one.mass2.value, "error": one.mass2.error},
                "stiffness": [{"value": z.value, "error": z.error} for z in one.stiffness],
                "moments": moments.values.tolist(),
                "moments_errors": moments.errors().tolist(),
                "tail": one.tail()[2],
            }
        )
    from nnrg import plot  # heavy, after all that may be refused

    panels: list[Callable[..., object]] = [
        lambda ax, one=one: plot.data_kernel(one, ax=ax) for one in expansions
    ]
    try:
        report = lorentz_report(
            vertices,
            hubble=found.hubble,
            duration=steps * found.time_step,
            reach=1 if arguments.reach is None else arguments.reach,
            staggered=bool(arguments.staggered),
        )
        lines.append(str(report))
        body["lorentz"] = {
            **record(report, "missing_redshift"),
            "stiffness": report.stiffness.values.tolist(),
            "stiffness_errors": report.stiffness.errors().tolist(),
            "speed_spread": record_estimate(report.speed_spread()),
        }
        panels.append(lambda ax: plot.light_cones(report, ax=ax))
    except AnalysisError as error:
        lines.append(f"Lorentz report: none: {error}")
        body["lorentz"] = None
    if sites.dimension == 1 and sites.periodic[0] and x.shape[1] >= 3:
        toys = [ring_toy(x, staggered=bool(arguments.staggered))]
        toys.append(ring_toy(x, synapses="independent"))
        lines += ["", *map(str, toys)]
        body["toys"] = [str(toy) for toy in toys]
        panels.append(partial(_toys, toys))
    table = expansions[0].to_dataframe()
    note = assumed((*vertices.assumptions, f"H of {found.optimiser}, {steps} steps"))
    return Outcome("\n".join(lines).rstrip(), body, table, {"": panels}, note)


def _toys(toys: list[Any], ax: Any) -> None:
    from nnrg import plot

    plot.toy_dispersion(*toys, ax=ax)


def record_estimate(found: Any) -> dict[str, Any]:
    """Return a number with its error and its null."""
    return {"value": found.value, "error": found.error, "null": found.null}


def inputs_of(arguments: argparse.Namespace) -> tuple[TrainingData, Lattice, str]:
    """Return the data that words describe, where they live, and what they are."""
    from nnrg.lattice import Lattice

    if arguments.data is not None:
        for name in ("covariance", "samples"):
            if getattr(arguments, name) is not None:
                raise ArgumentError(f"--{name} is of data to be drawn; leave it out with --data")
        data = arrays(arguments.data)
        size = int(np.prod(data.inputs.shape[1:]))
        shape = tuple(numbers(arguments.sites or str(size), "--sites", int))
        if int(np.prod(shape)) != size:
            raise ArgumentError(
                f"--sites: expected axes of {size} sites, as many as inputs, got {arguments.sites}"
            )
        return (
            data,
            Lattice(shape, bool(arguments.periodic)),
            f"{len(data.inputs)} samples of a file",
        )
    kind, _, number = arguments.covariance.partition(":")
    samples = _SAMPLES if arguments.samples is None else arguments.samples
    return _drawn(arguments, kind, number, samples)


def _drawn(
    arguments: argparse.Namespace, kind: str, number: str, samples: int
) -> tuple[TrainingData, Lattice, str]:
    from nnrg.lattice import Lattice
    from nnrg.simulate.training import exponential_inputs, photograph_patches, power_law_inputs

    rng = np.random.default_rng(arguments.seed)
    if kind == "patches":
        if arguments.sites is not None or arguments.periodic:
            raise ArgumentError("patches are open squares: say their side, --covariance patches:16")
        side = _side(number)
        data = photograph_patches(samples, side, rng=rng)
        return data, Lattice((side, side)), f"{samples} patches of photographs, {side} x {side}"
    length = numbers(arguments.sites or _SITES, "--sites", int)
    if len(length) != 1:
        raise ArgumentError(f"--sites: expected one number, a ring's, got {arguments.sites}")
    ring = Lattice(length[0], periodic=True)
    if kind == "exponential":
        xi = _value(number or "3")
        data = exponential_inputs(samples, length[0], correlation_length=xi, rng=rng)
        return data, ring, f"{samples} rings, correlations exp(-r / {xi:g})"
    if kind == "power":
        alpha = _value(number or "1")
        data = power_law_inputs(samples, length[0], exponent=alpha, mass2=0.01, rng=rng)
        return data, ring, f"{samples} rings, spectrum (0.01 + k^2)^(-{alpha:g}/2)"
    if kind == "white" and not number:
        data = power_law_inputs(samples, length[0], exponent=0.0, mass2=1.0, rng=rng)
        return data, ring, f"{samples} rings of independent sites"
    raise ArgumentError(
        "--covariance: expected exponential:XI, power:ALPHA, white or patches:SIDE, got "
        f"{arguments.covariance!r}"
    )


def _side(text: str) -> int:
    try:
        return int(text or _SIDE)
    except ValueError:
        raise ArgumentError(
            f"--covariance: expected an integer after patches:, got {text!r}"
        ) from None


def _value(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ArgumentError(
            f"--covariance: expected a number after the colon, got {text!r}"
        ) from None
