"""The nonlocality report: every range of a flow, in block units, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg.errors import AnalysisError
from nnrg.progress import reporter
from nnrg.rg.cumulants import align
from nnrg.rg.flow import Flow
from nnrg.rg.nulls import NullModel, measure_null, null_models
from nnrg.rg.observables import Observables
from nnrg.rg.record import describe_flow
from nnrg.rg.two_point._statement import statement
from nnrg.rg.two_point._verdict import Verdict, judge
from nnrg.rg.two_point.correlation import Correlation, Mean, measure_two_point
from nnrg.rg.two_point.four_point import FourPoint, measure_four_point
from nnrg.rg.two_point.kernel import QuadraticKernel, quadratic_kernel
from nnrg.rg.two_point.lengths import (
    correlation_width,
    fitted_lengths,
    second_moment_length,
    second_moment_lengths,
)
from nnrg.rg.two_point.spectrum import spectrum
from nnrg.stats.estimate import format_value_error
from nnrg.stats.replicates import Replicates

__all__ = ["Nonlocality", "nonlocality"]

Array = npt.NDArray[np.float64]

_NAMES = (
    "C_width",
    "xi",
    "xi_2nd",
    "K_range2",
    "K_ratio",
    "K_range2_noise_free",
    "K_ratio_noise_free",
    "K_participation",
    "K_sigma",
    "C4_range2",
    "C4_ratio",
    "C4_plateau",
)
_SHOWN = (
    "C_width",
    "xi",
    "xi_2nd",
    "K_ratio",
    "K_ratio_noise_free",
    "K_sigma",
    "C4_ratio",
    "C4_plateau",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nonlocality(Observables):
    """Ranges of the two- and four-point functions at each scale, in blocks of that scale.

    ``C_width`` is the distance at which C(r) falls to C(0)/e, ``xi`` and ``xi_2nd`` are correlation
    lengths (fit and second moment). ``K_range2`` is sum u^2 |K| / sum |K| of the quadratic kernel
    and ``K_ratio`` that over its value for couplings that do not know distance; ``_noise_free`` are
    the same of K^2 with the noise taken off. ``K_participation`` is the side of the box over which
    K^2 is spread, ``K_sigma`` the exponent of its tail r^-(d + sigma) where one is fitted,
    ``C4_...`` the same of the four-point function, and ``C4_plateau`` is C_4 at large distance over
    C(0)^2. ``series`` holds ``random_range2``.

    ``attrs["verdicts"]`` and ``attrs["evidence"]`` have one line a scale, ``attrs["statement"]``
    what the scales say together.
    """

    kind: ClassVar[str] = "nonlocality"

    @property
    def verdicts(self) -> tuple[str, ...]:
        """What the kernel of each scale is called."""
        return tuple(str(self.attrs["verdicts"]).split("\n"))

    @property
    def evidence(self) -> tuple[str, ...]:
        """Why it is called so, one line a scale."""
        return tuple(str(self.attrs["evidence"]).split("\n"))

    @property
    def statement(self) -> str:
        """What the scales say together."""
        return str(self.attrs["statement"])

    def __str__(self) -> str:
        columns = [self.names.index(name) for name in _SHOWN]
        errors = self.errors()
        lines = [[" b", *_SHOWN, "kernel"]]
        for level, b in enumerate(self.scales):
            cells = [
                ""
                if np.isnan(self.values[level, i])
                else format_value_error(self.values[level, i], errors[level, i])
                + ("!" if self.flags[level][i] else "")
                for i in columns
            ]
            lines.append([f"{b:>2d}", *cells, self.verdicts[level]])
        text = align(lines, left=(len(_SHOWN) + 1,)) + f"\n\n{self.statement}"
        for b, why in zip(self.scales, self.evidence, strict=True):
            text += f"\n  b = {b}: {why}"
        for null, draws in self.nulls.items():
            scores = [[" b", *_SHOWN]]
            for b, row in zip(self.scales, self.z(null)[:, columns], strict=True):
                scores.append([f"{b:>2d}", *("" if np.isnan(s) else f"{s:+.1f}" for s in row)])
            text += f"\n\nz against {draws.shape[0]} draws of {null}:\n{align(scores)}"
        return text


def nonlocality(
    flow: Flow,
    *,
    mean: Mean = "field",
    max_lag: int | None = None,
    nulls: str | NullModel | Sequence[str | NullModel] = (),
    rng: object = None,
) -> Nonlocality:
    """Measure how far the couplings of the block field reach, at every scale of a flow.

    Parameters
    ----------
    flow : Flow
    mean, max_lag
        As for `measure_two_point`.
    nulls : names or NullModel objects
        Null models run through the same blocks and measured in the same way; none by default.
    rng : int, numpy Generator or None
        Seed of the null draws; recorded in the result.

    Returns
    -------
    Nonlocality
        NaN with a flag where a range cannot be told.

    Raises
    ------
    ArgumentError
        If an option is unknown.
    AnalysisError
        If there are fewer than three groups.

    Notes
    -----
    In block units a local kernel keeps a fixed width, so that its second moment over the random
    value, which falls as the lattice does, rises only as a lattice of a few blocks is reached; a
    power law keeps its exponent; a kernel that does not know distance keeps a ratio of one. Each is
    said only with evidence: couplings above noise; for a power law, an exponential excluded on the
    same distances by nine in chi^2; for a local kernel, no couplings beyond a distance where a tail
    r^-(d + 2) would be seen. Else it cannot be told.

    Examples
    --------
    >>> import nnrg
    >>> from nnrg.rg.two_point.nonlocality import nonlocality
    >>> from nnrg.simulate.gaussian import ar1
    >>> field = nnrg.SynapticField(ar1(256, 200, rho=0.5, rng=1), nnrg.Lattice(256))
    >>> report = nonlocality(nnrg.renormalize(field, levels=3))
    >>> report.verdicts[0]
    'local'
    """
    models = null_models(nulls)
    seed = as_seed(rng)
    rows, flags, verdicts, random = _measure(flow, mean, max_lag)
    draws = {}
    done, total = 1, 1 + sum(model.draws for model in models)
    tell, close = reporter("ranges, null draws", None)
    numbers = partial(_null_numbers, flow=flow, mean=mean, max_lag=max_lag)
    try:
        for model in models:
            drawn = []
            for row in measure_null(flow, model, seed, numbers):
                drawn.append(row)
                done += 1
                tell(done, total)
            draws[model.name] = np.stack(drawn)
    finally:
        close()
    values, sizes = rows.copy(), _group_sizes(flow)
    return Nonlocality(
        scales=np.array(flow.scales, dtype=np.int64),
        names=_NAMES,
        values=values[0],
        replicates=values[1:],
        weights=np.tile(sizes[:, None], (1, len(flow))),
        nulls=draws,
        flags=tuple(flags),
        n_samples=np.full(len(flow), flow.groups.n_groups, dtype=np.int64),
        attrs={
            **describe_flow(flow, seed),
            "mean": mean,
            "verdicts": "\n".join(v.kind for v in verdicts),
            "evidence": "\n".join(v.evidence for v in verdicts),
            "statement": statement(flow, values[:, :, _NAMES.index("K_sigma")], sizes, verdicts),
        },
        series={"random_range2": random},
    )


def _group_sizes(flow: Flow) -> Array:
    if flow.groups.kind == "samples":
        return np.asarray(np.bincount(flow.groups.sample_group), dtype=np.float64)
    cells: Array = reduce(np.multiply.outer, [np.diff(edge) for edge in flow.groups.edges])
    return np.asarray(cells.ravel(), dtype=np.float64)


def _null_numbers(null: Flow, *, flow: Flow, mean: Mean, max_lag: int | None) -> Array:
    """Return the numbers of one null draw, with the noise of the groups of the flow itself."""
    rows = _measure(replace(null, groups=flow.groups), mean, max_lag)[0]
    return np.asarray(rows[0])


def _measure(
    flow: Flow, mean: Mean, max_lag: int | None
) -> tuple[Array, list[tuple[str, ...]], list[Verdict], Array]:
    two = measure_two_point(flow, max_lag=max_lag, mean=mean)
    four = measure_four_point(flow, max_lag=max_lag, mean=mean)
    rows = np.full((1 + flow.groups.n_groups, len(flow), len(_NAMES)), np.nan)
    random = np.full(len(flow), np.nan)
    flags, verdicts = [], []
    samples = flow.field.n_samples if flow.groups.kind == "samples" else 1
    for k, (level, quartic) in enumerate(zip(two, four, strict=True)):
        kernel, why = _kernel(level, samples)
        verdict = Verdict("cannot be told", why) if kernel is None else judge(kernel)
        verdicts.append(verdict)
        row = []
        for i, (number, flag) in enumerate(_numbers(level, kernel, quartic, verdict, why)):
            if number is not None:
                if np.isfinite(number.errors()).all():
                    rows[0, k, i], rows[1:, k, i] = number.values[0], number.replicates[:, 0]
                else:
                    flag = "; ".join(f for f in (flag, "unstable without some groups") if f)
            row.append(flag)
        flags.append(tuple(row))
        if kernel is not None:
            random[k] = kernel.profile.random
    return rows, flags, verdicts, random


def _kernel(level: Correlation, samples: int) -> tuple[QuadraticKernel | None, str]:
    try:
        return quadratic_kernel(level, n_samples=samples), ""
    except AnalysisError as error:
        return None, str(error).partition(": ")[2] or str(error)


def _numbers(
    level: Correlation,
    kernel: QuadraticKernel | None,
    quartic: FourPoint,
    verdict: Verdict,
    why: str,
) -> list[tuple[Replicates | None, str]]:
    """Return each number with its flag, in the order of the names."""
    out = [
        correlation_width(level),
        _try(lambda: fitted_lengths(spectrum(level))),
        _try(lambda: _second_moment(level)),
    ]
    if kernel is not None and np.ptp(kernel.profile.radius) == 0:
        kernel, why = None, "one distance only"
    if kernel is None:
        out += [(None, why)] * 6
    else:
        profile, flag = kernel.profile, kernel.flag
        noise_free = flag
        if verdict.kind == "none":
            noise_free = "; ".join(f for f in (flag, "off-site couplings are within noise") if f)
        second, quiet = profile.second_moment(), profile.noise_free_second_moment()
        out += [
            (second, flag),
            (_over(second, profile.random), flag),
            (quiet, noise_free),
            (_over(quiet, profile.random), noise_free),
            (profile.participation(), noise_free),
            _sigma(kernel, verdict),
        ]
    tail = quartic.profile
    moment = quartic.second_moment()
    if tail.radius.size > 1:
        second = tail.noise_free_second_moment()
        out += [(second, moment.flag), (_over(second, tail.random), moment.flag)]
    else:
        out += [(None, "fewer than two distances")] * 2
    out.append((quartic.plateau_replicates(), quartic.plateau().flag))
    return out


def _try(measure: Callable[[], tuple[Replicates | None, str]]) -> tuple[Replicates | None, str]:
    try:
        return measure()
    except AnalysisError as error:
        return None, str(error)


def _second_moment(level: Correlation) -> tuple[Replicates | None, str]:
    flag = second_moment_length(level).flag
    lengths = second_moment_lengths(level)
    return lengths if np.isfinite(lengths.values[0]) else None, flag


def _over(number: Replicates, unit: float) -> Replicates:
    return number.map(lambda one: one / unit)


def _sigma(kernel: QuadraticKernel, verdict: Verdict) -> tuple[Replicates | None, str]:
    """Return the exponent of the tail of a kernel that is called a power law."""
    if verdict.tail is None:
        return None, f"kernel: {verdict.kind}"
    d = kernel.profile.dimension
    return verdict.tail.parameters.select(1).map(lambda p: p - d), kernel.flag
