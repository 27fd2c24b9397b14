"""Reading: passes, overlap, kills between pages, rows that change meanwhile, windows that are read again."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from prm_sync.connect import CursorExpired, Deletes, Misconfigured, RateLimited, Unavailable

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_a_full_read_brings_every_lead_once_as_the_remote_wrote_it(bench):
    keys = bench.leads(7)
    with bench.open(page_size=3) as session:
        stream = session.discover(["leads"])[0]
        pages = list(session.read(stream, None, [f.name for f in stream.fields]))
    rows = [row for page in pages for row in page.records]
    assert sorted(row["key"] for row in rows) == sorted(keys)
    assert len(pages) == 3
    assert rows[0]["created_at"] == int((bench.clock.now()).timestamp() * 1000), "epoch milliseconds, not converted"
    assert rows[0]["meta"] == {"n": 6}


def test_only_the_wanted_fields_and_the_key_are_given(bench):
    bench.leads(1)
    with bench.open() as session:
        [page] = session.read(session.discover(["leads"])[0], None, ["status"])
    assert set(page.records[0]) == {"key", "status"}


def test_a_kill_after_any_page_loses_nothing(bench):
    keys = bench.leads(9)
    for stop in range(1, 6):
        before = bench.pull("leads", stop_after=stop, page_size=2)
        after = bench.pull("leads", before.cursor, page_size=2)
        assert set(before.records) | set(after.records) == set(keys), f"killed after page {stop}"
        assert len(after.records) <= 9 - 2 * stop or stop == 5, "the pass went on, it did not begin again"


def test_a_row_changed_behind_the_reader_is_seen_by_the_next_pass(bench):
    keys = bench.leads(6)
    newest = keys[-1]

    def change():
        bench.clock.advance(HOUR)
        bench.account.patch("leads", newest, {"amount": 777}, test=False)

    bench.faults.run(change, when="after", method="GET", path="*/leads")  # after page 1, which held the newest
    first = bench.pull("leads", page_size=2, overlap_s=0)
    assert first.records[newest]["amount"] is None
    bench.clock.advance(DAY)
    second = bench.pull("leads", first.cursor, page_size=2, overlap_s=0)
    assert second.records[newest]["amount"] == 777
    assert list(second.records) == [newest]


def test_a_row_changed_between_a_kill_and_the_rest_of_the_pass_is_seen_by_the_next(bench):
    keys = bench.leads(6)
    bench.clock.advance(HOUR)
    killed = bench.pull("leads", stop_after=1, page_size=2, overlap_s=0)
    bench.clock.advance(HOUR)
    bench.account.patch("leads", keys[-1], {"amount": 5}, test=False)
    bench.clock.advance(DAY)
    rest = bench.pull("leads", killed.cursor, page_size=2, overlap_s=0)
    assert keys[-1] not in rest.records
    after = bench.pull("leads", rest.cursor, overlap_s=0)
    assert after.records[keys[-1]]["amount"] == 5


def test_a_change_of_an_old_row_is_read_although_the_list_is_by_creation(bench):
    keys = bench.leads(8)
    bench.clock.advance(DAY)
    first = bench.pull("leads", page_size=3)
    bench.clock.advance(DAY)
    bench.account.patch("leads", keys[0], {"status": "closed won"}, test=False)
    held = bench.pull("leads", first.cursor, page_size=3)
    assert {k: r["status"] for k, r in held.records.items()} == {keys[0]: "closed won"}


def test_a_change_that_was_committed_late_is_caught_by_the_overlap(bench):
    bench.leads(2)
    bench.clock.advance(HOUR)
    first = bench.pull("leads")
    late = int((bench.clock.now() - timedelta(seconds=500)).timestamp() * 1000)
    [key] = bench.app.load("leads", [{"partner_key": "nordwind", "created_at": late, "updated_at": late}])
    assert key in bench.pull("leads", first.cursor).records
    assert key not in bench.pull("leads", first.cursor, overlap_s=60).records, "and by nothing else"


def test_a_change_in_the_tick_of_the_first_read_is_seen(bench):
    keys = bench.leads(3)
    first = bench.pull("leads", overlap_s=0)
    bench.account.patch("leads", keys[0], {"amount": 1}, test=False)  # the clock has not moved
    assert bench.pull("leads", first.cursor, overlap_s=0).records[keys[0]]["amount"] == 1


def test_rows_that_arrive_during_a_pass_shift_nothing(bench):
    keys = bench.leads(6)
    bench.faults.run(lambda: bench.leads(3), when="after", method="GET", path="*/leads", times=2)
    assert set(keys) <= set(bench.pull("leads", page_size=2).records)


@pytest.mark.parametrize("status", [400, 404])
def test_a_pass_begins_again_where_the_row_it_stood_on_was_hard_deleted(make_bench, status):
    bench = make_bench(unknown_cursor_status=status)
    bench.partner()
    keys = bench.leads(6)
    killed = bench.pull("leads", stop_after=1, page_size=2)
    bench.account.remove("leads", killed.cursor["after"])
    rest = bench.pull("leads", killed.cursor, page_size=2)
    assert set(rest.records) == set(keys) - {killed.cursor["after"]}
    assert "after" not in rest.cursor


def test_archived_leads_are_told_as_deleted_once_and_not_as_records(bench):
    keys = bench.leads(4)
    bench.clock.advance(DAY)
    first = bench.pull("leads")
    bench.clock.advance(DAY)
    bench.account.archive("leads", keys[1])
    second = bench.pull("leads", first.cursor)
    assert second.deleted == {keys[1]}
    assert second.records == {}
    assert bench.stream("leads").deletes is Deletes.MARKED
    assert bench.stream("rewards").deletes is Deletes.NEVER


def test_a_reward_that_changes_status_is_read_again_within_its_window(bench):
    old, young = bench.app.load("rewards", [{"amount": 100, "currency": "EUR"}]), None
    bench.clock.advance(50 * DAY)
    [young] = bench.app.load("rewards", [{"amount": 200, "currency": "EUR"}])
    first = bench.pull("rewards")
    assert set(first.records) == {*old, young}
    bench.clock.advance(DAY)
    bench.partners.settle_reward(young, reward_status="paid", payment_status="withdrawn")
    held = bench.pull("rewards", first.cursor, reward_rescan_days=20)
    assert held.records[young]["reward_status"] == "paid"
    assert old[0] not in held.records, "older than the window"


def test_a_filter_that_rewards_do_not_have_is_never_sent(make_bench):
    bench = make_bench(refuse_unknown_filters=True)
    bench.app.load("rewards", [{"amount": 100}])
    bench.app.load("transactions", [{"amount": 100, "currency": "EUR"}])
    for name in ("partnerships", "leads", "deals", "customers", "transactions", "rewards"):
        first = bench.pull(name)
        assert bench.pull(name, first.cursor).cursor is not None


def test_test_rows_are_kept_and_carry_their_tag(bench):
    rows = {row["partner_key"]: row for row in bench.pull("partnerships").records.values()}
    assert rows["gstest"]["test"] is True
    assert rows["nordwind"]["test"] is False


def test_cursors_are_small_json_without_secrets(bench):
    bench.leads(5)
    with bench.open(page_size=2) as session:
        for page in session.read(session.discover(["leads"])[0], None, ["key"]):
            text = json.dumps(page.cursor)
            assert json.loads(text) == page.cursor
            assert len(text) < 200
            assert "emulated" not in text


@pytest.mark.parametrize("cursor", [{}, {"since": "2027"}, {"after": "lead_1"}, {"page": 3}])
def test_a_cursor_of_another_make_is_refused_so_that_the_stream_is_read_in_full(bench, cursor):
    with pytest.raises(CursorExpired):
        bench.pull("leads", cursor)


def test_the_server_clock_counts_and_not_ours(bench):
    keys = bench.leads(2)
    bench.clock.set_skew(timedelta(days=-400))
    first = bench.pull("leads", overlap_s=0)
    bench.clock.advance(HOUR)
    bench.account.patch("leads", keys[0], {"amount": 3}, test=False)
    assert keys[0] in bench.pull("leads", first.cursor, overlap_s=0).records


def test_wrong_keys_are_for_a_person_and_the_message_hides_them(make_bench):
    for status in (401, 403):
        bench = make_bench(bad_keys_status=status)
        with bench.open(secret_key="sk_live_wrong_77") as session, pytest.raises(Misconfigured) as refused:
            session.check()
        assert "sk_live_wrong_77" not in f"{refused.value!r} {refused.value}"


def test_check_names_the_key_pair_and_sees_a_swapped_environment(bench):
    with bench.open() as session:
        tenant = session.check()
    assert tenant.id.startswith("production-")
    assert not tenant.sandbox
    test_pair = {"public_key": "pk_test_emulated", "secret_key": "sk_test_emulated_9d27aa"}
    with bench.open(**test_pair, environment="test") as session:
        assert session.check().sandbox
    with bench.open(**test_pair) as session, pytest.raises(Misconfigured, match="environment"):
        session.check()


def test_a_rate_limit_says_how_long_and_a_fault_in_the_middle_is_not_swallowed(bench):
    bench.leads(4)
    bench.faults.status(429, retry_after_s=7)
    with bench.open() as session, pytest.raises(RateLimited) as limited:
        session.check()
    assert limited.value.after_s == 7
    bench.faults.status(503, skip=1)
    with pytest.raises(Unavailable):
        bench.pull("leads", page_size=2)


def test_a_rate_limit_is_waited_out_by_the_client(make_bench):
    bench = make_bench(calls_per_second=1)
    bench.partner()
    bench.clock.release()
    keys = bench.leads(6, apart=timedelta())
    assert set(bench.pull("leads", page_size=2, attempts=4).records) == set(keys)
    assert bench.calls.count("GET") > 3, "at least one call was refused and tried again"
