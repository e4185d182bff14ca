"""What a PyTorch file can do to its reader: nothing but a one-line error, in time and memory."""

from __future__ import annotations

import os
import pickle
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
from formats._measure import refused as refused_at_little_cost
from formats.torch_files import (
    Build,
    Global,
    Pickle,
    Raw,
    Reduce,
    View,
    write_legacy,
    write_members,
    write_pickle,
    write_zip,
    zip_members,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnrg.errors import FormatError, NNRGError, SourceError
from nnrg.networks._torch import read

W = np.arange(15, dtype="float32").reshape(5, 3)
STATE = OrderedDict({"fc.weight": W, "fc.bias": W[:, 0].copy()})


def check_message(error: Exception, path) -> str:
    message = str(error)
    assert message.startswith(str(path)[:20])
    assert message.isprintable()  # one line, no control characters
    assert "; " in message  # what is wrong; what to do
    return message


def refused(path, match: str | None = None) -> str:
    with pytest.raises(FormatError, match=match) as caught:
        read(path)
    return check_message(caught.value, path)


class Runs:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        return (os.system, (self.command,))


@pytest.mark.parametrize("protocol", range(6))
def test_code_in_a_pickle_is_not_run(tmp_path, protocol):
    canary = tmp_path / "canary"
    data = pickle.dumps({"w": Runs(f"touch {canary}")}, protocol)
    refused(write_pickle(tmp_path / "model.pt", data), r"system|opcode")
    assert not canary.exists()


@pytest.mark.parametrize("write", [write_zip, write_legacy])
@pytest.mark.parametrize(
    "name", ["posix system", "builtins eval", "builtins getattr", "os system", "torch load"]
)
def test_calls_of_functions_outside_the_list_are_refused(tmp_path, write, name):
    canary = tmp_path / "canary"
    module, function = name.split()
    call = Reduce(Global(module, function), (f"touch {canary}",))
    refused(write(tmp_path / "model.pt", {"w": W, "x": call}), rf"names {module}\.{function}")
    assert not canary.exists()


HARMFUL_OPCODES = {
    "dotted STACK_GLOBAL": b"\x8c\x05torch\x8c\x0e_utils.os.system\x93.",
    "STACK_GLOBAL by number": b"K\x01K\x02\x93.",
    "INST": b"(S'touch canary'\nios\nsystem\n.",
    "OBJ": b"(cos\nsystem\nX\x01\x00\x00\x00ao.",
    "NEWOBJ": b"ccollections\nOrderedDict\n)\x81.",
    "NEWOBJ_EX": b"ccollections\nOrderedDict\n)}\x92.",
    "EXT1": b"\x82\x01.",
    "PERSID": b"Pstorage\n.",
    "persistent id that is no storage": b"K\x01Q.",
    "BUILD of a tuple": b")}b.",
    "REDUCE of a number": b"K\x01)R.",
    "REDUCE of a storage type": b"ctorch\nFloatStorage\n)R.",
    "SETITEM on a list": b"]K\x00K\x01s.",
    "SETITEM on a tensor's storage": b"ctorch\nFloatStorage\nK\x00K\x01s.",
    "SETITEMS, odd": b"}(K\x01u.",
    "APPEND to a dict": b"}K\x01a.",
    "stack underflow": b"0.",
    "no STOP": b"N",
    "unknown opcode": b"\xff.",
    "get what was never put": b"h\x07.",
    "empty": b"",
    "BINBYTES8 of 2^40": b"\x8e" + struct.pack("<Q", 1 << 40) + b"x.",
    "BINUNICODE8 of 2^60": b"\x8d" + struct.pack("<Q", 1 << 60) + b"x.",
    "BYTEARRAY8 of 2^40": b"\x96" + struct.pack("<Q", 1 << 40) + b"x.",
    "LONG4 of -1 bytes": b"\x8b" + struct.pack("<i", -1) + b".",
    "FRAME of 2^62": b"\x95" + struct.pack("<Q", 1 << 62) + b"]",
    "a number of 10^5 digits": b"L" + b"9" * 100_000 + b"L\n.",
}


@pytest.mark.parametrize("name", HARMFUL_OPCODES)
def test_opcodes_that_build_objects_or_lie_are_refused(tmp_path, name):
    refused(write_pickle(tmp_path / "model.pt", b"\x80\x04" + HARMFUL_OPCODES[name]))


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (Reduce(Global("numpy.core.multiarray", "scalar"), (1,)), "a NumPy object.*torch.save"),
        (Reduce(Global("argparse", "Namespace"), ()), "settings of a training run"),
        (Global("transformers.training_args", "TrainingArguments"), "settings of a training run"),
        (Reduce(Global("torch.nn.modules.linear", "Linear"), ()), "a whole model.*torch.save"),
        (Reduce(Global("__torch__.Model", "Net"), ()), "TorchScript"),
        (Global("torch.storage", "_load_from_bytes"), "not on the list"),
    ],
)
def test_common_files_that_are_refused_say_what_to_do(tmp_path, value, match):
    refused(write_zip(tmp_path / "model.pt", {"w": W, "x": value}), match)


def test_a_torchscript_program_is_refused_with_the_way_out(tmp_path):
    members = zip_members(STATE) | {"archive/constants.pkl": b"x", "archive/code/a.py": b"x"}
    refused(write_members(tmp_path / "model.pt", members), r"TorchScript.*torch\.jit\.load")


def test_a_bare_pickle_is_refused(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(pickle.dumps({"w": [1.0]}))
    refused(path, "neither a zip archive nor torch's older format")


BAD_VIEWS = {
    "past the storage": View(W, (5, 3), (3, 1), 1),
    "strided past the storage": View(W, (5, 3), (4, 1)),
    "negative stride": View(W, (5, 3), (-3, 1)),
    "negative offset": View(W, (5, 3), (3, 1), -1),
    "negative length": View(W, (-1, 3), (3, 1)),
    "offset of type float": View(W, (5, 3), (3, 1), 0.0),
    "length of type bool": View(W, (True, 3), (3, 1)),
    "length as text": View(W, ("5", 3), (3, 1)),
    "fewer strides than axes": View(W, (5, 3), (1,)),
    "100 axes": View(W, (1,) * 100, (1,) * 100),
    "2^63 elements": View(W, (1 << 63,), (0,)),
    "2^60 elements in two axes": View(W, (1 << 30, 1 << 30), (0, 0)),
    "one number repeated 10^9 times": View(W, (10**9,), (0,)),
    "storage count too large": View(W, (5, 3), (3, 1), n_elements=16),
    "storage count too small": View(W[:1].copy(), (1,), (1,), n_elements=1),
    "storage count negative": View(W, (1,), (1,), n_elements=-15),
    "wider type than the storage": View(W, (8,), (1,), storage_type="DoubleStorage"),
    "unknown storage type": View(W, (5, 3), (3, 1), storage_type="OsStorage"),
}


@pytest.mark.parametrize("write", [write_zip, write_legacy])
@pytest.mark.parametrize("name", BAD_VIEWS)
def test_views_that_do_not_fit_their_storage_are_refused(tmp_path, write, name):
    refused(write(tmp_path / "model.pt", {"w": BAD_VIEWS[name]}))


@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_a_storage_described_in_two_ways_is_refused(tmp_path, write):
    # Its numbers would count twice, and mean two things: torch writes no such file.
    store = np.arange(16, dtype=np.float32)
    as_doubles = View(store, (8,), (1,), storage_type="DoubleStorage", n_elements=8)
    state = {"a": View(store, (4, 4), (4, 1)), "b": as_doubles}
    refused(write(tmp_path / "model.pt", state), "in two ways")


def test_big_endian_files_are_refused(tmp_path):
    refused(write_zip(tmp_path / "a.pt", STATE, byteorder=b"big"), "big-endian")
    refused(write_legacy(tmp_path / "b.pt", STATE, little_endian=False), "big-endian")


def test_two_tensors_of_one_name_are_refused(tmp_path):
    refused(write_zip(tmp_path / "model.pt", {"a": {"b": W}, "a.b": W}), "both called 'a.b'")


def test_names_are_labels_and_errors_print_them_harmless(tmp_path):
    name = "\x1b[31m../../evil\n\udcff" + "x" * 10_000
    path = write_zip(tmp_path / "model.pt", {name: W})
    assert list(read(path).specs) == [name]
    bad = write_zip(tmp_path / "bad.pt", {name: View(W, (5, 3), (3, 1), n_elements=16)})
    assert len(refused(bad, r"\\x1b\[31m\.\./\.\./evil")) < 500


def zip_of(path, members, change=lambda data: data) -> None:
    write_members(path, members)
    path.write_bytes(change(path.read_bytes()))
    return path


def test_damaged_archives_are_refused(tmp_path):
    members = zip_members(STATE)
    path = tmp_path / "model.pt"
    refused(zip_of(path, members | {"other/data.pkl": b"N."}), "2 members called data.pkl")
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "w") as archive:
        for name in [*members, "archive/data/0"]:
            archive.writestr(name, members[name])
    refused(path, "occurs twice")
    refused(write_members(path, members, zipfile.ZIP_DEFLATED), "is compressed.*zip -0")
    refused(zip_of(path, {k: v for k, v in members.items() if "/data/0" not in k}), "is missing")

    def encrypted(data):
        at = data.index(b"PK\x01\x02") + 8
        return data[:at] + b"\x01" + data[at + 1 :]

    refused(zip_of(path, members, encrypted), "is encrypted")

    def renamed(data):
        return data.replace(b"archive/data/0", b"archive/data/9", 1)

    refused(zip_of(path, members, renamed), "has two names|not a valid zip")

    def enlarged(data):  # both sizes in the directory, so that they agree with each other
        at = data.rindex(b"PK\x01\x02", 0, data.index(b"archive/data/0", data.index(b"PK\x01\x02")))
        return data[: at + 20] + struct.pack("<LL", 1 << 30, 1 << 30) + data[at + 28 :]

    refused(zip_of(path, members, enlarged), "overlaps|outside")

    def huge_directory(data):
        at = data.rindex(b"PK\x05\x06")
        return data[: at + 12] + struct.pack("<L", 1 << 31) + data[at + 16 :]

    refused(zip_of(path, members, huge_directory), "list of members")

    def zip64(data):
        at = data.rindex(b"PK\x05\x06")
        record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 1 << 62, 0)
        locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
        return data[:at] + record + locator + data[at:]

    refused(zip_of(path, members, zip64), "list of members|zip")


@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_every_truncation_is_refused(tmp_path, write):
    whole = write(tmp_path / "whole.pt", STATE).read_bytes()
    path = tmp_path / "model.pt"
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        refused(path)


def test_a_file_that_changes_after_loading_is_noticed(tmp_path):
    path = write_zip(tmp_path / "model.pt", STATE)
    source = read(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(SourceError, match="changed"):
        source.read("fc.weight")


def test_pipes_folders_and_missing_files_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "none.pt", "/dev/zero"):
        with pytest.raises(SourceError):
            read(path)


def nested(n: int, kind: str) -> bytes:
    """A container that holds the one before twice: 2^n nodes in 3 n opcodes."""
    step = {"list": b"q\x01]q\x00(h\x01h\x01e", "tuple": b"q\x01h\x01\x86"}[kind]
    return {"list": b"]", "tuple": b")"}[kind] + step * n


def text(length: int, start: str = "") -> bytes:
    content = start.encode().ljust(length, b"x")
    return b"X" + struct.pack("<I", length) + content


def tensor() -> bytes:
    """Opcodes of one tensor, left on the stack and in the memo under 0."""
    writer = Pickle()
    writer.put(View(W, (5, 3), (3, 1)))
    return bytes(writer.data[2:]) + b"q\x00"


def entries(n: int, value: bytes, prefix: str = "") -> bytes:
    names = (f"{prefix}{i:06d}".encode() for i in range(n))
    return b"}(" + b"".join(b"\x8c" + bytes([len(x)]) + x + value for x in names) + b"u"


FILL = (16 << 20) - 10
MEBI = 1 << 20
# Functions, so that none is built before its test.
COSTLY = {
    "billion laughs in a list": lambda: nested(60, "list"),
    "billion laughs in a dict": lambda: nested(60, "list") + b"q\x02}K\x00h\x02s",
    "billion laughs as a key": lambda: nested(60, "tuple") + b"q\x02}h\x02K\x00s",
    "billion laughs as a shape": lambda: tensor().replace(
        b"(\x8a\x01\x05\x8a\x01\x03t", nested(60, "tuple"), 1
    ),
    "deep nesting": lambda: b"(" * 490_000 + b"t" * 490_000,
    "deep list": lambda: b"]" * 490_000 + b"a" * 489_999,
    "a list in itself": lambda: b"]q\x00h\x00a",
    "marks": lambda: b"(" * FILL,
    "dicts": lambda: b"}" * FILL,
    "wide text": lambda: text(15 * MEBI, "\U0001f600"),
    "long text as a key": lambda: text(15 * MEBI) + b"q\x00" + b"}h\x00]s" * 1000,
    "one list copied often": lambda: (
        b"](" + b"K\x01K\x01\x86" * 100_000 + b"eq\x00"
        b"ccollections\nOrderedDict\nq\x01" + b"h\x01h\x00\x85R" * 100_000
    ),
    "one history under many names": lambda: (
        b"](" + b"}" * 400_000 + b"eq\x00" + entries(5000, b"h\x00", "optim_")
    ),
    "many dicts": lambda: entries(490_000, b"}"),
    "many optimisers": lambda: tensor() + b"0" + entries(149_000, b"h\x00\x85", "optim_"),
    "many tensors": lambda: tensor() + b"0" + entries(149_000, b"h\x00"),
    "memo index 2^31": lambda: b"Nr\xff\xff\xff\xff",
    "17 MB": lambda: b"N0" * (17 << 19),
}


@pytest.mark.parametrize("name", COSTLY)
def test_no_pickle_costs_more_than_two_seconds_and_200_megabytes(tmp_path, name):
    path = write_pickle(tmp_path / "model.pt", b"\x80\x02" + COSTLY[name]() + b".")
    refused_at_little_cost(path, "FormatError")


@settings(
    max_examples=300, deadline=2000, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(data=st.data())
@pytest.mark.parametrize("write", [write_zip, write_legacy])
def test_mutated_bytes_raise_nothing_but_our_errors(tmp_path, write, data):
    path = write(tmp_path / "model.pt", STATE | {"more": {"x": [W.T.copy(), 1, None, "text"]}})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        source = read(path)
        for name in source.specs:
            source.read(name)
    except NNRGError as error:
        assert str(error).isprintable()


def test_a_state_on_something_else_than_a_dict_is_refused(tmp_path):
    refused(write_zip(tmp_path / "model.pt", Build([W], {"a": 1})), "sets the state of a list")


def test_opcodes_in_place_of_a_value_are_written_as_given(tmp_path):
    refused(write_zip(tmp_path / "model.pt", {"w": W, "x": Raw(b"\x82\x01")}), "EXT1")
