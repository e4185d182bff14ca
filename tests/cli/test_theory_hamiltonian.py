"""`nnrg theory hamiltonian`: waves measured, matrices read, and what is refused."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from nnrg import cli
from nnrg.simulate.training import HeavyBall, Recording, RecurrentNet, train

FILES = {
    f"hamiltonian{added}.{ending}"
    for added, endings in (("", ("json", "csv", "pdf", "png")), ("-conservation", ("pdf", "png")))
    for ending in endings
}


def hamiltonian(*words):
    return cli.main(["theory", "hamiltonian", *map(str, words), "--no-progress"])


def run(capsys, *words):
    """Return what is printed as JSON by a run that ends well."""
    assert hamiltonian(*words, "--json", "--quiet") == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return json.loads(printed.out)


@pytest.fixture
def model(tmp_path):
    """A recurrent network whose weights are partly symmetric, and a layer that leads elsewhere."""
    rng = np.random.default_rng(1)
    w = rng.normal(size=(48, 48))
    tensors = {
        "rnn.weight_hh_l0": w + 0.4 * w.T,
        "rnn.weight_ih_l0": rng.normal(size=(48, 6)),
        "fc.weight": rng.normal(size=(48, 48)),
    }
    path = tmp_path / "model.safetensors"
    save_file({k: v.astype(np.float32) for k, v in tensors.items()}, path)
    return path


def test_waves_of_a_plane_are_on_the_formula(capsys, tmp_path):
    words = ["--size", "8,8", "--mass", 0.7, "--dt", 0.2, "--records", 200, "--seed", 3]
    body = run(capsys, *words, "-o", tmp_path / "out")
    assert {p.name for p in (tmp_path / "out").iterdir()} == FILES
    assert json.loads((tmp_path / "out" / "hamiltonian.json").read_text()) == body
    rows = body["dispersion"]["rows"]
    assert len(rows) == 12  # five, four more, three more
    for row in rows:
        k = np.array([row["k:0"], row["k:1"]])
        root = 0.2 / 2 * np.sqrt(0.49 + (4 * np.sin(k / 2) ** 2).sum())
        assert row["omega"] == pytest.approx(2 / 0.2 * np.arcsin(root), abs=1e-9)
        assert row["omega_error"] > 0
    assert body["fit"]["mass_squared"]["value"] == pytest.approx(0.49, abs=1e-9)
    assert body["conservation"]["modified_energy_drift"] < 1e-11
    assert body["conservation"]["simultaneous_growth"] > 100
    assert body["provenance"]["seed"] == "3"


def test_spinors_have_doublers_unless_they_are_made_heavy(capsys):
    words = ["--lattice", "Dirac", "--size", "4,4,4", "--records", 128]
    naive = run(capsys, *words)
    assert naive["doublers"]["count"] == 8 and naive["clifford"]["residual"] == 0
    heavy = run(capsys, *words, "--wilson", 1, "--steps", "exponential")
    assert heavy["doublers"]["count"] == 1 and "fit" not in heavy
    change = naive["conservation"]["norm_change"]
    assert max(change["Cayley"], change["exponential"]) < 1e-10 < 1 < change["Euler"]


def test_noise_gives_errors_that_are_those_of_the_distance(capsys):
    """48 modes at most, 5 errors with 7 degrees of freedom: a seed in 30 would fail."""
    words = ["--size", 32, "--noise", 0.3, "--seed", 2]
    rows = [r for r in run(capsys, *words)["dispersion"]["rows"] if not r["flag"]]
    pulls = [(r["omega"] - r["expected"]) / r["omega_error"] for r in rows]
    assert len(pulls) > 10 and np.abs(pulls).max() < 5
    assert 0.3 < np.std(pulls) < 2.5


def test_matrices_of_a_model_are_read_and_others_named(capsys, model, tmp_path):
    body = run(capsys, model, "--draws", 8, "--seed", 1, "-o", tmp_path / "out")
    endings = {p.name for p in (tmp_path / "out").iterdir()}
    assert endings == {n.replace("-conservation", "-flow") for n in FILES}
    (reading,) = body["readings"]
    assert reading["name"] == "rnn.weight_hh_l0"
    row = next(r for r in body["rows"] if r["quantity"] == "symmetric" and r["scale"] == 1)
    # |w + 0.4 w^T|^2 splits as (1.4^2, 0.6^2) / 2.
    assert row["value"] == pytest.approx(1.96 / (1.96 + 0.36), abs=0.02) and row["z"] > 10
    assert {r["name"] for r in body["refused"]} == {"rnn.weight_ih_l0", "fc.weight"}
    assert len(body["provenance_of_model"]["sha256"]) == 64
    assert hamiltonian(model, "--draws", 8, "--quiet") == 0
    assert "rnn.weight_hh_l0: 48 x 48" in capsys.readouterr().out  # a single one is told whole


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--size", "7"], "equal even lengths"),
        (["--size", "a"], "--size: expected numbers"),
        (["--size", "8,8,8,8"], "one to three lengths"),
        (["--dt", "5"], "stability limit"),
        (["--mass", "nan"], "finite real number"),
        (["--wilson", "1"], "of --lattice dirac"),
        (["--records", "3"], "--records: expected"),
        (["--size", "1024,1024", "--records", "1000"], "--records: expected"),
        (["--noise", "-1"], "--noise: expected"),
        (["--draws", "5"], "--draws is of a MODEL"),
        (["MODEL", "--mass", "1"], "--mass is of a lattice"),
        (["MODEL", "-t", "nothing*"], "no trained tensor matches"),
        (["MODEL", "-t", "fc*"], "two populations"),
        (["MODEL", "--draws", "1"], "draws must be"),
        (["MODEL", "--levels", "9"], "levels must be"),
    ],
)
def test_bad_input_is_one_line(words, said, model, capsys):
    words = [model if word == "MODEL" else word for word in words]
    assert hamiltonian(*words) in (2, 3, 4, 5)
    printed = capsys.readouterr()
    assert printed.out == "" and said in printed.err and len(printed.err.splitlines()) == 1


def test_a_recorded_training_is_read_at_its_end(capsys, tmp_path):
    """The matrix of each start is that of the last recorded step, not a tensor of frames."""
    path = tmp_path / "run.safetensors"
    rng = np.random.default_rng(2)
    x = rng.normal(size=(20, 3, 1))
    made = train(
        RecurrentNet(1, 24, length=3), (x, x.sum(axis=(1, 2))), optimiser=HeavyBall(0.05, 0.9),
        steps=5, record=Recording(1, path=path), n_seeds=2, rng=3,
    )  # fmt: skip
    w = made.weights["rnn.weight_hh_l0"][1, -1]
    w = w - w.mean()
    body = run(capsys, path, "--network", 1, "--draws", 4, "--seed", 1)
    row = next(r for r in body["rows"] if r["quantity"] == "symmetric" and r["scale"] == 1)
    assert row["value"] == pytest.approx(np.sum((w + w.T) ** 2) / 4 / np.sum(w**2))
    assert body["network"] == "run.safetensors, start 1, step 5"
    assert hamiltonian(path, "--network", 1, "--tensors", "rnn.weight_ih*") == 5
    error = capsys.readouterr().err
    assert "no matrix of run.safetensors, start 1, step 5 leads" in error
    assert hamiltonian(path, "--network", 2) == 2
    assert "--network: expected 0 to 1" in capsys.readouterr().err
