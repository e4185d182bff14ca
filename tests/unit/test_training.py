"""Training of small networks: gradients, optimisers, records, files that were cut off."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from safetensors import safe_open

import nnrg
from nnrg.errors import ArgumentError, FormatError, NonFiniteError, SourceError
from nnrg.simulate.training import (
    MLP,
    Adam,
    ConvNet,
    CosineDecay,
    CrossEntropy,
    ExponentialDecay,
    GradientDescent,
    HeavyBall,
    MeanSquaredError,
    Nesterov,
    Recording,
    RecurrentNet,
    StepDecay,
    TrainingRecorder,
    _frames,
    _group,
    _header,
    _run,
    cost_gradient,
    dense,
    exponential_inputs,
    largest_curvature,
    logarithmic_steps,
    open_record,
    perceptron,
    power_law_inputs,
    teacher_data,
    train,
)

MODELS = {
    "perceptron": perceptron(5, 3, "tanh", bias=True, sigma_b=0.2),
    "mlp": MLP((5, 7, 6, 3), "tanh", sigma_b=0.3),
    "one output": MLP((5, 7, 1), "sin"),
    "ring": ConvNet((6,), (2, 3, 4), 3, sigma_b=0.2),
    "plane": ConvNet((5, 4), (2, 3, 2, 2), 3, activation="gelu_tanh"),
    "recurrent": RecurrentNet(2, 6, 3, length=5, sigma_b=0.1),
}
OPTIMISERS = [
    GradientDescent(0.1),
    HeavyBall(0.05, 0.8),
    Nesterov(0.05, 0.8),
    Adam(0.02, 0.8, 0.95),
    HeavyBall(ExponentialDecay(0.1, 0.05), 0.5),
    GradientDescent(lambda t: 0.1 / (1 + t)),
]


def problem(model, loss="mse", n=9, seed=3):
    rng = np.random.default_rng(seed)
    outputs = model.output_shape[0]
    y = rng.normal(size=(n, outputs)) if loss == "mse" else rng.integers(0, outputs, n)
    return rng.normal(size=(n, *model.input_shape)), y


def cost_at(model, weights, x, y, loss):
    """The cost in plain NumPy, which takes complex weights."""
    out = model.outputs(weights, x)
    if loss == "mse":
        return ((out - y) ** 2).sum() / 2 / len(x)
    chosen = out[np.arange(len(x)), y]
    return (np.log(np.exp(out).sum(axis=1)) - chosen).mean()


@pytest.mark.parametrize(
    ("name", "loss"),
    [(name, "mse") for name in MODELS]
    + [(name, "cross_entropy") for name in MODELS if name != "one output"],
)
def test_gradients_are_those_of_complex_steps(name, loss):
    model = MODELS[name]
    x, y = problem(model, loss)
    weights = model.initial(np.random.default_rng(1))
    found = cost_gradient(model, weights, x, y, loss=loss)
    for tensor, value in weights.items():
        for at in list(np.ndindex(value.shape))[:: max(1, value.size // 7)]:
            moved = {k: w.astype(complex) for k, w in weights.items()}
            moved[tensor][at] += 1e-30j
            slope = cost_at(model, moved, x, y, loss).imag / 1e-30
            assert found[tensor][at] == pytest.approx(slope, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("activation", ["relu", "erf", "leaky_relu:0.3", "silu", "cos", "linear"])
def test_gradients_are_those_of_differences_for_all_activations(activation):
    model = MLP((4, 6, 2), activation, output_activation="sigmoid", sigma_b=0.5)
    x, y = problem(model)
    weights = model.initial(np.random.default_rng(2))
    found = cost_gradient(model, weights, x, y)
    for tensor, value in weights.items():
        for at in list(np.ndindex(value.shape))[::3]:
            sides = []
            for step in (1e-6, -1e-6):
                moved = {k: w.copy() for k, w in weights.items()}
                moved[tensor][at] += step
                sides.append(cost_at(model, moved, x, y, "mse"))
            assert found[tensor][at] == pytest.approx((sides[0] - sides[1]) / 2e-6, abs=1e-8)


def naive_run(model, optimiser, weights, x, y, steps):
    """Every optimiser in its textbook form, one tensor and one network at a time."""
    w = {k: v.copy() for k, v in weights.items()}
    v = {k: np.zeros_like(u) for k, u in w.items()}
    s = {k: np.zeros_like(u) for k, u in w.items()}
    for t in range(steps):
        rate = optimiser.learning_rate
        rate = rate(t) if callable(rate) else rate
        ahead = w
        if isinstance(optimiser, Nesterov):
            ahead = {k: w[k] + optimiser.momentum * v[k] for k in w}
        g = cost_gradient(model, ahead, x, y)
        for k in w:
            if isinstance(optimiser, Adam):
                v[k] = optimiser.beta1 * v[k] + (1 - optimiser.beta1) * g[k]
                s[k] = optimiser.beta2 * s[k] + (1 - optimiser.beta2) * g[k] ** 2
                m_hat = v[k] / (1 - optimiser.beta1 ** (t + 1))
                s_hat = s[k] / (1 - optimiser.beta2 ** (t + 1))
                w[k] = w[k] - rate * m_hat / (np.sqrt(s_hat) + optimiser.epsilon)
            else:
                v[k] = getattr(optimiser, "momentum", 0.0) * v[k] - rate * g[k]
                w[k] = w[k] + v[k]
    return w, v


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("name", ["mlp", "ring", "recurrent"])
def test_optimisers_make_the_steps_of_their_textbook_form(name, optimiser):
    model = MODELS[name]
    x, y = problem(model)
    made = train(model, (x, y), optimiser=optimiser, steps=12, record=4, n_seeds=2, rng=5)
    for seed in range(2):
        w, v = naive_run(model, optimiser, made.tensors(seed, 0), x, y, 12)
        for tensor, value in made.tensors(seed).items():
            np.testing.assert_allclose(value, w[tensor], rtol=1e-10, atol=1e-12)
        if "velocity" in made.optimiser_state:
            for tensor, value in made.optimiser_state["velocity"].items():
                np.testing.assert_allclose(value[seed, -1], v[tensor], rtol=1e-9, atol=1e-12)
        assert made.losses[seed, -1] == pytest.approx(cost_at(model, w, x, y, "mse"), rel=1e-10)
        out = made.outputs[seed, -1]
        np.testing.assert_allclose(out, model.outputs(w, x), rtol=1e-9, atol=1e-11)


def same(one, other):
    for name, w in one.weights.items():
        np.testing.assert_array_equal(w, other.weights[name])
    np.testing.assert_array_equal(one.losses, other.losses)
    np.testing.assert_array_equal(one.steps, other.steps)
    for slot, tensors in one.optimiser_state.items():
        for name, v in tensors.items():
            np.testing.assert_array_equal(v, other.optimiser_state[slot][name])
    if one.outputs is not None:
        np.testing.assert_array_equal(one.outputs, other.outputs)


def short_run(steps=30, record=10, **options):
    model = MLP((5, 8, 2))
    x, y = problem(model, n=24)
    options = {"optimiser": HeavyBall(0.05, 0.9), "n_seeds": 3, "rng": 7, **options}
    return train(model, (x, y), steps=steps, record=record, **options)


@pytest.mark.parametrize("batch", [None, 7])
@pytest.mark.parametrize("threads", [1, 3])
def test_numbers_depend_on_the_seed_only(batch, threads, monkeypatch):
    whole = short_run(batch=batch)
    same(whole, short_run(batch=batch))
    assert not np.array_equal(whole.losses, short_run(batch=batch, rng=8).losses)
    monkeypatch.setattr(_group, "_NUMBERS", 1)  # each seed is a group of its own
    monkeypatch.setattr(_run, "available_threads", lambda: threads)
    same(whole, short_run(batch=batch))


def test_a_seed_is_the_same_alone_and_among_others():
    many, one = short_run(batch=7), short_run(batch=7, n_seeds=1)
    for name, w in one.weights.items():
        np.testing.assert_array_equal(w[0], many.weights[name][0])
    assert len({w[0, 0] for w in many.weights["layers.0.weight"][:, 0]}) == 3


def test_batches_of_an_epoch_hold_every_sample_once():
    batches = _group.Batches(24, 6, np.random.SeedSequence(1))
    for epoch in range(3):
        seen = batches.order(0, epoch)
        assert sorted(seen) == list(range(24))
    assert [batches.place(step) for step in (0, 3, 4, 9)] == [(0, 0), (0, 18), (1, 0), (2, 6)]
    assert not np.array_equal(batches.order(0, 0), batches.order(1, 0))


def test_schedules():
    assert StepDecay(0.1, 0.1, 5)(14) == pytest.approx(1e-3)
    assert CosineDecay(1.0, 4, 0.2)(2) == pytest.approx(0.6)
    np.testing.assert_allclose(
        HeavyBall(ExponentialDecay(0.1, 0.5)).rates(3), 0.1 * np.exp([0, -0.5, -1])
    )
    made = short_run(optimiser=HeavyBall(StepDecay(0.1, 0.5, 10), 0.5))
    assert made.learning_rates.tolist() == [0.1, 0.1, 0.05, 0.025]
    assert logarithmic_steps(10, 50) == tuple(range(1, 11))


def test_float32_follows_float64():
    one, other = short_run(), short_run(dtype="float32")
    assert other.weights["layers.0.weight"].dtype == np.float32
    np.testing.assert_allclose(other.losses, one.losses, rtol=1e-4)


def test_small_networks_in_lanes_are_those_of_matrix_products(monkeypatch):
    """One seed and eleven, whole data and batches, all activations; rounding apart."""
    for activation in ("tanh", "relu", "leaky_relu:0.1", "erf"):
        model = MLP((5, 7, 6, 2), activation, output_activation="sin", sigma_b=0.3)
        x, y = problem(model, n=24)
        for n_seeds, batch in ((1, None), (11, None), (11, 7)):
            options = {"optimiser": HeavyBall(0.05, 0.9), "steps": 15, "n_seeds": n_seeds}
            made = []
            for small in (True, False):
                monkeypatch.setattr(dense, "is_small", lambda model, n, small=small: small)
                made.append(train(model, (x, y), batch=batch, rng=7, **options))
            for name, w in made[0].weights.items():
                np.testing.assert_allclose(w, made[1].weights[name], rtol=1e-11, atol=1e-13)
            np.testing.assert_allclose(made[0].outputs, made[1].outputs, rtol=1e-10, atol=1e-12)


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_file_holds_what_memory_does(tmp_path, dtype):
    path = tmp_path / "run.safetensors"
    whole = short_run(dtype=dtype)
    same(whole, short_run(record=Recording(10, path=path), dtype=dtype))
    opened = open_record(path)
    same(whole, opened)
    assert opened.model.widths == (5, 8, 2) and opened.flags == ()
    assert opened.provenance["nnrg_version"] == nnrg.__version__
    with safe_open(path, "numpy") as file:  # the library reads it too
        np.testing.assert_array_equal(
            file.get_tensor("20/weights/layers.0.weight"), whole.weights["layers.0.weight"][:, 2]
        )
    assert [p.name for p in tmp_path.iterdir()] == ["run.safetensors"]


@pytest.mark.parametrize("batch", [None, 7])
@pytest.mark.parametrize("share", [0.35, 0.6, 0.8, 0.99])
def test_a_record_that_is_cut_off_goes_on_from_its_last_frame(tmp_path, share, batch):
    path, whole = tmp_path / "run.safetensors", short_run(50, batch=batch)
    short_run(50, Recording(10, path=path), batch=batch)
    start = 8 + int.from_bytes(path.read_bytes()[:8], "little")
    os.truncate(path, start + int(share * (path.stat().st_size - start)))
    cut = open_record(path)
    assert cut.steps.tolist() == list(range(0, 10 * int(share * 6), 10))
    assert "train again to go on" in cut.flags[0]
    told = []
    made = short_run(50, Recording(10, path=path), batch=batch, progress=lambda *s: told.append(s))
    same(whole, made)
    assert told[0][0] > cut.steps[-1]
    same(whole, open_record(path))


def test_going_on_leaves_the_frames_that_are_there_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")  # headers hold the time
    path = tmp_path / "run.safetensors"
    short_run(50, Recording(10, path=path))
    whole, file = path.read_bytes(), path.stat().st_ino
    os.truncate(path, len(whole) * 2 // 3)
    short_run(50, Recording(10, path=path))
    assert path.read_bytes() == whole and path.stat().st_ino == file


def test_a_record_too_large_for_memory_is_named():
    with pytest.raises(ArgumentError, match="more than there is memory; record fewer steps"):
        _frames.room(1 << 60)


def test_more_frames_than_a_header_lists_are_refused_before_the_run(tmp_path):
    path = tmp_path / "run.safetensors"
    start = time.monotonic()
    with pytest.raises(ArgumentError, match="more than the header of a safetensors file can list"):
        short_run(400_000, Recording(1, path=path, outputs=False))
    assert not list(tmp_path.iterdir()) and time.monotonic() - start < 10


def test_one_run_at_a_time_writes_to_a_file(tmp_path):
    path = tmp_path / "run.safetensors"
    short_run(record=Recording(10, path=path))
    before = path.read_bytes()
    with open(path, "rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(SourceError, match="is being written by another run"):
            short_run(60, Recording(10, path=path))
    assert path.read_bytes() == before
    assert short_run(60, Recording(10, path=path)).steps[-1] == 60


def test_a_frame_of_which_a_byte_is_wrong_is_made_again(tmp_path):
    path, whole = tmp_path / "run.safetensors", short_run()
    short_run(record=Recording(10, path=path))
    with open(path, "r+b") as file:
        file.seek(-100, 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
    assert open_record(path).steps.tolist() == [0, 10, 20]
    same(whole, short_run(record=Recording(10, path=path)))


KILLED = """
    import sys, os, signal
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from unit.test_training import short_run
    from nnrg.simulate.training import Recording
    def tell(done, total):
        if done >= 30:
            os.kill(os.getpid(), signal.SIGKILL)
    short_run(60, Recording(5, path=sys.argv[1]), batch=7, progress=tell)
"""


def test_a_run_that_was_killed_goes_on(tmp_path):
    path = tmp_path / "run.safetensors"
    tests = os.path.dirname(os.path.dirname(__file__))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(path), tests], check=False
    )
    assert done.returncode == -signal.SIGKILL
    left = open_record(path)
    assert left.steps[-1] >= 20 and left.provenance["finished"] == "no"
    made = short_run(60, Recording(5, path=path), batch=7)
    same(short_run(60, 5, batch=7), made)
    # Ends are written into the header, without a copy of the frames.
    assert made.provenance["finished"] >= left.provenance["started"] == made.provenance["started"]
    assert open_record(path).provenance == made.provenance


def test_a_longer_run_goes_on_from_a_shorter_one(tmp_path):
    path = tmp_path / "run.safetensors"
    short_run(25, Recording(10, path=path))
    assert open_record(path).steps.tolist() == [0, 10, 20, 25]
    made = short_run(50, Recording(10, path=path))
    same(short_run(50, 10), made)
    # A shorter one is its first part, without another step.
    shorter = short_run(30, Recording(10, path=path))
    assert shorter.steps.tolist() == [0, 10, 20, 30]
    same(short_run(30, 10), shorter)
    assert open_record(path).steps[-1] == 50
    same(made, short_run(50, Recording(10, path=path), rng=None))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"optimiser": HeavyBall(0.05, 0.8)}, "optimiser.momentum was 0.9, got 0.8"),
        ({"optimiser": Adam(0.05)}, "optimiser.optimiser was 'HeavyBall', got 'Adam'"),
        ({"n_seeds": 4}, "n_seeds was 3, got 4"),
        ({"rng": 8}, "seed was"),
        ({"batch": 6}, "batch was None, got 6"),
        ({"dtype": "float32"}, "dtype was 'float64', got 'float32'"),
        ({"record": 7}, "recorded at other steps: step 10 was recorded, got 7"),
    ],
)
def test_another_run_is_refused_by_name(tmp_path, change, says):
    path = tmp_path / "run.safetensors"
    short_run(record=Recording(10, path=path))
    before = path.read_bytes()
    record = Recording(change.pop("record", 10), path=path)
    with pytest.raises(ArgumentError, match=says):
        short_run(record=record, **change)
    assert path.read_bytes() == before


@pytest.mark.parametrize("outputs", [True, False])
def test_records_with_and_without_outputs_do_not_mix(outputs, tmp_path):
    path = tmp_path / "run.safetensors"
    short_run(record=Recording(10, path=path, outputs=outputs))
    before = path.read_bytes()
    for steps in (20, 30, 60):
        with pytest.raises(ArgumentError, match=f"outputs was {outputs}, got {not outputs}"):
            short_run(steps, Recording(10, path=path, outputs=not outputs))
    assert path.read_bytes() == before


def test_frames_of_other_tensors_are_not_gone_on_with(tmp_path):
    path = tmp_path / "run.safetensors"
    short_run(record=Recording(10, path=path))
    # A header that says what the frames do not hold.
    damaged = path.read_bytes().replace(b'\\"outputs\\": true', b'\\"outputs\\":false')
    path.write_bytes(damaged)
    with pytest.raises(ArgumentError, match=r"its frames hold .*outputs"):
        short_run(60, Recording(10, path=path, outputs=False))
    assert path.read_bytes() == damaged


def test_a_file_of_a_header_alone_is_begun_again(tmp_path):
    path = tmp_path / "run.safetensors"
    short_run(record=Recording(10, path=path))
    path.write_bytes(path.read_bytes()[: _header.read_header(path)[3] + 5])
    same(short_run(record=Recording(10, path=path)), short_run())


class Shifted(MeanSquaredError):
    """A cost function of a caller, under the name of another."""

    def __init__(self, shift):
        self.shift = shift

    def evaluate(self, outputs, y, delta):
        return super().evaluate(outputs, y + self.shift, delta)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda k: {"model": MLP((3, 4, 1), lambda z: np.tanh(k * z))},
            "model.activation_sha256 was",
        ),
        (lambda k: {"loss": Shifted(k)}, "loss_sha256 was"),
        (
            # Different between recorded steps alone.
            lambda k: {"optimiser": GradientDescent(lambda t: 0.1 * (k if t == 4 else 1))},
            "learning_rate was another in its first 8 steps",
        ),
    ],
    ids=["activation", "loss", "schedule"],
)
def test_functions_of_a_caller_are_known_by_their_values(make, says, tmp_path):
    path = tmp_path / "run.safetensors"
    x, y = problem(MLP((3, 1)))

    def run(k, steps):
        options = {"model": MLP((3, 4, 1)), "optimiser": GradientDescent(0.1), "rng": 1, **make(k)}
        model = options.pop("model")
        return train(model, (x, y), steps=steps, record=Recording(10, path=path), **options)

    made = run(1.0, 20)
    before = path.read_bytes()
    for steps in (20, 10, 40):
        with pytest.raises(ArgumentError, match=says):
            run(2.0, steps)
    assert path.read_bytes() == before
    assert run(1.0, 20).losses.tolist() == made.losses.tolist()
    assert run(1.0, 40).steps[-1] == 40
    known = open_record(path)
    assert (known.model is None) == ("activation" in says)
    assert (known.configuration["loss"] == "Shifted") == ("loss" in says)


def test_a_function_called_tanh_is_not_taken_for_tanh():
    def tanh(z):
        return np.tanh(2 * z)

    x, y = problem(MLP((3, 1)))
    named, own, plain = (
        train(MLP((3, 4, 1), phi), (x, y), optimiser=GradientDescent(0.1), steps=5, rng=1)
        for phi in (tanh, lambda z: np.tanh(2 * z), "tanh")
    )
    same(named, own)
    assert np.abs(named.losses - plain.losses).min() > 1e-3


def test_another_schedule_of_the_same_name_is_refused(tmp_path):
    path = tmp_path / "run.safetensors"

    def run(factor, steps):
        optimiser = GradientDescent(lambda t: factor / (1 + t))
        return short_run(steps, Recording(10, path=path), optimiser=optimiser)

    run(0.1, 20)
    with pytest.raises(ArgumentError, match=r"learning_rate was 0\.01 at step 9, got 0\.02"):
        run(0.2, 40)
    assert run(0.1, 40).steps[-1] == 40


def test_files_that_are_no_record(tmp_path):
    path = tmp_path / "run.safetensors"
    with pytest.raises(SourceError, match="cannot read"):
        open_record(path)
    for content in (b"", b"\x10\0\0\0\0\0\0\0{", b"\xff" * 40, (2).to_bytes(8, "little") + b"{}"):
        path.write_bytes(content)
        with pytest.raises(FormatError, match="no record of training"):
            open_record(path)
        with pytest.raises(FormatError, match="no record of training"):
            short_run(record=Recording(10, path=path))
    with pytest.raises(SourceError, match="cannot write"):
        short_run(record=Recording(10, path=tmp_path / "none" / "run.safetensors"))


def entries(name, **changes):
    """Change the entries of a tensor in a header, at all steps."""

    def change(header):
        for key in header:
            if key.endswith(f"/{name}"):
                header[key] = {**header[key], **changes}

    return change


def configured(**changes):
    def change(header):
        known = json.loads(header["__metadata__"]["nnrg.training"])
        header["__metadata__"]["nnrg.training"] = json.dumps({**known, **changes})

    return change


def without(name):
    def change(header):
        for key in [key for key in header if name in key]:
            del header[key]

    return change


def turned(header):
    for key in sorted(header, reverse=True):
        header[key] = header.pop(key)


@pytest.mark.parametrize(
    "change",
    [
        entries("weights/layers.0.weight", shape=[-8, 5]),
        entries("weights/layers.0.weight", shape=[10**30]),
        entries("weights/layers.0.weight", shape=[3, 8, 4]),
        entries("weights/layers.0.weight", dtype="F32"),
        entries("weights/layers.0.weight", dtype="I8"),
        entries("losses", data_offsets=[0, 8]),
        without("/losses"),
        without("/checksum"),
        without("/weights/"),
        without("/"),
        turned,
        configured(flags=3),
        configured(diverged={}),
        configured(steps="a"),
        configured(provenance="a"),
        configured(optimiser=[1]),
        configured(seed=["x"]),
        configured(seed=[]),
        lambda header: header.update(__metadata__={"nnrg.training": "[1]"}),
    ],
)
def test_a_header_that_no_run_writes_is_refused_and_the_file_kept(change, tmp_path):
    path = tmp_path / "run.safetensors"
    short_run(record=Recording(10, path=path))
    raw = path.read_bytes()
    end = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:end])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + raw[end:])
    before = path.read_bytes()
    with pytest.raises(FormatError, match="no record of training, or is damaged"):
        open_record(path)
    with pytest.raises(FormatError, match="no record of training, or is damaged"):
        short_run(record=Recording(10, path=path))
    assert path.read_bytes() == before


def test_weights_that_are_not_those_of_the_model_are_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    model = json.dumps(short_run(record=Recording(10, path=path)).configuration["model"]).encode()
    raw = path.read_bytes()
    quoted = json.dumps(model.decode()).encode()[1:-1]
    assert quoted in raw
    path.write_bytes(raw.replace(quoted, quoted.replace(b"[5, 8, 2]", b"[5, 9, 2]")))
    with pytest.raises(FormatError, match="holds other weights than those of its model"):
        open_record(path)


def test_an_interrupt_leaves_a_record(tmp_path):
    path = tmp_path / "run.safetensors"

    def stop(done, total):
        if done >= 15:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        short_run(60, Recording(5, path=path), progress=stop)
    assert open_record(path).steps[-1] >= 10
    same(short_run(60, 5), short_run(60, Recording(5, path=path)))


# -- divergence ------------------------------------------------------------------------------------


def test_divergence_is_reported_with_step_and_bound_and_the_record_kept(tmp_path):
    path = tmp_path / "run.safetensors"
    x, _ = problem(perceptron(4), n=40)
    data = x, x @ np.ones(4)
    top = np.linalg.eigvalsh(x.T @ x / 40)[-1]
    for record in (Recording(5), Recording(5, path=path)):
        made = train(
            perceptron(4), data, optimiser=HeavyBall(4 / top, 0.5), steps=500, record=record, rng=1
        )
        assert made.steps[-1] < 100 and np.isfinite(made.losses).all()
        assert made.diverged["bound"] == 3.0
        assert made.diverged["rate_times_curvature"] == pytest.approx(4.0, rel=1e-3)
        assert made.steps[-1] <= made.diverged["step"] <= made.steps[-1] + 5
        assert "beyond the stability limit" in made.flags[0] and "stable below 3" in made.flags[0]
        assert f"diverged at step {made.diverged['step']}, seed 0" in made.flags[1]
        assert "the stability bound 3 is crossed" in made.flags[1]
        assert "diverged" in str(made)
    again = open_record(path)
    assert again.flags == made.flags and again.diverged == made.diverged
    with safe_open(path, "numpy") as file:
        assert len(file.keys()) == len(again.steps) * 6


def test_no_flag_below_the_limit():
    assert short_run().flags == ()
    assert short_run(optimiser=Adam(0.01)).flags == ()


def test_the_largest_curvature_is_that_of_the_hessian():
    model = MLP((3, 4, 2), sigma_b=0.5)
    x, y = problem(model)
    weights = model.initial(np.random.default_rng(3))
    size, step, rows = model.n_parameters, 1e-6, []
    for at in range(size):
        sides = []
        for sign in (1, -1):
            flat = np.concatenate([w.ravel() for w in weights.values()])
            flat[at] += sign * step
            parts = np.split(flat, np.cumsum([w.size for w in weights.values()])[:-1])
            moved = {k: p.reshape(weights[k].shape) for k, p in zip(weights, parts, strict=True)}
            slope = cost_gradient(model, moved, x, y)
            sides.append(np.concatenate([g.ravel() for g in slope.values()]))
        rows.append((sides[0] - sides[1]) / (2 * step))
    top = np.linalg.eigvalsh((np.array(rows) + np.array(rows).T) / 2)[-1]
    found = largest_curvature(model, weights, x, y, tolerance=1e-8)
    assert found == pytest.approx(top, rel=1e-6)


# -- records ---------------------------------------------------------------------------------------


def test_a_record_is_read_only_and_converts():
    made = short_run()
    with pytest.raises(ValueError, match="read-only"):
        made.weights["layers.0.weight"][0, 0] = 0
    data = made.to_xarray()
    assert data["layers.0.weight"].sel(seed=1, step=20).shape == (8, 5)
    assert data["velocity/layers.1.bias"].dims[:2] == ("seed", "step")
    frame = made.to_dataframe()
    assert list(frame) == ["seed", "step", "loss", "learning_rate"] and len(frame) == 12
    assert frame.loss[frame.step == 30].tolist() == made.losses[:, -1].tolist()
    assert "3 seeds, 4 steps recorded" in str(made)
    with pytest.raises(ArgumentError, match="step 12 is not recorded; the nearest that is, is 10"):
        made.tensors(0, 12)
    with pytest.raises(ArgumentError, match="seed must be an integer from 0 to 2"):
        made.tensors(3)


def test_trained_weights_flow():
    model = perceptron(64, 20)
    x = np.random.default_rng(1).normal(size=(100, 64))
    made = train(model, (x, x[:, :20]), optimiser=HeavyBall(0.1), steps=10, rng=1)
    net = made.network(0)
    field = net.field("layers.0.weight", sites=nnrg.Lattice((64,)))
    flow = nnrg.renormalize(field, nnrg.GridBlocks(2), levels=3)
    cumulants = flow.cumulants(order=2, nulls=()).to_dataframe()
    kappa = cumulants[cumulants.order == 2].kappa.to_numpy()
    w = made.weights["layers.0.weight"][0, -1]
    assert kappa[0] == pytest.approx(w.var(ddof=1), rel=0.05)


def test_outputs_on_a_probe():
    probe = np.random.default_rng(2).normal(size=(4, 5))
    made = short_run(record=Recording(10, probe=probe))
    np.testing.assert_allclose(
        made.outputs[1, 2], made.model.outputs(made.tensors(1, 20), probe), rtol=1e-12
    )
    assert short_run(record=Recording(10, outputs=False)).outputs is None


def test_initial_weights_are_kept():
    weights = MLP((5, 8, 2)).initial(np.random.default_rng(4))
    made = short_run(initial=weights)
    for name, w in made.weights.items():
        np.testing.assert_array_equal(w[:, 0], np.broadcast_to(weights[name], w[:, 0].shape))


class Tensor:
    """What torch's tensors look like from here."""

    def __init__(self, values):
        self.values = values

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return self.values


class BrainTensor(Tensor):
    dtype = "torch.bfloat16"

    def float(self):
        return Tensor(self.values)

    def numpy(self):
        raise TypeError("Got unsupported ScalarType BFloat16")


class Module:
    kind = Tensor

    def __init__(self):
        self.w = np.arange(6, dtype=np.float32).reshape(2, 3)

    def named_parameters(self):
        return iter([("fc.weight", self.kind(self.w)), ("fc.bias", self.kind(self.w[:, 0]))])


def test_a_model_of_elsewhere_is_recorded(tmp_path):
    path = tmp_path / "run.safetensors"

    def run(stop, where):
        module, recorder = Module(), TrainingRecorder([0, 2, 4], path=where)
        tell = recorder.callback(module)
        for step in range(stop + 1):
            tell(step, loss=float(step), learning_rate=0.1, outputs=np.full((2, 1), step, float))
            module.w = module.w + np.float32(1)
        return recorder.record()

    made = run(4, None)
    expected = np.arange(6.0).reshape(2, 3)
    for frame, step in enumerate((0, 2, 4)):
        np.testing.assert_array_equal(made.weights["fc.weight"][0, frame], expected + step)
    assert made.losses.tolist() == [[0.0, 2.0, 4.0]] and made.outputs[0, 2, 0, 0] == 4
    assert made.network(0, 2).specs["fc.weight"].layout == "OI"
    assert run(2, path).steps.tolist() == [0, 2]
    same(made, run(4, path))
    same(made, open_record(path))
    with pytest.raises(ArgumentError, match="named_parameters"):
        TrainingRecorder([0]).callback(object())
    with pytest.raises(ArgumentError, match="no step has been recorded"):
        TrainingRecorder([0]).record()
    with pytest.raises(ArgumentError, match="rising"):
        TrainingRecorder([2, 1])
    # A type that NumPy does not have is made float32.
    module, recorder = Module(), TrainingRecorder([0])
    module.kind = BrainTensor
    recorder.callback(module)(0)
    np.testing.assert_array_equal(recorder.record().weights["fc.weight"][0, 0], expected)
    recorder = TrainingRecorder([0, 1])
    tell = recorder.callback(Module())
    tell(0)
    with pytest.raises(ArgumentError, match=r"outputs was None, got \(1, 2, 1\)"):
        tell(1, outputs=np.zeros((2, 1)))


# -- arguments -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"steps": 0}, "steps must be an integer from 1 to 100000000, got 0"),
        ({"steps": 10**12}, "steps must be an integer from 1 to 100000000"),
        ({"progress": "yes"}, "progress must be a function of two numbers"),
        ({"initial": [1.0, 2.0]}, "initial must be tensors by name"),
        ({"initial": {"layers.0.weight": "abc"}}, "initial layers.0.weight must be an array of"),
        (
            {"optimiser": HeavyBall(ExponentialDecay(1.0, -100.0))},
            "learning rate of step 8 must be a finite real number, got inf",
        ),
        ({"optimiser": "sgd"}, "optimiser must be GradientDescent"),
        ({"batch": 25}, "batch must be an integer from 1 to 24"),
        ({"dtype": "float16"}, "dtype must be float64 or float32"),
        ({"loss": "hinge"}, "loss must be 'mse' or 'cross_entropy'"),
        ({"record": [5, 99]}, "a recorded step must be an integer from 0 to 30"),
        ({"initial": {"w": np.ones(3)}}, "layers.0.weight is missing"),
        ({"rng": -1}, "rng must be"),
    ],
)
def test_bad_arguments_are_named(options, says):
    with pytest.raises(ArgumentError, match=says):
        short_run(**options)


LINE = perceptron(2), {"layers.0.weight": [[1.0, 0.0]]}
MANY = perceptron(2), {"layers.0.weight": [[[1.0, 0.0]], [[1.0, 1.0]]]}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: HeavyBall(0.1, 1.0), "momentum must be at least 0 and below 1"),
        (lambda: GradientDescent(-1.0), "learning_rate must be positive"),
        (lambda: GradientDescent(lambda t: -t).rates(3), "must not be negative, got -2 at step 2"),
        (lambda: Adam(0.1, epsilon=0.0), "epsilon must be positive"),
        (lambda: CosineDecay(0.1, 10, -1.0), "final must not be negative"),
        (lambda: MLP((3,)), "widths must hold inputs and outputs"),
        (lambda: ConvNet((4, 4, 4), (1, 2)), "one or two lengths"),
        (lambda: ConvNet((8,), (1, 2), kernel_size=4), "must be odd"),
        (lambda: MLP((2, 1), sigma_w=-1), "sigma_w is a standard deviation"),
        (lambda: MLP((2, 1)).outputs({}, [[1.0, 2.0]]), "is missing"),
        (lambda: perceptron(2).outputs({"layers.0.weight": [[1.0]]}, [[1.0, 2.0]]), "shape"),
        (lambda: perceptron(2).outputs({"layers.0.weight": [[1.0, 2.0]]}, [["a", "b"]]), "<U1"),
        (lambda: Recording(probe=[[1.0]], outputs=False), "a probe is for outputs"),
        (lambda: TrainingRecorder(3), "steps must be rising integers, got 3"),
        (lambda: power_law_inputs(10**12, 8, exponent=1.0), "more than there is memory"),
        (lambda: cost_gradient(*LINE, [[1.0, 2.0, 3.0]], [3.0]), r"shape \(P, 2\)"),
        (lambda: cost_gradient(*MANY, [[1.0, 2.0]], [3.0]), "those of one network"),
        (lambda: largest_curvature(*LINE, [[1.0, 2.0]], [3.0], tolerance=-1), "between 0 and 1"),
    ],
)
def test_bad_parts_are_named(make, says):
    with pytest.raises(ArgumentError, match=says):
        make()


def test_bad_data_are_named():
    model, optimiser = MLP((3, 2)), GradientDescent(0.1)

    def run(x, y, **options):
        return train(model, (x, y), optimiser=optimiser, steps=1, **options)

    x = np.ones((4, 3))
    for targets, says in ((np.ones((4, 3)), r"\(4, 2\)"), (np.ones((3, 2)), r"\(4, 2\)")):
        with pytest.raises(ArgumentError, match=says):
            run(x, targets)
    with pytest.raises(ArgumentError, match="inputs must have shape"):
        run(np.ones((4, 2)), np.ones((4, 2)))
    with pytest.raises(NonFiniteError, match="inputs hold"):
        run(np.full((4, 3), np.nan), np.ones((4, 2)))
    with pytest.raises(NonFiniteError, match="targets hold"):
        run(x, np.full((4, 2), np.inf))
    with pytest.raises(ArgumentError, match="classes must be integers from 0 to 1"):
        run(x, [0, 1, 2, 0], loss="cross_entropy")
    with pytest.raises(ArgumentError, match="probabilities"):
        run(x, np.ones((4, 2)), loss="cross_entropy")
    with pytest.raises(ArgumentError, match="data must be"):
        train(model, x, optimiser=optimiser, steps=1)
    with pytest.raises(ArgumentError, match=r"array of real numbers, got \[\[1, 2\], \[3\]\]"):
        run([[1, 2], [3]], np.ones((2, 2)))
    with pytest.raises(NonFiniteError, match="inputs hold values beyond float32"):
        run(x * 1e200, np.ones((4, 2)), dtype="float32")
    with pytest.raises(NonFiniteError, match="the cost at the start is not finite"):
        run(x * 1e200, np.ones((4, 2)))
    with pytest.raises(NonFiniteError, match=r"initial layers.0.weight hold values that are NaN"):
        run(x, np.ones((4, 2)), initial={"layers.0.weight": np.full((2, 3), np.nan)})
    with pytest.raises(ArgumentError, match="two outputs or more"):
        train(perceptron(3), (x, [0] * 4), optimiser=optimiser, steps=1, loss="cross_entropy")
    with pytest.raises(NonFiniteError, match="weights hold"):
        teacher_data(x, [[np.nan, 0.0, 0.0]])


def test_inputs_of_extreme_correlations_are_their_limits():
    """Independent sites, one wave of the ring, one number on all sites."""
    short = exponential_inputs(1, 8, correlation_length=1e-9).covariance
    np.testing.assert_allclose(short, np.eye(8), atol=1e-15)
    steep = power_law_inputs(1, 8, exponent=1e4).covariance
    np.testing.assert_allclose(steep[0], np.cos(np.pi / 4 * np.arange(8)), atol=1e-12)
    long = exponential_inputs(1, 8, correlation_length=1e9).covariance
    np.testing.assert_allclose(long, 1.0, atol=1e-12)


def test_a_cost_that_does_not_depend_on_the_weights_has_no_curvature():
    model = MLP((3, 4, 1), "relu")
    weights = {name: np.zeros(shape) for name, shape in model.shapes.items()}
    weights["layers.0.bias"] = np.full(4, -1.0)
    x = np.ones((5, 3))
    assert largest_curvature(perceptron(3), {"layers.0.weight": [[1.0, 1, 1]]}, 0 * x, x[:, 0]) == 0
    # All hidden neurons are off: the bias of the output is left, with curvature one.
    assert largest_curvature(model, weights, x, x[:, 0]) == pytest.approx(1.0, rel=1e-4)


def test_cost_functions_may_be_objects():
    x, y = np.ones((4, 3)), [0, 1, 1, 0]
    made = [
        train(MLP((3, 2)), (x, y), optimiser=GradientDescent(0.1), steps=3, loss=loss, rng=1)
        for loss in ("cross_entropy", CrossEntropy())
    ]
    same(*made)
    half = np.full((1, 2, 2), 0.5)
    assert MeanSquaredError().evaluate(half, np.zeros((2, 2)), np.empty_like(half)) == [0.25]
