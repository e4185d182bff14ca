"""The law of a weight field at the end of training, on the modes that the data have."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np

from nnrg._validate import as_count, as_real, shown
from nnrg.errors import AnalysisError, ArgumentError
from nnrg.theory.synaptic._trained_law import TrainedLaw
from nnrg.theory.synaptic.vertices import PerceptronVertices

__all__ = ["relaxed_law"]

# Rounding: modes of less curvature than this share of the largest are none.
_LEAST = 1e-10


def relaxed_law(
    vertices: PerceptronVertices, *, least_curvature: float = 0.0, output: int = 0
) -> TrainedLaw:
    r"""Return the law that the kernel of the data alone gives weights, also where it is singular.

    Parameters
    ----------
    vertices : PerceptronVertices
        To second order at least.
    least_curvature : float
        Modes of the kernel of less curvature are left out: those that the data do not have, and
        those that a training has not reached.
    output : int

    Returns
    -------
    TrainedLaw
        Per unit of temperature, which `compare_kernel_flow` fits.

    Raises
    ------
    ArgumentError
        If a number is out of range, or every mode is left out.
    AnalysisError
        If there is no V_2, or the kernel has no positive curvature.

    Notes
    -----
    With U the modes of K above the cut, the weights on them have the covariance
    :math:`T\, U (U^T K U)^{-1} U^T`. Blocks have the inverse of what is left of that in the block
    modes, on those of which more than half lies in the span of U: patches without their mean have
    no uniform mode at any scale. The cut is by the data alone, the same for all fields and nulls.
    Derived here.

    Examples
    --------
    Patches of mean zero have no uniform mode:

    >>> import numpy as np
    >>> from nnrg.theory.synaptic.perceptron import perceptron_vertices
    >>> from nnrg.theory.synaptic.support_law import relaxed_law
    >>> x = np.random.default_rng(1).normal(size=(60, 8))
    >>> x -= x.mean(axis=1, keepdims=True)
    >>> law = relaxed_law(perceptron_vertices(x, activation="linear", order=2))
    >>> law.support.shape
    (8, 7)
    """
    if not isinstance(vertices, PerceptronVertices):
        raise ArgumentError(
            f"vertices must be PerceptronVertices, got {shown(vertices)}; see perceptron_vertices"
        )
    if vertices.order < 2:
        raise AnalysisError("the quadratic kernel is V_2; take vertices of order 2 or more")
    cut = as_real("least_curvature", least_curvature)
    if cut < 0:
        raise ArgumentError(f"least_curvature must not be negative, got {cut:g}")
    o = as_count("output", output, 0, vertices.shape[0] - 1)
    found, modes = np.linalg.eigh(vertices.kernel(output=o))
    curvatures, modes = found[::-1], modes[:, ::-1]
    if not curvatures[0] > 0:
        raise AnalysisError("the kernel of the data has no positive curvature; give other data")
    kept = curvatures > max(cut, _LEAST * curvatures[0])
    if not kept.any():
        raise ArgumentError(
            f"least_curvature {cut:g} is above all curvatures, of which the largest is "
            f"{curvatures[0]:.4g}; take less"
        )
    support = modes[:, kept]
    spread = (support / curvatures[kept]) @ support.T
    count = int(kept.sum())
    linear = vertices.loss.name == "mse" and vertices.activation.name == "linear"
    return TrainedLaw(
        mean=np.zeros(len(modes)),
        covariance=(spread + spread.T) / 2,
        parts={"temperature": float(np.trace(spread) / len(modes))},
        curvatures=np.maximum(curvatures, 0.0),
        left=np.where(kept, 0.0, 1.0),
        sites=vertices.sites,
        spacing=vertices.spacing,
        n_samples=vertices.n_samples,
        steps=None,
        support=support,
        temperature_free=True,
        gaussian=linear,
        assumptions=(
            f"the kernel of the data alone, on {count} of {len(modes)} modes, of curvature "
            f"{curvatures[kept][-1]:.3g} and more; per unit of temperature",
        ),
        provenance=MappingProxyType({**vertices.provenance, "least_curvature": cut}),
    )
