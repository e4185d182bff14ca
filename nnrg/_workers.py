"""More interpreters that do some of the work: what is Python in one tensor waits for no other.

An interpreter is started with a path of its own and asked over its standard streams. Nothing of the
script that runs is imported by it, so that a script needs no guard around its main part; what
cannot be sent to it, or is not done by it for any reason but a named error, is done here instead.
"""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from threading import Lock, Thread
from types import TracebackType
from typing import IO, Any, TypeVar

import numpy as np

from nnrg.errors import NNRGError

__all__ = ["Worker", "WorkerLostError", "Workers", "default_number", "serve"]

T = TypeVar("T")

_START = "import sys; sys.path[:] = sys.argv[2:]; from nnrg import _workers; _workers.serve()"
# Two measure twice as fast as one where each step waits for Python; more take too much memory.
_MOST = 2


class WorkerLostError(Exception):
    """The work was not done, and not because of what was asked: do it here."""


def default_number() -> int:
    """Return how many processes serve a command: two, or one where there is only one core."""
    if hasattr(os, "sched_getaffinity"):
        return min(_MOST, len(os.sched_getaffinity(0)))
    return min(_MOST, os.cpu_count() or 1)


class Worker:
    """One more interpreter, which calls functions of this package.

    Parameters
    ----------
    imports : sequence of str
        Modules that it imports before it is asked for anything.
    """

    def __init__(self, imports: Sequence[str] = ()) -> None:
        # In a session of its own, it is not interrupted with us: we say what becomes of its work.
        self._process: subprocess.Popen[bytes] = subprocess.Popen(
            [sys.executable, "-c", _START, ",".join(imports), *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._is_ready = False

    def ready(self) -> None:
        """Wait until it can take work.

        Raises
        ------
        WorkerLostError
            If it never will.
        """
        if not self._is_ready:
            self.wait()
            self._is_ready = True

    def start(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Have ``function(*arguments, progress=...)`` called; both must be known by name.

        Raises
        ------
        WorkerLostError
            If they cannot be sent.
        """
        assert self._process.stdin is not None
        try:
            _send(self._process.stdin, (function, arguments))
        except (OSError, ValueError, TypeError, AttributeError, pickle.PicklingError) as error:
            raise WorkerLostError from error

    def wait(self, progress: Callable[[int, int], None] | None = None) -> Any:
        """Return what the function returns, or raise the named error that it raises.

        Raises
        ------
        WorkerLostError
            If it is not done.
        """
        assert self._process.stdout is not None
        while True:
            try:
                kind, value = _receive(self._process.stdout)
            except Exception as error:
                raise WorkerLostError from error
            if kind == "progress":
                if progress is not None:
                    progress(*value)
            elif kind == "result":
                return value
            elif isinstance(value, NNRGError):
                raise value
            else:
                raise WorkerLostError

    def stop(self) -> None:
        """End the interpreter, whatever it does."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Stop it and close its streams, which nobody else may be reading."""
        self.stop()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


class Workers:
    """`number` processes, of which one is ours; the others start when they are first asked for.

    Parameters
    ----------
    number : int
    imports : sequence of str
        Modules that the others import before they are asked for anything.
    """

    def __init__(self, number: int, imports: Sequence[str] = ()) -> None:
        self.number = number
        self._imports = tuple(imports)
        self._others: list[Worker] | None = None
        self._failure: BaseException | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def others(self) -> list[Worker]:
        """Return the other processes, started; none where the system does not let us."""
        if self._others is None:
            self._others = []
            # An interpreter inside another program has no name that would start it again.
            with suppress(OSError):
                for _ in range(self.number - 1 if sys.executable else 0):
                    self._others.append(Worker(self._imports))
        return self._others

    def close(self) -> None:
        """End the other processes."""
        for worker in self._others or ():
            worker.close()
        self._others = None

    def check(self) -> None:
        """Raise what ended another share of the work, to end this one."""
        if self._failure is not None:
            raise self._failure

    def share(
        self,
        items: Sequence[T],
        here: Callable[[T], None],
        there: Callable[[Worker, T], None],
        first: Callable[[], None] | None = None,
        patient: bool = True,
    ) -> None:
        """Do all items: ``here(item)`` in this process, or ``there(worker, item)`` from a thread.

        Whoever is free takes the next; this process does `first` before it is. If `patient`, the
        others are not free before they have started. An item whose `there` raises
        `WorkerLostError` is done here. Any other exception ends all work and is raised.
        """
        waiting, taking, returned = iter(items), Lock(), list[T]()
        self._failure = None
        nothing = object()

        def take() -> Any:
            with taking:
                return nothing if self._failure is not None else next(waiting, nothing)

        def work_off(worker: Worker) -> None:
            if patient:
                with suppress(WorkerLostError):
                    worker.ready()
            while (item := take()) is not nothing:
                try:
                    worker.ready()
                    there(worker, item)
                except WorkerLostError:
                    returned.append(item)
                    return
                except BaseException as error:
                    self._failure = self._failure or error

        others = self.others() if items else []
        threads = [Thread(target=work_off, args=(w,), daemon=True) for w in others]
        try:
            for thread in threads:
                thread.start()
            if first is not None:
                first()
            while (item := take()) is not nothing:
                here(item)
            for thread in threads:
                thread.join()
            self.check()
            for item in returned:
                here(item)
        except BaseException as error:
            self._failure = self._failure or error
            for worker in others:
                worker.stop()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            self.close()
            raise


def serve() -> None:
    """Do what is asked for on standard input until it ends: the main loop of a `Worker`."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get among the replies
    requests = sys.stdin.buffer

    def tell(done: int, of: int) -> None:
        _send(replies, ("progress", (done, of)))

    with suppress(OSError, EOFError):
        for name in filter(None, sys.argv[1].split(",")):
            import_module(name)
        _send(replies, ("result", None))
        while True:
            try:
                function, arguments = _receive(requests)
                reply = "result", function(*arguments, progress=tell)
                del function, arguments
            except NNRGError as error:
                reply = "error", error
            except (EOFError, OSError):
                return
            except Exception:
                reply = "error", None
            _send(replies, reply)
            del reply


def _send(stream: Any, message: object) -> None:
    """Write a message; large arrays go from their own memory, without a copy."""
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    parts = [memoryview(body), *(buffer.raw() for buffer in buffers)]
    sizes = [part.nbytes for part in parts]
    stream.write(struct.pack(f"<{1 + len(sizes)}Q", len(sizes), *sizes))
    for part in parts:
        stream.write(part)
    stream.flush()


def _receive(stream: IO[bytes]) -> Any:
    """Read a message."""
    (n_parts,) = struct.unpack("<Q", _read(stream, 8))
    sizes = struct.unpack(f"<{n_parts}Q", _read(stream, 8 * n_parts))
    body, *buffers = [_read(stream, size) for size in sizes]
    return pickle.loads(body, buffers=buffers)


def _read(stream: Any, size: int) -> memoryview:
    """Read so many bytes, to memory as aligned as that of any array."""
    view = np.empty(size, np.uint8).data
    done = 0
    while done < size:
        count = stream.readinto(view[done:])
        if not count:
            raise EOFError
        done += count
    return view
