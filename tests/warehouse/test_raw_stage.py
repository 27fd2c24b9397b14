"""raw: what of a page is news, what is refused, and that a run which lost its stream writes nothing more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from workbench import MONDAY, rows

from prm_sync.errors import ContractBroken, FencedOff
from prm_sync.warehouse import raw
from prm_sync.warehouse.records import encode, instant


def take(db: sa.Engine, run: str = "run1") -> raw.StreamState:
    return raw.take(db, "crm", "Lead", run, key="Id", modified="Changed")


def staged(
    db: sa.Engine, *records: dict[str, Any], deleted: tuple[str, ...] = (), state: raw.StreamState | None = None
) -> raw.Staged:
    state = state or take(db)
    with db.begin() as tx:
        out = raw.stage(tx, state, encode(state, records), seen_at=MONDAY, run_id="run1")
        out.deleted = raw.mark_deleted(tx, state, deleted, MONDAY, "r")
        raw.keep_cursor(tx, state, {"at": len(records)}, "m1")
    return out


def test_a_record_is_new_then_unchanged_then_changed(warehouse: sa.Engine) -> None:
    first = staged(warehouse, {"Id": "1", "Name": "Ann"}, {"Id": "2", "Name": "Bo"})
    assert [r.remote_id for r in first.new] == ["1", "2"]
    second = staged(warehouse, {"Id": "1", "Name": "Ann"}, {"Name": "Bo2", "Id": "2"})
    assert (second.new, second.unchanged, [r.record["Name"] for r in second.changed]) == ([], 1, ["Bo2"])
    names = rows(warehouse, "SELECT payload->>'Name' AS name FROM raw.record ORDER BY 1")
    assert names == [{"name": "Ann"}, {"name": "Bo2"}]


def test_another_order_of_the_fields_is_no_change(warehouse: sa.Engine) -> None:
    staged(warehouse, {"Id": "1", "a": 1, "b": {"x": 1, "y": 2}})
    assert staged(warehouse, {"b": {"y": 2, "x": 1}, "a": 1, "Id": "1"}).unchanged == 1


def test_a_record_that_comes_twice_in_a_page_counts_as_it_came_last(warehouse: sa.Engine) -> None:
    out = staged(warehouse, {"Id": "1", "Name": "old"}, {"Id": "1", "Name": "new"})
    assert [r.record["Name"] for r in out.new] == ["new"]
    assert rows(warehouse, "SELECT payload->>'Name' AS name FROM raw.record") == [{"name": "new"}]


def test_a_deleted_record_is_marked_once_and_comes_back_when_it_is_seen_again(warehouse: sa.Engine) -> None:
    staged(warehouse, {"Id": "1"}, {"Id": "2"})
    assert staged(warehouse, deleted=("1", "unknown")).deleted == ["1"]
    assert staged(warehouse, deleted=("1",)).deleted == []
    assert [r.remote_id for r in staged(warehouse, {"Id": "1"}).changed] == ["1"]
    assert rows(warehouse, "SELECT FROM raw.record WHERE deleted_at IS NOT NULL") == []


def test_a_late_page_revives_nothing_and_a_later_change_does(warehouse: sa.Engine) -> None:
    """The cursor is kept by the first page: what follows is an incremental read."""
    staged(warehouse, {"Id": "1", "Changed": "2027-02-28T08:00:00Z"})
    staged(warehouse, deleted=("1",))
    for time in ("2027-02-28T08:00:00Z", "2027-02-28T09:00:00Z"):  # as held, and changed once more before it went
        out = staged(warehouse, {"Id": "1", "Changed": time, "Name": "late"})
        assert (out.changed, out.outlived) == ([], 1)
    assert len(rows(warehouse, "SELECT FROM raw.record WHERE deleted_at IS NOT NULL")) == 1
    assert staged(warehouse, {"Id": "1", "Changed": "2027-03-01T08:30:00Z"}).changed != []
    assert rows(warehouse, "SELECT FROM raw.record WHERE deleted_at IS NOT NULL") == []


def test_nul_characters_are_taken_out_wherever_they_stand(warehouse: sa.Engine) -> None:
    out = staged(warehouse, {"Id": "1", "Name": "A\0nn", "more": {"k\0": ["\0x", 1, None]}})
    assert out.new[0].record == {"Id": "1", "Name": "Ann", "more": {"k": ["x", 1, None]}}
    assert rows(warehouse, "SELECT payload FROM raw.record")[0]["payload"] == out.new[0].record


def test_a_text_that_only_looks_like_a_nul_stays_as_it_is(warehouse: sa.Engine) -> None:
    record = {"Id": "1", "Path": r"C:\u0000x", "Both": "\\u0000 and \0"}
    out = staged(warehouse, record)
    assert out.new[0].record["Path"] == r"C:\u0000x"
    assert rows(warehouse, "SELECT payload->>'Path' AS p FROM raw.record")[0]["p"] == r"C:\u0000x"


@pytest.mark.parametrize("record", [{"Name": "Ann"}, {"Id": None}, {"Id": ""}])
def test_a_record_without_its_key_breaks_the_contract(warehouse: sa.Engine, record: dict[str, Any]) -> None:
    with pytest.raises(ContractBroken, match=r"crm\.Lead: a record came without its key 'Id'"):
        staged(warehouse, {"Id": "1"}, record)
    assert rows(warehouse, "SELECT FROM raw.record") == []


def test_a_page_and_its_cursor_become_true_together(warehouse: sa.Engine) -> None:
    state = take(warehouse)
    with pytest.raises(RuntimeError, match="in between"), warehouse.begin() as tx:
        raw.stage(tx, state, encode(state, [{"Id": "1"}]), seen_at=MONDAY, run_id="r")
        raw.keep_cursor(tx, state, {"page": 1}, None)
        raise RuntimeError("in between")
    assert rows(warehouse, "SELECT FROM raw.record") == []
    assert take(warehouse).cursor is None


def test_a_page_of_an_older_run_is_refused_and_writes_nothing(warehouse: sa.Engine) -> None:
    older = take(warehouse, "older")
    staged(warehouse, {"Id": "1", "Name": "Ann"}, state=older)
    newer = take(warehouse, "newer")
    with pytest.raises(FencedOff, match=r"crm\.Lead: another run has taken this stream over"):
        staged(warehouse, {"Id": "1", "Name": "late"}, {"Id": "2"}, state=older)
    assert rows(warehouse, "SELECT payload->>'Name' AS name FROM raw.record") == [{"name": "Ann"}]
    assert take(warehouse).cursor == {"at": 1}
    assert newer.fence > older.fence


def test_a_page_without_a_position_keeps_the_one_that_was_there(warehouse: sa.Engine) -> None:
    state = take(warehouse)
    with warehouse.begin() as tx:
        raw.keep_cursor(tx, state, {"page": 7}, None)
    with warehouse.begin() as tx:
        raw.stage(tx, state, encode(state, [{"Id": "1"}]), seen_at=MONDAY, run_id="r")
        raw.keep_cursor(tx, state, None, None)
    assert take(warehouse).cursor == {"page": 7}


def test_the_remote_time_is_read_from_texts_and_epochs(warehouse: sa.Engine) -> None:
    noon = datetime(2027, 3, 1, 12, tzinfo=UTC)
    stamps = [
        "2027-03-01T12:00:00.000+0000", "2027-03-01T13:00:00+01:00", int(noon.timestamp() * 1000),
        "2027-03-01T12:00:00",
    ]  # fmt: skip
    assert [instant(s) for s in stamps] == [noon] * 4
    assert [instant(s) for s in ("", "soon", None, True, 10**30)] == [None] * 5
