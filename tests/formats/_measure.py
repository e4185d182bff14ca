"""Load a file in a process of its own and report what it cost.

One server process imports the package and all readers; each load runs in a fork of it, so that a
crash, a hang or a gigabyte harms nothing, and what is measured is the load and not the imports.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import pkgutil
import resource
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["Outcome", "measure", "refused"]

SECONDS = 2.0
MEGABYTES = 200.0
_TIMEOUT = 30.0


@dataclass(frozen=True)
class Outcome:
    """What came of a load, and of reading every tensor once."""

    error: str
    bases: tuple[str, ...]
    exit_code: int
    message: str
    seconds: float
    megabytes: float
    parameters: int


def measure(path: str | os.PathLike[str], *, user: int | None = None, **options: Any) -> Outcome:
    """Load `path` with `options`, read all of it, and return what it cost.

    `seconds` is processor time: a busy machine does not fail a test. A load that blocks fails.
    """
    server = _server()
    assert server.stdin and server.stdout
    request = {"path": os.fspath(path), "user": user, "options": options}
    server.stdin.write(json.dumps(request) + "\n")
    server.stdin.flush()
    ready, _, _ = select.select([server.stdout], [], [], _TIMEOUT)
    if not ready:
        _server.cache_clear()
        server.kill()
        server.wait()
        raise AssertionError(f"loading {path} did not end within {_TIMEOUT} s")
    answer = json.loads(server.stdout.readline())
    assert "crash" not in answer, answer["crash"]
    return Outcome(**{**answer, "bases": tuple(answer["bases"])})


def refused(
    path: str | os.PathLike[str], error: str, *words: str, user: int | None = None, **options: Any
) -> str:
    """Assert that `path` is refused: by one line of the class `error`, soon, with little memory."""
    outcome = measure(path, user=user, **options)
    exit_code = {"SourceError": 3, "FormatError": 4, "ArgumentError": 2, "NonFiniteError": 5}[error]
    assert outcome.error == error, outcome
    assert "NNRGError" in outcome.bases
    assert outcome.exit_code == exit_code
    assert "\n" not in outcome.message and "\x1b" not in outcome.message
    assert len(outcome.message) < 800
    assert Path(path).name[:40] in outcome.message
    for word in words:
        assert word in outcome.message, outcome.message
    assert outcome.seconds < SECONDS, outcome
    assert outcome.megabytes < MEGABYTES, outcome
    return outcome.message


@cache
def _server() -> subprocess.Popen[str]:
    server = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def stop() -> None:
        server.stdin.close()  # type: ignore[union-attr]
        server.wait()
        server.stdout.close()  # type: ignore[union-attr]

    atexit.register(stop)
    return server


def _serve() -> None:
    import nnrg.networks
    from nnrg.networks.load import load  # noqa: F401

    for module in pkgutil.iter_modules(nnrg.networks.__path__, "nnrg.networks."):
        importlib.import_module(module.name)
    for module in ("h5py", "onnx"):
        importlib.import_module(module)
    for line in sys.stdin:
        request = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            os.write(writing, json.dumps(_run(request)).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            answer = pipe.read()
        _, status = os.waitpid(child, 0)
        text = answer.decode() or json.dumps({"crash": f"the load ended with status {status}"})
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def _run(request: dict[str, Any]) -> dict[str, Any]:
    import nnrg
    from nnrg.errors import NNRGError

    if request["user"] is not None and os.getuid() == 0:
        os.setuid(request["user"])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    error, bases, code, message, parameters = "", [], 0, "", 0
    try:
        net = nnrg.load(request["path"], **request["options"])
        str(net)
        for name in net.tensors:
            net.tensors[name]
        parameters = net.n_parameters
    except Exception as raised:
        bases = [base.__name__ for base in type(raised).__mro__]
        error, message = type(raised).__name__, str(raised)
        code = raised.exit_code if isinstance(raised, NNRGError) else 1
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "error": error,
        "bases": bases,
        "exit_code": code,
        "message": message,
        "seconds": seconds,
        "megabytes": (peak - before) / 1024,
        "parameters": parameters,
    }


if __name__ == "__main__":
    _serve()
