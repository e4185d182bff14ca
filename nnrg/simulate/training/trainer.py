"""`train`: many seeds of one small network at once, recorded as they go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from nnrg._random import as_seed
from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError
from nnrg.simulate.training._identity import configuration_of, kept_frames
from nnrg.simulate.training._model import Array, Model, as_batch, real_array
from nnrg.simulate.training._run import Run
from nnrg.simulate.training.data import TrainingData, as_training_data
from nnrg.simulate.training.losses import Loss, as_loss
from nnrg.simulate.training.optimisers import Optimiser
from nnrg.simulate.training.record import TrainingRecord, record_of
from nnrg.simulate.training.recording import Recording, as_recording

__all__ = ["train"]

_TYPES = ("float64", "float32")
# The learning rate of every step is known before the first.
_MOST_STEPS = 100_000_000


def train(
    model: Model,
    data: TrainingData | tuple[npt.ArrayLike, npt.ArrayLike],
    *,
    optimiser: Optimiser,
    steps: int,
    record: Recording | int | Any = None,
    loss: str | Loss = "mse",
    batch: int | None = None,
    n_seeds: int = 1,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
    initial: Mapping[str, npt.ArrayLike] | None = None,
    dtype: str = "float64",
    progress: Callable[[int, int], None] | None = None,
) -> TrainingRecord:
    r"""Train independent starts of a network together, and record them.

    Parameters
    ----------
    model : Model
        `MLP`, `perceptron`, `ConvNet` or `RecurrentNet`.
    data : TrainingData, or (inputs, targets)
        Inputs (P, \*input_shape); targets (P, n), (P,) for one output, or classes (P,).
    optimiser : Optimiser
        `GradientDescent`, `HeavyBall`, `Nesterov` or `Adam`.
    steps : int
    record : Recording, int or sequence of int, optional
        Every so many steps, these steps, or all about it.
    loss : {"mse", "cross_entropy"} or Loss
        Mean over samples: half the squared error summed over outputs, or the cross-entropy.
    batch : int, optional
        Samples of a step, drawn without replacement in each epoch, for each seed in its own order;
        all of them if left out.
    n_seeds : int
        Number of starts S.
    rng : numpy.random.Generator, SeedSequence, int or None
        Source of randomness. Seed s of many is the same as with fewer seeds.
    initial : mapping of str to array, optional
        Weights to start from, one set or with seeds first, instead of drawn ones.
    dtype : {"float64", "float32"}
        Of weights, inputs and products.
    progress : callable, optional
        Called with (steps made, `steps`); by default a bar is shown on a terminal.

    Returns
    -------
    TrainingRecord
        If training diverges it ends before, and a flag names step, seed and stability bound.

    Raises
    ------
    ArgumentError
        If an argument is out of range, shapes do not fit, or the file to go on from is that of
        another run.
    NonFiniteError
        If data hold NaN or infinity.
    SourceError
        If the file cannot be read or written.
    FormatError
        If the file is no record of training.

    Notes
    -----
    Seeds are trained in groups whose weights fit a core's cache, each group on one thread: numbers
    do not depend on the number of threads. A learning rate above the stability limit of the
    largest curvature at the start is flagged.

    Examples
    --------
    >>> import numpy as np
    >>> from nnrg.simulate.training import HeavyBall, perceptron, train
    >>> x = np.random.default_rng(1).standard_normal((50, 4))
    >>> made = train(perceptron(4), (x, x @ [1, 2, 3, 4]), optimiser=HeavyBall(0.05, 0.8),
    ...              steps=400, record=100, n_seeds=3, rng=1)
    >>> made.weights["layers.0.weight"].shape, made.weights["layers.0.weight"][0, -1].round(3)
    ((3, 5, 1, 4), array([[1., 2., 3., 4.]]))
    """
    if not isinstance(model, Model):
        raise ArgumentError(f"model must be an MLP, ConvNet or RecurrentNet, got {shown(model)}")
    if not isinstance(optimiser, Optimiser):
        raise ArgumentError(
            f"optimiser must be GradientDescent, HeavyBall, Nesterov or Adam, got "
            f"{shown(optimiser)}"
        )
    if dtype not in _TYPES:
        raise ArgumentError(f"dtype must be float64 or float32, got {shown(dtype)}")
    if progress is not None and not callable(progress):
        raise ArgumentError(f"progress must be a function of two numbers, got {shown(progress)}")
    steps, n_seeds = as_count("steps", steps, 1, _MOST_STEPS), as_count("n_seeds", n_seeds)
    recording, cost = as_recording(record), as_loss(loss)
    x, y = as_training_data(data, model, cost)
    if batch is not None:
        batch = as_count("batch", batch, 1, len(x), hint="None takes all samples")
    probe = None
    if recording.probe is not None:
        probe = as_training_data((recording.probe, None), model, cost)[0]
    seed = as_seed(rng)
    path, times = recording.file, recording.times(steps)
    start = None if initial is None else _start(model, initial, n_seeds)
    rates = optimiser.rates(steps)
    configuration = configuration_of(
        model, optimiser, cost, x, y, probe, start, batch, n_seeds, steps, dtype, seed,
        rates, recording.outputs,
    )  # fmt: skip
    kept, place = None, None
    if path is not None and path.exists():
        known, kept, seed, place = kept_frames(
            path, configuration, times, seed, rng is not None, rates
        )
        # The record tells how it began; this run has not ended.
        not_yet = {"finished": configuration["provenance"]["finished"]}
        configuration |= {"seed": known["seed"], "provenance": {**known["provenance"], **not_yet}}
        if kept.steps and kept.steps[-1] >= steps:
            return record_of(kept, known, model, path)
    run = Run(
        model, optimiser, cost, x, y, probe, recording, times, batch, start, seed, dtype, n_seeds,
        rates,
    )  # fmt: skip
    frames, configuration = run.go(configuration, kept, place, progress)
    return record_of(frames, configuration, model, path)


def _start(model: Model, initial: Mapping[str, npt.ArrayLike], n_seeds: int) -> dict[str, Array]:
    if not isinstance(initial, Mapping):
        raise ArgumentError(f"initial must be tensors by name, got {shown(initial)}")
    tensors, single = as_batch(
        model, {name: real_array(f"initial {name}", w) for name, w in initial.items()}
    )
    count = len(next(iter(tensors.values())))
    if not single and count != n_seeds:
        raise ArgumentError(f"initial holds {count} seeds, but n_seeds is {n_seeds}")
    return {
        name: np.broadcast_to(np.asarray(w, np.float64), (n_seeds, *w.shape[1:]))
        for name, w in tensors.items()
    }
