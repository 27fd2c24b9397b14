"""The bulk road: the same records as by pages, whatever the CSV looks like, and a place to go on from."""

from __future__ import annotations

import json

import pytest

from prm_sync.connect import ContractBroken, Misconfigured, Unavailable
from prm_sync_salesforce.rows import records_of_csv

EARLIER = "2026-11-20T09:00:00.000+0000"
HARD = (
    "plain", "with, comma", 'with "quotes"', "two\nlines", "two\r\nlines", " spaces around ", "NaN", "null", "#N/A",
    "true", "00123", "1.0E7", "2026-11-20T08:15:30.000Z", "Größe 北京 مرحبا 🎈", "back\\slash",
    "tab\there", "NUL\0inside", "'", ";", "=1+1", "Id",
)  # fmt: skip


def hard_leads(org):
    rows = []
    for i, text in enumerate(HARD):
        rows.append(
            {
                "LastName": f"Lead {i}", "Company": text, "Description": text * (1 + 500 * (i % 3)), "Title": None,
                "AnnualRevenue": [None, 0.0, 1.0e7, 123456.78, -5.5, 1e-4][i % 6],
                "NumberOfEmployees": [None, 0, 7, 2**31][i % 4],
                "DoNotCall": i % 2 == 0, "Prm_Offered_At__c": [None, "2026-11-20T08:15:30.000+0000"][i % 2],
                "Prm_Offer_Status__c": [None, "pending"][i % 2], "Prm_Lead_Id__c": f"L-{i}",
            }
        )  # fmt: skip
    return org.app.load("Lead", rows)


def shown(held):
    return {i: json.dumps(r, sort_keys=True) for i, r in held.records.items()}


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"bulk_page_rows": 4},
        {"bulk_page_rows": 4, "bulk_header_every_page": False},
        {"bulk_page_rows": 4, "bulk_bom": True, "bulk_int_as_double": True},
    ],
    ids=["one-page", "header-on-each-page", "header-on-the-first-page", "mark-and-doubles"],
)
def test_both_roads_give_the_same_records(make_org, switches):
    org = make_org(bulk_polls=0, **switches)
    ids = hard_leads(org)
    paged, bulk = org.pull(bulk_threshold=0), org.pull(bulk_threshold=1)
    assert org.app.calls.count("POST", "/services/data/v{version}/jobs/query") == 1
    assert set(shown(bulk)) == set(ids)
    assert shown(bulk) == shown(paged)
    assert bulk.cursor == paged.cursor
    assert [bulk.records[ids[i]]["Company"] for i in (3, 4, 16)] == ["two\nlines", "two\r\nlines", "NULinside"]


def test_a_job_that_finds_nothing_any_more_ends_the_window(make_org):
    org = make_org(bulk_polls=0)
    ids = org.leads(2)
    org.faults.run(lambda: [org.org.purge("Lead", i) for i in ids], path="*/jobs/query", method="POST")
    held = org.pull(bulk_threshold=1)
    assert (held.records, held.cursor["since"]) == ({}, "2026-11-20T12:00:00Z")


def test_the_job_is_waited_for_and_deleted(make_org):
    org = make_org(bulk_polls=3)
    org.leads(3)
    held = org.pull(bulk_threshold=1)
    assert len(held.records) == 3
    assert held.pages[0].total == 3
    assert org.app.calls.count("GET", "/services/data/v{version}/jobs/query/{job}") == 4
    assert org.desk.jobs == {}


def test_a_broken_bulk_read_goes_on_at_its_locator(make_org):
    org = make_org(bulk_polls=0, bulk_page_rows=4)
    ids = set(org.leads(10, SystemModstamp=EARLIER))
    broken = org.pull(bulk_threshold=1, stop_after=2)
    assert set(broken.cursor) == {"from", "next", "log", "job", "locator"}
    org.advance(hours=1)
    rest = org.pull(broken.cursor, bulk_threshold=1)
    assert len(rest.records) == 2
    assert broken.records.keys() | rest.records.keys() == ids
    assert rest.cursor["since"] == "2026-11-20T13:00:00Z"
    assert org.desk.jobs == {}


def test_a_bulk_read_whose_job_is_gone_begins_its_window_again(make_org):
    org = make_org(bulk_polls=0, bulk_page_rows=4)
    ids = set(org.leads(10))
    broken = org.pull(bulk_threshold=1, stop_after=1)
    org.desk.jobs.clear()
    assert set(org.pull(broken.cursor, bulk_threshold=1).records) == ids


def test_a_job_that_fails_is_read_by_pages(make_org):
    org = make_org(bulk_polls=0, bulk_failure="InternalServerError : a fault of theirs")
    ids = set(org.leads(5))
    assert set(org.pull(bulk_threshold=1).records) == ids


def test_an_object_that_bulk_does_not_take_is_read_by_pages(make_org):
    org = make_org(no_bulk=["Lead"])
    ids = set(org.leads(5))
    assert set(org.pull(bulk_threshold=1).records) == ids


def test_a_large_catching_up_goes_by_bulk(make_org):
    org = make_org(bulk_polls=0)
    org.leads(2, SystemModstamp=EARLIER)
    read = org.pull(bulk_threshold=5)
    org.advance(hours=1)
    ids = set(org.leads(9))
    held = org.pull(read.cursor, bulk_threshold=5)
    assert set(held.records) == ids
    assert org.app.calls.count("POST", "/services/data/v{version}/jobs/query") == 1


def test_a_count_that_times_out_does_not_stop_the_read(org):
    ids = set(org.leads(3))
    body = [{"errorCode": "QUERY_TIMEOUT", "message": "Your query request was running for too long."}]
    org.faults.status(400, path="*/query", body=body)
    assert set(org.pull().records) == ids


def test_a_query_too_long_for_a_url_goes_by_bulk(make_org, monkeypatch):
    org = make_org(bulk_polls=0)
    ids = set(org.leads(3))
    monkeypatch.setattr("prm_sync_salesforce.soql.URI_MAX", 700)
    held = org.pull()
    assert set(held.records) == ids
    assert org.app.calls.count("POST", "/services/data/v{version}/jobs/query") == 1
    org.app.switches["no_bulk"] = ["Lead"]
    with pytest.raises(Misconfigured, match="so many fields of Lead"):
        org.pull()


def test_a_token_that_expires_during_the_download_is_renewed(make_org):
    org = make_org(bulk_polls=0, bulk_page_rows=4)
    ids = set(org.leads(10))
    org.faults.expire_tokens(path="*/results", skip=1)
    assert set(org.pull(bulk_threshold=1).records) == ids
    assert org.desk.logins == 2


def test_a_page_with_fewer_rows_than_counted_is_not_taken(make_org):
    org = make_org(bulk_polls=0)
    org.leads(3)
    headers = {"Sforce-NumberOfRecords": "3", "Sforce-Locator": "null"}
    org.faults.status(200, path="*/results", body="Id", headers=headers)
    with pytest.raises((Unavailable, ContractBroken)):
        org.pull(bulk_threshold=1)


def test_csv_that_is_none_is_refused_without_its_values(org):
    with org.open() as session:
        [stream] = session.discover(["Lead"])
    with pytest.raises(ContractBroken) as raised:
        records_of_csv(b'"Id","NumberOfEmployees"\n"00Q","a secret"\n', ["Id", "NumberOfEmployees"], stream, "crm")
    assert "secret" not in str(raised.value)


def test_columns_are_read_by_name_where_the_server_orders_them_otherwise(org):
    with org.open() as session:
        [stream] = session.discover(["Lead"])
    content = b'"Company","DoNotCall","Id"\n"Contoso","true","00Q1"\n"","false","00Q2"\n'
    assert records_of_csv(content, ["Id", "Company", "DoNotCall"], stream, "crm") == [
        {"Company": "Contoso", "DoNotCall": True, "Id": "00Q1"},
        {"Company": None, "DoNotCall": False, "Id": "00Q2"},
    ]
