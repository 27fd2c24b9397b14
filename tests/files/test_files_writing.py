"""Writing CSV tables that people edit too: what was there stays, what is written is what is read, nothing gets lost."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from test_files_connector import opened, records, write

from prm_sync.connect import Change, Deletes, Done, Misconfigured, Outcome, Refused, Stream, Unavailable
from prm_sync_files import CONNECTOR, writing

CASES = {"cases": {"key": "case_key", "columns": ["case_key", "subject", "status"]}}
PROGRAMS = {"cases": {**CASES["cases"], "guard": False}}
SUBJECTS = ["打印机坏了", "الطابعة معطلة", "Máy in hỏng", "La impresora no funciona", "چاپگر خراب است", "Größe, „tot“"]


def upsert(key: str, remote_id: str | None = None, **values: Any) -> Change:
    """The change of one row, found by its key, or known by its remote id."""
    if remote_id is not None:
        return Change("upsert", key, values, remote_id=remote_id)
    return Change("upsert", key, {"case_key": key, **values}, match=("case_key", key))


def delete(key: str) -> Change:
    return Change("delete", f"-{key}", {}, remote_id=key)


def save(folder: Path, *changes: Change, **config: Any) -> Sequence[Outcome]:
    with opened(folder, **{"writes": CASES, **config}) as session:
        return session.write(session.discover(["cases"])[0], changes)


def rows(folder: Path, **config: Any) -> list[dict[str, Any]]:
    return records(folder, "cases", **{"writes": CASES, **config})


def file(folder: Path) -> bytes:
    return (folder / "cases.csv").read_bytes()


# --- the table ---


def test_a_written_stream_is_there_before_its_file_is(tmp_path: Path) -> None:
    with opened(tmp_path, writes=CASES) as session:
        [stream] = session.discover(["cases"])
        [page] = session.read(stream, None, ["case_key"])
        assert (stream.key, stream.match_on, stream.deletes) == ("case_key", ("case_key",), Deletes.BY_ABSENCE)
        assert [f.name for f in stream.fields if f.writable] == ["case_key", "subject", "status"]
        assert stream.write_batch > 0
        assert page.records == []
        assert list(session.read(stream, page.cursor, ["case_key"])) == []
        assert [s.name for s in session.discover()] == ["cases"]
        save(tmp_path, upsert("c1", subject="x"))
        assert session.discover(["cases"]) == [stream]
        assert [len(p.records) for p in session.read(stream, page.cursor, ["case_key"])] == [1]


def test_texts_of_all_scripts_are_read_as_they_were_written_and_excel_can_tell_that_it_is_utf8(tmp_path: Path) -> None:
    made = save(tmp_path, *(upsert(f"c{n}", subject=text) for n, text in enumerate(SUBJECTS)))
    assert made == [Done(f"c{n}", created=True) for n in range(len(SUBJECTS))]
    assert [r["subject"] for r in rows(tmp_path)] == SUBJECTS
    assert file(tmp_path).startswith(b"\xef\xbb\xbfcase_key,subject,status\r\n")


def test_columns_rows_and_spellings_of_people_stay_byte_for_byte(tmp_path: Path) -> None:
    before = (
        "sep=;\n"
        "case_key;Antwort;subject;status\n"
        'c1;"Wir kommen ; morgen";alt;new\n'
        f"\n  c2 ;{unicodedata.normalize('NFD', 'sẽ đến')};'quoted';\n"
        "mine;eine eigene Zeile;;\n"
        "short;row\n"
        "c3;;x;new"
    )
    write(tmp_path, before, "cases.csv")
    save(tmp_path, upsert("c1", subject="neu"), upsert("c4", status="new"))
    after = before.replace('c1;"Wir kommen ; morgen";alt;new', 'c1;"Wir kommen ; morgen";neu;new') + "\nc4;;;new\n"
    assert file(tmp_path).decode() == after


def test_what_is_so_already_is_not_written_again(tmp_path: Path) -> None:
    changes = [upsert("c1", subject="x"), upsert("c2", subject="=1+1", status=None)]
    save(tmp_path, *changes)
    before = (tmp_path / "cases.csv").stat()
    assert save(tmp_path, *changes) == [Done("c1", created=False), Done("c2", created=False)]
    after = (tmp_path / "cases.csv").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_rows_are_changed_in_place_and_removed_once_for_all(tmp_path: Path) -> None:
    save(tmp_path, *(upsert(f"c{n}", subject="x", status="new") for n in range(5)))
    changes = [upsert("c3", remote_id="c3", status=None), delete("c1"), upsert("c0", subject="y"), delete("c9")]
    assert save(tmp_path, *changes) == [Done(c, created=False) for c in ("c3", "c1", "c0", "c9")]
    assert [(r["case_key"], r["subject"], r["status"]) for r in rows(tmp_path)] == [
        ("c0", "y", "new"), ("c2", "x", "new"), ("c3", "x", ""), ("c4", "x", "new"),
    ]  # fmt: skip


def test_changes_of_one_row_in_one_batch_are_done_in_their_order(tmp_path: Path) -> None:
    changes = [upsert("c1", subject="a"), upsert("c1", status="b"), delete("c1"), upsert("c1", subject="c")]
    created = [isinstance(o, Done) and o.created for o in save(tmp_path, *changes)]
    assert created == [True, False, False, True]
    assert [(r["subject"], r["status"]) for r in rows(tmp_path)] == [("c", "")]


def test_a_row_that_people_removed_is_not_made_again_by_an_update(tmp_path: Path) -> None:
    save(tmp_path, upsert("c1", subject="x"))
    write(tmp_path, "case_key,subject,status\n", "cases.csv")
    [refused] = save(tmp_path, upsert("c1", remote_id="c1", subject="y"))
    assert isinstance(refused, Refused)
    assert (refused.code, refused.retry) == ("not_found", False)
    assert rows(tmp_path) == []


def test_all_rows_of_a_key_go_but_only_the_first_is_changed(tmp_path: Path) -> None:
    write(tmp_path, "case_key,subject,status\nc1,a,\nc2,b,\nc1,copied,\n", "cases.csv")
    save(tmp_path, upsert("c1", status="x"))
    assert file(tmp_path) == b"case_key,subject,status\nc1,a,x\nc2,b,\nc1,copied,\n"
    save(tmp_path, delete("c1"))
    assert file(tmp_path) == b"case_key,subject,status\nc2,b,\n"


def test_a_row_that_cannot_be_trusted_is_left_to_people(tmp_path: Path) -> None:
    text = 'case_key,subject,status\nc1,a,b,too many\nc2,"open\nc3,x,y\n'
    write(tmp_path, text, "cases.csv")
    outcomes = save(tmp_path, upsert("c1", subject="z"), delete("c2"), upsert("c3", subject="z"))
    assert [o.code if isinstance(o, Refused) else "done" for o in outcomes] == ["broken_row", "broken_row", "done"]
    assert file(tmp_path).decode() == text.replace("c3,x,y", "c3,z,y")


def test_a_line_of_totals_and_an_open_quote_stay_last(tmp_path: Path) -> None:
    for last in ("Total,,\n\n", 'mine,"open,x\n'):
        write(tmp_path, f"case_key,subject,status\nc1,x,y\n{last}", "cases.csv")
        save(tmp_path, upsert("c2", subject="z"))
        assert file(tmp_path).decode() == f"case_key,subject,status\nc1,x,y\nc2,z,\n{last}"


def test_a_new_column_is_added_to_the_rows_that_are_there(tmp_path: Path) -> None:
    write(tmp_path, "case_key,Notiz,subject\nc1,n,a\nc2,b,\nbroken\n", "cases.csv")
    with opened(tmp_path, writes=CASES) as session:
        [stream] = session.discover(["cases"])
        assert [f.name for f in stream.fields] == ["case_key", "Notiz", "subject", "status", "__error__"]
        session.write(stream, [upsert("c2", status="new")])
    assert file(tmp_path) == b"case_key,Notiz,subject,status\nc1,n,a,\nc2,b,,new\nbroken\n"


def test_a_file_that_somebody_emptied_gets_its_header_again(tmp_path: Path) -> None:
    write(tmp_path, b"", "cases.csv")
    assert save_to_declared(tmp_path, upsert("c1", subject="x")) == [Done("c1", created=True)]
    assert file(tmp_path) == b"case_key,subject,status\r\nc1,x,\r\n"


def save_to_declared(folder: Path, *changes: Change) -> Sequence[Outcome]:
    """Written as by who has described the stream before."""
    with opened(folder, writes=CASES) as session:
        return session.write(Stream("cases", "case_key", ()), changes)


def test_a_file_that_a_pc_saved_in_its_own_encoding_becomes_utf8(tmp_path: Path) -> None:
    write(tmp_path, "case_key;subject;status\nc1;Größe;offen\n", "cases.csv", "cp1252")
    save(tmp_path, upsert("c1", status="新"), language="de")
    assert file(tmp_path).decode("utf-8") == "\ufeffcase_key;subject;status\nc1;Größe;新\n"


def test_a_new_file_has_the_delimiter_of_the_connection(tmp_path: Path) -> None:
    save(tmp_path, upsert("c1", subject="a;b"), delimiter=";")
    assert file(tmp_path).decode("utf-8-sig") == 'case_key;subject;status\r\nc1;"a;b";\r\n'
    assert rows(tmp_path, delimiter=";")[0]["subject"] == "a;b"


def test_an_update_keeps_who_may_read_the_file(tmp_path: Path) -> None:
    save(tmp_path, upsert("c1", subject="x"))
    (tmp_path / "cases.csv").chmod(0o664)
    save(tmp_path, upsert("c1", subject="y"))
    assert (tmp_path / "cases.csv").stat().st_mode & 0o777 == 0o664


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    (tmp_path / "cases.csv").symlink_to(tmp_path / "share" / "real.csv")
    write(tmp_path / "share", "case_key,subject,status\n", "real.csv")
    save(tmp_path, upsert("c1", subject="x"))
    assert (tmp_path / "cases.csv").is_symlink()
    assert b"c1,x" in (tmp_path / "share" / "real.csv").read_bytes()


# --- values ---


@given(st.text(), st.booleans())
@settings(max_examples=50, deadline=None)
def test_whatever_is_taken_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, text: str,
                                                     guard: bool) -> None:
    folder = tmp_path_factory.mktemp("cases")
    config = {"writes": CASES if guard else PROGRAMS}
    [outcome] = save(folder, upsert("c1", subject=text), **config)
    if isinstance(outcome, Refused):
        assert outcome.field == "subject"
        assert outcome.code in ("no_text", "damaged_text")
    else:
        [row] = rows(folder, **config)
        assert row["subject"] == unicodedata.normalize("NFC", text)
        assert save(folder, upsert("c1", subject=text), **config) == [Done("c1", created=False)]


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "@SUM(A1)", "+49 30 123", "-dash", "'=x", "''+x", "\tx", "\r\nx"])
def test_no_text_is_a_formula_for_a_spreadsheet_but_for_programs_it_is_the_same(text: str, tmp_path: Path) -> None:
    save(tmp_path, upsert("c1", subject=text))
    with (tmp_path / "cases.csv").open(encoding="utf-8-sig", newline="") as f:
        [_, line] = csv.reader(f)
    assert line[1] == f"'{text}"
    assert [r["subject"] for r in rows(tmp_path)] == [text]
    assert [r["subject"] for r in rows(tmp_path, writes=PROGRAMS)] == [f"'{text}"]


def test_numbers_and_flags_are_written_plainly(tmp_path: Path) -> None:
    made = {"c1": -5, "c2": "-12.50", "c3": 3.0, "c4": 0.25, "c5": True, "c6": None, "c7": "'tis", "c8": 10**18}
    save(tmp_path, *(upsert(key, subject=value) for key, value in made.items()))
    expected = ["-5", "-12.50", "3", "0.25", "true", "", "'tis", str(10**18)]
    assert [r["subject"] for r in rows(tmp_path)] == expected
    assert b"'-" not in file(tmp_path)


def test_a_key_that_looks_like_a_formula_is_found_again(tmp_path: Path) -> None:
    save(tmp_path, upsert("=c1", subject="x"))
    assert save(tmp_path, upsert("=c1", remote_id="=c1", subject="y")) == [Done("=c1", created=False)]
    with opened(tmp_path, writes=CASES) as session:
        [stream] = session.discover(["cases"])
        found = session.fetch(stream, "case_key", ["c9", "=c1"], ["subject"])  # type: ignore[attr-defined]
    assert found == [None, {"case_key": "=c1", "subject": "y"}]


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        (Change("upsert", "t", {"subject": "x"}), "no_key", "case_key"),
        (Change("upsert", "t", {"case_key": " ", "subject": "x"}), "no_key", "case_key"),
        (upsert("c1", answer="x"), "unknown_column", "answer"),
        (upsert("c1", subject=["a", "b"]), "not_a_cell", "subject"),
        (upsert("c1", subject=float("nan")), "not_a_cell", "subject"),
        (upsert("c1", subject="x" * 40_000), "too_long", "subject"),
        (upsert("c1", subject="KÃ¶ln"), "damaged_text", "subject"),
        (Change("upsert", "t", {"case_key": "c2"}, remote_id="c1"), "key_changed", "case_key"),
        (Change("upsert", "t", {"case_key": "c2"}, match=("subject", "x")), "no_match", "subject"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_change_that_cannot_be_done_is_refused_alone(change: Change, code: str, field: str, tmp_path: Path) -> None:
    refused, done = save(tmp_path, change, upsert("good", subject="x"))
    assert isinstance(refused, Refused)
    assert (refused.code, refused.field, refused.retry) == (code, field, False)
    assert done == Done("good", created=True)


# --- who may, and what is none ---


def test_only_the_tables_under_writes_are_written(tmp_path: Path) -> None:
    write(tmp_path, "case_key,subject\nc1,x\n", "leads.csv")
    with opened(tmp_path, writes=CASES) as session:
        [leads] = session.discover(["leads"])
        with pytest.raises(Misconfigured, match="read only but for the CSV tables under `writes`; 'leads' is none"):
            session.write(leads, [upsert("c1", subject="y")])


def test_a_workbook_of_the_same_name_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "cases.parquet").write_bytes(b"PAR1")
    with pytest.raises(Misconfigured, match=r"cases\.parquet and .* would both be the stream 'cases'"):
        save(tmp_path, upsert("c1", subject="x"))


def test_a_table_without_its_key_column_is_left_as_it_is(tmp_path: Path) -> None:
    write(tmp_path, "Fall,subject\nc1,x\n", "cases.csv")
    before = file(tmp_path)
    with (
        opened(tmp_path, writes=CASES) as session,
        pytest.raises(Misconfigured, match="there is no key column 'case_key'"),
    ):
        session.discover(["cases"])
    with pytest.raises(Misconfigured, match="there is no column 'case_key', by which rows are found"):
        save_to_declared(tmp_path, upsert("c1", subject="y"))
    assert file(tmp_path) == before


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"writes": {"cases": {"key": "id", "columns": ["a", "b"]}}}, "not among the columns"),
        ({"writes": {"cases": {"key": "a", "columns": ["a", "a"]}}}, "twice"),
        ({"writes": {"cases": {"key": "a", "columns": ["a", " b"]}}}, "cannot name a column"),
        ({"writes": {"cases": {"key": "a", "columns": ["a", "__error__"]}}}, "cannot name a column"),
        ({"writes": {"../cases": {"key": "a", "columns": ["a", "b"]}}}, "cannot name a file"),
        ({"writes": CASES, "streams": {"cases": {"file": "x.csv"}}}, "stands under both"),
    ],
)
def test_a_wrong_declaration_is_told(config: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=words):
        CONNECTOR.config(folder=tmp_path, **config)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_may_not_be_written_is_told_by_check(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with opened(tmp_path, writes=CASES) as session, pytest.raises(Misconfigured, match="may not write"):
            session.check()
        with pytest.raises(Misconfigured, match="may not write there"):
            save(tmp_path, upsert("c1", subject="x"))
    finally:
        tmp_path.chmod(0o700)


# --- others at the same time ---

WRITER = """
import logging, sys
from prm_sync.connect import Change, Context
from prm_sync_files import CONNECTOR
folder, name, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
config = CONNECTOR.config(folder=folder, writes={"cases": {"key": "k", "columns": ["k", "subject"]}})
with CONNECTOR.open(config, Context("f", None, logging.getLogger(), None)) as session:
    for i in range(n):
        [stream] = session.discover(["cases"])
        session.write(stream, [Change("upsert", "t", {"k": f"{name}-{i}", "subject": "打印机"}),
                               Change("upsert", "t", {"k": "common", "subject": name})])
"""


def test_three_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    running = [subprocess.Popen([*command, name, "12"], stderr=subprocess.PIPE, text=True) for name in "abc"]
    assert [(p.communicate()[1], p.returncode) for p in running] == [("", 0)] * 3
    with (tmp_path / "cases.csv").open(encoding="utf-8-sig", newline="") as f:
        keys = [row["k"] for row in csv.DictReader(f)]
    assert sorted(keys) == sorted(["common", *(f"{name}-{i}" for name in "abc" for i in range(12))])


STOPPED = """
import os, sys, time
flush = os.fsync
def stop(handle):
    flush(handle)
    print("flushed", flush=True)
    time.sleep(60)
os.fsync = stop
""" + WRITER


def test_a_writer_killed_before_the_rename_leaves_the_old_table_and_no_lock(tmp_path: Path) -> None:
    config = {"writes": {"cases": {"key": "k", "columns": ["k", "subject"]}}}
    write(tmp_path, "k,subject\nold,x\n", "cases.csv")
    before = file(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", STOPPED, str(tmp_path), "a", "1"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "flushed\n"
        process.send_signal(signal.SIGKILL)
    assert file(tmp_path) == before
    assert (tmp_path / ".cases.csv.new").exists()
    assert [r["k"] for r in records(tmp_path, "cases", **config)] == ["old"]
    with opened(tmp_path, **config) as session:
        [stream] = session.discover(["cases"])
        session.write(stream, [Change("upsert", "t", {"k": "new", "subject": "y"})])
    assert file(tmp_path) == b"k,subject\nold,x\nnew,y\n"
    assert not (tmp_path / ".cases.csv.new").exists()


def _saved_meanwhile(folder: Path, times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person saves another row whenever our temporary file is flushed, so many times."""
    flush, saved = os.fsync, iter(range(times))

    def fsync(handle: int) -> None:
        flush(handle)
        n = next(saved, None)
        if n is not None:
            with (folder / "cases.csv").open("a", encoding="utf-8") as f:
                f.write(f"person-{n},x,y\n")

    monkeypatch.setattr(os, "fsync", fsync)


def test_what_a_person_saves_meanwhile_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "case_key,subject,status\n", "cases.csv")
    _saved_meanwhile(tmp_path, 2, monkeypatch)
    assert save(tmp_path, upsert("c1", subject="x")) == [Done("c1", created=True)]
    assert [r["case_key"] for r in rows(tmp_path)] == ["person-0", "person-1", "c1"]


def test_a_file_that_is_saved_time_and_again_is_written_in_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "case_key,subject,status\n", "cases.csv")
    _saved_meanwhile(tmp_path, 99, monkeypatch)
    with pytest.raises(Unavailable, match="next run"):
        save(tmp_path, upsert("c1", subject="x"))
    monkeypatch.undo()
    assert "c1" not in [r["case_key"] for r in rows(tmp_path)]


def test_who_waits_too_long_for_another_writer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "LOCK_S", 0.1)
    with FileLock(tmp_path / ".cases.csv.lock"), pytest.raises(Unavailable, match="another process has been writing"):
        save(tmp_path, upsert("c1", subject="x"))
    assert save(tmp_path, upsert("c1", subject="x")) == [Done("c1", created=True)]
