"""How local a quartic interaction is: its connected four-point function against that of a contact.

To leading order a contact term (lambda / 4!) int dz phi(z)^4 gives G_c^(4)(y_1 .. y_4) =
-lambda int dz prod_a G(y_a, z). What is left of a measured G_c^(4) after its projection on this
form is not local.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnrg.errors import AnalysisError, ArgumentError, NonFiniteError
from nnrg.stats._arrays import real_array
from nnrg.stats.estimate import Estimate, shown_number

__all__ = ["LocalityResidual", "contact_fit", "locality_residual"]

Array = npt.NDArray[np.float64]

# Combinations of contacts weaker than this share of the strongest are not told apart.
_RESOLVED = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LocalityResidual:
    """What of a connected four-point function no contact interaction makes.

    Attributes
    ----------
    residual : Estimate
        Norm of G_c^(4) + lambda sum_z prod G(y_a, z) over that of G_c^(4), dimensionless: 0 for a
        local interaction of one strength, 1 if nothing of it is local.
    residual_by_point : Estimate
        The same with a strength lambda_z of each point.
    coupling : Estimate
        lambda, at leading order, for a sum over points.
    couplings : array of shape (n_points,)
        lambda_z.
    noise : float
        Residual that the errors of G_c^(4) alone would make; NaN if they are not known.
    """

    residual: Estimate
    residual_by_point: Estimate
    coupling: Estimate
    couplings: Array
    noise: float

    def __post_init__(self) -> None:
        self.couplings.flags.writeable = False

    @property
    def flag(self) -> str:
        """Why it says nothing, if it does not."""
        if self.noise > 0.5:
            return f"locality cannot be told from these data: noise alone makes {self.noise:.2f}"
        return ""

    def __str__(self) -> str:
        one, each, strength = (
            shown_number(number.value, number.error)
            for number in (self.residual, self.residual_by_point, self.coupling)
        )
        text = (
            f"not local: {one} of |G_c^(4)|, {each} with a strength of each point; contact "
            f"strength {strength}"
        )
        if self.noise > 1e-8:
            text += f"; noise alone {self.noise:.2g}"
        return text


def locality_residual(
    kernel: npt.ArrayLike, quartic: npt.ArrayLike, *, errors: npt.ArrayLike | None = None
) -> LocalityResidual:
    """Project a connected four-point function on that of a contact interaction.

    Parameters
    ----------
    kernel : array_like of shape (n, n)
        G on the points, in the unit of the field squared. It is not inverted.
    quartic : array_like of shape (n, n, n, n)
        G_c^(4), in the unit of the field to the fourth.
    errors : array_like of shape (n, n, n, n), optional
        Of its entries.

    Returns
    -------
    LocalityResidual
        Least squares over all entries. The errors of the three numbers are not known from those of
        the entries and are NaN; `reconstruct_action` has them for samples.

    Raises
    ------
    ArgumentError
        If the shapes do not fit.
    NonFiniteError
        If a number is NaN or infinite.
    AnalysisError
        If the four-point function vanishes.

    Notes
    -----
    The integral over z is a sum over the points: a contact elsewhere is not in it. The points must
    reach a correlation length beyond those that matter, and lie as densely as the field is smooth.
    M. Demirtas et al., arXiv:2307.03223.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.theory.edgeworth.locality import locality_residual
    >>> x = np.arange(6)
    >>> g = 0.5 ** np.abs(x[:, None] - x)
    >>> contact = -0.1 * np.einsum("az,bz,cz,dz->abcd", g, g, g, g)
    >>> found = locality_residual(g, contact)
    >>> round(found.coupling.value, 12), found.residual.value < 1e-12
    (0.1, True)
    """
    g, full = real_array("a kernel", kernel), real_array("a four-point function", quartic)
    if g.ndim != 2 or g.shape[0] != g.shape[1] or full.shape != (len(g),) * 4:
        raise ArgumentError(
            f"a kernel of shape (n, n) and a four-point function of (n, n, n, n) are needed, got "
            f"{g.shape} and {full.shape}"
        )
    if not (np.isfinite(g).all() and np.isfinite(full).all()):
        raise NonFiniteError("kernel and four-point function must be finite, got NaN or infinity")
    size = float(np.sqrt(np.sum(full**2)))
    if not size > 0:
        raise AnalysisError("the connected four-point function vanishes: there is no interaction")
    found = contact_fit(g, full)
    noise = float("nan")
    if errors is not None:
        spread = real_array("errors", errors)
        if spread.shape != full.shape or not (spread >= 0).all() or not np.isfinite(spread).all():
            raise ArgumentError(
                f"errors must be standard deviations of all entries, shape {full.shape}, got shape "
                f"{spread.shape}"
            )
        noise = float(np.sqrt(np.sum(spread**2)) / size)
    numbers = [Estimate(float(v), float("nan")) for v in found[:3]]
    return LocalityResidual(
        residual=numbers[0],
        residual_by_point=numbers[1],
        coupling=numbers[2],
        couplings=np.array(found[3:]),
        noise=noise,
    )


def contact_fit(legs: Array, quartic: Array) -> Array:
    """Return both residuals, lambda, and lambda_z, shape (3 + n_z,).

    `legs` of shape (n_modes, n_z) is G from a mode, or point, to z; `quartic` has n_modes to the 4.
    Neither the design matrix nor its entries are formed: products of contacts are powers.
    """
    gram = (legs.T @ legs) ** 4
    target = -np.einsum("abcd,az,bz,cz,dz->z", quartic, legs, legs, legs, legs, optimize="greedy")
    whole = float(np.sum(quartic**2))
    strength = float(target.sum() / gram.sum())
    by_point = np.linalg.lstsq(gram, target, rcond=_RESOLVED)[0]
    # ||Q + A lambda||^2 by its parts cancels to rounding for a local interaction: form it.
    residuals = []
    for lam in (np.full(len(by_point), strength), by_point):
        contact = np.einsum("z,az,bz,cz,dz->abcd", lam, legs, legs, legs, legs, optimize="greedy")
        residuals.append(float(np.sqrt(np.sum((quartic + contact) ** 2) / whole)))
    return np.array([*residuals, strength, *by_point])
