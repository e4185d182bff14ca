"""Markov chains that stop and go on: the same numbers, safe files, progress."""

import io
import json
import pickle
import zipfile

import numpy as np
import pytest

from nnrg import progress
from nnrg.errors import ArgumentError, FormatError, SourceError
from nnrg.simulate import _markov, ising, phi4, phi4_lattice, spins
from nnrg.simulate._checkpoint import save


def draw_ising(n=6, **options):
    options = {"rng": 1, "thermalise": 10, "sweeps": 1, **options}
    return ising((8, 6), n, beta=0.4, **options).values


def draw_phi4(n=6, **options):
    options = {"rng": 1, "thermalise": 60, "stride": 7, "clusters": 3, **options}
    return phi4_lattice((8, 6), n, r=-0.8, u=3.0, **options)


MODULES = {draw_ising: spins, draw_phi4: phi4}
DRAWS = pytest.mark.parametrize("draw", [draw_ising, draw_phi4], ids=["ising", "phi4"])


def stop_after(count):
    def tell(done, total):
        if done == count:
            raise KeyboardInterrupt

    return tell


@DRAWS
@pytest.mark.parametrize("count", [1, 3, 5])
def test_an_interrupted_chain_goes_on_with_the_same_numbers(draw, count, tmp_path):
    path, whole = tmp_path / "chain.npz", draw()
    with pytest.raises(KeyboardInterrupt):
        draw(checkpoint=path, progress=stop_after(count))
    assert path.is_file() and [p.name for p in tmp_path.iterdir()] == ["chain.npz"]
    told = []
    np.testing.assert_array_equal(
        draw(checkpoint=path, progress=lambda *state: told.append(state)), whole
    )
    assert told == [(n, 6) for n in range(count + 1, 7)]


@DRAWS
def test_thermalisation_goes_on_too(draw, tmp_path, monkeypatch):
    path, whole = tmp_path / "chain.npz", draw(thermalise=100)
    monkeypatch.setattr(MODULES[draw_ising], "_SITES_A_CALL", 1000)
    chain = MODULES[draw]._Chain
    step, calls = chain.thermalise, []

    def interrupted(self, stop):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(stop)
        step(self, stop)

    monkeypatch.setattr(chain, "thermalise", interrupted)
    with pytest.raises(KeyboardInterrupt):
        draw(thermalise=100, checkpoint=path)
    monkeypatch.setattr(chain, "thermalise", step)
    np.testing.assert_array_equal(draw(thermalise=100, checkpoint=path), whole)


@DRAWS
def test_an_interruption_in_the_middle_of_an_update_does_no_harm(draw, tmp_path, monkeypatch):
    path, whole = tmp_path / "chain.npz", draw()
    chain = MODULES[draw]._Chain
    advance, calls = chain.advance, []

    def interrupted(self):
        advance(self)
        calls.append(self)
        if len(calls) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(chain, "advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        draw(checkpoint=path)
    monkeypatch.setattr(chain, "advance", advance)
    np.testing.assert_array_equal(draw(checkpoint=path), whole)


@DRAWS
def test_a_longer_run_goes_on_from_a_shorter_one(draw, tmp_path):
    path = tmp_path / "chain.npz"
    short = draw(4, checkpoint=path)
    long = draw(9, checkpoint=path)
    np.testing.assert_array_equal(long, draw(9))
    np.testing.assert_array_equal(short, long[:4])
    np.testing.assert_array_equal(draw(2, checkpoint=path), long[:2])
    np.testing.assert_array_equal(draw(11, checkpoint=path), draw(11))


@DRAWS
def test_without_a_seed_that_of_the_checkpoint_is_used(draw, tmp_path):
    path = tmp_path / "chain.npz"
    draw(3, checkpoint=path, rng=77)
    np.testing.assert_array_equal(draw(checkpoint=path, rng=None), draw(rng=77))
    with pytest.raises(ArgumentError, match="another run: seed"):
        draw(checkpoint=path, rng=78)


@DRAWS
@pytest.mark.parametrize("option", [{"thermalise": 20}, {"clusters": 7}])
def test_a_checkpoint_of_another_chain_is_refused(draw, option, tmp_path):
    path = tmp_path / "chain.npz"
    draw(3, checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(ArgumentError, match=f"another run: {next(iter(option))}"):
        draw(checkpoint=path, **option)
    assert path.read_bytes() == before


def test_a_checkpoint_of_another_sampler_is_refused(tmp_path):
    path = tmp_path / "chain.npz"
    draw_ising(checkpoint=path)
    with pytest.raises(FormatError, match="no checkpoint of this chain"):
        draw_phi4(checkpoint=path)


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("the checkpoint was unpickled",))


def rewritten(path, change):
    """Write the checkpoint again, its members changed by ``change(members)``."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def array_file(values):
    file = io.BytesIO()
    np.lib.format.write_array(file, values)
    return file.getvalue()


def hostile(members, kind):
    if kind == "pickle":
        trap = array_file(np.array([Trap()], dtype=object))
        members["field.npy"] = trap
    elif kind == "bare pickle":
        members["field.npy"] = pickle.dumps(Trap())
    elif kind == "huge":
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "|i1", "fortran_order": False, "shape": (2**50, 8, 6)}
        )
        members["samples.npy"] = header.getvalue() + bytes(100)
    elif kind == "other shape":
        members["field.npy"] = array_file(np.ones((1, 6, 8), dtype=np.int8))
    elif kind == "other type":
        members["field.npy"] = array_file(np.ones((1, 8, 6)))
    elif kind == "cut off":
        members["samples.npy"] = members["samples.npy"][:-5]
    elif kind == "missing":
        del members["counts.npy"]
    elif kind == "no text":
        del members["chain.json"]
    elif kind == "text":
        members["chain.json"] = b"{"
    elif kind == "list":
        members["chain.json"] = b"[]"
    elif kind == "deep":
        members["chain.json"] = b"[" * 60_000
    elif kind == "long":
        members["chain.json"] = json.dumps({"seed": "1" * 100_000}).encode()


KINDS = ["pickle", "bare pickle", "huge", "other shape", "other type", "cut off", "missing"]
KINDS += ["no text", "text", "list", "deep", "long"]


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_checkpoints_are_refused(kind, tmp_path):
    path = tmp_path / "chain.npz"
    draw_ising(checkpoint=path)
    rewritten(path, lambda members: hostile(members, kind))
    with pytest.raises(FormatError, match=r"chain\.npz is no checkpoint of this chain"):
        draw_ising(9, checkpoint=path)


def test_compressed_checkpoints_are_refused(tmp_path):
    """A kilobyte of compressed samples may stand for gigabytes."""
    path = tmp_path / "chain.npz"
    draw_ising(checkpoint=path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(FormatError, match="is compressed"):
        draw_ising(checkpoint=path)


def test_damaged_checkpoints_are_refused(tmp_path):
    path = tmp_path / "chain.npz"
    draw_ising(checkpoint=path)
    good = path.read_bytes()
    for damaged in (b"", good[:100], good[: len(good) // 2], b"x" * 1000):
        path.write_bytes(damaged)
        with pytest.raises(FormatError, match="no checkpoint"):
            draw_ising(9, checkpoint=path)
    at = good.index(b"\x93NUMPY") + 140  # a number of the first array
    path.write_bytes(good[:at] + bytes([good[at] ^ 255]) + good[at + 1 :])
    with pytest.raises(FormatError, match="no checkpoint"):
        draw_ising(9, checkpoint=path)


def test_checkpoints_that_cannot_be_written_are_named(tmp_path):
    with pytest.raises(SourceError, match="cannot write the checkpoint"):
        draw_ising(checkpoint=tmp_path / "nowhere" / "chain.npz")
    with pytest.raises(SourceError, match="cannot read the checkpoint"):
        draw_ising(checkpoint=tmp_path)
    with pytest.raises(ArgumentError, match="checkpoint must be a path"):
        draw_ising(checkpoint=3)


def test_a_failed_write_keeps_the_checkpoint_that_was_there(tmp_path, monkeypatch):
    path = tmp_path / "chain.npz"
    draw_ising(3, checkpoint=path)
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.lib.format.write_array", full)
    with pytest.raises(SourceError, match="No space left"):
        save(path, {}, {"field": np.ones(3)})
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


class Terminal(io.StringIO):
    def isatty(self):
        return True


@DRAWS
def test_a_bar_is_shown_on_a_terminal_once_a_run_has_lasted(draw, monkeypatch):
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    draw()
    assert stream.getvalue() == ""
    monkeypatch.setattr(progress, "_PATIENCE", -1.0)
    draw()
    assert "6/6" in stream.getvalue() and stream.getvalue().endswith("\r\x1b[K")


def test_chains_are_kept_once_a_minute(tmp_path, monkeypatch):
    path, seen = tmp_path / "chain.npz", []
    monkeypatch.setattr(_markov, "_EVERY", -1.0)
    monkeypatch.setattr(_markov, "_SHARE", float("inf"))
    draw_ising(checkpoint=path, progress=lambda done, total: seen.append(path.exists()))
    assert all(seen)
