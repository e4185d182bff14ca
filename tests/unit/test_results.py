"""Results files: reopened identically, readable by others, never trusted."""

import os
import re
from dataclasses import replace

import h5py
import numpy as np
import pytest
import xarray as xr
from cli.runs import run, same, same_run, weights

import nnrg
from nnrg._netcdf import SEAL_SIZE, seal
from nnrg._report import against_null
from nnrg.errors import ArgumentError, FormatError, SourceError
from nnrg.simulate import ar1


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "flow.nc"
    run().save(path)
    return path


def test_a_run_is_reopened_identically(saved):
    again = nnrg.open_results(saved)
    same_run(run(), again)
    assert dict(again.attrs) == dict(run().attrs)
    assert again.leading.name == run().leading.name
    assert again.report() == run().report()
    same_run(run(), nnrg.open_results(saved.parent))


@pytest.mark.parametrize("table", ["cumulants", "couplings"])
def test_a_table_is_reopened_identically(tmp_path, table):
    result = getattr(run().leading, table)
    result.save(tmp_path / "table.nc")
    same(result, nnrg.open_results(tmp_path / "table.nc"))


@pytest.mark.parametrize("table", ["cumulants", "couplings"])
def test_xarray_reads_each_group_as_the_table_itself(saved, table):
    for i, name in enumerate(run()):
        with xr.open_dataset(saved, group=f"field{i}/{table}", engine="h5netcdf") as data:
            xr.testing.assert_identical(data.load(), getattr(run()[name], table).to_xarray())


def test_names_that_hdf5_cannot_hold_are_escaped(tmp_path):
    one = nnrg.Run(dict(run().measurements), left_out={"a\0b\udcff": "x\ny"}, attrs={})
    one.save(tmp_path / "flow.nc")
    again = nnrg.open_results(tmp_path / "flow.nc")
    assert dict(again.left_out) == {"a\\x00b\\udcff": "x\ny"}


def test_files_are_the_same_bytes_at_a_given_date(tmp_path, monkeypatch):
    net = nnrg.load({"w": np.random.default_rng(1).normal(size=(64, 64))})
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    for name in ("a.nc", "b.nc"):
        nnrg.flow_network(net, nulls=(), rng=1).save(tmp_path / name)
    assert (tmp_path / "a.nc").read_bytes() == (tmp_path / "b.nc").read_bytes()
    attrs = nnrg.open_results(tmp_path / "a.nc").attrs
    assert attrs["started"] == attrs["finished"] == "1970-01-02T00:00:00+00:00"


def test_a_senseless_source_date_is_an_error(monkeypatch):
    from nnrg.provenance import utc_now

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(ArgumentError, match="seconds since 1970"):
        utc_now()


def test_provenance_says_how_it_was_made(saved):
    attrs = nnrg.open_results(saved).attrs
    assert re.fullmatch(r"[0-9a-f]{64}", attrs["weights_sha256"])
    assert attrs["seed"] == "11"
    assert attrs["tensors"] == 5
    assert attrs["parameters"] == 24 * 256 + 24 + 2 * 64 * 64 + 64 * 12
    assert attrs["nnrg_version"] == nnrg.__version__
    for key in ("numpy_version", "numba_version", "blas", "threads", "started", "cite", "command"):
        assert attrs[key]


def test_saving_replaces_whole_files_only(saved, monkeypatch):
    before = saved.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(SourceError, match="No space left"):
        run().save(saved)
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == ["flow.nc"]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="cannot be written"):
        run().save(tmp_path / "file" / "flow.nc")


def test_an_unknown_field_names_those_there_are():
    with pytest.raises(ArgumentError, match=r"no field 'fc9'.*embeddings"):
        run()["fc9"]


def compared(shift):
    """Cumulants whose kappa_2 is `shift` null spreads from the mean of 20 draws."""
    flow = nnrg.renormalize(nnrg.load(weights()).field("fc2.weight"), nnrg.GridBlocks(2))
    c = flow.cumulants(nulls=())
    noise = np.random.default_rng(4).normal(size=(20, *c.values.shape))
    noise = (noise - noise.mean(axis=0)) / noise.std(axis=0, ddof=1)
    shifts = np.sqrt(1 + 1 / 20) * np.asarray(shift)[:, None]
    draws = c.values + np.abs(c.values) * (noise - shifts)
    return replace(c, nulls={"permutation": draws})


def test_the_verdict_says_what_the_null_draws_allow():
    every = against_null(compared([0, 5, -6, 7, 8]))
    assert every == (
        "kappa_2 differs from 20 draws of permutation at every scale, b = 2, 4, 8, 16 "
        "(|z| from 5.0 to 8.0; 3.9 is p = 0.001)"
    )
    some = against_null(compared([9, 5, 1, -3, 8]))
    assert "at b = 2, 16, not at b = 4, 8 (|z| from 1.0 to 8.0;" in some
    none = against_null(compared([9, 1, 1, -3, 2]))
    assert none.startswith("kappa_2 cannot be told from 20 draws of permutation at any scale")
    bare = replace(run()["fc2.weight"].cumulants, nulls={})
    assert against_null(bare).startswith("no null model was run")


# -- files that nobody vouches for -------------------------------------------------------------


def one_line_refusal(path, *words):
    with pytest.raises(FormatError) as caught:
        nnrg.open_results(path)
    text = str(caught.value)
    assert "\n" not in text
    assert path.name in text
    for word in words:
        assert word in text, text


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"absent\.nc: no such results file"):
        nnrg.open_results(tmp_path / "absent.nc")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "flow.nc")
    with pytest.raises(SourceError):
        nnrg.open_results(tmp_path / "flow.nc")


def test_text_is_not_a_results_file(tmp_path):
    path = tmp_path / "flow.nc"
    path.write_text("not netCDF")
    one_line_refusal(path, "not a netCDF4 file")


@pytest.mark.parametrize("kept", [0, 7, 100, 0.3, 0.9])
def test_a_file_cut_off_is_refused(saved, kept):
    whole = saved.read_bytes()
    saved.write_bytes(whole[: kept if isinstance(kept, int) else int(kept * len(whole))])
    one_line_refusal(saved)


def test_bytes_changed_anywhere_are_noticed_before_hdf5_reads_them(saved):
    nnrg.Run({"fc2.weight": run()["fc2.weight"]}).save(saved)
    whole = bytearray(saved.read_bytes())
    rng = np.random.default_rng(2)
    for _ in range(80):
        damaged = whole.copy()
        for at in rng.integers(0, len(whole), size=3):
            damaged[at] = rng.integers(256)
        saved.write_bytes(damaged)
        if damaged != whole:
            one_line_refusal(saved, "checksum")


def test_damaged_heap_of_text_is_refused_before_hdf5_walks_it(saved):
    whole = saved.read_bytes()
    heap = whole.index(b"GCOL")
    for size in (2**64 - 16, 2**63, 0):
        damaged = bytearray(whole)
        damaged[heap + 24 : heap + 32] = size.to_bytes(8, "little")  # of the heap's first object
        saved.write_bytes(damaged[:-SEAL_SIZE])
        seal(saved)
        one_line_refusal(saved, "damaged text")


def test_netcdf_of_others_is_refused(tmp_path):
    xr.Dataset({"t": ("x", np.ones(3))}).to_netcdf(tmp_path / "w.nc", engine="h5netcdf")
    one_line_refusal(tmp_path / "w.nc", "not results of nnrg")
    seal(tmp_path / "w.nc")
    one_line_refusal(tmp_path / "w.nc", "not results of nnrg")


def changed(path, change):
    with h5py.File(path, "r+") as file:
        change(file)
    seal(path)


def _remove_group(file):
    del file["field0/couplings"]


def _remove_array(file):
    del file["field1/cumulants/value"]


def _remove_attribute(file):
    del file["field0/couplings"].attrs["notes"]


def _unknown_kind(file):
    file.attrs["nnrg_kind"] = "horoscope\x1b[2J"


def _external_link(file):
    del file["field0/couplings/value"]
    file["field0/couplings/value"] = h5py.ExternalLink("/etc/passwd", "/")


def _soft_link(file):
    file["again"] = h5py.SoftLink("/field0")


def _group_cycle(file):
    file["field0/field0"] = file["field0"]


def _external_storage(file):
    del file["field0/couplings/group_weight"]
    file["field0/couplings"].create_dataset(
        "group_weight", (24,), "f8", external=[("/etc/passwd", 0, 192)]
    )


def _virtual(file):
    layout = h5py.VirtualLayout((24,), "f8")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (24,))
    del file["field0/couplings/group_weight"]
    file["field0/couplings"].create_virtual_dataset("group_weight", layout)


def _claims_much(file):
    del file["field0/couplings/replicate"]
    file["field0/couplings"].create_dataset(
        "replicate", (1 << 18, 1 << 12, 8), "f8", chunks=(1, 1 << 12, 8), compression="gzip"
    )


def _large_chunk(file):
    file["field0/couplings"].create_dataset(
        "series_x", (4,), "f8", chunks=(1 << 27,), maxshape=(None,), compression="gzip"
    )


def _many_long_strings(file):
    del file["reason"]
    text = file.create_dataset("reason", (60_000,), h5py.string_dtype())
    text[0] = "x" * (1 << 20)
    # Every descriptor a copy of the first: all point at the one long string.
    text.id.write(
        h5py.h5s.ALL, h5py.h5s.ALL, np.full(60_000, "x" * 4096, dtype=object), text.id.get_type()
    )


def _compound(file):
    file["field0/couplings/series_x"] = np.zeros(3, dtype=[("a", "f8")])


def _region_reference(file):
    file["field0/couplings/series_x"] = np.array([file.ref], dtype=h5py.ref_dtype)


def _named_type(file):
    file["type"] = np.dtype("f8")


def _list_attribute(file):
    file.attrs["command"] = np.arange(1000)


def _wrong_shape(file):
    del file["field0/couplings/n_samples"]
    file["field0/couplings/n_samples"] = np.arange(1)


def _operator_that_is_no_word(file):
    file["field0/couplings/operator"][0] = "phi \x1b[31m"


def _other_cumulants(file):
    file["field0/cumulants/operator"][1] = "kappa_9"


def _words_for_numbers(file):
    del file["field0/couplings/value"]
    file["field0/couplings/value"] = "1.0"


@pytest.mark.parametrize(
    "change",
    [
        _remove_group,
        _remove_array,
        _remove_attribute,
        _unknown_kind,
        _external_link,
        _soft_link,
        _group_cycle,
        _external_storage,
        _virtual,
        _claims_much,
        _large_chunk,
        _many_long_strings,
        _compound,
        _region_reference,
        _named_type,
        _list_attribute,
        _wrong_shape,
        _operator_that_is_no_word,
        _other_cumulants,
        _words_for_numbers,
    ],
)
def test_a_file_made_to_deceive_is_refused(saved, change):
    changed(saved, change)
    one_line_refusal(saved)
    with pytest.raises(FormatError) as caught:
        nnrg.open_results(saved)
    assert str(caught.value).isprintable()


def test_ranges_are_read_back_as_they_were_saved(tmp_path):
    field = nnrg.SynapticField(ar1(64, 60, rho=0.5, rng=9), nnrg.Lattice(64), name="line")
    report = nnrg.nonlocality(
        nnrg.renormalize(field, levels=3), nulls=(nnrg.NullModel(draws=3),), rng=1
    )
    report.save(tmp_path / "ranges.nc")
    again = nnrg.open_results(tmp_path / "ranges.nc")
    assert str(again) == str(report)
    np.testing.assert_array_equal(again.values, report.values)
    np.testing.assert_array_equal(again.nulls["permutation"], report.nulls["permutation"])
    assert again.verdicts == report.verdicts
    damaged = replace(report, attrs={**report.attrs, "verdicts": "local"})
    damaged.save(tmp_path / "damaged.nc")
    with pytest.raises(FormatError, match="one verdict a scale"):
        nnrg.open_results(tmp_path / "damaged.nc")
