"""Files are written whole or not at all, and nothing but a file is ever replaced."""

import os
import stat

import numpy as np
import pytest
from matplotlib.figure import Figure

import nnrg
from nnrg import plot
from nnrg._files import write_tensors, written_whole
from nnrg.comparison._text import write_text
from nnrg.errors import ArgumentError, NNRGError, SourceError
from nnrg.simulate import _checkpoint
from nnrg.simulate.training import MLP, GradientDescent, Recording, train


@pytest.fixture(scope="module")
def couplings():
    values = np.random.default_rng(4).normal(size=(12, 16, 16))
    flow = nnrg.renormalize(nnrg.SynapticField(values, nnrg.Lattice((16, 16))), levels=2)
    return nnrg.fit_couplings(flow, nulls=(), rng=1)


def writers(couplings):
    figure = Figure()
    return {
        "x.nc": couplings.save,
        "x.pdf": lambda path: plot.save(figure, path),
        "x.csv": lambda path: write_text(path, "a,b\n"),
        "x.safetensors": lambda path: write_tensors(path, {"w": np.ones(3)}),
    }


def test_pipes_devices_and_folders_are_not_replaced(couplings, tmp_path):
    for name, write in writers(couplings).items():
        pipe, folder = tmp_path / f"pipe-{name}", tmp_path / f"folder-{name}"
        os.mkfifo(pipe)
        folder.mkdir()
        for path, what in ((pipe, "a device or a pipe"), (folder, "a folder")):
            with pytest.raises(SourceError, match=f"is {what}, which is not replaced"):
                write(path)
        assert stat.S_ISFIFO(pipe.stat().st_mode) and folder.is_dir()
    assert len(list(tmp_path.iterdir())) == 8  # no draft is left


def test_a_link_stays_and_what_it_points_to_is_written(couplings, tmp_path):
    for name, write in writers(couplings).items():
        target, link = tmp_path / f"far-{name}", tmp_path / name
        link.symlink_to(target)
        write(link)
        assert link.is_symlink() and target.stat().st_size > 0


def record(path):
    rng = np.random.default_rng(6)
    data = rng.normal(size=(8, 4)), rng.normal(size=(8, 1))
    options = {"optimiser": GradientDescent(0.1), "steps": 2, "rng": 1}
    train(MLP((4, 1)), data, record=Recording(1, path=path), **options)


def test_checkpoints_and_records_are_written_through_links(tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for name, write in {
        "chain.npz": lambda path: _checkpoint.save(path, {"a": 1}, {"x": np.ones(4)}),
        "run.safetensors": record,
    }.items():
        target, link = tmp_path / f"far-{name}", tmp_path / name
        link.symlink_to(target)
        write(link)
        assert link.is_symlink() and target.stat().st_size > 0
        with pytest.raises(SourceError, match="leads back to itself"):
            write(loop)


def test_what_is_no_path_is_told(couplings):
    for write in writers(couplings).values():
        for path in (None, 3, b"x.nc", "a\0.nc", "a\ud800b.nc"):
            with pytest.raises(ArgumentError, match="expected the path of a file"):
                write(path)
    for path in (None, 3, b"x.nc", "a\0.nc"):
        with pytest.raises(NNRGError):
            nnrg.open_results(path)


def test_names_in_messages_are_escaped_and_cut(couplings, tmp_path):
    for name, write in writers(couplings).items():
        folder = tmp_path / f"a\x1b[31m\n{name}"
        folder.mkdir()
        with pytest.raises(SourceError, match=r"a\\x1b\[31m\\nx\.\w+: is a folder") as caught:
            write(folder)
        assert str(caught.value).isprintable()
        with pytest.raises(SourceError, match="…") as caught:
            write(tmp_path / ("long" * 500) / name)
        assert len(str(caught.value)) < 320


def test_a_link_to_itself_is_no_file(couplings, tmp_path):
    for name, write in writers(couplings).items():
        link, other = tmp_path / name, tmp_path / f"other-{name}"
        link.symlink_to(other)
        other.symlink_to(link)
        with pytest.raises(SourceError, match="leads back to itself"):
            write(link)
        assert link.is_symlink() and other.is_symlink()


def test_a_coarse_network_is_a_file_like_any_other(tmp_path):
    rng = np.random.default_rng(5)
    layers = {f"fc{i}.weight": rng.normal(size=(8, 8)) for i in range(3)}
    flow = nnrg.renormalize_network(nnrg.load(layers), nulls=(), rng=1)
    target, link = tmp_path / "new" / "far", tmp_path / "x.safetensors"
    link.symlink_to(target)
    flow.save_network(link, 0)
    assert link.is_symlink() and list(nnrg.load(target).tensors) == list(layers)
    folder = tmp_path / "folder.safetensors"
    folder.mkdir()
    with pytest.raises(SourceError, match="is a folder, which is not replaced"):
        flow.save_network(folder, 0)
    with pytest.raises(ArgumentError, match="expected the path of a file"):
        flow.save_network(3, 0)


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = tmp_path / "kept"
    path.write_text("before")
    path.chmod(0o640)
    with pytest.raises(ZeroDivisionError), written_whole(path) as draft:
        draft.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]
    with written_whole(path) as draft:
        draft.write_text("after")
    assert path.read_text() == "after" and path.stat().st_mode & 0o777 == 0o640
