"""What an HDF5 file can do to its reader: nothing but a one-line error, in time and memory."""

from __future__ import annotations

import json
import os
import zipfile

import h5py
import numpy as np
import pytest
from formats._measure import measure
from formats._measure import refused as refused_at_little_cost
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnrg.errors import FormatError, NNRGError, SourceError
from nnrg.networks._hdf5 import read

W = np.arange(12, dtype="float32").reshape(4, 3)


def refused(path, match: str | None = None) -> str:
    with pytest.raises(FormatError, match=match) as caught:
        read(path)
    message = str(caught.value)
    assert message.isprintable()
    assert "; " in message
    return message


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.h5"


def test_an_external_link_is_not_followed(path, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["secret"] = W
    with h5py.File(path, "w") as file:
        file["kernel"] = W
        file["stolen"] = h5py.ExternalLink("other.h5", "/secret")
    refused(path, "'stolen' is a link into another file")


def test_external_storage_is_not_read(path, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"x" * 48)
    with h5py.File(path, "w") as file:
        file["kernel"] = W
        file.create_dataset("stolen", (12,), "f4", external=[(str(secret), 0, 48)])
    refused(path, "the numbers of 'stolen' are in another file")


def test_a_virtual_dataset_is_not_read(path, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["secret"] = W
    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "secret", (4, 3))
    with h5py.File(path, "w") as file:
        file["kernel"] = W
        file.create_virtual_dataset("stolen", layout)
    refused(path, "the numbers of 'stolen' are in another file")


@pytest.mark.parametrize(
    "dtype",
    [h5py.string_dtype(), h5py.vlen_dtype(np.float32), h5py.ref_dtype],
    ids=["text", "ragged", "reference"],
)
def test_objects_of_variable_length_are_refused(path, dtype):
    with h5py.File(path, "w") as file:
        file["kernel"] = W
        file.create_dataset("object", (3,), dtype)
    refused(path, "'object' holds objects")


def claim(path, **options) -> None:
    with h5py.File(path, "w") as file:
        file["kernel"] = W
        file.create_dataset("bomb", dtype="f4", **options)


CLAIMS = {
    "8 GiB in no chunk": {"shape": (1 << 31,), "chunks": (1 << 20,)},
    "8 GiB packed, nothing stored": {"shape": (1 << 31,), "chunks": (1 << 20,), "compression": 9},
    "8 GiB contiguous, never written": {"shape": (1 << 31,)},
    "2^62 numbers": {"shape": (1 << 31, 1 << 31), "chunks": (1 << 10, 1 << 10)},
    "one chunk of 2 GiB for 12 bytes": {
        "shape": (3,), "chunks": (1 << 29,), "maxshape": (None,), "compression": 9
    },
    "40 bytes that were never written": {"shape": (10,)},
}  # fmt: skip


@pytest.mark.parametrize("name", CLAIMS)
def test_a_dataset_that_claims_more_than_it_stores_is_refused(path, name):
    claim(path, **CLAIMS[name])
    assert "'bomb' claims" in refused_at_little_cost(path, "FormatError")


def test_a_compression_bomb_is_refused(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("bomb", data=np.zeros(1 << 25, "f4"), compression=9, chunks=(1 << 20,))
    refused_at_little_cost(path, "FormatError", "'bomb' claims 128 MiB")


@pytest.mark.parametrize("size", [0, 1, 8, 24, 2**63, 2**64 - 1, 2**64 - 16])
def test_a_heap_of_text_that_never_ends_is_not_walked(path, size):
    with h5py.File(path, "w") as file:
        file["layer/kernel"] = W
        file["layer"].attrs["weight_names"] = ["kernel"]
    content = bytearray(path.read_bytes())
    at = content.index(b"GCOL") + 16 + 24 + 8  # the size of the free space after one name
    content[at : at + 8] = size.to_bytes(8, "little")
    path.write_bytes(content)
    outcome = measure(path)
    assert (outcome.error, outcome.parameters) == ("", 12)


def test_link_mazes_end(path):
    with h5py.File(path, "w") as file:
        file["kernel"] = W
        here = file
        for _ in range(40):
            there = here.create_group("next")
            there["up"], there["top"], here["twin"] = here, file, there
            here = there
    refused_at_little_cost(path, "FormatError", "too deep")


def test_two_paths_to_every_group_are_walked_once(path):
    with h5py.File(path, "w") as file:
        file["kernel"] = W
        here = file
        for _ in range(20):
            there = here.create_group("left")
            here["right"] = there
            here = there
        here["deep"] = W
    outcome = measure(path)
    assert outcome.error == ""
    assert outcome.parameters == 24


def test_a_large_configuration_is_not_parsed(tmp_path):
    path = tmp_path / "model.keras"
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["layers/dense/vars/0"] = W
    bomb = json.dumps([{}] * 5_000_000)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", bomb)
        archive.write(tmp_path / "weights.h5", "model.weights.h5")
    outcome = measure(path)
    assert (outcome.error, outcome.parameters) == ("", 12)
    assert outcome.seconds < 2
    assert outcome.megabytes < 200


def test_keras_archives_that_are_packed_or_lack_their_weights_are_refused(tmp_path):
    path = tmp_path / "model.keras"
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["layers/dense/vars/0"] = W
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "weights.h5", "model.weights.h5")
    refused(path, r"is compressed.*zip -0")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    refused(path, r"without model\.weights\.h5")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.weights.h5", b"no HDF5")
    refused(path, "not a valid HDF5 file")


def test_a_lambda_layer_in_the_configuration_is_text(path, tmp_path):
    canary = tmp_path / "canary"
    code = f"__import__('os').system('touch {canary}')"
    layer = {"class_name": "Lambda", "config": {"name": "kernel", "function": code}, "module": "os"}
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"config": {"layers": [layer]}})
        file["kernel"] = W
    assert list(read(path).specs) == ["kernel"]
    assert not canary.exists()


def test_names_are_labels_and_errors_print_them_harmless(path):
    name = "\x1b[31m..\n"
    with h5py.File(path, "w") as file:
        file[name] = W
    assert list(read(path).specs) == [name]
    with h5py.File(path, "a") as file:
        file[name + "2"] = h5py.ExternalLink("x", "/")
    refused(path, r"\\x1b\[31m")


def test_every_truncation_is_refused(path, tmp_path):
    with h5py.File(path, "w") as file:
        file["kernel"] = W
    whole = path.read_bytes()
    cut = tmp_path / "cut.h5"
    for length in range(8, len(whole), 61):
        cut.write_bytes(whole[:length])
        refused(cut)


def test_a_file_that_changes_after_loading_is_noticed(path):
    with h5py.File(path, "w") as file:
        file["kernel"] = W
    source = read(path)
    with h5py.File(path, "a") as file:
        file["more"] = W
    with pytest.raises(SourceError, match="changed"):
        source.read("kernel")


def test_pipes_folders_and_missing_files_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "none.h5"):
        with pytest.raises(SourceError):
            read(path)


@settings(
    max_examples=300, deadline=2000, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(data=st.data())
def test_mutated_bytes_raise_nothing_but_our_errors(path, data):
    with h5py.File(path, "w") as file:
        file["model_weights/dense/kernel:0"] = W
        file["model_weights/dense"].attrs["weight_names"] = [b"kernel:0"]
        file.create_dataset("model_weights/packed", data=W, compression="gzip", chunks=(2, 3))
    content = bytearray(path.read_bytes())
    used = np.flatnonzero(np.frombuffer(content, "uint8"))  # an HDF5 file is mostly padding
    for _ in range(data.draw(st.integers(1, 3))):
        at = used[data.draw(st.integers(0, len(used) - 1))]
        content[at] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        source = read(path)
        for name in source.specs:
            source.read(name)
    except NNRGError as error:
        assert str(error).isprintable()
