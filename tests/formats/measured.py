"""Reads files in a process of their own, with the time and memory that each took."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

MAX_SECONDS = 2.0
MAX_BYTES = 200 * 2**20

_PROGRAM = """
import json, re, resource, sys, time
from pathlib import Path
from nnrg.errors import NNRGError
import numpy, ml_dtypes
module, *paths = sys.argv[1:]
reader = __import__(f"nnrg.networks.{module}", fromlist=["read"])
reader.read(Path(paths[0]))  # a sound file first: all imports are done
def peak():
    try:  # of this process alone: ru_maxrss starts at what the parent had
        with open("/proc/self/status") as file:
            return int(re.search(r"VmHWM:\\s+(\\d+)", file.read())[1]) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
for path in paths[1:]:
    start, error, message = time.process_time(), "", ""
    try:
        source = reader.read(Path(path))
        for name in source.specs:
            source.read(name)
    except NNRGError as exception:
        error, message = type(exception).__name__, str(exception)
    took = time.process_time() - start
    print(json.dumps([path, error, message, took, peak() - before]), flush=True)
"""


@dataclass(frozen=True)
class Outcome:
    """How the reading of one file ended; `error` is empty if it was read."""

    error: str
    message: str
    seconds: float
    bytes_above_import: int


def read_in_subprocess(module: str, sound: Path, paths: list[Path]) -> dict[Path, Outcome]:
    """Read `paths` one after the other with the reader `module`, whole, every tensor."""
    command = [sys.executable, "-c", _PROGRAM, module, str(sound), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"after {len(rows)} of {len(paths)} files: {done.stderr}"
    return {Path(row[0]): Outcome(*row[1:]) for row in rows}
