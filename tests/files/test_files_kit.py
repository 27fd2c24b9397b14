"""The conformance kit over folders of each format: the four formats are four roads to the same records."""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl import Workbook

from prm_sync.connect import ConnectorError, Context, kit
from prm_sync_files import CONNECTOR

HEADER = ("Id", "Name", "Email", "Phone")


def _delimited(delimiter: str) -> Callable[[Path, list[dict[str, str]]], None]:
    def save(path: Path, rows: list[dict[str, str]]) -> None:
        with path.open("w", newline="", encoding="utf-8-sig") as f:
            out = csv.DictWriter(f, HEADER, delimiter=delimiter)
            out.writeheader()
            out.writerows(rows)

    return save


def _workbook(path: Path, rows: list[dict[str, str]]) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(HEADER)
    for row in rows:
        sheet.append([row[name] for name in HEADER])
    book.save(path)


def _parquet(path: Path, rows: list[dict[str, str]]) -> None:
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema([(name, pa.string()) for name in HEADER])), path)


SAVE = {"csv": _delimited(","), "tsv": _delimited("\t"), "xlsx": _workbook, "parquet": _parquet}


class FilesBench:
    """A folder with one list. There is no server: what only a server can do is not applicable."""

    connector = CONNECTOR
    stream = "leads"
    secrets = ("there-is-no-secret",)
    roads: Sequence[str] = tuple(SAVE)

    def __init__(self, folder: Path, road: str, *, snapshot: bool) -> None:
        self.folder, self.road, self.snapshot = folder, road, snapshot
        self.rows: dict[str, dict[str, str]] = {}
        self._save()

    def config(self, *, good: bool = True) -> Any:
        folder = self.folder if good else self.folder / "elsewhere"
        return CONNECTOR.config(folder=folder, page_rows=2, **self.settings())

    def settings(self) -> dict[str, Any]:
        return {"snapshot": self.snapshot}

    def seed(self, n: int) -> list[str]:
        made = [self.good_values(len(self.rows) + i) for i in range(1, n + 1)]
        self.rows.update({row["Id"]: row for row in made})
        self._save()
        return [row["Id"] for row in made]

    def touch(self, ids: Sequence[str]) -> None:
        for row_id in ids:
            self.rows[row_id]["Name"] += " the second"
        self._save()

    def remove(self, ids: Sequence[str]) -> None:
        for row_id in ids:
            del self.rows[row_id]
        self._save()

    def count(self) -> int:
        return len(self.rows)

    def calls(self) -> int:
        return 0

    def logins(self) -> int:
        return 0

    def hold_clock(self) -> bool:
        return False

    def advance(self, seconds: float) -> bool:
        return False

    def fail(self, status: int, retry_after_s: float | None = None) -> None:
        if status != 503:
            raise kit.NotApplicable("a folder answers no calls")
        with self._path.open("ab") as f:  # what comes nearest: somebody writes the file while it is read
            f.write(b"\n")

    def lose_answer(self) -> bool:
        return False

    def expire_token(self) -> bool:
        return False

    def force_road(self, road: str) -> None:
        self._path.unlink()
        self.road = road
        self._save()

    def good_values(self, i: int) -> dict[str, Any]:
        return {"Id": f"L{i:03}", "Name": f"Nguyễn {i}", "Email": f"n{i}@example.com", "Phone": f"00{i}"}

    def bad_values(self) -> dict[str, Any]:
        return {"Id": "", "Email": "nobody@example.com"}

    @property
    def _path(self) -> Path:
        return self.folder / f"leads.{self.road}"

    def _save(self) -> None:
        SAVE[self.road](self._path, list(self.rows.values()))


class WrittenBench(FilesBench):
    """A folder with one table that is written, and that people edit. At first it is not there at all."""

    roads = ()

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "csv", snapshot=True)
        self._path.unlink()

    def settings(self) -> dict[str, Any]:
        return {"writes": {"leads": {"key": "Id", "columns": HEADER}}}

    def count(self) -> int:
        if not self._path.exists():
            return 0
        with self._path.open(encoding="utf-8-sig", newline="") as f:
            return len(list(csv.DictReader(f)))


@pytest.mark.parametrize("check", kit.CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_a_written_table_keeps_the_promises(check: Callable[[kit.Bench], None], tmp_path: Path) -> None:
    check(WrittenBench(tmp_path))


@pytest.mark.parametrize("check", kit.CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
@pytest.mark.parametrize(
    ("road", "snapshot"), [("csv", False), ("csv", True), ("xlsx", True), ("parquet", False)],
    ids=["csv", "csv snapshot", "xlsx snapshot", "parquet"],
)  # fmt: skip
def test_files_keep_the_promises(check: Callable[[kit.Bench], None], road: str, snapshot: bool, tmp_path: Path) -> None:
    check(FilesBench(tmp_path, road, snapshot=snapshot))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("007", '"0"07'),
        lambda text: text.replace(",", ";", 3),
        lambda text: text.replace("Email", "Name"),
        lambda text: text.replace("L002", "L001"),
        lambda text: text.replace("Nguy", "\x00"),
        lambda text: "",
        lambda text: "secret@example.com\n" + text,
        lambda text: text.encode("utf-16-le").decode("latin-1"),
    ],
    ids=["quotes", "delimiters", "header", "keys", "zeros", "empty", "title", "encoding"],
)
def test_no_value_of_a_record_is_logged_or_raised(
    spoil: Callable[[str], str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bench = FilesBench(tmp_path, "csv", snapshot=False)
    bench.seed(9)
    path = tmp_path / "leads.csv"
    path.write_text(spoil(path.read_text(encoding="utf-8-sig")), encoding="utf-8")
    shown = []
    with caplog.at_level(logging.DEBUG):
        try:
            context = Context("files", kit.CountingBudget(), logging.getLogger("files"), lambda name, value: None)
            with CONNECTOR.open(bench.config(), context) as session:
                (stream,) = session.discover(["leads"])
                records = [record for page in session.read(stream, None, HEADER) for record in page.records]
                shown += [record["__error__"] for record in records if record.get("__error__")]
        except ConnectorError as error:
            shown.append(str(error))
    shown += [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
    assert len(shown) > 0
    assert not any("@example.com" in text or "Nguy" in text for text in shown)
