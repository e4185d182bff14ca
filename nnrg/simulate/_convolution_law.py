"""Members of an ensemble of convolutional networks, by the exact law of their layers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from nnrg.simulate._network_law import factors
from nnrg.simulate._network_weights import available_threads
from nnrg.simulate.architectures import ConvolutionalNetwork

__all__ = ["ConvolutionLawSampler"]

Floats = npt.NDArray[np.float64]

# Members that are drawn together, at most, and numbers of a layer of all of them.
_TOGETHER, _NUMBERS = 64, 1 << 18


class ConvolutionLawSampler:
    """Metrics, outputs and local metrics of members, each with random numbers of its own.

    Given a layer, the preactivations of the next are independent over its channels and Gaussian
    over positions and inputs.

    Parameters
    ----------
    net : ConvolutionalNetwork
        With normal weights.
    inputs : array of shape (k, channels, positions)
    seed : SeedSequence
    """

    def __init__(
        self, net: ConvolutionalNetwork, inputs: Floats, seed: np.random.SeedSequence
    ) -> None:
        self._net, self._k = net, len(inputs)
        self._pairs = np.tril_indices(self._k)
        self._key = seed.generate_state(1, np.uint64)[0]
        # Positions first, then inputs.
        flat = inputs.transpose(2, 0, 1).reshape(-1, inputs.shape[1])
        self._gram = flat @ flat.T / inputs.shape[1]

    @property
    def members(self) -> int:
        """How many members to ask for at a time."""
        return 8 * self._together()

    def _together(self) -> int:
        numbers = len(self._gram) * max(len(self._gram), *self._net.widths)
        return max(1, min(_TOGETHER, _NUMBERS // numbers))

    def draw(self, first: int, stop: int) -> tuple[Floats, Floats, Floats]:
        """Return what `WeightSampler.draw` returns."""
        from threadpoolctl import threadpool_limits

        net, members, layers = self._net, stop - first, self._net.n_hidden + 1
        metrics = np.empty((members, layers, self._pairs[0].size))
        local = np.empty((members, layers, net.positions, self._pairs[0].size))
        outputs = np.empty((members, net.n_outputs, self._k))
        size = self._together()

        def some(start: int) -> None:
            part = slice(start, min(start + size, members))
            # What overflows is named by those who sum it.
            with np.errstate(over="ignore", invalid="ignore"):
                self._propagate(first + start, metrics[part], local[part], outputs[part])

        # Threads of their own in the products would only get into each other's way.
        with threadpool_limits(1), ThreadPoolExecutor(available_threads()) as pool:
            list(pool.map(some, range(0, members, size)))
        return metrics, outputs, local

    def _propagate(self, first: int, metrics: Floats, local: Floats, outputs: Floats) -> None:
        from nnrg_kernels.layer_law import member_normals

        net, members, places = self._net, len(metrics), len(self._gram)
        reach, counter = net.kernel_size // 2, 1

        def layer(covariance: Floats, width: int) -> Floats:
            nonlocal counter
            size = covariance.shape[1]
            g = np.empty((members, size * width))
            member_normals(self._key, first, counter, g)
            counter += (size * width + 1) // 2
            return np.asarray(factors(covariance) @ g.reshape(members, size, width))

        gram = np.broadcast_to(self._gram, (members, places, places))
        for t, (sigma_w, sigma_b) in enumerate(net.sigmas):
            if t < net.n_hidden:
                # One step along the ring is k places, of all inputs.
                steps = [s * self._k for s in range(-reach, reach + 1)]
                window = sum(np.roll(gram, (s, s), axis=(1, 2)) for s in steps)
                covariance = sigma_w**2 / net.kernel_size * window + sigma_b**2
            else:
                covariance = sigma_w**2 * gram + sigma_b**2
            own = self._own_positions(covariance)
            local[:, t] = own
            metrics[:, t] = own.mean(axis=1)
            if t < net.n_hidden:
                phi = net.activations[t](layer(covariance, net.widths[t]))
                gram = phi @ phi.transpose(0, 2, 1) / net.widths[t]
        rows, columns = self._pairs
        last = np.empty((members, self._k, self._k))
        last[:, rows, columns] = last[:, columns, rows] = metrics[:, -1]
        outputs[:] = layer(last, net.n_outputs).transpose(0, 2, 1)

    def _own_positions(self, covariance: Floats) -> Floats:
        """Return the packed metric at each position, shape (members, positions, pairs)."""
        positions, (rows, columns) = self._net.positions, self._pairs
        at = self._k * np.arange(positions)[:, None]
        return np.asarray(covariance[:, at + rows, at + columns])
