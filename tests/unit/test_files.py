"""Files are written whole or not at all, and nothing but a file is ever replaced."""

import os
import stat

import numpy as np
import pytest
from matplotlib.figure import Figure

import nnrg
from nnrg import plot
from nnrg._files import written_whole
from nnrg.comparison._text import write_text
from nnrg.errors import ArgumentError, NNRGError, SourceError


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
    assert len(list(tmp_path.iterdir())) == 6  # no draft is left


def test_a_link_stays_and_what_it_points_to_is_written(couplings, tmp_path):
    for name, write in writers(couplings).items():
        target, link = tmp_path / f"far-{name}", tmp_path / name
        link.symlink_to(target)
        write(link)
        assert link.is_symlink() and target.stat().st_size > 0


def test_what_is_no_path_is_told(couplings):
    for write in writers(couplings).values():
        for path in (None, 3, b"x.nc", "a\0.nc"):
            with pytest.raises(ArgumentError, match="expected the path of a file"):
                write(path)
    for path in (None, 3, b"x.nc", "a\0.nc"):
        with pytest.raises(NNRGError):
            nnrg.open_results(path)


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
