"""The report of the study of the flow of kernels: its tables and what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from _kernel_experiments import Experiment
from _report import shown, table

from nnrg.stats.estimate import Estimate
from nnrg.theory.synaptic.trained_flow import TrainedKernelFlow
from nnrg.theory.synaptic.trained_law import TrainedLaw
from nnrg.theory.synaptic.vertex_flow import VertexFlow

__all__ = ["TESTED", "Found", "Numbers", "in_short", "of_higher", "say"]

Array = npt.NDArray[np.float64]

TESTED = """## What is tested

The cost of a neuron on P samples is, to second order, w K w / 2 - J w, with K the second moments of
its inputs. A mode of K of curvature k keeps a share a of its start and has gone f = (1 - a) / k for
a unit force, both from the recursion of the optimiser step by step. Over starts N(0, s^2 / N) and
noisy labels of variance T P the weights have the covariance G = (s^2 / N) a^2 + T f^2 k. With K in
place of 1 / G up to T only where all modes are relaxed: then the field's own action is that of its
data. Blocks of b sites have the kernel (Q G Q^T)^-1, Q the block modes: all modes inside blocks are
integrated out, exactly. Measured is the inverse covariance of block means of the trained weights,
at the same b and in the same units, with jackknife errors over neurons; nothing is fitted. Noise of
mini-batches pushes along the same modes that pull back: far within one epoch it leaves
G = (eta r^2 / 2 B) / (1 - eta K / 2), a field almost without order, whatever the data. Where the
neuron is not linear V_3 and V_4 add to G at the next order in the noise of the labels, and make a
fourth cumulant: kappa_4 = s^6 [24 (k g^2) R (k g^2) - 4 sum f' f''' g^4] at leading order, g = X
K^-1 e / P, R = X K^-1 X^T / P, k = f' f''. Of a linear neuron with Gaussian starts and labels it is
zero; of mini-batches it is not predicted.

Patches without their mean have no uniform mode, and training leaves modes of little curvature where
they began. The kernel of the data alone is compared on the other modes: w on their span, blocks on
their modes of which more than half lies there, temperature fitted.

A power law keeps its exponent at every scale. Exponential data of correlation length xi have the
rate b / xi per block with modes inside blocks set to zero, and with these eliminated
arcosh(1 + b (cosh(1 / xi) - 1)), near sqrt(b) / xi: 0.25, 0.35, 0.50 for b = 1, 2, 4 and xi = 4.
"""


@dataclass(frozen=True)
class Found:
    """What was found in one experiment.

    Attributes
    ----------
    experiment : Experiment
    law : TrainedLaw
    against_law : TrainedKernelFlow
        Trained weights beside the law of their training: nothing is fitted.
    against_data : TrainedKernelFlow or None
        Beside the kernel of the data itself, up to a temperature.
    vertices : VertexFlow or None
    against_quadratic : TrainedKernelFlow or None
        Beside the law without V_3 and V_4, of a neuron that is not linear.
    support : TrainedLaw or None
        The modes that the data have and training has reached, where the kernel is singular.
    """

    experiment: Experiment
    law: TrainedLaw
    against_law: TrainedKernelFlow
    against_data: TrainedKernelFlow
    vertices: VertexFlow | None
    against_quadratic: TrainedKernelFlow | None = None
    support: TrainedLaw | None = None


def say(one: Found) -> list[str]:
    """Write what was found in one experiment."""
    law = one.against_law
    z = law.deviations()
    lines = [f"## {one.experiment.title}", "", "```", str(one.law), "```", ""]
    lines += [f"Against the law of its training, nothing fitted: {law.verdict}.", ""]
    rows = []
    for k, b in enumerate(law.scales):
        p, m = law.predicted[k], law.measured[k]
        row = [str(b)]
        for i in range(law.distances.size):
            number = Estimate(m.values[i], m.errors()[i], n_samples=law.n_samples)
            row += [f"{p.values[i]:.4g}", str(number), f"{z[k, i]:+.1f}"]
        fourth = law.fourth.estimates(n_samples=law.n_samples)[k]
        expected, away = law.fourth_predicted[k], law.fourth_deviations()[k]
        known = bool(np.isfinite(expected))
        row += [f"{expected:.3g}" if known else "not predicted", str(fourth)]
        rows.append([*row, f"{away:+.1f}" if known else ""])
    head = ["b"]
    for r in law.distances:
        head += [f"K({r})", "measured", "sigmas"]
    lines += table([*head, "kappa_4 / kappa_2^2", "measured", "sigmas"], rows)
    lines += [
        f"Largest deviation from {name} fields: {np.abs(law.null_deviations(name)).max():.1f} "
        f"errors (p = {law.null_p(name):.2g})."
        for name in law.nulls
    ]
    lines += ["", *(of_vertices(one) if one.experiment.main else ())]
    beside = f"{one.against_data.verdict}, temperature {one.against_data.temperature}"
    if one.support is not None:
        beside = f"{on_support(one.support)}: {beside}"
    if one.against_quadratic is not None:
        lines += ["", f"Against the law by V_2 alone: {one.against_quadratic.verdict}."]
    return [
        *lines,
        "",
        f"Against the kernel of the data itself, up to a temperature: {beside}.",
        "",
    ]


def on_support(support: TrainedLaw) -> str:
    """Say what is left out of a singular kernel."""
    assert support.support is not None  # as it is where a cut was made
    kept = support.support.shape[1]
    return (
        f"on the {kept} of {support.curvatures.size} modes of curvature "
        f"{support.curvatures[kept - 1]:.2g} and more, of which training has left less than 1 % of "
        "the start (patches have no mean: their kernel is singular)"
    )


def of_vertices(one: Found) -> list[str]:
    """Write the flow of the action of the data, and of the kernel of the weights."""
    if one.vertices is None:
        return []
    frame, rows = one.vertices.to_dataframe(), []
    for row in frame.to_dict("records"):
        cells = [str(row["scale"]), row["scheme"]]
        for name in ("k0", "M2:0", "Z:0", "range"):
            cells.append(str(Estimate(row[name], row[f"{name}_error"], n_samples=np.nan)))
        for name in ("exponent", "rate"):
            seen = Estimate(row[name], row[f"{name}_error"], n_samples=np.nan)
            fit = f", chi^2/dof {row[f'{name}_chi2']:.3g}/{row[f'{name}_dof']:.0f}"
            cells.append("" if np.isnan(row[name]) else f"{seen}{fit}")
        rows.append([*cells, row["tail"]])
    head = ["b", "modes inside blocks", "k_0", "M_2", "Z", "range / b", "power of the tail", "rate"]
    return [
        "The action of the data (errors: another sample of data; tail: K(u) of 3 errors and more):",
        "",
        *table([*head, "law of the tail"], rows),
    ]


def of_higher(higher: VertexFlow) -> list[str]:
    """Write the flow of vertices beyond the quadratic one."""
    frame = higher.to_dataframe()
    names = [
        name
        for name in ("V3:contact", "V4:contact", "V6:contact", "V4:uniform", "V4:plateau")
        if name in frame
    ]
    rows = []
    for row in frame.to_dict("records"):
        numbers = [Estimate(row[n], row[f"{n}_error"], n_samples=np.nan) for n in names]
        rows.append([str(row["scale"]), row["scheme"], *map(shown, numbers)])
    return [
        "## Vertices beyond the quadratic one",
        "",
        "Of the tanh neuron at the weights of its teacher. Contact: V_n(I, .., I), mean over "
        "blocks; uniform: of the same field on all blocks, per block; plateau: V_4(I, I, J, J) far "
        "apart over V_4(I, I, I, I), 1/3 for Gaussian data at every scale, 0 for a local action.",
        "",
        *table(["b", "modes inside blocks", *names], rows),
    ]


def in_short(found: Sequence[Found]) -> list[str]:
    """Write a line for each experiment."""
    lines = ["## In short", ""]
    for one in found:
        beside = one.against_data
        data = f"Beside the kernel of the data itself, up to a temperature: {beside.verdict}"
        if one.support is not None:
            data = data.replace(", up to", f", {on_support(one.support)}, up to", 1)
        alone = one.against_quadratic
        if alone is not None:
            data += f". By V_2 alone: {alone.verdict}"
        lines.append(
            f"- {one.experiment.title} ({one.law.relaxed:.0%} of the modes relaxed): "
            f"{one.against_law.verdict}. {data}."
        )
    return [*lines, ""]


@dataclass(frozen=True)
class Numbers:
    """A comparison as the report writes numbers: a row for each scale."""

    found: TrainedKernelFlow

    @property
    def scales(self) -> npt.NDArray[np.int64]:
        """Scales b."""
        return np.array(self.found.scales)

    @property
    def names(self) -> tuple[str, ...]:
        """K(r) of each distance."""
        return tuple(f"K({r})" for r in self.found.distances)

    @property
    def values(self) -> Array:
        """Measured kernels."""
        return np.array([m.values for m in self.found.measured])

    def errors(self) -> Array:
        """Return their errors."""
        return np.array([m.errors() for m in self.found.measured])

    @property
    def nulls(self) -> tuple[str, ...]:
        """The prediction and the nulls."""
        return ("predicted", *self.found.nulls)

    def z(self, null: str) -> Array:
        """Return deviations from one of them."""
        same = null == "predicted"
        return self.found.deviations() if same else self.found.null_deviations(null)

    @property
    def flags(self) -> tuple[tuple[str, ...], ...]:
        """Nothing is flagged number by number."""
        return tuple(("",) * len(self.names) for _ in self.found.scales)
