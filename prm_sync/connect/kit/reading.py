"""What every connector promises about reading."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

from prm_sync.connect.kit.bench import (
    HOUR_S,
    Bench,
    Merges,
    NotApplicable,
    gone,
    names_of,
    opened,
    pages_of,
    replay,
    seeded,
    stream_of,
    touched,
)
from prm_sync.connect.protocol import Deletes, Fetches, Page, Record, Unavailable


def check_the_stream_is_well_declared(bench: Bench) -> None:
    stream = stream_of(bench)
    names = names_of(stream)
    assert stream.name == bench.stream
    assert len(names) == len(set(names)), f"{stream.name} declares a field twice: {sorted(names)}"
    used = {stream.key, *stream.match_on, *([stream.modified] if stream.modified else [])}
    assert used <= set(names), f"used by the stream, but not among its fields: {used - set(names)}"
    if stream.write_batch:
        assert any(f.writable for f in stream.fields), f"{stream.name} takes writes, but none of its fields is writable"


def check_every_record_has_its_key(bench: Bench) -> None:
    ids = seeded(bench, 7)
    key = stream_of(bench).key
    seen = [record.get(key) for page in pages_of(bench, None) for record in page.records]
    assert None not in seen, "a record without its key"
    assert sorted(map(str, seen)) == sorted(ids), f"a full read of {len(ids)} records gave {len(seen)}: {seen}"


def check_records_show_declared_fields_only(bench: Bench) -> None:
    seeded(bench, 3)
    declared = set(names_of(stream_of(bench)))
    for page in pages_of(bench, None):
        for record in page.records:
            assert set(record) <= declared, f"not declared: {set(record) - declared}"


def check_every_record_says_when_it_changed(bench: Bench) -> None:
    seeded(bench, 4)
    modified = stream_of(bench).modified
    if modified is None:
        raise NotApplicable("the stream has no field for the time of the last change")
    for page in pages_of(bench, None):
        for record in page.records:
            assert record.get(modified) is not None, f"a record without {modified}"


def check_nothing_is_lost_by_a_crash(bench: Bench) -> None:
    seeded(bench, 8)
    whole, _ = replay(bench, None)
    for stop in range(1, 9):
        before, cursor = replay(bench, None, stop_after=stop)
        after, _ = replay(bench, cursor)
        lost = set(whole) - set(before) - set(after)
        assert not lost, f"killed after page {stop} and read on from its cursor: lost {lost}"


def check_incremental_brings_the_change_and_little_else(bench: Bench) -> None:
    if not stream_of(bench).incremental:
        raise NotApplicable("the stream is always read in full")
    old = bench.seed(7)
    moves = bench.advance(HOUR_S)  # beyond any look-back, so that the old records need not come again
    seeded(bench, 2)
    _, cursor = replay(bench, None)
    assert cursor is not None, "an incremental stream must end with a cursor"
    touched(bench, [old[1], old[4]])
    held, _ = replay(bench, cursor)
    assert {old[1], old[4]} <= set(held), "a changed record was not seen"
    assert not moves or len(held) <= 6, f"{len(held)} records for 2 changes: this is not incremental"


def check_a_late_change_in_the_same_tick_is_seen(bench: Bench) -> None:
    if not stream_of(bench).incremental:
        raise NotApplicable("the stream is always read in full")
    ids = seeded(bench, 6)
    if not bench.hold_clock():
        raise NotApplicable("the bench cannot hold its clock")
    bench.touch([ids[5]])
    _, cursor = replay(bench, None)
    bench.touch([ids[0]])  # the same timestamp as the newest that was read, and an id before it
    bench.advance(HOUR_S)
    held, _ = replay(bench, cursor)
    assert ids[0] in held, "a change with the cursor's own timestamp was lost"


def check_deletes_come_as_declared(bench: Bench) -> None:
    ids = seeded(bench, 5)
    stream = stream_of(bench)
    if stream.deletes is Deletes.NEVER:
        raise NotApplicable("the stream does not tell deletes")
    _, cursor = replay(bench, None)
    bench.remove([ids[2]])
    bench.advance(HOUR_S)
    if stream.deletes is Deletes.MARKED:
        held, _ = replay(bench, cursor)
        assert gone(ids[2]) in held, "the delete was not told"
    else:
        held, _ = replay(bench, None)
        assert ids[2] not in held, "a full read still shows the deleted record"
        assert len(held) == len(ids) - 1, "a full read must show all others"


def check_a_merge_names_the_record_that_is_left(bench: Bench) -> None:
    if not isinstance(bench, Merges):
        raise NotApplicable("the remote cannot merge records")
    ids = seeded(bench, 5)
    if stream_of(bench).deletes is not Deletes.MARKED:
        raise NotApplicable("the stream does not tell deletes, and so no merges")
    _, cursor = replay(bench, None)
    bench.merge(ids[1], ids[3])
    bench.advance(HOUR_S)
    merged: dict[str, str] = {}
    for page in pages_of(bench, cursor):
        assert set(page.merged) <= set(page.deleted), "what was merged away is gone: its id is among `deleted` too"
        merged |= page.merged
    assert merged == {ids[1]: ids[3]}, f"{ids[1]} was merged into {ids[3]}, the pages say {merged}"


def check_the_cursor_is_small_json_without_secrets(bench: Bench) -> None:
    seeded(bench, 4)
    for page in pages_of(bench, None):
        text = json.dumps(page.cursor)
        assert json.loads(text) == page.cursor, "the cursor does not survive JSON"
        assert len(text) <= 4096, f"a cursor of {len(text)} bytes; 4096 is the most"
        assert not any(secret in text for secret in bench.secrets), "the cursor holds a secret"


def check_a_server_error_is_not_swallowed(bench: Bench) -> None:
    seeded(bench, 8)
    pages = pages_of(bench, None)
    next(pages)
    bench.fail(503)
    try:
        rest = list(pages)
    except Unavailable:
        return
    raise AssertionError(f"503 in the middle of a read must raise Unavailable, it gave {len(rest)} more pages")


def check_fetch_keeps_the_order_and_says_what_is_gone(bench: Bench) -> None:
    ids = seeded(bench, 5)
    held, _ = replay(bench, None)
    bench.remove([ids[1]])
    bench.advance(HOUR_S)
    with opened(bench) as (session, stream):
        if not isinstance(session, Fetches):
            raise NotApplicable("the session cannot fetch single records")
        wanted = [ids[3], ids[1], ids[0], ids[4]]
        for by in (stream.key, *stream.match_on):
            values = [str((held[row_id] or {}).get(by)) for row_id in wanted]
            found = session.fetch(stream, by, values, names_of(stream))
            expected = [ids[3], None, ids[0], ids[4]]
            seen = [None if record is None else str(record[stream.key]) for record in found]
            assert seen == expected, f"fetch by {by} must answer in order, None for what is gone: {seen}"
            assert session.fetch(stream, by, [], names_of(stream)) in ([], ()), "nothing was asked for"


def check_two_reads_at_once_give_the_same(bench: Bench) -> None:
    seeded(bench, 8)
    with opened(bench) as (session, stream):

        def reading() -> Iterator[Page]:
            return session.read(stream, None, names_of(stream))

        def keys(pages: list[Page]) -> list[str]:
            return sorted({str(record[stream.key]) for page in pages for record in page.records})

        alone = keys(list(reading()))
        turns: tuple[list[Page], list[Page]] = ([], [])
        open_reads = list(zip((reading(), reading()), turns, strict=True))
        while open_reads:
            open_reads = [(pages, kept) for pages, kept in open_reads if _took_one(pages, kept)]
        assert keys(turns[0]) == keys(turns[1]) == alone, "two reads that take turns disturb each other"

        results: list[list[str]] = []
        threads = [threading.Thread(target=lambda: results.append(keys(list(reading())))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [alone, alone], "two threads that read do not get the same as one"


def _took_one(pages: Iterator[Page], kept: list[Page]) -> bool:
    page = next(pages, None)
    if page is not None:
        kept.append(page)
    return page is not None


def check_all_roads_give_the_same_records(bench: Bench) -> None:
    if len(bench.roads) < 2:
        raise NotApplicable("there is only one way to read")
    seeded(bench, 7)
    by_road: dict[str, dict[str, Record | None]] = {}
    for road in bench.roads:
        bench.force_road(road)
        by_road[road], _ = replay(bench, None)
    first, *others = bench.roads
    for other in others:
        assert by_road[other].keys() == by_road[first].keys(), f"{other} and {first} do not give the same records"
        for row_id, record in by_road[first].items():
            same = json.dumps(record, sort_keys=True) == json.dumps(by_road[other][row_id], sort_keys=True)
            assert same, f"{row_id} is not the same by {other} as by {first} (values or their JSON types)"
