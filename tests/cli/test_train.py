"""`nnrg train`: what is written, printed and returned, gone on with, and refused."""

import csv
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from nnrg import cli
from nnrg.simulate.training import (
    HeavyBall,
    exponential_inputs,
    largest_curvature,
    open_record,
    perceptron,
    power_law_inputs,
    train,
)

FILES = {f"training.{ending}" for ending in ("safetensors", "json", "csv", "pdf", "png")}
SMALL = ("--samples", "20", "--sites", "6", "--widths", "5", "--steps", "40", "--seeds", "2")


def run(*words):
    return cli.main(["train", *map(str, words), "--quiet"])


def refused(capsys, *words):
    """Exit code and the one line on stderr."""
    code = run(*words)
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("nnrg: error: "), captured.err
    return code, lines[0]


def test_everything_is_written_and_is_the_record_of_the_library(tmp_path, capsys):
    words = ["-o", tmp_path, *SMALL, "--seed", "3", "--record", "log:4", "--json"]
    assert cli.main(["train", *map(str, words)]) == 0
    printed, said = capsys.readouterr()
    assert said.startswith("nnrg: wrote ")
    assert {p.name for p in tmp_path.iterdir()} == {*FILES, "data.safetensors"}
    body = json.loads(printed)
    assert body == json.loads((tmp_path / "training.json").read_text())
    assert body["provenance"]["seed"] == "3" and body["flags"] == []
    made = open_record(tmp_path / "training.safetensors")
    assert made.steps.tolist() == [0, 1, 3, 12, 40]
    assert made.model.widths == (6, 5, 1) and made.n_seeds == 2
    with open(tmp_path / "training.csv") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == made.losses.ravel().tolist()
    data = load_file(tmp_path / "data.safetensors")
    assert data["inputs"].shape == (20, 6) and data["covariance"].shape == (6, 6)
    # The library makes the same of the data and the seed that were written.
    entropy, *key = map(int, made.configuration["seed"])
    again = train(
        made.model,
        (data["inputs"], data["targets"]),
        optimiser=HeavyBall(0.01, 0.9),
        steps=40,
        n_seeds=2,
        rng=np.random.SeedSequence(entropy, spawn_key=key),
    )
    np.testing.assert_array_equal(again.losses[:, -1], made.losses[:, -1])


@pytest.mark.parametrize(
    ("words", "shape", "optimiser"),
    [
        (("--model", "perceptron", "--samples", "9", "--outputs", "2"), (2, 32), "HeavyBall"),
        (
            ("--covariance", "power:2", "--sites", "8", "--optimiser", "adam"),
            (32, 8),
            "Adam",
        ),
        (
            (
                "--model",
                "conv",
                "--covariance",
                "patches:8",
                "--widths",
                "2,3",
                "--optimiser",
                "gradient-descent",
            ),
            (2, 1, 3, 3),
            "GradientDescent",
        ),
        (
            ("--model", "recurrent", "--sites", "4", "--optimiser", "nesterov", "--no-outputs"),
            (32, 1),
            "Nesterov",
        ),
    ],
    ids=["perceptron", "power law", "conv", "recurrent"],
)
def test_networks_data_and_optimisers(words, shape, optimiser, tmp_path, capsys):
    words = ("-o", tmp_path, *words, "--steps", "3", "--samples", "7", "--learning-rate", "1e-3")
    assert run(*words, "--schedule", "step:0.5:2") == 0
    assert optimiser in capsys.readouterr().out
    made = open_record(tmp_path / "training.safetensors")
    assert next(iter(made.weights.values())).shape[2:] == shape
    assert made.learning_rates.tolist() == [1e-3, 1e-3, 1e-3, 5e-4]
    assert made.losses.shape == (4, 4) and np.isfinite(made.losses).all()
    assert (made.outputs is None) == ("--no-outputs" in words)


def test_data_of_a_file_and_classes(tmp_path, capsys):
    rng = np.random.default_rng(2)
    arrays = {"inputs": rng.standard_normal((30, 2, 4)), "targets": np.arange(30) % 3}
    save_file(arrays, tmp_path / "classes.safetensors")
    np.savez(tmp_path / "classes.npz", **arrays)
    made = []
    for name in ("classes.safetensors", "classes.npz"):
        words = ("--data", tmp_path / name, "-o", tmp_path / name[8:], "--loss", "cross_entropy")
        assert run(*words, "--seed", 1, "--steps", 5, "--optimiser", "adam") == 0
        made.append(open_record(tmp_path / name[8:] / "training.safetensors"))
        assert {p.name for p in (tmp_path / name[8:]).iterdir()} == FILES
    assert made[0].model.widths == (8, 32, 3) and made[0].losses[0, 0] > 0.5
    np.testing.assert_array_equal(made[0].losses, made[1].losses)
    capsys.readouterr()
    arrays["targets"] = arrays["targets"] + 0.5
    save_file(arrays, tmp_path / "halves.safetensors")
    code, line = refused(
        capsys, "--data", tmp_path / "halves.safetensors", "-o", tmp_path / "x", "--loss",
        "cross_entropy",
    )  # fmt: skip
    assert code == 2 and "must be classes 0, 1, 2" in line


def test_a_run_that_was_killed_goes_on_as_if_it_had_not_been(tmp_path, capsys):
    words = ["--widths", "16", "--steps", "60000", "--record", "2000", "--seeds", "1", "-q"]
    killed, path = tmp_path / "killed", tmp_path / "killed" / "training.safetensors"
    program = [sys.executable, "-m", "nnrg", "train", "-o", str(killed), *words]
    process = subprocess.Popen(program, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        if path.exists() and path.stat().st_size > 80_000:
            os.kill(process.pid, signal.SIGKILL)
            break
    assert process.wait() == -signal.SIGKILL
    left = open_record(path)
    assert 0 < left.steps[-1] < 60000 and "train again to go on" in left.flags[-1]
    last = str(left.steps[-1] + 2000)
    # Without --seed: it is that of the record, and so are the data.
    assert cli.main(["train", "-o", str(killed), *words[:-1], "--steps", last]) == 0
    assert f"recorded up to step {left.steps[-1]}" in capsys.readouterr().err
    seed = left.configuration["seed"][0]
    assert run("-o", tmp_path / "whole", *words, "--steps", last, "--seed", seed) == 0
    one, other = (
        open_record(tmp_path / name / "training.safetensors") for name in ("killed", "whole")
    )
    for name, w in one.weights.items():
        np.testing.assert_array_equal(w, other.weights[name])
    data = [(tmp_path / name / "data.safetensors").read_bytes() for name in ("killed", "whole")]
    assert data[0] == data[1]


def test_another_run_is_refused(tmp_path, capsys):
    assert run("-o", tmp_path, *SMALL, "--seed", "3") == 0
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    capsys.readouterr()
    for words, says in [
        (("--seed", "4"), "its seed was 3, got 4"),
        (("--learning-rate", "0.03"), "optimiser.learning_rate was 0.01, got 0.03"),
        (("--samples", "21"), "data.n_samples was 20, got 21"),
        (("--noise", "0.1"), "data.targets_sha256"),
    ]:
        code, line = refused(capsys, "-o", tmp_path, *SMALL, *words)
        assert code == 2 and says in line
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_divergence_is_told_and_the_record_kept(tmp_path, capsys):
    words = ("-o", tmp_path, "--model", "perceptron", "--learning-rate", "9", "--seed", "1")
    assert run(*words, "--strict", "--seeds", "1", "--json") == 6
    body = json.loads(capsys.readouterr().out)
    assert body["diverged"]["bound"] == 3.8 < body["diverged"]["rate_times_curvature"]
    made = open_record(tmp_path / "training.safetensors")
    assert (
        made.flags[-1] == body["flags"][-1]
        and "the stability bound 3.8 is crossed" in (made.flags[-1])
    )
    data = load_file(tmp_path / "data.safetensors")
    top = largest_curvature(perceptron(32), made.tensors(), data["inputs"], data["targets"])
    assert body["diverged"]["rate_times_curvature"] == pytest.approx(9 * top, rel=2e-3)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--data", "nosuch.npz"), 3, "no such file; --covariance draws data"),
        (("--data", "{data}", "--samples", "4"), 2, "--samples is of data drawn here"),
        (("--data", "{other}"), 2, "no array called inputs; there are weights"),
        (("--sites", "8xx"), 2, "--sites: expected a length such as 32, or 8x8"),
        (("--sites", "4x4"), 2, "live on a ring: give --sites 16"),
        (("--covariance", "patches:8", "--sites", "8x4"), 2, "8x8 sites; leave --sites out"),
        (("--covariance", "patches:a"), 2, "an integer after the colon, got 'patches:a'"),
        (("--covariance", "power"), 2, "expected exponential:XI, power:A, white or patches:N"),
        (("--covariance", "exponential:-1"), 2, "correlation_length must be positive"),
        (("--model", "perceptron", "--widths", "3"), 2, "--widths is of --model mlp or conv"),
        (("--model", "recurrent", "--widths", "3,4"), 2, "of a recurrent net is one number"),
        (("--model", "conv", "--data", "{data}", "--sites", "5"), 2, "do not fill 5 sites"),
        (("--model", "recurrent", "--data", "{images}"), 2, "must have shape (P, times, n)"),
        (("--widths", "a"), 2, "--widths: expected numbers by commas"),
        (
            ("--optimiser", "gradient-descent", "--momentum", "0.9"),
            2,
            "--momentum is of heavy-ball",
        ),
        (("--model", "perceptron", "--sigma-b", "1"), 2, "--sigma-b is of --model mlp or conv"),
        (("--no-bias", "--sigma-b", "1"), 2, "drop one of them"),
        (("--data", "{uneven}"), 2, "targets must have one row an input, 3, got shape (2,)"),
        (("--model", "perceptron", "-a", "relu"), 2, "--activation is of --model mlp or conv"),
        (("--data", "{data}", "--sites", "4"), 2, "are for --model conv alone"),
        (("--momentum", "1"), 2, "momentum must be at least 0 and below 1"),
        (("--schedule", "step:0.5"), 2, "--schedule: expected constant"),
        (("--learning-rate", "nan"), 2, "learning_rate must be a finite real number"),
        (("--activation", "foo"), 2, "activation must be one of linear"),
        (("--batch", "500"), 2, "batch must be an integer from 1 to 256"),
        (("--record", "x"), 2, "--record: expected numbers by commas"),
        (("--seeds", "0"), 2, "n_seeds must be an integer of at least 1"),
        (("--seed", "-1"), 2, "rng must be a non-negative integer"),
        (("--loss", "cross_entropy"), 2, "a cross-entropy needs two outputs or more"),
        (("--loss", "cross_entropy", "--outputs", "2"), 2, "probabilities that sum to one"),
    ],
)
def test_bad_words_are_named(words, code, says, tmp_path, capsys):
    files = {
        name: tmp_path / f"{name}.safetensors" for name in ("data", "other", "images", "uneven")
    }
    save_file({"inputs": np.ones((3, 4)), "targets": np.ones((3, 1))}, files["data"])
    save_file({"inputs": np.ones((3, 1, 4, 4)), "targets": np.ones((3, 1))}, files["images"])
    save_file({"inputs": np.ones((3, 4)), "targets": np.ones(2)}, files["uneven"])
    save_file({"weights": np.ones((3, 4))}, files["other"])
    words = [word.format(**files) for word in words]
    found, line = refused(capsys, "-o", tmp_path / "out", *words)
    assert found == code and says in line


@pytest.mark.parametrize(
    ("kind", "covariance"),
    [
        ("exponential:2", exponential_inputs(1, 8, correlation_length=2.0).covariance),
        ("power:1.5", power_law_inputs(1, 8, exponent=1.5).covariance),
        ("white", np.eye(8)),
    ],
)
def test_inputs_that_are_drawn(kind, covariance, tmp_path):
    assert run("-o", tmp_path, "--covariance", kind, "--sites", 8, "--steps", 1) == 0
    found = load_file(tmp_path / "data.safetensors")["covariance"]
    np.testing.assert_allclose(found, covariance, rtol=0, atol=1e-15)


@pytest.mark.parametrize("command", ["inspect", "flow"])
def test_a_record_is_not_taken_for_a_model(command, tmp_path, capsys):
    assert run("-o", tmp_path, *SMALL) == 0
    path = tmp_path / "training.safetensors"
    capsys.readouterr()
    more = ("-o", str(tmp_path / "flow")) if command == "flow" else ()
    assert cli.main([command, str(path), *more]) == 4
    printed, said = capsys.readouterr()
    assert printed == "" and said.count("\n") == 1 and not (tmp_path / "flow").exists()
    assert f"{path}: a recorded training (2 seeds, 41 steps to 40), not one model" in said
    # The data beside it are no record.
    assert cli.main(["inspect", str(tmp_path / "data.safetensors")]) == 0
