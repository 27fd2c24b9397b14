"""A folder of files as a connection: check, discover, read, and write what is declared as written."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from prm_sync.connect import (
    Change,
    ConnectorError,
    Context,
    Cursor,
    Deletes,
    Done,
    Field,
    Misconfigured,
    Outcome,
    Page,
    Record,
    Stream,
    Tenant,
    Unavailable,
)
from prm_sync_files import content, delimited, writing
from prm_sync_files.cells import unguarded
from prm_sync_files.config import FilesConfig, StreamConfig, WriteConfig
from prm_sync_files.folder import BOOK_SUFFIXES, Source, sources, usable_folder, written_path
from prm_sync_files.keys import Key, Seen, key_of
from prm_sync_files.names import ERROR_FIELD, KEY_FIELD
from prm_sync_files.table import Row, Table

_MANY_COLUMNS = 200
NO_FILE = hashlib.sha256().hexdigest()  #: the content of a written stream whose file is not there
WRITE_BATCH = 10_000  #: changes by one replacement of a file
ERROR = Field(ERROR_FIELD, "text", label="why the row cannot be trusted; empty: it can")


@dataclass(frozen=True, slots=True)
class FilesSession:
    """Nothing is held open between two calls: each looks at the folder as it is then."""

    config: FilesConfig
    context: Context

    def check(self) -> Tenant:
        """The folder is the tenant.

        Raises Misconfigured where it cannot be read, or written though `writes` says so, or two files claim one stream.
        """
        folder = usable_folder(self.config.folder, writing=bool(self.config.writes))
        self._sources()
        return Tenant(id=str(folder), name=folder.name, sandbox=False)

    def discover(self, only: Collection[str] | None = None) -> Sequence[Stream]:
        """A stream a file or sheet. A file that cannot be read is left out with a warning, or raised if it is named."""
        found = self._sources()
        streams = []
        for name in found if only is None else only:
            if name not in found:
                near = difflib.get_close_matches(name, found, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(found)) or 'no files'}"
                raise Misconfigured(f"{self.config.folder}: there is no file for the stream {name!r}; {hint}")
            try:
                streams.append(self._describe(found[name]))
            except ConnectorError as error:
                if only is not None:
                    raise
                self._skipped(found[name].last if found[name].paths else Path(found[name].how.file), error)
        return streams

    def read(self, stream: Stream, cursor: Cursor | None, fields: Collection[str]) -> Iterator[Page]:
        """All rows, where the content is not that of `cursor`; no page at all where it is.

        The last page bears the cursor, the others none: half a file is no position. A file that was read has at
        least one page, be it an empty one. Raises Unavailable where the file changes meanwhile.
        """
        source = self._sources().get(stream.name)
        if source is None or not (source.paths or source.writes):
            raise Misconfigured(f"{self.config.folder}: there is no file for the stream {stream.name!r} any more")
        prints = [content.fingerprint(path) for path in source.paths]
        position = _position(source.paths, prints)
        if cursor is not None and cursor.get("sha256") == position["sha256"]:
            return
        wanted = {*fields, stream.key, ERROR_FIELD}
        page: list[dict[str, Any]] = []
        for path, known in zip(source.paths, prints, strict=True):
            for record in self._records(source, path):
                if len(page) == self.config.page_rows:
                    yield Page(page)
                    page = []
                page.append(record if record.keys() <= wanted else {n: v for n, v in record.items() if n in wanted})
            now = path.stat()
            if (now.st_size, now.st_mtime_ns) != (known.size, known.mtime_ns):
                raise Unavailable(f"{path}: was written while it was read; it is read again in the next run")
        yield Page(page, cursor=position)

    def write(self, stream: Stream, changes: Sequence[Change]) -> Sequence[Outcome]:
        """All changes in one replacement of `<stream>.csv`. Raises Misconfigured for a stream not under `writes`."""
        how = self.config.writes.get(stream.name)
        if how is None:
            raise Misconfigured(
                f"{self.context.connection}: files are read only but for the CSV tables under `writes`; "
                f"{stream.name!r} is none of them"
            )
        path = written_path(usable_folder(self.config.folder), stream.name)
        delimiter = "," if self.config.delimiter == "auto" else self.config.delimiter
        outcomes = writing.write(
            path, how, changes, partial(self._dialect, how.read_as(path.name)),
            delimiter=delimiter, max_rows=self.config.max_rows,
        )  # fmt: skip
        done = sum(isinstance(outcome, Done) for outcome in outcomes)
        extra = {"stream": stream.name, "file": path.name, "changes": len(changes), "done": done}
        self.context.log.info("file written", extra=extra)
        return outcomes

    def fetch(self, stream: Stream, by: str, values: Sequence[str], fields: Collection[str]) -> Sequence[Record | None]:
        """The rows with these keys, as the files are now. Raises Misconfigured for any field but the key."""
        if by != stream.key:
            raise Misconfigured(f"{self.config.folder}: {stream.name!r} is searched by {stream.key!r}, not by {by!r}")
        source, wanted, shown = self._sources().get(stream.name), set(values), {*fields, by, ERROR_FIELD}
        if source is None or not wanted:
            return [None] * len(values)
        found = {
            record[by]: {name: value for name, value in record.items() if name in shown}
            for path in source.paths for record in self._records(source, path) if record[by] in wanted
        }  # fmt: skip
        return [found.get(value) for value in values]

    # --- one file ---

    def _sources(self) -> dict[str, Source]:
        return sources(self.config, self._sheets)

    def _sheets(self, path: Path) -> list[str]:
        content.refuse_what_it_is_not(path)
        from prm_sync_files import workbook

        return workbook.sheets_of(path)

    def _skipped(self, path: Path, error: ConnectorError) -> None:
        self.context.log.warning("file left out", extra={"file": path.name, "reason": str(error)})

    def _table(self, source: Source, path: Path) -> Table:
        config, how = self.config, source.how
        content.fingerprint(path)
        content.refuse_what_it_is_not(path)
        suffix = path.suffix.lower()
        if suffix == ".parquet":
            from prm_sync_files import parquet  # pyarrow and pandas cost 100 MB, which text files need not pay

            return parquet.open_parquet(path, config.page_rows)
        if suffix in BOOK_SUFFIXES:
            from prm_sync_files import workbook

            return workbook.open_sheet(path, self._sheet(source, path), how.header_row)
        return delimited.open_delimited(path, self._dialect(how, path))

    def _dialect(self, how: StreamConfig, path: Path) -> delimited.Dialect:
        config = self.config
        encoding = content.encoding_of(path, how.encoding or config.encoding, config.language)
        delimiter = how.delimiter or config.delimiter
        if path.suffix.lower() == ".tsv" and delimiter == "auto":
            delimiter = "\t"
        return delimited.dialect_of(path, encoding, delimiter, how.decimal or config.decimal, how.header_row)

    def _sheet(self, source: Source, path: Path) -> str:
        names = self._sheets(path)
        if source.sheet in names:
            return source.sheet
        if source.sheet is None and len(names) == 1:
            return names[0]
        listed = ", ".join(repr(name) for name in names)
        raise Misconfigured(f"{path.name}: set `sheet` for the stream {source.name!r}; there are: {listed}")

    def _describe(self, source: Source) -> Stream:
        if not (source.paths or source.writes):
            raise Misconfigured(f"{self.config.folder}: no file is named {source.how.file!r} (stream {source.name!r})")
        fields: dict[str, Field] = {}
        key: Key | None = None
        for path in source.paths:
            table = self._table(source, path)
            key = self._key(source, table)
            for field in table.fields:
                fields.setdefault(field.name, field)
        if source.writes:
            return _written(source.name, source.writes, fields)
        assert key is not None
        if len(fields) > _MANY_COLUMNS:
            self.context.log.warning("file has many columns", extra={"file": source.last.name, "columns": len(fields)})
        if key.field == KEY_FIELD:
            fields[KEY_FIELD] = Field(KEY_FIELD, "text", label=f"made of: {', '.join(key.columns)}")
            if key.hashed:
                self.context.log.warning(
                    "no key column: set `key`; until then a row that changes in these columns is another record",
                    extra={"file": source.last.name, "columns": len(key.columns), "key": ", ".join(key.columns[:10])},
                )
        fields[ERROR_FIELD] = ERROR
        snapshot = self.config.snapshot if source.how.snapshot is None else source.how.snapshot
        return Stream(
            source.name, key.field, tuple(fields.values()), deletes=Deletes.BY_ABSENCE if snapshot else Deletes.NEVER
        )

    def _key(self, source: Source, table: Table) -> Key:
        return key_of(table.path, table.header, source.how.key or self.config.key)

    def _records(self, source: Source, path: Path) -> Iterator[dict[str, Any]]:
        """The records of one file. Each has its own key, also those with an error: quarantine needs it.

        Raises Misconfigured where there are more rows than `max_rows`.
        """
        table = self._table(source, path)
        key, header, seen = self._key(source, table), table.header, Seen()
        rows = errors = same = 0
        for row in unguarded(table.rows()) if source.writes and source.writes.guard else table.rows():
            rows += 1
            if rows > self.config.max_rows:
                raise Misconfigured(
                    f"{path.name}: more than {self.config.max_rows} rows; raise `max_rows` if they belong"
                )
            value, error, repeated = _keyed(key, seen, row)
            if repeated:
                same += 1
                continue
            record = dict(zip(header, row.cells, strict=False))
            record[key.field] = value
            if error:
                errors += 1
                record[ERROR_FIELD] = error
            yield record
        extra = {"stream": source.name, "file": path.name, "records": rows - same, "errors": errors, "repeated": same}
        self.context.log.info("file read", extra=extra)


def _written(name: str, how: WriteConfig, there: Mapping[str, Field]) -> Stream:
    """A stream that is written: the columns of its file, if it is there, and those that it gets with the next write."""
    ours = {column: Field(column, "text", writable=True, required=column == how.key) for column in how.columns}
    fields = {**there, **ours, ERROR_FIELD: ERROR}
    return Stream(
        name, how.key, tuple(fields.values()),
        deletes=Deletes.BY_ABSENCE, match_on=(how.key,), write_batch=WRITE_BATCH,
    )  # fmt: skip


def _keyed(key: Key, seen: Seen, row: Row) -> tuple[str, str, bool]:
    """(key, error or nothing, whether this very row was there before)."""
    value, error = key.of(row.cells), row.error
    if not value:
        error = error or f"row {row.number} has no value in its key: {', '.join(key.columns[:10])}"
        return f"row {row.number}", error, False
    if error:  # not remembered: a sound row with this key is no repetition of a broken one
        return f"{value} (row {row.number})" if value in seen else value, error, False
    first = seen.repeats(value, row)
    if first is None:
        return value, "", False
    number, same = first
    if same:
        return value, "", True
    columns = ", ".join(key.columns[:10])
    error = f"row {row.number} has the key of row {number} ({columns}) with other values; row {number} is used"
    return f"{value} (row {row.number})", error, False


def _position(paths: Sequence[Path], prints: Sequence[content.Fingerprint]) -> dict[str, Any]:
    """The cursor: one file's own hash; of several, a hash of their names and hashes."""
    if not paths:
        return {"file": None, "sha256": NO_FILE, "size": 0, "mtime": None}
    if len(paths) == 1:
        digest = prints[0].sha256
    else:
        named = "".join(f"{path.name}\n{known.sha256}\n" for path, known in zip(paths, prints, strict=True))
        digest = hashlib.sha256(named.encode()).hexdigest()
    return {
        "file": paths[-1].name,
        "sha256": digest,
        "size": sum(known.size for known in prints),
        "mtime": max(known.mtime_ns for known in prints) / 1e9,
    }
