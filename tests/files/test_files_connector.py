"""The files connector over files that people really make."""

from __future__ import annotations

import csv
import datetime as dt
import logging
import os
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl import Workbook
from pydantic import ValidationError

from prm_sync.connect import Context, ContractBroken, Deletes, Misconfigured, Page, Session
from prm_sync_files import CONNECTOR

LEADS = "Id,Name,Email,Phone\n1,Ann,ann@example.com,+49 30 1234\n2,Bo,bo@example.com,007\n"


class _Free:
    def take(self, *limits: str, cost: int = 1) -> None: ...
    def learn(self, limit: str, *, left: int, resets_in_s: float) -> None: ...


@contextmanager
def opened(folder: Path, **settings: Any) -> Iterator[Session]:
    config = CONNECTOR.config(folder=folder, **settings)
    with CONNECTOR.open(
        config, Context("files", _Free(), logging.getLogger("files"), lambda name, value: None)
    ) as session:
        yield session


def pages(folder: Path, stream: str = "leads", cursor: Any = None, **settings: Any) -> list[Page]:
    with opened(folder, **settings) as session:
        found = session.discover([stream])[0]
        return list(session.read(found, cursor, [f.name for f in found.fields]))


def records(folder: Path, stream: str = "leads", **settings: Any) -> list[dict[str, Any]]:
    return [dict(record) for page in pages(folder, stream, **settings) for record in page.records]


def write(folder: Path, content: str | bytes, name: str = "leads.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def errors(found: list[dict[str, Any]]) -> dict[str, str]:
    """Key column -> reason, of the rows that have one."""
    return {r["Id"]: r["__error__"] for r in found if r.get("__error__")}


# --- text ---


def test_a_csv_file_is_a_stream_of_texts(tmp_path: Path) -> None:
    write(tmp_path, LEADS)
    assert records(tmp_path) == [
        {"Id": "1", "Name": "Ann", "Email": "ann@example.com", "Phone": "+49 30 1234"},
        {"Id": "2", "Name": "Bo", "Email": "bo@example.com", "Phone": "007"},
    ]


def test_header_names_are_trimmed_without_mark_and_composed(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "Tên khách hàng")
    write(tmp_path, f"Id , {decomposed}\n1,{unicodedata.normalize('NFD', 'Nguyễn')}\n", encoding="utf-8-sig")
    assert records(tmp_path) == [{"Id": "1", "Tên khách hàng": "Nguyễn"}]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"], ids=["comma", "semicolon", "tab", "bar"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    write(tmp_path, LEADS.replace(",", delimiter))
    assert records(tmp_path)[1]["Phone"] == "007"


def test_commas_in_texts_do_not_make_a_semicolon_file_a_comma_file(tmp_path: Path) -> None:
    write(tmp_path, "Id;Name;Amount\n1;Smith, Jones, and Co;1.234,56\n2;A, B;7,5\n3;C, D, E;3\n")
    assert [r["Name"] for r in records(tmp_path)] == ["Smith, Jones, and Co", "A, B", "C, D, E"]


def test_the_line_sep_is_a_setting_and_no_row(tmp_path: Path) -> None:
    write(tmp_path, "sep=;\nId;Name\n1;Ann\n")
    assert records(tmp_path) == [{"Id": "1", "Name": "Ann"}]


def test_decimal_commas_become_points_and_nothing_else_changes(tmp_path: Path) -> None:
    write(tmp_path, "Id;Amount;Day;Phone\n1;1.234,56;03.04.2026;912 345 678\n2;-7,5;x;1,5 kg\n")
    assert records(tmp_path, decimal=",") == [
        {"Id": "1", "Amount": "1234.56", "Day": "03.04.2026", "Phone": "912 345 678"},
        {"Id": "2", "Amount": "-7.5", "Day": "x", "Phone": "1,5 kg"},
    ]


def test_a_cell_may_hold_line_breaks_and_quotes(tmp_path: Path) -> None:
    write(tmp_path, 'Id,Street\n1,"Main St 1\n""Rear"" house"\n2,12" pipe\n')
    assert [r["Street"] for r in records(tmp_path)] == ['Main St 1\n"Rear" house', '12" pipe']


def test_scientific_notation_in_text_is_left_as_it_is(tmp_path: Path) -> None:
    write(tmp_path, "Id,Phone\n1,1.38001E+10\n")
    assert records(tmp_path)[0]["Phone"] == "1.38001E+10"


def test_empty_lines_are_no_records(tmp_path: Path) -> None:
    write(tmp_path, "Id,Name\r\n\r\n1,Ann\r\n,\r\n  ,\r\n2,Bo\r\n")
    assert [r["Id"] for r in records(tmp_path)] == ["1", "2"]


# --- encodings ---


def test_utf_16_is_known_by_its_mark(tmp_path: Path) -> None:
    write(tmp_path, "Id\tName\n1\tمحمد\n", encoding="utf-16")
    assert records(tmp_path) == [{"Id": "1", "Name": "محمد"}]


LEGACY = [
    ("es", "cp1252", "Id;Teléfono;Nombre\n1;91;Muñoz ¿qué? 1ª\n"),
    ("vi", "cp1258", "Id;Đi\u0323a chi\u0309\n1;Nguyê\u0303n\n"),  # base letter and tone: all that CP1258 has
    ("fa", "cp1256", "Id;نام\n1;علي\n"),
    ("zh", "gb18030", "Id;客户名称\n1;王小芳𠮷\n"),
]


@pytest.mark.parametrize(("language", "encoding", "text"), LEGACY, ids=[case[0] for case in LEGACY])
def test_old_encodings_are_read_where_the_language_is_said(
    tmp_path: Path, language: str, encoding: str, text: str
) -> None:
    write(tmp_path, text, encoding=encoding)
    header, first = (line.split(";") for line in unicodedata.normalize("NFC", text).splitlines())
    assert records(tmp_path, language=language) == [dict(zip(header, first, strict=True))]


def test_an_unknown_encoding_is_refused_with_what_to_set(tmp_path: Path) -> None:
    write(tmp_path, "Id;Teléfono\n1;91\n", encoding="cp1252")
    with pytest.raises(Misconfigured, match=r"leads.csv: byte 6 is not UTF-8.*`encoding`.*cp1252"):
        records(tmp_path)


def test_an_encoding_that_gives_letters_of_another_script_is_not_taken(tmp_path: Path) -> None:
    write(tmp_path, "Id;客户名称\n1;王\n", encoding="gb18030")
    with pytest.raises(Misconfigured, match="nor is it cp1252 of language: es"):
        records(tmp_path, language="es")


def test_a_byte_that_is_wrong_far_into_the_file_is_found_before_the_first_record(tmp_path: Path) -> None:
    write(tmp_path, b"Id,Name\n" + b"1,aaaaaaaa\n" * 200_000 + b"2,\xff\n")
    with pytest.raises(Misconfigured, match="byte 2200010 is not UTF-8"):
        records(tmp_path)


def test_gbk_is_read_as_gb18030(tmp_path: Path) -> None:
    write(tmp_path, "Id,姓名\n1,王\n", encoding="gb18030")
    assert records(tmp_path, encoding="gbk") == [{"Id": "1", "姓名": "王"}]


def test_an_encoding_that_python_does_not_have_is_refused_in_the_settings() -> None:
    with pytest.raises(ValidationError, match="no such encoding: 'viscii'"):
        CONNECTOR.config(folder=".", encoding="viscii")


def test_text_that_was_destroyed_by_an_earlier_decoding_is_an_error_of_its_row(tmp_path: Path) -> None:
    write(tmp_path, "Id,Name\n1,JosÃ©\n2,Jos\ufffd\n3,SÃO José\n")
    assert set(errors(records(tmp_path))) == {"1", "2"}


# --- bad rows ---


def test_ragged_rows_have_an_error_and_the_rest_goes_on(tmp_path: Path) -> None:
    write(
        tmp_path,
        "Id,Name,Email\n1,Ann,a@example.com\n2,Bo\n3,Cy,c@example.com,extra\n4,Di,d@example.com,\n5,Ed,e@x.org\n",
    )
    found = records(tmp_path)
    assert errors(found) == {"2": "row 3 has 2 cells, the header has 3", "3": "row 4 has 4 cells, the header has 3"}
    assert found[1]["Name"] == "Bo"
    assert "Email" not in found[1]
    assert [r["Id"] for r in found] == ["1", "2", "3", "4", "5"]


def test_a_quote_that_is_never_closed_costs_one_row(tmp_path: Path) -> None:
    rest = "".join(f'{i},"n{i}"\n' for i in range(3, 9))
    write(tmp_path, 'Id,Name\n1,Ann\n2,"Bo\n' + rest)
    found = records(tmp_path)
    assert [r["Id"] for r in found] == [str(i) for i in range(1, 9)]
    assert list(errors(found)) == ["2"]
    assert "quote" in errors(found)["2"]


def test_a_quote_that_is_open_at_the_end_of_the_file_costs_one_row(tmp_path: Path) -> None:
    write(tmp_path, 'Id,Name\n1,"Ann\n2,Bo\n3,Cy\n')
    found = records(tmp_path)
    assert [r["Id"] for r in found] == ["1", "2", "3"]
    assert list(errors(found)) == ["1"]


def test_a_file_of_broken_quotes_is_refused_in_the_end(tmp_path: Path) -> None:
    write(tmp_path, "Id,Name\n" + "".join(f'{i},"a"b"\n' for i in range(200)))
    with pytest.raises(ContractBroken, match="over 100 rows"):
        records(tmp_path)


def test_a_row_without_its_key_has_an_error_and_a_key_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, "Id,Name\n,Ann\n2,Bo\n,Cy\n")
    assert errors(records(tmp_path)) == {
        "row 2": "row 2 has no value in its key: Id",
        "row 4": "row 4 has no value in its key: Id",
    }


def test_the_second_row_with_a_key_names_the_first(tmp_path: Path) -> None:
    write(tmp_path, "Id,Name\n1,Ann\n2,Bo\n1,Cy\n2,Bo\n")
    found = records(tmp_path)
    assert errors(found) == {"1 (row 4)": "row 4 has the key of row 2 (Id) with other values; row 2 is used"}
    assert len(found) == 3, "the very same row twice is one record"


def test_a_sum_line_at_the_end_is_no_record(tmp_path: Path) -> None:
    write(tmp_path, "Id,Name,Amount,Note\n1,Ann,5,x\n2,Total,7,x\nTổng cộng,,12,\n")
    assert errors(records(tmp_path)) == {"Tổng cộng": "row 4 is a line of totals, not a record"}


# --- bad files ---

BAD_FILES = [
    ("a web page named xls", "leads.xls", b"<html><table><tr><td>Id</td></tr></table></html>", "this is a web page"),
    ("text named xlsx", "leads.xlsx", b"Id,Name\n1,Ann\n", "not a workbook"),
    ("a workbook named csv", "leads.csv", b"PK\x03\x04" + b"\x00" * 100, "this is a workbook with another name"),
    ("a damaged workbook", "leads.xlsx", b"PK\x03\x04" + b"\x00" * 100, "damaged or locked"),
    ("a damaged parquet file", "leads.parquet", b"PAR1" + b"\x00" * 100, "damaged or cut off"),
    ("text named parquet", "leads.parquet", b"Id,Name\n", "not a Parquet file"),
    ("bare bytes", "leads.csv", bytes(range(256)) * 40, "bytes that no text has"),
    (
        "zeros far into the file",
        "leads.csv",
        b"Id,Name\n" + b"1,aaaaaaaa\n" * 900 + b"2,\x00\n",
        "bytes that no text has",
    ),
    ("two columns of one name", "leads.csv", b"Id,Name,Name\n1,a,b\n", "column names more than once: 'Name'"),
    ("a name that is ours", "leads.csv", b"Id,__error__\n1,a\n", "prm-sync itself uses the name '__error__'"),
    ("1,601 columns", "leads.csv", ",".join(f"c{i}" for i in range(1601)).encode(), "1601 columns, at most 1600"),
]


@pytest.mark.parametrize(
    ("name", "content", "words"), [case[1:] for case in BAD_FILES], ids=[case[0] for case in BAD_FILES]
)
def test_a_file_that_is_not_what_it_seems_is_refused_in_words(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    write(tmp_path, content, name)
    with pytest.raises(ContractBroken, match=words) as caught:
        records(tmp_path)
    assert name in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf\r\n\r\n"], ids=["nothing at all", "a mark and blank lines"])
def test_an_empty_file_is_something_for_a_person(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, content)
    with pytest.raises(Misconfigured, match=r"leads\.csv: the file is empty; it needs at least a header row"):
        records(tmp_path)


def test_a_bad_file_does_not_hide_the_good_ones(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, LEADS)
    write(tmp_path, b"", "orders.csv")
    write(tmp_path, b"<html>", "cases.xls")
    with opened(tmp_path) as session:
        assert session.check().name == tmp_path.name
        assert [s.name for s in session.discover()] == ["leads"]
    assert {record.file for record in caplog.records} == {"orders.csv", "cases.xls"}


def test_a_file_with_only_a_header_has_no_records_but_a_cursor(tmp_path: Path) -> None:
    write(tmp_path, "Id,Name\n")
    (page,) = pages(tmp_path)
    assert page.records == []
    assert page.cursor is not None


def test_a_wrong_delimiter_is_told_with_the_right_one(tmp_path: Path) -> None:
    write(tmp_path, LEADS.replace(",", ";"))
    with pytest.raises(Misconfigured, match=r"with delimiter ',' there is one column, with ';' 4"):
        records(tmp_path, delimiter=",")


def test_a_title_over_the_header_is_told_with_the_row_to_set(tmp_path: Path) -> None:
    write(tmp_path, "Leads of November\n\nId,Name\n1,Ann\n2,Bo\n")
    with pytest.raises(Misconfigured, match="header_row: "):
        records(tmp_path)
    assert records(tmp_path, streams={"leads": {"file": "leads.csv", "header_row": 3}}) == [
        {"Id": "1", "Name": "Ann"},
        {"Id": "2", "Name": "Bo"},
    ]


def test_more_rows_than_the_cap_are_refused(tmp_path: Path) -> None:
    write(tmp_path, LEADS)
    with pytest.raises(Misconfigured, match="more than 1 rows"):
        records(tmp_path, max_rows=1)


# --- workbooks and parquet ---


def book(folder: Path, sheets: dict[str, list[list[Any]]], name: str = "leads.xlsx") -> Path:
    workbook = Workbook()
    workbook.remove(workbook.active)
    for title, rows in sheets.items():
        sheet = workbook.create_sheet(title)
        for row in rows:
            sheet.append(row)
    workbook.save(folder / name)
    return folder / name


def test_numbers_of_a_workbook_keep_their_digits_and_dates_are_iso(tmp_path: Path) -> None:
    moment, day = dt.datetime(2026, 4, 3, 9, 5), dt.datetime(2026, 4, 3)
    book(
        tmp_path,
        {"Sheet1": [["Id", "Phone", "Amount", "At", "Day", "Yes"], [1, 13800138000.0, 12.5, moment, day, True]]},
    )
    assert records(tmp_path) == [
        {
            "Id": "1",
            "Phone": "13800138000",
            "Amount": "12.5",
            "At": "2026-04-03T09:05:00",
            "Day": "2026-04-03",
            "Yes": True,
        }
    ]
    with opened(tmp_path) as session:
        kinds = {f.name: f.type for f in session.discover(["leads"])[0].fields}
    assert kinds == {
        "Id": "text", "Phone": "text", "Amount": "text", "At": "datetime", "Day": "date", "Yes": "boolean",
        "__error__": "text",
    }  # fmt: skip


def test_each_sheet_with_content_is_a_stream(tmp_path: Path) -> None:
    book(tmp_path, {"Leads 2026": [["Id"], [1]], "Empty": [], "Ziele": [["Id"], [2]]}, "export.xlsx")
    with opened(tmp_path) as session:
        assert [s.name for s in session.discover()] == ["export_Leads_2026", "export_Ziele"]
    assert records(tmp_path, "export_Ziele") == [{"Id": "2"}]


def test_a_stream_can_name_its_sheet_and_header_row(tmp_path: Path) -> None:
    book(tmp_path, {"A": [["Id"], [1]], "B": [["Targets"], [], ["Id", "Amount"], [7, 5]]}, "export.xlsx")
    streams = {"targets": {"file": "export*.xlsx", "sheet": "B", "header_row": 3}}
    assert records(tmp_path, "targets", streams=streams) == [{"Id": "7", "Amount": "5"}]
    with opened(tmp_path, streams=streams) as session:
        assert [s.name for s in session.discover()] == ["targets", "export_A"]


def test_five_hundred_columns_work_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    book(tmp_path, {"S": [["Id", *(f"c{i}" for i in range(499))], [*range(500)]]})
    assert len(records(tmp_path)[0]) == 500
    assert any(record.message == "file has many columns" and record.columns == 500 for record in caplog.records)


def test_a_column_without_a_name_gets_one(tmp_path: Path) -> None:
    book(tmp_path, {"S": [["Id", None, "Name"], [1, "x", "Ann"]]})
    assert records(tmp_path) == [{"Id": "1", "column_2": "x", "Name": "Ann"}]


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"id": [1, 2], "phone": [13800138000.0, None], "at": pd.to_datetime(["2026-01-02", None], utc=True)}
    )
    table = pa.Table.from_pandas(frame).append_column("tags", pa.array([["a"], None]))
    pq.write_table(table.append_column("photo", pa.array([b"1", b"2"])), tmp_path / "leads.parquet")
    assert records(tmp_path) == [
        {"id": "1", "phone": 13800138000, "at": "2026-01-02T00:00:00+00:00", "tags": ["a"]},
        {"id": "2", "phone": None, "at": None, "tags": None},
    ]


# --- keys ---


def stream_of(folder: Path, **settings: Any) -> Any:
    with opened(folder, **settings) as session:
        return session.discover(["leads"])[0]


@pytest.mark.parametrize(
    "name", ["id", "Id", "Lead ID", "leadId", "CODE", "Código", "Mã khách hàng", "客户编号", "رقم العميل", "کد مشتری"]
)
def test_a_column_named_like_an_id_is_the_key(tmp_path: Path, name: str) -> None:
    write(tmp_path, f"Name,{name}\nAnn,1\n")
    assert stream_of(tmp_path).key == name


def test_without_such_a_column_the_key_is_a_hash_of_what_identifies_a_row(tmp_path: Path) -> None:
    write(tmp_path, "Email,Note,Phone\na@example.com,x,1\nb@example.com,y,2\n")
    stream = stream_of(tmp_path)
    assert stream.key == "__key__"
    assert {f.name: f.label for f in stream.fields}["__key__"] == "made of: Email, Phone"
    before = {r["Email"]: r["__key__"] for r in records(tmp_path)}
    write(tmp_path, "Email,Note,Phone\nB@example.com,changed,2\na@example.com,x,1\n")
    after = {r["Email"].lower(): r["__key__"] for r in records(tmp_path)}
    assert before == after
    assert len(set(before.values())) == 2


def test_several_columns_can_be_the_key(tmp_path: Path) -> None:
    write(tmp_path, "Partner,Period,Amount\nacme,2026-Q1,5\nacme,2026-Q2,6\n")
    assert [r["__key__"] for r in records(tmp_path, key=["Partner", "Period"])] == ["acme|2026-Q1", "acme|2026-Q2"]


def test_a_key_that_is_not_there_is_refused_with_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, LEADS)
    with pytest.raises(Misconfigured, match="no key column 'Emial'; did you mean 'Email'"):
        records(tmp_path, key="Emial")


# --- the folder, and the second run ---


def test_a_missing_folder_is_misconfigured(tmp_path: Path) -> None:
    with opened(tmp_path / "none") as session, pytest.raises(Misconfigured, match="no such folder"):
        session.check()


def test_a_file_for_a_folder_is_misconfigured(tmp_path: Path) -> None:
    with opened(write(tmp_path, LEADS)) as session, pytest.raises(Misconfigured, match="is a file"):
        session.check()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_misconfigured(tmp_path: Path) -> None:
    write(tmp_path, LEADS).chmod(0)
    with pytest.raises(Misconfigured, match="may not read the file"):
        records(tmp_path)


def test_two_files_of_one_stem_are_refused(tmp_path: Path) -> None:
    write(tmp_path, LEADS)
    write(tmp_path, LEADS, "leads.tsv")
    with opened(tmp_path) as session, pytest.raises(Misconfigured, match="both be the stream 'leads'"):
        session.check()


def test_an_unknown_stream_is_refused_with_the_nearest(tmp_path: Path) -> None:
    write(tmp_path, LEADS)
    with opened(tmp_path) as session, pytest.raises(Misconfigured, match="did you mean 'leads'"):
        session.discover(["lead"])


def test_a_pattern_cannot_leave_the_folder() -> None:
    with pytest.raises(ValidationError, match="inside the folder"):
        CONNECTOR.config(folder=".", streams={"leads": {"file": "../leads.csv"}})


def test_an_unchanged_file_gives_no_page_and_a_changed_one_all(tmp_path: Path) -> None:
    write(tmp_path, LEADS)
    cursor = pages(tmp_path)[-1].cursor
    assert pages(tmp_path, cursor=cursor) == []
    os.utime(tmp_path / "leads.csv", (1, 1))
    assert pages(tmp_path, cursor=cursor) == [], "only the content counts"
    write(tmp_path, LEADS.replace("007", "008"))
    assert len(pages(tmp_path, cursor=cursor)[-1].records) == 2


def test_only_the_last_page_bears_the_cursor(tmp_path: Path) -> None:
    write(tmp_path, "Id,Name\n" + "".join(f"{i},n\n" for i in range(25)))
    found = pages(tmp_path, page_rows=10)
    assert [len(page.records) for page in found] == [10, 10, 5]
    assert [page.cursor is not None for page in found] == [False, False, True]


def test_several_files_of_a_pattern_are_read_by_name_and_a_snapshot_is_the_last(tmp_path: Path) -> None:
    write(tmp_path, "Id,Name\n1,old\n", "leads_2026-01.csv")
    write(tmp_path, "Id,Name,City\n1,new,Rome\n2,Bo,Bonn\n", "leads_2026-02.csv")
    streams = {"leads": {"file": "leads_*.csv"}}
    assert [r["Name"] for r in records(tmp_path, streams=streams)] == ["old", "new", "Bo"]
    assert {"Id", "Name", "City"} < {f.name for f in stream_of(tmp_path, streams=streams).fields}
    assert [r["Name"] for r in records(tmp_path, streams=streams, snapshot=True)] == ["new", "Bo"]
    assert stream_of(tmp_path, streams=streams, snapshot=True).deletes is Deletes.BY_ABSENCE
    assert stream_of(tmp_path, streams=streams).deletes is Deletes.NEVER


def test_lock_files_and_hidden_files_are_no_streams(tmp_path: Path) -> None:
    write(tmp_path, LEADS)
    for name in ("~$leads2.xlsx", ".leads3.csv", "notes.txt", "readme.md"):
        write(tmp_path, "x", name)
    with opened(tmp_path) as session:
        assert [s.name for s in session.discover()] == ["leads"]


def test_only_the_fields_that_are_asked_for_come_with_the_key(tmp_path: Path) -> None:
    write(tmp_path, LEADS)
    with opened(tmp_path) as session:
        stream = session.discover(["leads"])[0]
        (page,) = session.read(stream, None, ["Email"])
    assert page.records[0] == {"Id": "1", "Email": "ann@example.com"}


def test_files_take_no_changes(tmp_path: Path) -> None:
    write(tmp_path, LEADS)
    with opened(tmp_path) as session:
        stream = session.discover(["leads"])[0]
        assert stream.write_batch == 0
        with pytest.raises(Misconfigured, match="read only"):
            session.write(stream, [])


MEASURE = r"""
import logging, re, sys
from pathlib import Path
from prm_sync.connect import Context
from prm_sync_files import CONNECTOR
with CONNECTOR.open(CONNECTOR.config(folder=sys.argv[1]), Context("f", None, logging.getLogger(), None)) as session:
    stream = session.discover(["leads"])[0]
    rows = sum(len(page.records) for page in session.read(stream, None, [f.name for f in stream.fields]))
    print(rows, int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_memory_does_not_grow_with_the_width_of_the_rows(tmp_path: Path) -> None:
    """100,000 rows of 600 bytes are 60 MB: far more than the keys, which are all that may stay."""
    with (tmp_path / "leads.csv").open("w", newline="") as f:
        out = csv.writer(f)
        out.writerow(["Id", *(f"c{i}" for i in range(30))])
        out.writerows([i, *([f"value {i:013}"] * 30)] for i in range(100_000))
    ran = subprocess.run([sys.executable, "-c", MEASURE, str(tmp_path)], capture_output=True, text=True, check=True)
    rows, peak_mb = map(int, ran.stdout.split())
    assert rows == 100_000
    assert peak_mb < 150
