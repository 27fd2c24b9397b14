"""Reading by pages: windows, places inside them, deletes, lost locators, late commits."""

from __future__ import annotations

import logging

import pytest

from prm_sync.connect import Context, CursorExpired, Deletes, Misconfigured, QuotaSpent
from prm_sync_salesforce import CONNECTOR


def stamps(org, ids):
    return [org.org.tables["Lead"].rows[i]["SystemModstamp"] for i in ids]


def test_describe_becomes_a_stream(org):
    with org.open() as session:
        [lead] = session.discover(["Lead"])
    by_name = {f.name: f for f in lead.fields}
    assert (lead.key, lead.modified, lead.incremental, lead.write_batch) == ("Id", "SystemModstamp", True, 200)
    assert lead.deletes is Deletes.MARKED
    assert lead.match_on == ("Prm_Lead_Id__c", "Email")
    assert (by_name["Budget__c"].type, by_name["NumberOfEmployees"].type) == ("number", "integer")
    assert (by_name["IsConverted"].type, by_name["CreatedDate"].type) == ("boolean", "datetime")
    assert by_name["OwnerId"].type == "reference"
    assert by_name["Rating"].choices == ("Hot", "Warm", "Cold")
    assert (by_name["Name"].writable, by_name["LastName"].writable) == (False, True)
    assert "Address" not in by_name, "compound fields come in parts"


def test_objects_without_a_recycle_bin_tell_no_deletes(org):
    with org.open() as session:
        [user] = session.discover(["User"])
    assert user.deletes is Deletes.NEVER
    assert len(org.pull(name="User").records) == 1


def test_the_settings_choose_objects_and_fields(org):
    with org.open(objects=["Lead"], fields={"Lead": ["LastName"]}) as session:
        [lead] = session.discover()
    always = {"Id", "IsDeleted", "MasterRecordId", "SystemModstamp"}
    assert {f.name for f in lead.fields} == always | {"LastName", "Email", "Prm_Lead_Id__c"}


def test_fields_that_security_hides_are_not_read(org):
    org.leads(1)
    org.org.hidden["Lead"] = {"Budget__c", "CurrencyIsoCode"}
    [record] = org.pull().records.values()
    assert "LastName" in record
    assert "Budget__c" not in record
    assert "attributes" not in record


def test_an_object_that_is_not_there_is_worded(org):
    with org.open() as session, pytest.raises(Misconfigured, match="no object 'Leed'"):
        session.discover(["Leed"])


def test_check_names_the_org_and_what_is_missing(org):
    with org.open(objects=["Lead", "Quote"]) as session:
        tenant = session.check()
    assert (tenant.name, tenant.sandbox, tenant.missing_scopes) == ("Northwind Traders", True, ("read Quote",))


def test_a_full_read_tells_how_many_there_are(make_org):
    org = make_org(page_rows=3)
    org.leads(8)
    held = org.pull()
    assert [len(p.records) for p in held.pages] == [3, 3, 2]
    assert {p.total for p in held.pages} == {8}


def test_more_rows_than_a_page_on_one_timestamp_are_all_read(make_org):
    org = make_org(page_rows=2000)
    ids = set(org.leads(4_500))
    assert len(set(stamps(org, ids))) == 1
    first = org.pull(stop_after=1)
    assert (len(first.records), first.cursor["stamp"]) == (2000, "2026-11-20T12:00:00.000+0000")
    rest = org.pull(first.cursor)
    assert first.records.keys() | rest.records.keys() == ids
    assert len(rest.records) == 4_500, "2,500 of the old window, and what may have come late within its last tick"


def test_a_broken_read_goes_on_inside_its_window(make_org):
    org = make_org(page_rows=3)
    old = org.leads(9, SystemModstamp="2026-11-20T09:00:00.000+0000")
    broken = org.pull(stop_after=2)
    assert set(broken.records) == set(old[:6])
    org.advance(hours=1)
    [new] = org.leads(1)
    rest = org.pull(broken.cursor)
    assert set(rest.records) == {*old[6:], new}
    assert rest.cursor["since"] == "2026-11-20T13:00:00Z"


def test_a_resumed_window_still_looks_back_from_its_own_end(make_org):
    org = make_org(page_rows=3)
    org.leads(9, SystemModstamp="2026-11-20T09:00:00.000+0000")
    broken = org.pull(stop_after=2, lookback_s=600, safety_s=60)
    org.advance(hours=1)
    # A transaction that began before the broken read and ended after it.
    [late] = org.leads(1, SystemModstamp="2026-11-20T11:55:00.000+0000")
    assert late in org.pull(broken.cursor, lookback_s=600, safety_s=60).records


def test_rows_that_are_committed_late_are_seen_by_the_look_back(org):
    org.leads(2, SystemModstamp="2026-11-20T11:00:00.000+0000")
    read = org.pull(lookback_s=600, safety_s=60)
    assert read.cursor["since"] == "2026-11-20T11:49:00Z"
    org.advance(minutes=5)
    org.org.late_s = 500  # a transaction of more than eight minutes: its rows bear the time when it wrote them
    late = org.org.insert("Lead", {"LastName": "Late", "Company": "Contoso"})
    assert stamps(org, [late]) == ["2026-11-20T11:56:40.000+0000"]
    assert set(org.pull(read.cursor, lookback_s=600, safety_s=60).records) == {late}
    assert late not in org.pull({"since": "2026-11-20T12:00:00Z"}).records, "without it the row would be lost"


def test_a_lost_locator_is_asked_again_from_the_place_reached(make_org):
    org = make_org(page_rows=3)
    ids = org.leads(10)
    org.faults.run(org.desk.expire_cursors, path="*/query/*", skip=1)
    held = org.pull()
    assert set(held.records) == set(ids)
    assert sum(len(p.records) for p in held.pages) == 10, "nothing comes twice"
    assert held.cursor["since"] == "2026-11-20T12:00:00Z"


def test_locators_that_die_between_all_pages_lose_nothing(make_org):
    org = make_org(page_rows=3)
    ids = org.leads(20)
    org.faults.run(org.desk.expire_cursors, path="*/query/*", times=None)
    assert set(org.pull().records) == set(ids)


def test_a_server_that_ignores_order_gives_no_place_inside_the_window(make_org):
    org = make_org(page_rows=4, ignore_order_by=True)
    ids = [org.leads(1, SystemModstamp=f"2026-11-20T10:00:{i:02}.000+0000")[0] for i in range(12)]
    held = org.pull()
    assert set(held.records) == set(ids)
    assert [p.cursor is None for p in held.pages] == [True, True, False]
    broken = org.pull(stop_after=2)
    assert broken.cursor is None
    assert set(org.pull(broken.cursor).records) == set(ids)


def test_an_unsorted_server_that_loses_its_locator_loses_no_row(make_org):
    org = make_org(page_rows=4, ignore_order_by=True)
    ids = [org.leads(1, SystemModstamp=f"2026-11-20T10:00:{i:02}.000+0000")[0] for i in range(12)]
    org.faults.run(org.desk.expire_cursors, path="*/query/*", skip=1)
    assert set(org.pull().records) == set(ids)


@pytest.mark.parametrize(("changed", "place"), [(4, 5), (5, 4)], ids=["in the middle", "at the end"])
def test_a_row_that_changes_between_two_pages_spoils_no_place(make_org, changed, place):
    org = make_org(page_rows=3)
    ids = org.leads(9, SystemModstamp="2026-11-20T09:00:00.000+0000")

    def change():
        org.advance(seconds=30)
        org.org.update("Lead", ids[changed], {"Title": "changed"})

    org.faults.run(change, path="*/query/*")
    broken = org.pull(stop_after=2)
    # The second page shows the changed row with its new time, which must not become the place to go on from.
    assert (broken.cursor["stamp"], broken.cursor["id"]) == ("2026-11-20T09:00:00.000+0000", ids[place])
    assert set(org.pull(broken.cursor).records) >= {*ids[6:], ids[changed]}


def test_deletes_merges_and_purges_are_told(org):
    winner, loser, binned, purged, kept = org.leads(5)
    read = org.pull()
    org.advance(minutes=5)
    org.org.merge("Lead", winner, [loser])
    org.org.delete("Lead", binned)
    org.org.purge("Lead", purged)
    org.advance(minutes=5)
    held = org.pull(read.cursor)
    assert held.deleted == {loser, binned, purged}
    assert winner in held.records
    assert kept in read.records


def test_a_lead_that_was_brought_back_is_not_told_gone(org):
    [lead] = org.leads(1)
    read = org.pull()
    org.advance(minutes=5)
    org.org.delete("Lead", lead)
    org.advance(minutes=5)
    org.org.undelete("Lead", lead)
    org.advance(minutes=5)
    held = org.pull(read.cursor)
    assert (held.deleted, set(held.records)) == (set(), {lead})


def test_a_gap_in_the_delete_log_asks_for_a_full_read(org):
    org.leads(2)
    read = org.pull()
    org.advance(hours=3)
    org.org.delete_log_from = org.clock.now()
    with pytest.raises(CursorExpired, match="delete log"):
        org.pull(read.cursor)


def test_a_cursor_older_than_the_delete_log_asks_for_a_full_read(org):
    org.leads(2)
    read = org.pull()
    org.advance(days=16)
    with pytest.raises(CursorExpired):
        org.pull(read.cursor)


def test_the_delete_log_is_read_on_from_where_it_was_complete(org):
    ids = org.leads(3)
    cursor = org.pull().cursor
    for lead in ids:
        org.advance(seconds=40)
        org.org.purge("Lead", lead)
        held = org.pull(cursor)
        cursor = held.cursor
    org.advance(seconds=60)
    assert ids[-1] in org.pull(cursor).deleted


def test_fetch_takes_short_ids_and_other_case(org):
    first, second = org.leads(2)
    org.org.update("Lead", first, {"Prm_Lead_Id__c": "L-1"})
    with org.open() as session:
        [stream] = session.discover(["Lead"])
        found = session.fetch(stream, "Id", [second[:15], first, "00QdL0000099999AAA"], ["LastName"])
        by_key = session.fetch(stream, "Prm_Lead_Id__c", ["l-1", "L-2"], ["LastName"])
    assert [r and r["Id"] for r in found] == [second, first, None]
    assert [r and r["Id"] for r in by_key] == [first, None]


def test_fetch_of_many_long_values_fits_the_url(org):
    ids = []
    for i in range(450):
        ids += org.leads(1, Prm_Lead_Id__c=f"{i:04}-{'ü' * 35}")
    values = [f"{i:04}-{'ü' * 35}" for i in range(450)]
    with org.open() as session:
        [stream] = session.discover(["Lead"])
        found = session.fetch(stream, "Prm_Lead_Id__c", values, ["Id"])
    assert [r["Id"] for r in found] == ids


def test_the_quota_is_told_and_a_spent_one_ends_the_read(make_org):
    org = make_org(api_requests=8, page_rows=3)
    org.leads(30)
    with pytest.raises(QuotaSpent):
        org.pull()
    assert org.budget.learned["daily"] == 0


def test_an_expired_session_is_renewed_once_and_never_for_ever(org):
    org.leads(1)
    org.faults.expire_tokens(path="*/query", times=None)  # every token is dead on arrival
    with pytest.raises(Misconfigured) as raised:
        org.pull()
    assert raised.value.code == "INVALID_SESSION_ID"
    assert org.desk.logins <= 3


def test_a_session_id_from_elsewhere_is_used_and_not_renewed(org):
    org.leads(2)
    token = org.desk.new_token()
    given = {"instance_url": org.url, "session_id": token, "attempts": 1}
    context = Context("sf", org.budget, logging.getLogger("test.sf"), lambda name, value: None)
    with CONNECTOR.open(CONNECTOR.config.model_validate(given), context) as session:
        assert session.check().name == "Northwind Traders"
        org.desk.expire_tokens()
        with pytest.raises(Misconfigured, match="session id is not valid"):
            session.check()


def test_pages_are_fetched_while_the_consumer_works(make_org):
    import time

    org = make_org(page_rows=3)
    org.leads(30)
    org.faults.slow(0.1, path="*/query/*", times=None)
    with org.open() as session:
        [stream] = session.discover(["Lead"])
        started = time.perf_counter()
        for _ in session.read(stream, None, ["LastName"]):
            time.sleep(0.08)
        took = time.perf_counter() - started
    assert took < 9 * 0.1 + 10 * 0.08 - 0.3, "ten pages of work and nine of waiting, one after the other"


def test_a_read_that_is_left_early_stops_its_thread(make_org):
    import threading

    org = make_org(page_rows=3)
    org.leads(60)
    with org.open() as session:
        [stream] = session.discover(["Lead"])
        pages = session.read(stream, None, ["LastName"])
        next(pages), next(pages)
        pages.close()
        threads = [t for t in threading.enumerate() if t.name == "pages ahead"]
        for thread in threads:
            thread.join(5)
        assert not any(t.is_alive() for t in threads)
    assert org.app.calls.count("GET", "/services/data/v{version}/query/{locator}") <= 5


def test_an_object_that_tells_no_time_of_change_is_read_in_full_each_time(make_org):
    org = make_org(page_rows=3)
    ids = set(org.leads(7))
    org.org.hidden["Lead"] = {"SystemModstamp", "LastModifiedDate", "CreatedDate"}
    with org.open() as session:
        [stream] = session.discover(["Lead"])
    assert (stream.modified, stream.incremental, stream.deletes) == (None, False, Deletes.NEVER)
    held = org.pull()
    assert (set(held.records), held.cursor) == (ids, None)
    assert set(org.pull(held.cursor).records) == ids
