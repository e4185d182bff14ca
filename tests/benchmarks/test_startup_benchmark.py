"""How long a user waits: help, a warm flow of the shipped network, results files, figures.

Absolute times are for a quiet machine: each is shown beside a yardstick of the same run.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import nnrg
import nnrg.data
from nnrg import plot

pytestmark = pytest.mark.benchmark


def fastest(repeats, *functions):
    """Shortest wall time of each function, run in turn."""
    walls = [[] for _ in functions]
    for _ in range(repeats):
        for wall, function in zip(walls, functions, strict=True):
            start = time.perf_counter()
            function()
            wall.append(time.perf_counter() - start)
    return [min(wall) for wall in walls]


def python(*words):
    return lambda: subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)


def test_help_is_immediate():
    bare, imported, numpy = fastest(
        7, python("-c", ""), python("-m", "nnrg", "--help"), python("-c", "import numpy")
    )
    print(f"\n--help {imported:.3f} s, {imported / bare:.1f} x a bare interpreter ({bare:.3f} s)")
    assert imported < 0.15
    assert imported < numpy


def test_a_warm_flow_of_the_shipped_network_takes_seconds(tmp_path):
    words = ("-m", "nnrg", "flow", "-o", str(tmp_path), "--seed", "1", "-q")
    libraries = "import numba, h5py, matplotlib.figure, matplotlib.backends.backend_pdf"
    python(*words)()
    flow, bare, imports = fastest(
        4, python(*words), python(*words, "--figures", "none"), python("-c", libraries)
    )
    print(
        f"\nflow {flow:.2f} s, without figures {bare:.2f} s, of which libraries {imports:.2f} s "
        f"(load {os.getloadavg()[0]:.1f})"
    )
    assert flow < 3.0


def test_results_are_written_faster_than_by_xarray(tmp_path):
    run = nnrg.flow_network(nnrg.load(nnrg.data.default_network_path()), rng=1)
    groups = {
        f"field{i}/{table}": getattr(m, table).to_xarray()
        for i, m in enumerate(run.measurements.values())
        for table in ("cumulants", "couplings")
    }

    def by_xarray():
        path = Path(tmp_path / "x.nc")
        path.unlink(missing_ok=True)
        for name, data in groups.items():
            data.to_netcdf(path, mode="a", group=name, engine="h5netcdf")

    ours, theirs, read = fastest(
        5,
        lambda: run.save(tmp_path / "ours.nc"),
        by_xarray,
        lambda: nnrg.open_results(tmp_path / "ours.nc"),
    )
    print(f"\nsave {ours * 1e3:.0f} ms, xarray {theirs / ours:.1f} x, open {read * 1e3:.0f} ms")
    assert theirs > 2 * ours


def test_two_files_of_a_figure_cost_little_more_than_two_drawings(tmp_path):
    run = nnrg.flow_network(nnrg.load(nnrg.data.default_network_path()), rng=1)

    def both(fig):
        plot.save(fig, tmp_path / "a.pdf")
        plot.save(fig, tmp_path / "a.png")

    def laid_out_again(fig):
        fig.set_layout_engine("constrained")
        both(fig)

    frozen = plot.figure(run.leading)
    laid_out = plot.figure(run.leading)
    once, again = fastest(4, lambda: both(frozen), lambda: laid_out_again(laid_out))
    print(f"\nPDF and PNG {once:.2f} s; laying out at every save {again / once:.2f} x")
    assert again > 1.2 * once
