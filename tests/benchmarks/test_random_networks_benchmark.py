"""How fast ensembles of random networks are drawn, and how fast their correlators are summed.

Times are processor times of all threads, which a busy machine changes least, and every ratio is of
one process, in turns. Pass marks are the goals: 100 000 networks of width 512, depth 8 in 60 s on
two cores (120 s of processor time), 30 times faster than with weights drawn; correlators to
sixth order no slower than the propagation that feeds them.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from nnrg.simulate._network_law import LawSampler
from nnrg.simulate._network_weights import WeightSampler
from nnrg.simulate.architectures import DenseNetwork
from nnrg.simulate.ensembles import random_networks
from nnrg.stats.joint_cumulants import JointMoments

pytestmark = pytest.mark.benchmark


def timed(run: Callable[[], object]) -> float:
    """Return the processor time of a call."""
    start = time.process_time()
    run()
    return time.process_time() - start


def inputs(k: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(k, 10))


@pytest.mark.parametrize("name", ["relu", "tanh", "gelu"])
@pytest.mark.parametrize("k", [1, 4])
def test_the_layer_law_against_weights(name: str, k: int) -> None:
    x = inputs(k)
    net = DenseNetwork(name, 1.3, 0.1, width=512, depth=8)
    seed = np.random.SeedSequence(1)
    law = LawSampler(net, 1.69 * x @ x.T / 10 + 0.01, seed)
    weights = WeightSampler(net, x, seed)
    law.draw(0, 64)
    ours, theirs = [], []
    for turn in range(3):
        ours.append(timed(lambda turn=turn: law.draw(1000 * turn, 1000 * turn + 1000)) / 1000)
        theirs.append(timed(lambda turn=turn: weights.draw(16 * turn, 16 * turn + 16)) / 16)
    one, other = min(ours), min(theirs)
    ratio = float(np.median(np.array(theirs) / np.array(ours)))
    print(
        f"\n{name} {k} inputs, width 512, depth 8: {one * 1e3:.4f} ms a network by the law, "
        f"{other * 1e3:.1f} ms by weights, {ratio:.0f} x; 100 000 take {one * 1e5:.1f} s",
        end="",
    )
    assert ratio > 30 and one * 1e5 < 120


def test_a_hundred_thousand_networks() -> None:
    x, net = inputs(2), DenseNetwork("tanh", 1.3, 0.1, width=512, depth=8, n_outputs=2)
    random_networks(net, x, 100, rng=1)
    start = time.perf_counter()
    seconds = timed(lambda: random_networks(net, x, 100_000, order=6, rng=1))
    wall = time.perf_counter() - start
    print(f"\n100 000 networks, all statistics: {seconds:.1f} s of processor, {wall:.1f} s", end="")
    assert seconds < 120


@pytest.mark.parametrize(("width", "depth", "k"), [(512, 8, 4), (128, 4, 4), (64, 8, 2)])
def test_sixth_order_correlators_against_propagation(width: int, depth: int, k: int) -> None:
    x, members = inputs(k), 4096
    net = DenseNetwork("tanh", 1.3, 0.1, width=width, depth=depth)
    law = LawSampler(net, 1.69 * x @ x.T / 10 + 0.01, np.random.SeedSequence(1))
    outputs = law.draw(0, members)[1][:, 0]
    moments = JointMoments(k, 6)
    moments.add(outputs)
    ratios = []
    for turn in range(1, 6):
        drawn = timed(lambda turn=turn: law.draw(turn * members, turn * members + members))
        ratios.append(timed(lambda: moments.add(outputs)) / drawn)
    ratio = float(np.median(ratios))
    print(
        f"\nwidth {width}, depth {depth}, {k} inputs: sums take {ratio:.4f} of the drawing", end=""
    )
    assert ratio < 1
