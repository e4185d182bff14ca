"""``nnrg theory``: correlators, edgeworth, engineering, information-flow."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

from nnrg._commands import load_model, say
from nnrg._theory_command.outcome import Outcome, assumed, numbers, told
from nnrg._theory_command.record import record
from nnrg.errors import AnalysisError, ArgumentError, FormatError

__all__ = ["correlators", "edgeworth", "engineering", "information_flow"]

Panel = Callable[..., object]


def _architecture(arguments: argparse.Namespace, width: int) -> Any:
    from nnrg.theory import correlators as nets

    kind, b = arguments.architecture, arguments.sigma_b
    if kind == "cos":
        if b:
            raise ArgumentError("a Cos-net has a uniform phase in place of biases; no --sigma-b")
        return nets.CosNet(width=width, sigma_w=arguments.sigma_w)
    chosen = {"gauss": nets.GaussNet, "relu": nets.ReLUNet, "erf": nets.ErfNet}
    made: Any = chosen.get(kind, nets.TanhNet)
    more = {} if b is None else {"sigma_b": b}
    return made(width=width, sigma_w=arguments.sigma_w, **more)


def correlators(arguments: argparse.Namespace) -> Outcome:
    """Work out a connected correlator against width, under shifts, and far away."""
    from nnrg import plot
    from nnrg.theory.correlators import cluster_test, translation_test, width_scaling

    order = arguments.order
    points = numbers(arguments.points, "--points") if arguments.points else [1.0] * order
    if len(points) != order:
        raise ArgumentError(f"--points: expected {order} inputs for this order, got {len(points)}")
    widths = numbers(arguments.width, "--width", int)
    net = _architecture(arguments, widths[0])
    drawn = arguments.simulate or None
    seeds = [np.random.default_rng(s) for s in np.random.SeedSequence(arguments.seed).spawn(3)]
    scaling = width_scaling(net, points, widths, n_networks=drawn, rng=seeds[0])
    shifted = translation_test(net, points, [1.0, 3.0], n_networks=drawn, rng=seeds[1])
    lines = [str(scaling), str(shifted)]
    body = {"width_scaling": record(scaling), "translation": record(shifted, "is_invariant")}
    panels: list[Panel] = [lambda ax: plot.width_scaling(scaling, ax=ax)]
    if order > 2:
        distances = np.linspace(0, 8 / (arguments.sigma_w or 1), 9)
        apart = cluster_test(net, distances, points=points, n_networks=drawn, rng=seeds[2])
        lines.append(str(apart))
        body["clusters"] = record(apart, "clusters", "flag")
        panels.append(lambda ax: plot.cluster_decomposition(apart, ax=ax))
    lines += [f"assumed: {line}" for line in scaling.assumptions]
    return Outcome(
        "\n".join(lines), body, scaling.to_dataframe(), {"": panels}, assumed(scaling.assumptions)
    )


def edgeworth(arguments: argparse.Namespace) -> Outcome:
    """Reconstruct the action of samples from a file, or of an architecture."""
    if (arguments.model is None) == (arguments.architecture is None):
        raise ArgumentError("give a file of SAMPLES, or --architecture: one of them")
    from nnrg import plot
    from nnrg.theory.edgeworth import reconstruct_action

    options = {
        "order": arguments.order,
        "nugget": arguments.nugget,
        "modes": arguments.modes,
    }
    if arguments.model is not None:
        action = reconstruct_action(_samples(arguments), **options)
    else:
        net = _architecture(arguments, arguments.width)
        at = np.array(numbers(arguments.points, "--points"))[:, None]
        if arguments.simulate:
            import nnrg

            samples = nnrg.simulate.one_hidden_layer(
                net, at, n_networks=arguments.simulate, rng=np.random.default_rng(arguments.seed)
            )
            action = reconstruct_action(samples, **options)
        else:
            action = reconstruct_action(net, points=at, **options)
    assumptions = action.assumptions
    lines = [str(action), *(f"assumed: {line}" for line in assumptions)]
    frame = action.to_dataframe()
    inverse = action.cumulants.inverse
    body = {
        "rows": frame.to_dict("records"),
        "condition": inverse.condition,
        "bare_condition": inverse.bare_condition,
        "n_modes": inverse.n_modes,
        "recommended": action.recommended,
        "flags": list(action.flags),
        "assumptions": list(assumptions),
    }
    panels = {"": [lambda ax: plot.action_couplings(action, ax=ax)]}
    return Outcome("\n".join(lines), body, frame, panels, assumed(assumptions))


def _samples(arguments: argparse.Namespace) -> Any:
    """Read an array of samples through the readers of networks, which trust no file."""
    net = load_model(arguments)
    names = list(net.tensors)
    if arguments.tensor is None and len(names) != 1:
        raise ArgumentError(
            f"{arguments.model}: holds {len(names)} arrays; say which with --tensor, one of "
            f"{', '.join(names[:5])}"
        )
    name = names[0] if arguments.tensor is None else arguments.tensor
    if name not in names:
        raise ArgumentError(
            f"{arguments.model}: no array {name!r}; there are {', '.join(names[:5])}"
        )
    values = np.asarray(net.tensors[name], dtype=np.float64)
    if values.ndim > 2:
        raise FormatError(
            f"{arguments.model}: samples must be rows, got an array of shape {values.shape}"
        )
    return values.reshape(len(values), -1)


def engineering(arguments: argparse.Namespace) -> Outcome:
    """Sample networks with a phi^4 action, and measure it."""
    import pandas as pd

    import nnrg
    from nnrg import plot
    from nnrg.theory.engineering import engineer, extrapolate_width, measure_engineered

    widths = numbers(arguments.width, "--width", int)
    seeds = np.random.SeedSequence(arguments.seed).spawn(len(widths))
    actions, lines = [], []
    for n, seed in zip(widths, seeds, strict=True):
        network = engineer(
            arguments.mass, arguments.coupling, arguments.cutoff, arguments.box,
            dimension=arguments.dimension, width=n,
        )  # fmt: skip
        sample = nnrg.simulate.sample_engineered(
            network, arguments.simulate, n_chains=arguments.chains, rng=seed,
            progress=told(arguments, f"width {n}"),
        )  # fmt: skip
        if sample.flag:
            say(arguments, f"width {n}: {sample.flag}")
        actions.append(measure_engineered(sample))
        lines += [str(sample), str(actions[-1]), ""]
    body: dict[str, Any] = {"actions": [record(a, "coupling", "mass_shift") for a in actions]}
    panels: list[Panel] = []
    if len(widths) > 2:
        fit = extrapolate_width(actions)
        lines.append(str(fit))
        body["width_extrapolation"] = record(fit, "limit", "slope")
        panels.append(lambda ax: plot.engineered_coupling(fit, ax=ax))
    else:
        say(arguments, "three widths or more give the coupling at infinite width, and a figure")
    frames = [a.to_dataframe().assign(width=n) for a, n in zip(actions, widths, strict=True)]
    table = pd.concat(frames, ignore_index=True)
    assumptions = actions[0].assumptions
    pages = {"": panels} if panels else {}
    return Outcome("\n".join(lines).rstrip(), body, table, pages, assumed(assumptions))


def information_flow(arguments: argparse.Namespace) -> Outcome:
    """Follow a flow in information space."""
    return _sigma(arguments) if arguments.flow == "sigma" else _modes(arguments)


def _modes(arguments: argparse.Namespace) -> Outcome:
    from nnrg import plot
    from nnrg.theory.information_flow import NetworkKernel, kernel_modes, wilsonian_flow

    if arguments.simulate:
        raise ArgumentError("--simulate is of --flow sigma; leave it out")
    for option in ("inputs", "dimension"):
        if getattr(arguments, option) < 2:
            raise ArgumentError(f"--{option}: expected 2 or more, got {getattr(arguments, option)}")
    w = 1.0 if arguments.sigma_w is None else arguments.sigma_w
    kernel = NetworkKernel(
        arguments.activation or "erf", w, arguments.sigma_b or 0.0, arguments.depth
    )
    rng = np.random.default_rng(arguments.seed)
    inputs = rng.standard_normal((arguments.inputs, arguments.dimension))
    modes = kernel_modes(kernel, inputs)
    flow = wilsonian_flow(modes, n_data=arguments.data, ridge=arguments.ridge)
    source = f"{arguments.inputs} Gaussian inputs of {arguments.dimension} dimensions"
    body = {
        "inputs": source,
        "rows": flow.to_dataframe().to_dict("records"),
        "kept": _number(flow.stop_kept),
        "effective_ridge": _number(flow.effective_ridge),
        "self_consistent_ridge": _number(flow.effective_ridge.null),
        "flag": flow.flag,
        "assumptions": list(flow.assumptions),
        "scale": flow.scale,
    }
    panels = [
        lambda ax, quantity=quantity: plot.kernel_mode_flow(flow, quantity, ax=ax)
        for quantity in ("ridge", "learnability")
    ]
    return Outcome(
        f"{source}\n{flow}", body, flow.to_dataframe(), {"": panels},
        f"{flow.scale}. {assumed(flow.assumptions)}",
    )  # fmt: skip


def _number(estimate: Any) -> dict[str, float]:
    return {"value": estimate.value, "error": estimate.error}


def _sigma(arguments: argparse.Namespace) -> Outcome:
    from nnrg import plot
    from nnrg.theory.information_flow import sigma_flow

    arguments.sigma_w = 1.0 if arguments.sigma_w is None else arguments.sigma_w
    net = _architecture(arguments, arguments.width)
    if not net.sigma_w > 0:
        raise AnalysisError("sigma_w is zero: there is no scale to change; give --sigma-w")
    grid = np.linspace(-2, 2, 9)[:, None] / net.sigma_w
    flow = sigma_flow(
        net, grid, [1.0, 1.25, 1.5, 1.75, 2.0], n_networks=arguments.simulate or None,
        rng=np.random.default_rng(arguments.seed),
    )  # fmt: skip
    panels = [
        lambda ax, quantity=quantity: plot.sigma_flow(flow, quantity, ax=ax)
        for quantity in ("mass2", "quartic", "dimensionless")
    ]
    return Outcome(
        str(flow), record(flow), flow.to_dataframe(), {"": panels},
        f"{flow.scale}. {assumed(flow.assumptions)}",
    )  # fmt: skip
