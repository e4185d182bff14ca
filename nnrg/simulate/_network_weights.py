"""Members of an ensemble of networks, with all their weights drawn."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from nnrg.simulate.architectures import ConvolutionalNetwork, DenseNetwork

__all__ = ["WeightSampler", "available_threads"]

Floats = npt.NDArray[np.float64]

# Networks that are drawn together, at most, and numbers of the largest layer of all of them.
_TOGETHER, _NUMBERS = 64, 1 << 18


class WeightSampler:
    """Metrics and outputs of members of an ensemble, each with a generator of its own.

    Parameters
    ----------
    net : DenseNetwork or ConvolutionalNetwork
    inputs : array of shape (k, d), or (k, channels, positions) of a convolutional network
    seed : SeedSequence
    """

    def __init__(
        self,
        net: DenseNetwork | ConvolutionalNetwork,
        inputs: Floats,
        seed: np.random.SeedSequence,
    ) -> None:
        self._net = net
        self._inputs = np.ascontiguousarray(np.moveaxis(inputs, 0, -1))
        self._k = len(inputs)
        self._rows, self._columns = np.tril_indices(self._k)
        self._seed = seed

    @property
    def members(self) -> int:
        """How many members to ask for at a time: few where one takes long."""
        return max(_TOGETHER // 4, min(8 * _TOGETHER, 16 * _NUMBERS // self._largest_layer()))

    def draw(self, first: int, stop: int) -> tuple[Floats, Floats, Floats]:
        """Return metrics, outputs and local metrics of members.

        Shapes are (members, T + 1, pairs), (members, n_outputs, k) and (members, T + 1, positions,
        pairs); of a dense network there are no positions.
        """
        from threadpoolctl import threadpool_limits

        net, members, depth = self._net, stop - first, self._net.n_hidden + 1
        positions = net.positions if isinstance(net, ConvolutionalNetwork) else 0
        metrics = np.empty((members, depth, self._rows.size))
        local = np.empty((members, depth, positions, self._rows.size))
        outputs = np.empty((members, net.n_outputs, self._k))

        def some(start: int) -> None:
            part = slice(start, min(start + size, members))
            rngs = [self._generator(first + m) for m in range(part.start, part.stop)]
            # What overflows is named by those who sum it.
            with np.errstate(over="ignore", invalid="ignore"):
                if isinstance(net, ConvolutionalNetwork):
                    self._convolve(net, rngs, metrics[part], local[part], outputs[part])
                else:
                    self._feed_forward(net, rngs, metrics[part], outputs[part])

        size = max(1, min(_TOGETHER, _NUMBERS // self._largest_layer()))
        # Threads of their own in the products would only get into each other's way.
        with threadpool_limits(1), ThreadPoolExecutor(available_threads()) as pool:
            list(pool.map(some, range(0, members, size)))
        return metrics, outputs, local

    def _generator(self, member: int) -> np.random.Generator:
        key = (*self._seed.spawn_key, member)
        sequence = np.random.SeedSequence(self._seed.entropy, spawn_key=key)
        return np.random.Generator(np.random.SFC64(sequence))

    def _largest_layer(self) -> int:
        """Return how many numbers the weights, or the activations, of a layer are at most."""
        net, sizes = self._net, [len(self._inputs), *self._net.widths]
        window = net.kernel_size if isinstance(net, ConvolutionalNetwork) else 1
        places = net.positions if isinstance(net, ConvolutionalNetwork) else 1
        pairs = zip(sizes, [*sizes[1:], net.n_outputs * places], strict=True)
        return max(max(a * b * window, a * places * window * self._k) for a, b in pairs)

    def _drawn(
        self, rngs: list[np.random.Generator], n: int, fan_in: int, sigmas: Floats
    ) -> tuple[Floats, Floats]:
        """Return weights (members, n, fan_in) and biases (members, n, 1) of a layer."""
        weights, biases = np.empty((len(rngs), n, fan_in)), np.empty((len(rngs), n, 1))
        for m, rng in enumerate(rngs):
            weights[m] = self._net.law.draw(rng, (n, fan_in))
            biases[m] = rng.standard_normal((n, 1))
        weights *= sigmas[0] / np.sqrt(fan_in)
        biases *= sigmas[1]
        return weights, biases

    def _feed_forward(
        self,
        net: DenseNetwork,
        rngs: list[np.random.Generator],
        metrics: Floats,
        outputs: Floats,
    ) -> None:
        h = np.broadcast_to(self._inputs, (len(rngs), *self._inputs.shape))
        z = np.zeros((len(rngs), 1, 1))
        for t, sigmas in enumerate(net.sigmas):
            n = h.shape[1]
            metrics[:, t] = sigmas[0] ** 2 / n * self._packed(h) + sigmas[1] ** 2
            last = t == net.n_hidden
            carried = net.residual and 0 < t < net.n_hidden
            if carried:
                metrics[:, t] += net.residual**2 / n * self._packed(z)
            weights, biases = self._drawn(rngs, net.n_outputs if last else net.widths[t], n, sigmas)
            new = weights @ h + biases
            if last:
                outputs[:] = new
                return
            z = new + net.residual * z if carried else new
            h = net.activations[t](z)

    def _convolve(
        self,
        net: ConvolutionalNetwork,
        rngs: list[np.random.Generator],
        metrics: Floats,
        local: Floats,
        outputs: Floats,
    ) -> None:
        members, reach = len(rngs), net.kernel_size // 2
        shifts = range(-reach, reach + 1)
        h = np.broadcast_to(self._inputs, (members, *self._inputs.shape))
        for t, sigmas in enumerate(net.sigmas):
            n = h.shape[1]
            square = sigmas[0] ** 2 / n * self._packed(h) + sigmas[1] ** 2
            metrics[:, t] = square.mean(axis=1)
            if t == net.n_hidden:
                # Outputs see every position: their covariance is the mean over positions.
                local[:, t] = square
                whole = h.reshape(members, n * net.positions, self._k)
                weights, biases = self._drawn(rngs, net.n_outputs, n * net.positions, sigmas)
                outputs[:] = weights @ whole + biases
                return
            local[:, t] = sum(np.roll(square, s, axis=1) for s in shifts) / net.kernel_size
            # Row (c, delta) holds channel c at x + delta.
            seen = np.stack([np.roll(h, -s, axis=2) for s in shifts], axis=2)
            weights, biases = self._drawn(rngs, net.widths[t], n * net.kernel_size, sigmas)
            z = weights @ seen.reshape(members, n * net.kernel_size, -1) + biases
            z = z.reshape(members, net.widths[t], net.positions, self._k)
            h = net.activations[t](z)

    def _packed(self, values: Floats) -> Floats:
        """Return the sums over neurons, the second axis, of products of pairs of inputs, packed."""
        gram = np.einsum("mn...a,mn...b->m...ab", values, values)
        return np.asarray(gram[..., self._rows, self._columns])


def available_threads() -> int:
    """Return how many cores there are for us."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
