"""Which streams a folder holds: the files, or sheets, of each."""

from __future__ import annotations

import fnmatch
import os
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from prm_sync.connect import ConnectorError, Misconfigured
from prm_sync_files.config import FilesConfig, StreamConfig, WriteConfig

BOOK_SUFFIXES = (".xlsx", ".xlsm", ".xls")
SUFFIXES = (".csv", ".tsv", *BOOK_SUFFIXES, ".parquet")  # .txt only where a stream names it

Sheets = Callable[[Path], list[str]]


@dataclass(frozen=True, slots=True)
class Source:
    """One stream: its files in the order in which they are read, and how; and how it is written, if it is."""

    name: str
    paths: tuple[Path, ...]
    sheet: str | None
    how: StreamConfig
    writes: WriteConfig | None = None

    @property
    def last(self) -> Path:
        return self.paths[-1]


def usable_folder(folder: Path, *, writing: bool = False) -> Path:
    """The folder, resolved. Raises Misconfigured where it is not there, no folder, or may not be read (or written)."""
    path = folder.expanduser().resolve()
    if not path.exists():
        raise Misconfigured(f"{path}: there is no such folder; make it, or correct `folder`")
    if not path.is_dir():
        raise Misconfigured(f"{path}: is a file; `folder` names the folder that holds the files")
    if not os.access(path, os.R_OK | os.X_OK):
        raise Misconfigured(f"{path}: this user may not read the folder; correct its permissions")
    if writing and not os.access(path, os.W_OK):
        raise Misconfigured(f"{path}: this user may not write in the folder, as `writes` asks; correct its permissions")
    return path


def sources(config: FilesConfig, sheets: Sheets) -> dict[str, Source]:
    """Every stream of the folder by its name: those of `streams` and `writes`, then one for each other file or sheet.

    A workbook that cannot be opened is one stream too, which then says so. Raises Misconfigured where two files want
    one name.
    """
    folder = usable_folder(config.folder)
    files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith((".", "~$")))
    found: dict[str, Source] = {}
    taken: set[tuple[Path, str | None]] = set()
    for name, how in config.streams.items():
        paths = [p for p in files if fnmatch.fnmatch(p.name, how.file)]
        snapshot = config.snapshot if how.snapshot is None else how.snapshot
        found[name] = Source(name, tuple(paths[-1:] if snapshot else paths), how.sheet, how)
        taken.update((p, how.sheet) for p in paths)
    for name, written in config.writes.items():
        path = written_path(folder, name)
        found[name] = Source(name, (path,) if path.is_file() else (), None, written.read_as(path.name), written)
        taken.add((path, None))
    for path in files:
        if path.suffix.lower() not in SUFFIXES or (path, None) in taken:
            continue
        for name, sheet in _parts(path, sheets):
            if (path, sheet) in taken:
                continue
            if name in found:
                other = found[name].last.name if found[name].paths else "`streams`"
                raise Misconfigured(
                    f"{path.name} and {other} would both be the stream {name!r}; rename one, or name both in `streams`"
                )
            found[name] = Source(name, (path,), sheet, StreamConfig(file=path.name))
    return found


def written_path(folder: Path, stream: str) -> Path:
    """The file of a stream that is written."""
    return folder / f"{stream}.csv"


def _parts(path: Path, sheets: Sheets) -> list[tuple[str, str | None]]:
    """(stream name, sheet) of each stream that a file makes by itself."""
    stem = _name(path.stem)
    if path.suffix.lower() not in BOOK_SUFFIXES:
        return [(stem, None)]
    try:
        names = sheets(path)
    except ConnectorError:
        return [(stem, None)]
    if len(names) == 1:
        return [(stem, names[0])]
    return [(f"{stem}_{_name(sheet)}", sheet) for sheet in names]


def _name(text: str) -> str:
    return re.sub(r"[^\w]+", "_", unicodedata.normalize("NFC", text)).strip("_") or "file"
