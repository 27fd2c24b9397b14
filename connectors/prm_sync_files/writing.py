"""Writing a CSV table: read, changed and replaced as a whole, under a lock.

Rows that no change asks for stay as they are, whoever added them; so do columns that people added, and the order. The
new file is written beside the old one, flushed to the disk and renamed over it: who reads sees the one or the other,
and who is killed leaves the old one.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from filelock import FileLock, Timeout

from prm_sync.connect import Change, Misconfigured, Outcome, Unavailable
from prm_sync_files.cells import value_of
from prm_sync_files.config import WriteConfig
from prm_sync_files.delimited import Dialect, parts
from prm_sync_files.edits import Edits, edits_of
from prm_sync_files.names import clean
from prm_sync_files.table import Row, fitted, without_total

LOCK_S = 60.0  #: longest wait for another writer of the same table
_TRIES = 3  #: so often it is begun anew where somebody saves the file meanwhile
_LINE_END = "\r\n"  #: of a new file (RFC 4180)
_MARK = b"\xef\xbb\xbf"  #: of UTF-8; without it, spreadsheets take a file for one of the PC's own encoding

Part: TypeAlias = tuple[str, Row | None]
Stamp: TypeAlias = tuple[int, int, int]


def write(
    path: Path, how: WriteConfig, changes: Sequence[Change], dialect_of: Callable[[Path], Dialect], *,
    delimiter: str, max_rows: int,
) -> list[Outcome]:  # fmt: skip
    """One outcome for each change; the file is replaced at most once, and not at all where nothing of it differs.

    `delimiter` is for a file that is not there yet. Raises Misconfigured where the folder may not be written, or the
    table is none to write in, Unavailable where others hold it too long; then nothing was changed.
    """
    target = path.resolve()
    with _words(path), _alone(target):
        for _ in range(_TRIES):
            before = _stamp(target)
            dialect = dialect_of(target) if before else Dialect("utf-8-sig", delimiter, ".", 1, 0)
            draft = _Draft(target, how, dialect, edits_of(how, changes), max_rows)
            old = parts(target, dialect) if before else iter(())
            if _replaced(target, before, draft, b"" if dialect.encoding == "utf-8" else _MARK, old):
                return draft.outcomes
    raise Unavailable(f"{path}: is being saved by others time and again; it is written in the next run")


def _replaced(target: Path, before: Stamp | None, draft: _Draft, mark: bytes, old: Iterator[Part]) -> bool:
    """Whether the file now is as in the draft; False where somebody saved it since it was read: that must not be lost.

    What a killed writer left is written over: under the lock there is one temporary file at most.
    """
    temporary = target.with_name(f".{target.name}.new")
    try:
        with temporary.open("wb") as file:
            file.write(mark)
            file.writelines(text.encode() for text in draft.pieces(old))
            file.flush()
            os.fsync(file.fileno())
        if _stamp(target) != before:
            return False
        if draft.differs:
            if before:
                shutil.copymode(target, temporary)
            temporary.replace(target)
            _flush_names(target.parent)
        return True
    finally:
        temporary.unlink(missing_ok=True)


@dataclass(slots=True)
class _Draft:
    """The table as it is going to be, piece by piece."""

    path: Path
    how: WriteConfig
    dialect: Dialect
    edits: Edits
    max_rows: int
    differs: bool = False
    _header: tuple[str, ...] = ()
    _width: int = 0  #: columns that the file has so far
    _key_at: int = 0
    _end: str = _LINE_END
    _rows: int = 0
    _ended: bool = field(default=True)  #: whether the last piece ended its line

    @property
    def outcomes(self) -> list[Outcome]:
        return [outcome for outcome in self.edits.outcomes if outcome is not None]

    def pieces(self, old: Iterator[Part]) -> Iterator[str]:
        """The texts of the file, in their order. Raises Misconfigured as `write` does."""
        for text in self._all(old):
            if text:
                self._ended = text.endswith(("\r", "\n"))
                yield text

    def _all(self, old: Iterator[Part]) -> Iterator[str]:
        yield from self._head(old)
        held: list[Part] = []  # a line of totals, or one whose quotes do not close, stays the last
        for text, row in old:
            if row is not None and held:
                yield from self._kept(held)
                held = []
            if held or (row is not None and next(without_total(iter([row]))).error):
                held.append((text, row))
            else:
                yield from self._kept([(text, row)])
        totals = list(self._kept(held))
        made = self.edits.made()
        self._count(len(made))
        self.differs = self.differs or bool(made)
        if made and not self._ended:
            yield self._end
        for cells in made:
            yield self._line(cells.get(name, "") for name in self._header)
        yield from totals

    def _head(self, old: Iterator[Part]) -> Iterator[str]:
        """All up to the header row, which gets the columns that it lacks."""
        for text, row in old:
            if row is None:
                yield text
                continue
            names = [clean(cell) for cell in row.cells]
            while not names[-1]:
                names.pop()
            if self.how.key not in names:
                raise Misconfigured(
                    f"{self.path.name}: there is no column {self.how.key!r}, by which rows are found; add it, or move "
                    "the file away: a new one is made"
                )
            lacking = [name for name in self.how.columns if name not in names]
            self._header, self._width, self._key_at = (*names, *lacking), len(names), names.index(self.how.key)
            self._end = _end_of(text) or _LINE_END
            self.differs = bool(lacking)
            yield self._line([*row.cells[: self._width], *lacking]) if lacking else text
            return
        self._header, self.differs = self.how.columns, True
        yield self._line(self._header)

    def _kept(self, some: Iterable[Part]) -> Iterator[str]:
        """The texts of what was there: their own where nothing of them differs."""
        for text, row in some:
            yield text if row is None else self._row(text, row)

    def _row(self, text: str, row: Row) -> str:
        self._count(1)
        cell = row.cells[self._key_at].strip() if self._key_at < len(row.cells) else ""
        key = value_of(cell) if self.how.guard else cell
        asked, narrow = self.edits.asks_for(key), self._width < len(self._header)
        if not asked and not narrow:
            return text
        fit = fitted(row.number, row.cells, self._width)
        error = row.error or fit.error
        lacking = [""] * (len(self._header) - len(fit.cells))
        cells = dict(zip(self._header, [*fit.cells, *lacking], strict=True))
        new = self.edits.met(key, cells, error) if asked else cells
        if new == cells and (error or not narrow):
            return text
        self.differs = True
        return "" if new is None else self._line(new.values(), _end_of(text))

    def _count(self, rows: int) -> None:
        self._rows += rows
        if self._rows > self.max_rows:
            raise Misconfigured(
                f"{self.path.name}: would have more than {self.max_rows} rows; raise `max_rows` if they belong"
            )

    def _line(self, cells: Iterable[str], end: str | None = None) -> str:
        """A row as text. `end`: how its line ends; by default as the header's does."""
        out = io.StringIO(newline="")
        csv.writer(out, delimiter=self.dialect.delimiter, lineterminator="\r\n").writerow(cells)
        return out.getvalue().removesuffix("\r\n") + (self._end if end is None else end)


def _end_of(text: str) -> str:
    """How the line of a row ends; the last one of a file may have no end."""
    return next((end for end in ("\r\n", "\n", "\r") if text.endswith(end)), "")


def _stamp(path: Path) -> Stamp | None:
    """What differs once somebody has saved the file; None: there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _flush_names(folder: Path) -> None:
    """The rename itself to the disk. Where the system cannot flush a folder, it does so by itself."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """One writer of a table at a time, in whatever process. The kernel lets go of the lock of who is killed."""
    try:
        with FileLock(target.with_name(f".{target.name}.lock"), timeout=LOCK_S):
            yield
    except Timeout:
        raise Unavailable(f"{target}: another process has been writing it for {LOCK_S:.0f} s") from None
    except NotImplementedError:
        raise Misconfigured(f"{target.parent}: the file system has no locks; use one that has, such as NFS 4") from None


@contextmanager
def _words(path: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError:
        raise Misconfigured(
            f"{path}: this user may not write there, or a program holds the file open; correct the permissions of the "
            "folder, or close the program"
        ) from None
    except OSError as error:
        raise Unavailable(f"{path}: cannot be written ({error.strerror}); it is tried again in the next run") from None
