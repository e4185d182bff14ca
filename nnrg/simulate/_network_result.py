"""What an ensemble of random networks says: metrics, cosines, connected correlators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from nnrg._validate import as_count
from nnrg.errors import AnalysisError
from nnrg.simulate._total_cumulance import conditional_cumulants
from nnrg.simulate.architectures import ConvolutionalNetwork, DenseNetwork
from nnrg.stats._heavy_tails import heavy_tail
from nnrg.stats._set_partitions import pairings
from nnrg.stats.estimate import Estimate, format_value_error
from nnrg.stats.joint_cumulants import JointCumulants
from nnrg.stats.replicates import Replicates

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RandomNetworks"]

Floats = npt.NDArray[np.float64]
Leg = int | tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class RandomNetworks:
    """Statistics of independent random networks on k inputs, layer by layer.

    A layer is counted by the number t = 0 .. T of hidden layers before it: the metric of t = 0 is
    that of the inputs, the one of T the covariance of the outputs of one network.

    Attributes
    ----------
    architecture : DenseNetwork or ConvolutionalNetwork
    inputs : array of shape (k, ...)
    n_networks : int
    method : str
        ``"layer law"`` or ``"weights"``.
    seed : tuple of str
        Entropy, and spawn key, of the seed.
    metrics : tuple of T + 1 JointCumulants
        Of the entries K(a,b), a <= b, in the order K(0,0), K(0,1), K(1,1), K(0,2), ...; to second
        order, the last to half that of the correlators if this is more. Averaged over positions in
        a convolutional network.
    log_metrics : tuple of T + 1 JointCumulants or None
        Of ln K(a,a), in networks where no input has a metric of zero; None if fewer than ten.
    cosines : tuple of T + 1 JointCumulants or None
        Of K(a,b) / sqrt(K(a,a) K(b,b)), a < b, in the same networks; empty for one input.
    outputs : JointCumulants or None
        Of the outputs themselves, variable i k + a for output i and input a.
    local_metrics : tuple of T + 1 JointCumulants
        Means of the entries of the metric at each position x of a convolutional network, variable x
        k (k + 1) / 2 + entry; of T without the window of a kernel. Empty for others.
    alive : tuple of T + 1 int
        Networks where no input has a metric of zero.
    metric_samples : array of shape (n_networks, T + 1, k (k + 1) / 2) or None
    output_samples : array of shape (n_networks, n_outputs, k) or None
    notes : tuple of str
        What was left out, and why.
    provenance : dict
        Versions, threads, and times.
    """

    architecture: DenseNetwork | ConvolutionalNetwork
    inputs: Floats
    n_networks: int
    method: str
    seed: tuple[str, ...]
    metrics: tuple[JointCumulants, ...]
    log_metrics: tuple[JointCumulants | None, ...]
    cosines: tuple[JointCumulants | None, ...]
    outputs: JointCumulants | None
    local_metrics: tuple[JointCumulants, ...]
    alive: tuple[int, ...]
    metric_samples: Floats | None
    output_samples: Floats | None
    notes: tuple[str, ...]
    provenance: dict[str, str | int]

    def __post_init__(self) -> None:
        for array in (self.inputs, self.metric_samples, self.output_samples):
            if array is not None:
                array.flags.writeable = False

    @property
    def n_inputs(self) -> int:
        """Number k of inputs."""
        return len(self.inputs)

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the numbers rest on."""
        how = "every weight drawn"
        if self.method == "layer law":
            how = "preactivations drawn by their exact law given the layer before, at any width"
        return ("independent networks", how, "biases normal and independent of the weights")

    # -- metrics -----------------------------------------------------------------------------------

    def _layer(self, t: int) -> int:
        return as_count("t", t, 0, len(self.metrics) - 1)

    def _entry(self, a: int, b: int) -> int:
        low, high = sorted(as_count("input", i, 0, self.n_inputs - 1) for i in (a, b))
        return high * (high + 1) // 2 + low

    def metric(self, t: int, a: int = 0, b: int | None = None) -> Estimate:
        """Return the mean over networks of K(a,b) after t hidden layers; b is a if left out."""
        return self.metrics[self._layer(t)].estimate(self._entry(a, a if b is None else b))

    def metric_covariance(
        self, t: int, first: tuple[int, int] = (0, 0), second: tuple[int, int] | None = None
    ) -> Estimate:
        """Return the covariance over networks of two entries of the metric after t layers."""
        one = self._entry(*first)
        other = one if second is None else self._entry(*second)
        return self.metrics[self._layer(t)].estimate(one, other)

    def relative_variance(self, t: int, a: int = 0) -> Estimate:
        """Return Var K(a,a) / (mean K(a,a))^2 after t hidden layers, dimensionless."""
        at, cumulants = self._entry(a, a), self.metrics[self._layer(t)]
        pair = cumulants.replicates.select([cumulants.place(at), cumulants.place(at, at)])
        return self._estimate(pair.map(lambda v: v[1:] / v[:1] ** 2))

    def _estimate(self, one: Replicates, flag: str = "", null: float | None = None) -> Estimate:
        flag = flag or heavy_tail(one)
        found = one.estimates(n_samples=self.n_networks)[0]
        return Estimate(found.value, found.error, found.n_samples, null=null, flag=flag)

    def log_metric(self, t: int, a: int = 0) -> Estimate:
        """Return the mean of ln K(a,a), in networks that are not silent after t layers."""
        found = self.log_metrics[self._layer(t)]
        if found is None:
            raise AnalysisError(
                f"only {self.alive[t]} of {self.n_networks} networks are not silent after {t} "
                "hidden layers, ten are needed; take wider networks, or fewer layers"
            )
        return self._among_alive(found.estimate(a), t)

    def cosine(self, t: int, a: int = 0, b: int = 1) -> Estimate:
        """Return the mean of the cosine between two inputs, in networks that are not silent."""
        low, high = sorted((a, b))
        found = self.cosines[self._layer(t)] if self.cosines else None
        if found is None or low == high:
            raise AnalysisError(
                f"no cosine of inputs {a} and {b} after {t} hidden layers: two different inputs "
                f"and ten networks that are not silent are needed, got {self.alive[t]}"
            )
        as_count("input", high, 1, self.n_inputs - 1)
        return self._among_alive(found.estimate(high * (high - 1) // 2 + low), t)

    def _among_alive(self, found: Estimate, t: int) -> Estimate:
        silent = self.n_networks - self.alive[t]
        flag = f"{silent} silent networks left out" if silent else ""
        return Estimate(found.value, found.error, found.n_samples, flag=flag)

    # -- connected correlators ---------------------------------------------------------------------

    def correlator(self, *legs: Leg, t: int | None = None) -> Estimate:
        r"""Return a connected correlator of outputs, by the law of total cumulance.

        Parameters
        ----------
        *legs : int or (int, int)
            Inputs of one output, or (output, input): as many as its order, any outputs.
        t : int, optional
            Of preactivations after t hidden layers of a dense network instead: neurons in place of
            outputs.

        Raises
        ------
        AnalysisError
            If the weights are not normal, or the order is higher than was measured.

        Notes
        -----
        Given the metric K of a network its outputs are Gaussian, and independent of each other.
        Therefore

        .. math:: \kappa(z_{i_1}(a_1) \ldots z_{i_{2m}}(a_{2m})) = \sum_{\text{pairings}}
                  \prod_{(p, q)} \delta_{i_p i_q} \; \kappa_m(K_{a_p a_q}, \ldots) ,

        the joint cumulants of the metric over networks: of four legs its covariances, of six its
        third cumulants. Correlators of odd order are zero exactly. Errors are far smaller than
        those of `outputs`, which are the same numbers from one draw of the outputs a network.
        """
        pairs = [leg if isinstance(leg, tuple) else (0, leg) for leg in legs]
        depth = len(self.metrics) - 1
        layer = depth if t is None else self._layer(t)
        dense = isinstance(self.architecture, DenseNetwork) and not self.architecture.residual
        if 0 < layer < depth and not dense:
            raise AnalysisError(
                "preactivations of a hidden layer are Gaussian given the metric in dense networks "
                f"without residual connections, got {self.architecture}; leave t out"
            )
        order = self._known_order(len(pairs), layer)
        cumulants = self.metrics[layer]
        if order % 2:
            return Estimate(0.0, 0.0, self.n_networks, null=0.0)
        places = []
        for pairing in pairings(tuple(range(order))):
            if all(pairs[p][0] == pairs[q][0] for p, q in pairing):
                entries = [self._entry(pairs[p][1], pairs[q][1]) for p, q in pairing]
                places.append(cumulants.place(*entries))
        if not places:
            return Estimate(0.0, 0.0, self.n_networks, null=0.0)
        total = cumulants.replicates.select(places).map(lambda v: np.array([v.sum()]))
        return self._estimate(total, cumulants.flag(order // 2), null=0.0)

    def _known_order(self, order: int, t: int = -1) -> int:
        if not self.architecture.is_normal:
            raise AnalysisError(
                "outputs are Gaussian given the metric only with normal weights, got "
                f"{self.architecture.law.name}; take them from outputs"
            )
        most = 2 * self.metrics[t].order
        if not 1 <= order <= most:
            raise AnalysisError(
                f"correlators of order 1 to {most} were measured, got {order} legs; ask "
                "random_networks for a higher order"
            )
        return order

    def correlators(self, order: int = 4) -> JointCumulants:
        """Return all connected correlators of one output over the inputs, to an even order.

        See Also
        --------
        correlator : the formula.
        """
        self._known_order(order)
        return conditional_cumulants(self.metrics[-1], self.n_inputs, order, self.assumptions)

    def excess_kurtosis(self, a: int = 0) -> Estimate:
        """Return the fourth cumulant of an output over its variance squared, dimensionless."""
        self._known_order(4)
        ratio = self.relative_variance(len(self.metrics) - 1, a)
        return Estimate(
            3 * ratio.value, 3 * ratio.error, self.n_networks, null=0.0, flag=ratio.flag
        )

    # -- tables ------------------------------------------------------------------------------------

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row a layer and quantity: ``hidden_layers, quantity, value, error, flag``.

        Quantities are ``K(a,b)``, ``Var K(a,b)``, ``ln K(a,a)`` and ``c(a,b)``: means and variances
        over networks.
        """
        import pandas as pd

        rows: list[tuple[int, str, float, float, str]] = []
        for t, metric in enumerate(self.metrics):
            for at, name in enumerate(metric.names):
                for label, legs in ((name, (at,)), (f"Var {name}", (at, at))):
                    one = metric.estimate(*legs)
                    rows.append((t, label, one.value, one.error, one.flag))
            others = (self.log_metrics[t], self.cosines[t] if self.cosines else None)
            for found in others:
                for at, name in enumerate(() if found is None else found.names):
                    assert found is not None
                    one = self._among_alive(found.estimate(at), t)
                    rows.append((t, name, one.value, one.error, one.flag))
        return pd.DataFrame(rows, columns=["hidden_layers", "quantity", "value", "error", "flag"])

    def __str__(self) -> str:
        head = [
            f"{self.n_networks} networks by {self.method}: {self.architecture}",
            " t  K(0,0)  Var K / K^2  ln K(0,0)" + ("  c(0,1)" if self.cosines else ""),
        ]
        lines = []
        for t in range(len(self.metrics)):
            parts = [_shown(self.metric(t)), _shown(self.relative_variance(t))]
            parts.append(_shown(self.log_metric(t)) if self.log_metrics[t] is not None else "-")
            if self.cosines:
                parts.append(_shown(self.cosine(t)) if self.cosines[t] is not None else "-")
            lines.append(f"{t:2d}  " + "  ".join(parts))
        if len(lines) > 20:
            lines = [*lines[:10], f"    ... {len(lines) - 19} layers ...", *lines[-9:]]
        if self.architecture.is_normal:
            excess = self.excess_kurtosis()
            lines.append(
                f"excess kurtosis of an output {format_value_error(excess.value, excess.error)}"
            )
        silent = self.n_networks - self.alive[-1]
        if silent:
            lines.append(f"! {silent} networks silent after the last layer, left out of ln K and c")
        return "\n".join([*head, *lines, *(f"! {note}" for note in self.notes)])


def _shown(found: Estimate) -> str:
    # What is the same in all networks has no error.
    return f"{found.value:.6g}" if found.error == 0 else str(found)
