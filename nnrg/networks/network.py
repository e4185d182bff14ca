"""Network: the named tensors of one model and which neuron populations each connects."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nnrg._validate import as_count, shown
from nnrg.errors import ArgumentError, FormatError, NonFiniteError
from nnrg.fields import Lattice, SynapticField
from nnrg.graph.connection_graph import ConnectionGraph
from nnrg.networks import _table
from nnrg.networks._connected import Connected
from nnrg.networks._finite import count_nonfinite
from nnrg.networks._identity import sha256_of_arrays, sha256_of_files, source_name
from nnrg.networks._label import file_label, human_bytes, label
from nnrg.networks._raw import numpy_dtype
from nnrg.networks._source import Array, Skipped, Source, TensorSpec
from nnrg.networks._tensors import Tensors, UnknownTensorError
from nnrg.networks._tied import tied_names
from nnrg.networks.geometry import build_field, lattice_from_hint
from nnrg.networks.roles import TensorRole, assign_roles

__all__ = ["Network"]

_ASSUMED = "axes assumed to be out x in, as torch has them: nothing in the file tells"


class Network(Connected):
    """The tensors of one trained or random network, read from a file when they are asked for.

    Made by `nnrg.load`. ``print(net)`` shows what was found, what was left out, and why.

    Attributes
    ----------
    format : str
        ``"safetensors"``, ``"npz"``, ``"memory"``, ...
    path : Path or None
        The file or folder; None for arrays in memory.
    metadata : mapping of str to str
        What the file says about itself.
    specs : mapping of str to TensorSpec
        Shape, dtype, layout and gates of each trained tensor.
    roles : mapping of str to TensorRole
        The role of every readable tensor, trained or not.
    tensors : Tensors
        Trained tensors as stored in the file: its shapes, orientation and types (bfloat16 and
        8-bit floats as ml_dtypes arrays). Numbers that are stored once and named twice are here
        once.
    buffers : Tensors
        Tensors that can be read and are not trained: indices, masks, running statistics, fixed
        filters.
    skipped : tuple of Skipped
        All that was left out, with reasons.

    Examples
    --------
    >>> import numpy as np, nnrg
    >>> net = nnrg.load({"fc.weight": np.ones((3, 2)), "fc.bias": np.zeros(3)})
    >>> net.n_parameters, net.specs["fc.weight"].layout
    (9, 'OI')
    """

    def __init__(
        self,
        source: Source,
        *,
        files: tuple[Path, ...] = (),
        buffers: Iterable[str] = (),
        trained: Iterable[str] = (),
        allow_nonfinite: bool = False,
        max_bytes: int | None = None,
    ) -> None:
        self._source = source
        self._files = files
        self._allow_nonfinite = allow_nonfinite
        self._max_bytes = max_bytes
        # Of a network made of another one: what that calls the numbers.
        self._origins: Mapping[str, str] = {}
        self.format: str = source.format
        self.path: Path | None = source.path
        self.metadata: Mapping[str, str] = MappingProxyType(dict(source.metadata))
        roles = assign_roles(source.specs, buffers=buffers, trained=trained)
        self.roles: Mapping[str, TensorRole] = MappingProxyType(roles)
        self._tied = tied_names(roles.values())
        kept = [name for name, role in roles.items() if role.trained and name not in self._tied]
        self.specs: Mapping[str, TensorSpec] = MappingProxyType(
            {name: roles[name].spec for name in kept}
        )
        self.tensors = Tensors(kept, self._read, self._unknown)
        fixed = [name for name, role in roles.items() if not role.trained]
        self.buffers = Tensors(fixed, self._read, self._unknown)
        self.skipped: tuple[Skipped, ...] = (
            *(
                Skipped(
                    name, f"tied to {first}: the same numbers, counted once", roles[name].spec.size
                )
                for name, first in self._tied.items()
            ),
            *(Skipped(n, r.reason, r.spec.size) for n, r in roles.items() if not r.trained),
            *source.skipped,
        )
        if not kept:
            raise self._empty()

    @property
    def name(self) -> str:
        """The name of the file or folder, safe to print."""
        return "arrays in memory" if self.path is None else label(self.path.name)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that hold the tensors; none for arrays in memory."""
        return self._files

    @property
    def n_parameters(self) -> int:
        """Trained numbers: tied storage once, no optimiser state, no fixed buffers."""
        return sum(spec.size for spec in self.specs.values())

    def chunks(self, name: str, rows: int) -> Iterator[Array]:
        """Read a trained tensor in runs of rows, through one buffer.

        Parameters
        ----------
        name : str
            A name in `tensors`.
        rows : int
            Entries of the first axis to read at a time.

        Yields
        ------
        ndarray, shape (rows, ...)
            The next entries; the last run may be shorter. The next step overwrites it.

        Raises
        ------
        ArgumentError
            No tensor has this name, or `rows` is not positive.
        SourceError
            The file has changed since it was loaded.
        NonFiniteError
            The numbers just read hold NaN or infinity, which was not allowed.

        Examples
        --------
        >>> import numpy as np, nnrg
        >>> net = nnrg.load({"w": np.arange(6.0).reshape(3, 2)})
        >>> [float(chunk.sum()) for chunk in net.chunks("w", 2)]
        [6.0, 9.0]
        """
        if not isinstance(name, str) or name not in self.tensors:
            raise self._unknown(name)
        return self._checked_chunks(name, as_count("rows", rows, 1, hint="try 64"))

    def field(
        self,
        name: str,
        sites: Lattice | ConnectionGraph | None = None,
        *,
        along: str | None = None,
    ) -> SynapticField:
        """Return a trained tensor as a synaptic field.

        Parameters
        ----------
        name : str
        sites : Lattice or ConnectionGraph, optional
            Put the in axis (or the out axis, or the whole tensor) on these sites, whichever has as
            many; the other axes are samples. By default the lattice the file names in its
            metadata key ``nnrg.lattice.NAME``, else the tensor's own: see `nnrg.networks.geometry`.
        along : {"in", "out"}, optional
            Which axis `sites` lies on, where both have as many.

        Returns
        -------
        SynapticField

        Raises
        ------
        ArgumentError
            If there is no such tensor, or no axis has as many sites.
        AnalysisError
            If the tensor is a single number.

        Examples
        --------
        >>> import numpy as np, nnrg
        >>> net = nnrg.load({"fc.weight": np.ones((10, 784), dtype=np.float32)})
        >>> net.field("fc.weight", sites=nnrg.Lattice((28, 28)))
        SynapticField('fc.weight', 10 samples on Lattice(28 x 28, open), float32)
        """
        if not isinstance(name, str) or name not in self.specs:
            raise self._unknown(name)
        if not isinstance(sites, Lattice | ConnectionGraph | None):
            raise ArgumentError(
                f"sites must be a Lattice or a ConnectionGraph, got {shown(sites)}; "
                "try nnrg.Lattice((28, 28))"
            )
        hint = self.metadata.get(f"nnrg.lattice.{name}")
        if sites is None and hint is not None:
            sites = lattice_from_hint(hint, name)
        lattice = Lattice(sites.n_nodes) if isinstance(sites, ConnectionGraph) else sites
        values = self._read(name)
        built = build_field(values, self.specs[name], sites=lattice, along=along)
        if sites is None and self.roles[name].assumed:
            built = replace(built, notes=(*built.notes, _ASSUMED))
        own = frozenset({self._source_of(name, lambda: values)})
        if isinstance(sites, ConnectionGraph):
            return replace(built, sites=sites, sources=own)
        return replace(built, sources=own)

    def source_of(self, name: str) -> str:
        """Return what the numbers of a tensor are called where blocks are chosen by them."""
        return self._source_of(name, lambda: self._read(name))

    def _source_of(self, name: str, read: Callable[[], Array]) -> str:
        origin = self._origins.get(name)
        return origin or source_name(name, self.name, self.path, read)

    def _checked_chunks(self, name: str, rows: int) -> Iterator[Array]:
        with self._enough_memory(name):
            for chunk in self._source.chunks(name, rows):
                self._check_finite(name, chunk)
                yield chunk

    def _read(self, name: str) -> Array:
        nbytes = self._nbytes(name)
        if self._max_bytes is not None and nbytes > self._max_bytes:
            raise ArgumentError(
                f"{file_label(self.path)}: {label(name)!r} takes {human_bytes(nbytes)}, above "
                f"max_bytes={self._max_bytes}; read it with chunks()"
            )
        with self._enough_memory(name):
            array = self._source.read(name)
        if name in self.tensors:
            self._check_finite(name, array)
        return array

    def _nbytes(self, name: str) -> int:
        spec = self.roles[name].spec
        return spec.size * numpy_dtype(spec.dtype).itemsize

    @contextmanager
    def _enough_memory(self, name: str) -> Iterator[None]:
        try:
            yield
        except MemoryError as error:
            raise FormatError(
                f"{file_label(self.path)}: {label(name)!r} takes "
                f"{human_bytes(self._nbytes(name))}, more than there is memory; "
                "read it with chunks() of fewer rows"
            ) from error

    def _check_finite(self, name: str, array: Array) -> None:
        if self._allow_nonfinite:
            return
        bad = count_nonfinite(array)
        if bad:
            raise NonFiniteError(
                f"{file_label(self.path)}: {label(name)!r} holds {bad} NaN or infinite numbers "
                f"among {array.size}; allow_nonfinite=True (--allow-nonfinite) reads them"
            )

    def sha256(self, progress: Callable[[str, int, int], None] | None = None) -> str:
        """Return the SHA-256 of the file, as sha256sum prints it.

        Of a model in several files: of their bytes one after the other, in the order of their
        names. Of arrays in memory: of names, types, shapes and numbers.

        Parameters
        ----------
        progress : callable, optional
            Called with words, MiB done and their number, of files above 256 MiB.

        Raises
        ------
        SourceError
            A file cannot be read.
        """
        arrays = ((name, self._source.read(name)) for name in self.roles)
        return sha256_of_files(self._files, progress) if self._files else sha256_of_arrays(arrays)

    def table(self) -> str:
        """Return the table of all tensors that ``print(net)`` shows the start and end of."""
        return _table.table(self, rows=None)

    def to_dict(self) -> dict[str, Any]:
        """Return what is known of the network as JSON-able values; no number is read."""
        return _table.as_dict(self)

    def __str__(self) -> str:
        return _table.table(self, rows=_table.SCREEN)

    def __repr__(self) -> str:
        return (
            f"<Network {file_label(self.path)}: {len(self.specs)} tensors, "
            f"{self.n_parameters:,} parameters>"
        )

    def _unknown(self, name: object) -> UnknownTensorError:
        where, name = file_label(self.path), str(name)
        for left_out in self.skipped:
            if left_out.name == name:
                return UnknownTensorError(
                    f"{where}: {label(name)!r} is left out: {left_out.reason}"
                )
        near = difflib.get_close_matches(name, list(self.specs)[:5000], 3, 0.5)
        hint = f"did you mean {', '.join(map(label, near))}?" if near else "print(net) lists them"
        return UnknownTensorError(f"{where}: no tensor is called {label(name)!r}; {hint}")

    def _empty(self) -> FormatError:
        why = "; ".join(f"{label(s.name, 40)}: {label(s.reason, 100)}" for s in self.skipped[:3])
        more = f" and {len(self.skipped) - 3} more" if len(self.skipped) > 3 else ""
        found = f"left out: {why}{more}" if why else "it holds no tensors"
        return FormatError(
            f"{file_label(self.path)}: no trained weights found ({found}); "
            "expected arrays of floats; trained= overrides what is told from names"
        )
