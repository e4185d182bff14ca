"""What is summed over the members of an ensemble of networks as they pass by."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from nnrg.errors import ArgumentError, NonFiniteError
from nnrg.simulate._checkpoint import Arrays
from nnrg.stats.joint_cumulants import JointCumulants, JointMoments

__all__ = ["NetworkStatistics", "input_pairs"]

Floats = npt.NDArray[np.float64]


def input_pairs(k: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the inputs (a, b) with a <= b of each entry of a packed metric."""
    rows, columns = np.tril_indices(k)
    return columns, rows


# Of all layers together; each is kept for 128 groups of networks.
_MOST_PRODUCTS = 2_000_000


class NetworkStatistics:
    """Sums over networks: metrics and what is made of them per layer, outputs, local metrics."""

    def __init__(self, k: int, layers: int, n_outputs: int, order: int, positions: int) -> None:
        self._k, self._pairs = k, k * (k + 1) // 2
        if layers * (self._pairs + 3) ** 2 > _MOST_PRODUCTS:
            raise ArgumentError(
                f"{layers} layers with {self._pairs} pairs of inputs have more products of two "
                f"metrics than are kept; take fewer inputs or layers"
            )
        self.notes: tuple[str, ...] = ()
        self.metric = [JointMoments(self._pairs, 2) for _ in range(layers - 1)]
        try:
            self.metric.append(JointMoments(self._pairs, max(2, order // 2)))
        except ArgumentError:  # too many products
            self.metric.append(JointMoments(self._pairs, 2))
            self.notes = (
                f"sixth-order correlators from metrics left out: {self._pairs} pairs of inputs",
            )
        self.log_metric = [JointMoments(k, 2) for _ in range(layers)]
        self.cosine = [JointMoments(k * (k - 1) // 2, 2) for _ in range(layers if k > 1 else 0)]
        self.output = [JointMoments(n_outputs * k, order)] if n_outputs else []
        places = positions * self._pairs
        self.local = [JointMoments(places, 1) for _ in range(layers if places else 0)]

    def _parts(self) -> dict[str, list[JointMoments]]:
        return {
            "metric": self.metric,
            "log_metric": self.log_metric,
            "cosine": self.cosine,
            "output": self.output,
            "local": self.local,
        }

    def add(self, metrics: Floats, outputs: Floats, local: Floats | None) -> None:
        """Sum more networks: (members, layers, pairs), (members, n_outputs, k), local metrics."""
        finite = np.asarray(np.isfinite(metrics).all(axis=2))
        if not finite.all():
            layer = int(np.argmin(finite.all(axis=0)))
            raise NonFiniteError(
                f"the metric after {layer} hidden layers is not finite in "
                f"{int((~finite[:, layer]).sum())} of {len(finite)} networks: it grows without "
                "bound; lower sigma_w, or take fewer layers"
            )
        first, second = input_pairs(self._k)
        diagonal = metrics[:, :, first == second]
        for t, moments in enumerate(self.metric):
            moments.add(metrics[:, t])
            # A network whose neurons are all silent has a metric of zero from there on.
            alive = (diagonal[:, t] > 0).all(axis=1)
            lengths = diagonal[alive, t]
            self.log_metric[t].add(np.log(lengths))
            if self.cosine:
                apart = first < second
                norm = np.sqrt(lengths[:, first[apart]]) * np.sqrt(lengths[:, second[apart]])
                self.cosine[t].add(metrics[alive, t][:, apart] / norm)
        for moments in self.output:
            moments.add(outputs.reshape(len(outputs), -1))
        if local is not None:
            for t, moments in enumerate(self.local):
                moments.add(local[:, t].reshape(len(local), -1))

    def state(self) -> Arrays:
        """Return copies of all sums."""
        return {
            f"{name}_{t}_{key}": array
            for name, parts in self._parts().items()
            for t, moments in enumerate(parts)
            for key, array in moments.state().items()
        }

    def restore(self, state: Mapping[str, npt.NDArray[np.float64]]) -> None:
        """Go on from such sums."""
        for name, parts in self._parts().items():
            for t, moments in enumerate(parts):
                prefix = f"{name}_{t}_"
                moments.restore({key: state[prefix + key] for key in moments.state()})

    # -- what comes of them ------------------------------------------------------------------------

    def metrics(self) -> tuple[JointCumulants, ...]:
        """Return the cumulants of the metric per layer."""
        a, b = input_pairs(self._k)
        names = [f"K({i},{j})" for i, j in zip(a, b, strict=True)]
        return tuple(m.cumulants(names) for m in self.metric)

    def log_metrics(self) -> tuple[JointCumulants | None, ...]:
        """Return those of the logarithms of its diagonal in networks that are not silent."""
        names = [f"ln K({a},{a})" for a in range(self._k)]
        return tuple(_if_enough(m, names) for m in self.log_metric)

    def cosines(self) -> tuple[JointCumulants | None, ...]:
        """Return those of the cosines between inputs in networks that are not silent."""
        a, b = input_pairs(self._k)
        names = [f"c({i},{j})" for i, j in zip(a, b, strict=True) if i < j]
        return tuple(_if_enough(m, names) for m in self.cosine)

    def outputs(self) -> JointCumulants | None:
        """Return those of the outputs."""
        if not self.output:
            return None
        n_outputs = self.output[0].n_variables // self._k
        names = [f"z{i}({a})" for i in range(n_outputs) for a in range(self._k)]
        return self.output[0].cumulants(names)


def _if_enough(moments: JointMoments, names: list[str]) -> JointCumulants | None:
    return moments.cumulants(names) if moments.n_samples >= 10 else None
