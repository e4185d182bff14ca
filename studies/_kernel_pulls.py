"""Deviations of ensembles that are drawn from the law itself, by the estimator of the study."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from _kernel_report import Found
from _report import table

from nnrg.theory.synaptic.trained_flow import TrainedKernelFlow, compare_kernel_flow
from nnrg.theory.synaptic.trained_law import TrainedLaw

__all__ = ["of_pulls", "pulls_of_law"]

Array = npt.NDArray[np.float64]


def pulls_of_law(
    law: TrainedLaw, found: TrainedKernelFlow, reach: int, draws: int, seed: int
) -> Array:
    """Return deviations as `found` has them of fields drawn from the law, (draws, numbers)."""
    rng = np.random.default_rng([seed, 1])
    values, modes = np.linalg.eigh(law.covariance)
    root = modes * np.sqrt(np.maximum(values, 0.0))
    rows = []
    for _ in range(draws):
        fields = rng.normal(size=(found.n_samples, len(root))) @ root.T
        one = compare_kernel_flow(
            law, fields, levels=len(found.scales), distances=found.distances.size, reach=reach
        )
        rows.append(one.deviations().ravel())
    return np.array(rows)


def of_pulls(found: Sequence[Found], pulls: Sequence[Array]) -> list[str]:
    """Write how far trained fields deviate beside how far drawn ones do."""
    parts = [one.against_law.deviations().ravel() for one in found]
    rows = [_row(one.experiment.title, z, p) for one, z, p in zip(found, parts, pulls, strict=True)]
    least = min(len(p) for p in pulls)
    together = _row("all together", np.concatenate(parts), np.hstack([p[:least] for p in pulls]))
    together[3] = ""  # of one experiment alone
    rows.append(together)
    return [
        "## How far numbers should deviate",
        "",
        "Deviations in sigmas of the trained fields, and of ensembles of as many fields drawn from "
        "the same laws, by the same estimator. Over ensembles the standard deviation of each "
        "number should be 1; where it is less, the jackknife of an inverse covariance is too "
        "large, the more so the more modes are inverted (256 of photographs, 64 of rings). Within "
        "one ensemble the numbers of an experiment rise and fall together (the correlation of K(0) "
        "and K(1) at b = 1 is in the table), so that their spread about their own mean is less "
        "than 1 with right errors.",
        "",
        *table(
            [
                "linear neurons", "numbers", "s.d. of each over ensembles (least to largest)",
                "correlation", "s.d. in one ensemble, 95 %", "s.d. of the trained",
                "ensembles with less", "mean of the trained", "largest",
            ],
            rows,
        ),
    ]  # fmt: skip


def _row(title: str, z: Array, pulls: Array) -> list[str]:
    each, within = pulls.std(axis=0, ddof=1), pulls.std(axis=1)
    low, high = np.quantile(within, [0.025, 0.975])
    alike = float(np.corrcoef(pulls[:, 0], pulls[:, 1])[0, 1])
    return [
        title,
        str(z.size),
        f"{each.mean():.2f} ({each.min():.2f} to {each.max():.2f})",
        f"{alike:+.2f}",
        f"{low:.2f} to {high:.2f}",
        f"{z.std():.2f}",
        f"{(within < z.std()).sum()} of {len(within)}",
        f"{z.mean():+.2f}",
        f"{np.abs(z).max():.1f}",
    ]
