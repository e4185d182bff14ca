"""safetensors files that lie: one line that names the file, soon, with little memory."""

from __future__ import annotations

import numpy as np
import pytest
import safetensors.numpy
from formats._measure import measure, refused
from formats.weight_files import (
    BODY,
    entry,
    header,
    many,
    one,
)

import nnrg

SAFETENSORS = {
    "nine bytes": (header(b"")[:7], "too short"),
    "header of 2^63": (header(b"{}", length=2**63), "above the"),
    "header of 4 TiB": (header(b"{}", length=2**42), "4 TiB"),
    "99 MB header in a short file": (header(b"{}", length=99_000_000), "above the"),
    "header beyond the file": (header(b"{}", length=5000), "the file has 2"),
    "not JSON": (header(b"{'w': 1}"), "not valid JSON"),
    "not UTF-8": (header(b'{"\xff\xfe": 1}'), "not valid JSON"),
    "truncated JSON": (header(one()[:-9], BODY), "not valid JSON"),
    "deep JSON": (header(b'{"w":' + b"[" * 200_000), "not valid JSON"),
    "duplicate key": (header(b'{"w":%s,"w":%s}' % ((entry().encode(),) * 2), BODY), "twice"),
    "duplicate field": (header(one()[:-2] + b',"dtype":"I64"}}', BODY), "'dtype' occurs twice"),
    "overlap": (
        header(f'{{"a":{entry()},"b":{entry(begin=4, end=12)}}}'.encode(), bytes(12)),
        "'b' overlaps",
    ),
    "same place twice": (header(f'{{"a":{entry()},"b":{entry()}}}'.encode(), BODY), "overlaps"),
    "hole": (header(one(begin=8, end=16), bytes(16)), "hole at byte 0"),
    "bytes at the end": (header(one(), bytes(11)), "3 bytes follow"),
    "truncated": (header(one(), bytes(7)), "the file has 7"),
    "shape and offsets differ": (header(one(shape=(3,)), BODY), "for 12 bytes"),
    "shape overflow": (header(one(shape=(2**62, 4)), BODY), "data_offsets 0..8"),
    "huge shape": (header(one(shape=(2**63,)), BODY), "no valid shape"),
    "negative shape": (header(one(shape=(-1, -2)), BODY), "no valid shape"),
    "float shape": (header(one(shape=(2.0,)), BODY), "no valid shape"),
    "true as a length": (header(one(shape=(True, 2)), BODY), "no valid shape"),
    "100 axes": (header(one(shape=(1,) * 99 + (2,)), BODY), "no valid shape"),
    "end before begin": (header(one(begin=8, end=0), BODY), "data_offsets 8..0"),
    "unknown dtype": (header(one(dtype="F128"), BODY), "unknown dtype 'F128'"),
    "dtype is a list": (header(b'{"w":{"dtype":[],"shape":[2],"data_offsets":[0,8]}}'), "dtype"),
    "no offsets": (header(b'{"w":{"dtype":"F32","shape":[2]}}', BODY), "data_offsets"),
    "entry is a number": (header(b'{"w":1}'), "not a JSON object"),
    "header is a list": (header(b"[]", BODY), "not a JSON object"),
    "metadata is nested": (header(b'{"__metadata__":{"a":{}}}'), "__metadata__"),
    "no tensors": (header(b"{}"), "no trained weights"),
    "300000 tensors": (header(many(300_000), bytes(8 * 300_000)), "above the"),
    "120000 tensors": (header(many(120_000), bytes(8 * 120_000)), "more than the 100000"),
    "list of small numbers": (header(b'{"w":[' + b"1," * 7_000_000 + b"1]}"), "more entries"),
    "list of lists": (header(b'{"w":[' + b"[],[]," * 2_000_000 + b"1]}"), "more entries"),
    "a name of 15 MB": (header(one("x" * 15_000_000), BODY), "15000000 characters"),
    "a wide name of 15 MB": (header(one("x" * 14_000_000 + "\U0001f600"), BODY), "characters"),
    "digits without end": (header(b'{"w":' + b"1" * 4_000_000 + b"}"), "not valid JSON"),
    "infinite offset": (
        header(b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,1e999]}}', BODY),
        "data_offsets",
    ),
}


@pytest.mark.parametrize("case", SAFETENSORS)
def test_safetensors(tmp_path, case):
    data, words = SAFETENSORS[case]
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    refused(path, "FormatError", words)


def test_many_tensors_are_listed_in_little_time_and_memory(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(header(many(20_000), bytes(8 * 20_000)))
    outcome = measure(path, max_bytes=0)
    assert "above max_bytes=0" in outcome.message
    assert outcome.megabytes < 50, outcome
    assert outcome.seconds < 2, outcome


def test_strange_names_of_tensors_are_read_and_printed_escaped(tmp_path):
    names = [
        "w" * 10_000,
        "\x1b]0;x\x07",
        "a\nb",
        "W.Weight",
        "w.weight",
        "\u202e",
        "ü",
        "../x",
        " ",
    ]
    path = tmp_path / "Pfad mit Ümlaut und Leerzeichen.safetensors"
    safetensors.numpy.save_file({n: np.ones((2, 3), "f4") for n in names}, path)
    net = nnrg.load(path)
    assert set(net.tensors) == set(names)
    assert net.n_parameters == 6 * len(names)
    assert all(c.isprintable() or c == "\n" for c in str(net))
    assert measure(path).error == ""


def test_name_beyond_all_reason(tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes(header(one("n" * 20_000), BODY))
    message = refused(path, "FormatError", "name has 20000 characters")
    assert len(message) < 400
