"""The emulated org under a real client (simple-salesforce), and what it refuses of anybody."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
import requests
from simple_salesforce.exceptions import (
    SalesforceGeneralError,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)
from simple_salesforce.util import Usage

from prm_sync_salesforce.emulator.values import id18
from prm_sync_salesforce.simple import simple_salesforce_session

PERSON = {"LastName": "Okafor", "Company": "Fabrikam"}
OFF = {"Sforce-Auto-Assign": "FALSE"}


@pytest.fixture
def client(org):
    found = simple_salesforce_session(org.config(), org.desk.new_token())
    yield found
    found.session.close()


def table(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("00QdL000001AbCd", "00QdL000001AbCdUAK"),
        ("001000000000001", "001000000000001AAA"),
        ("0065g00000Xy1Zz", "0065g00000Xy1ZzAAJ"),
    ],
)
def test_ids_get_their_checksum(short, long):
    assert id18(short) == long


def test_query_and_query_more(org, client):
    org.leads(2500)
    page = client.query("SELECT Id FROM Lead ORDER BY Id")
    assert (page["totalSize"], page["done"], len(page["records"])) == (2500, False, 2000)
    assert page["nextRecordsUrl"].endswith("-2000")
    rest = client.query_more(page["nextRecordsUrl"], identifier_is_url=True)
    assert (rest["done"], len(rest["records"]), rest["totalSize"]) == (True, 500, 2500)
    assert len(client.query_all("SELECT Id FROM Lead")["records"]) == 2500
    small = client.query("SELECT Id FROM Lead", headers={"Sforce-Query-Options": "batchSize=200"})
    assert len(small["records"]) == 200
    assert client.api_usage["api-usage"] == Usage(used=5, total=100_000)


def test_a_locator_dies_after_two_days(org, client):
    org.leads(2001)
    page = client.query("SELECT Id FROM Lead")
    org.advance(days=2, seconds=1)
    with pytest.raises(SalesforceMalformedRequest, match="INVALID_QUERY_LOCATOR"):
        client.query_more(page["nextRecordsUrl"], identifier_is_url=True)


def test_one_record_through_its_life(org, client):
    made = client.Lead.create(PERSON)["id"]
    assert client.Lead.get(made)["Name"] == "Okafor"
    org.advance(minutes=1)
    assert client.Lead.update(made, {"FirstName": "Ngozi"}) == 204
    row = client.Lead.get(made)
    assert (row["Name"], row["SystemModstamp"]) == ("Ngozi Okafor", "2026-11-20T12:01:00.000+0000")
    assert (row["CreatedDate"], row["Status"]) == ("2026-11-20T12:00:00.000+0000", "Open - Not Contacted")
    assert client.Lead.delete(made) == 204
    with pytest.raises(SalesforceResourceNotFound):
        client.Lead.get(made)
    with pytest.raises(SalesforceResourceNotFound, match="ENTITY_IS_DELETED"):
        client.Lead.update(made, PERSON)


def test_upsert_by_external_id(client):
    assert client.Lead.upsert("Prm_Lead_Id__c/L-1", PERSON) == 201
    assert client.Lead.upsert("Prm_Lead_Id__c/l-1", {"Title": "Head"}) == 200
    assert client.Lead.get_by_custom_id("Prm_Lead_Id__c", "L-1")["Title"] == "Head"
    with pytest.raises(SalesforceResourceNotFound, match="external ID field does not exist"):
        client.Lead.upsert("Title/Head", PERSON)


def test_an_external_id_that_is_not_unique_names_all_its_records(org, client):
    org.app.load("Account", [{"Name": n, "Prm_Partner_Key__c": "nordwind"} for n in "ab"])
    response = requests.patch(
        f"{org.url}/services/data/v66.0/sobjects/Account/Prm_Partner_Key__c/nordwind",
        json={"Name": "c"}, headers={"Authorization": f"Bearer {client.session_id}"}, timeout=5,
    )  # fmt: skip
    assert (response.status_code, len(response.json())) == (300, 2)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"LastName": "x"}, "REQUIRED_FIELD_MISSING"),
        ({**PERSON, "Fooo": 1}, "INVALID_FIELD"),
        ({**PERSON, "FirstName": "x" * 41}, "STRING_TOO_LONG"),
        ({**PERSON, "Prm_Offer_Status__c": "perhaps"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        ({**PERSON, "Email": "x"}, "INVALID_EMAIL_ADDRESS"),
        ({**PERSON, "NumberOfEmployees": "x"}, "JSON_PARSER_ERROR"),
        ({**PERSON, "Prm_Offered_At__c": "yesterday"}, "JSON_PARSER_ERROR"),
        ({**PERSON, "SystemModstamp": "2026-11-20T12:00:00Z"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
    ],
)
def test_records_are_checked(client, values, code):
    with pytest.raises(SalesforceMalformedRequest, match=code):
        client.Lead.create(values)


def test_a_unique_external_id_is_taken_once_and_another_one_as_often_as_you_like(client):
    client.Account.create({"Name": "x", "Erp_Number__c": "TAKEN"})
    with pytest.raises(SalesforceMalformedRequest, match="DUPLICATE_VALUE"):
        client.Account.create({"Name": "y", "Erp_Number__c": "taken"})
    for _ in range(2):
        client.Lead.create({**PERSON, "Prm_Lead_Id__c": "L-1"})
    with pytest.raises(SalesforceMoreThanOneRecord):
        client.Lead.upsert("Prm_Lead_Id__c/L-1", {"Title": "x"})


def test_describe_and_limits(org, client):
    names = [o["name"] for o in client.describe()["sobjects"]]
    objects = {"Lead", "Account", "Contact", "Opportunity", "Case", "Order", "Feedback__c", "User", "Organization"}
    assert objects == set(names)
    org.org.hidden["Lead"] = {"Budget__c"}
    fields = {f["name"]: f for f in client.Lead.describe()["fields"]}
    assert "Budget__c" not in fields
    assert (fields["LastName"]["nillable"], fields["LastName"]["length"]) == (False, 80)
    assert fields["Prm_Lead_Id__c"]["externalId"] is True
    assert client.limits()["DailyApiRequests"]["Max"] == 100_000
    assert client.restful("limits/recordCount", params={"sObjects": "Lead"}) == {
        "sObjects": [{"count": 0, "name": "Lead"}]
    }


def test_the_quota_and_old_versions_and_wrong_tokens(make_org):
    org = make_org(api_requests=1)
    token = org.desk.new_token()

    def status(version="66.0", token=token):
        url = f"{org.url}/services/data/v{version}/limits"
        answer = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=5)
        return answer.status_code, answer.json()[0]["errorCode"] if answer.status_code > 299 else "", answer.headers

    assert status("25.0")[:2] == (410, "GONE")
    assert status("99.0")[:2] == (404, "NOT_FOUND")
    assert status(token="wrong")[:2] == (401, "INVALID_SESSION_ID")
    assert status()[0] == 200
    assert status()[:2] == (403, "REQUEST_LIMIT_EXCEEDED")
    assert status()[2]["Sforce-Limit-Info"] == "api-usage=1/1"


def test_a_spent_quota_stops_simple_salesforce(make_org):
    org = make_org(api_requests=0)
    client = simple_salesforce_session(org.config(), org.desk.new_token())
    with pytest.raises(SalesforceRefusedRequest, match="REQUEST_LIMIT_EXCEEDED"):
        client.query("SELECT Id FROM Lead")
    client.session.close()


def test_deleted_and_updated(org, client):
    first, second, third = org.leads(3)
    org.advance(minutes=10)
    org.org.delete("Lead", first)
    org.org.purge("Lead", second)
    org.org.update("Lead", third, {"Title": "x"})
    now = org.clock.now()
    answer = client.Lead.deleted(now - timedelta(minutes=5), now + timedelta(minutes=1))
    assert {r["id"] for r in answer["deletedRecords"]} == {first, second}
    assert answer["latestDateCovered"] == "2026-11-20T12:10:00.000+0000"
    assert client.Lead.updated(now - timedelta(minutes=5), now + timedelta(minutes=1))["ids"] == [first, third]
    with pytest.raises(SalesforceMalformedRequest, match="INVALID_REPLICATION_DATE"):
        client.Lead.deleted(now - timedelta(days=16), now)


def test_the_assignment_rule_runs_where_no_header_forbids_it(org, client):
    owner, rule = org.app.load("User", [{"Username": n, "LastName": n, "Email": f"{n}@x.example"} for n in ("o", "r")])
    org.org.assignment_owner = rule
    ruled = client.Lead.create({**PERSON, "OwnerId": owner})["id"]
    free = client.Lead.create({**PERSON, "OwnerId": owner}, headers=OFF)["id"]
    assert [client.Lead.get(i)["OwnerId"] for i in (ruled, free)] == [rule, owner]


def test_the_partner_of_a_record_follows_its_owner(org, client):
    [account] = org.app.load("Account", [{"Name": "Nordwind", "Type": "Partner"}])
    user = {"Username": "p", "LastName": "p", "Email": "p@x.example", "UserType": "PowerPartner", "AccountId": account}
    [partner] = org.app.load("User", [user])
    made = client.Lead.create({**PERSON, "OwnerId": partner})["id"]
    assert client.Lead.get(made)["PartnerAccountId"] == account


def test_collections_roll_back_where_all_or_none_is_asked(org, client):
    rows = [{"attributes": {"type": "Lead"}, **PERSON}, {"attributes": {"type": "Lead"}, "Company": "x"}]
    answer = client.restful("composite/sobjects", method="POST", json={"allOrNone": True, "records": rows})
    codes = [r["errors"][0]["statusCode"] for r in answer]
    assert codes == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"]
    assert client.query("SELECT COUNT() FROM Lead")["totalSize"] == 0
    answer = client.restful("composite/sobjects", method="POST", json={"allOrNone": False, "records": rows})
    assert [r["success"] for r in answer] == [True, False]


def test_collections_take_200_rows_and_each_key_once(org, client):
    row = {"attributes": {"type": "Lead"}, **PERSON, "Prm_Lead_Id__c": "L-1"}
    path = "composite/sobjects/Lead/Prm_Lead_Id__c"
    with pytest.raises(SalesforceMalformedRequest, match="INVALID_BATCH_SIZE"):
        client.restful(path, method="PATCH", json={"records": [row] * 201})
    with pytest.raises(SalesforceMalformedRequest, match="At least 1 record"):
        client.restful(path, method="PATCH", json={"records": []})
    answer = client.restful(path, method="PATCH", json={"records": [row, {**row, "Prm_Lead_Id__c": "l-1"}]})
    assert (answer[0]["created"], answer[1]["errors"][0]["statusCode"]) == (True, "DUPLICATE_VALUE")
    ids = [answer[0]["id"], "00QdL0000099999AAA"]
    read = client.restful("composite/sobjects/Lead", method="POST", json={"ids": ids, "fields": ["LastName"]})
    assert (read[0]["LastName"], read[1]) == ("Okafor", None)
    gone = client.restful("composite/sobjects", method="DELETE", params={"ids": ",".join(ids)})
    assert [r["success"] for r in gone] == [True, False]


def test_composite_calls_refer_to_each_other_and_roll_back(org, client):
    calls = [
        {"method": "POST", "url": "/services/data/v66.0/sobjects/Account", "referenceId": "acc", "body": {"Name": "A"}},
        {"method": "POST", "url": "/services/data/v66.0/sobjects/Contact", "referenceId": "con",
         "body": {"LastName": "B", "AccountId": "@{acc.id}"}},
    ]  # fmt: skip
    answer = client.restful("composite", method="POST", json={"allOrNone": True, "compositeRequest": calls})
    assert [r["httpStatusCode"] for r in answer["compositeResponse"]] == [201, 201]
    contact = client.query("SELECT Account.Name FROM Contact")["records"][0]
    assert contact["Account"]["Name"] == "A"
    calls[1]["body"].pop("LastName")
    answer = client.restful("composite", method="POST", json={"allOrNone": True, "compositeRequest": calls})
    assert [r["httpStatusCode"] for r in answer["compositeResponse"]] == [400, 400]
    assert client.query("SELECT COUNT() FROM Account")["totalSize"] == 1


def test_bulk_query(org, client):
    org.app.load("Lead", [{**PERSON, "LastName": f"L{i}", "Title": "a\nb"} for i in range(7)])
    pages = list(
        client.bulk2.Lead.query("SELECT Id, LastName, Title, DoNotCall, Owner.Name FROM Lead", max_records=3, wait=0)
    )
    rows = [row for page in pages for row in table(page)]
    assert [len(table(p)) for p in pages] == [3, 3, 1]
    assert [r["LastName"] for r in rows] == [f"L{i}" for i in range(7)]
    assert (rows[0]["Title"], rows[0]["DoNotCall"], rows[0]["Owner.Name"]) == ("a\nb", "false", "Integration")


def test_bulk_query_refuses_what_bulk_does_not_do(client):
    with pytest.raises(SalesforceMalformedRequest, match="compound"):
        list(client.bulk2.Lead.query("SELECT Address FROM Lead", wait=0))
    with pytest.raises(SalesforceMalformedRequest, match="INVALID_FIELD"):
        list(client.bulk2.Lead.query("SELECT Fooo FROM Lead", wait=0))


def test_bulk_results_are_of_one_version_and_of_a_finished_job(make_org):
    org = make_org(bulk_polls=99)
    client = simple_salesforce_session(org.config(), org.desk.new_token())
    job = client.restful("jobs/query", method="POST", json={"operation": "query", "query": "SELECT Id FROM Lead"})
    assert (job["state"], job["apiVersion"]) == ("UploadComplete", 66.0)
    with pytest.raises(SalesforceGeneralError, match="INVALIDJOBSTATE"):
        client.restful(f"jobs/query/{job['id']}/results")
    client.base_url = client.base_url.replace("66.0", "65.0")
    with pytest.raises(SalesforceGeneralError, match="VERSION"):
        client.restful(f"jobs/query/{job['id']}/results")
    client.session.close()


def test_bulk_insert_upsert_and_delete(org, client):
    rows = [{"Prm_Lead_Id__c": f"L-{i}", "LastName": "x" if i else "", "Company": 'a, "b"\nc'} for i in range(5)]
    [job] = client.bulk2.Lead.insert(records=rows, wait=0)
    assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (5, 1)
    good = table(client.bulk2.Lead.get_successful_records(job["job_id"]))
    [bad] = table(client.bulk2.Lead.get_failed_records(job["job_id"]))
    assert {r["sf__Created"] for r in good} == {"true"}
    assert {r["Prm_Lead_Id__c"] for r in good} == {"L-1", "L-2", "L-3", "L-4"}
    assert bad["sf__Error"] == "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --"
    changes = [
        {"Prm_Lead_Id__c": "L-1", "Company": "", "Title": "#N/A", "LastName": "y"},
        {"Prm_Lead_Id__c": "L-9", "Company": "New", "Title": "Head", "LastName": "z"},
        {"Prm_Lead_Id__c": "l-9", "Company": "Twice", "Title": "Head", "LastName": "z"},
    ]
    [job] = client.bulk2.Lead.upsert(records=changes, external_id_field="Prm_Lead_Id__c", wait=0)
    assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (3, 1)
    first = client.Lead.get_by_custom_id("Prm_Lead_Id__c", "L-1")
    assert (first["LastName"], first["Company"], first["Title"]) == ("y", 'a, "b"\nc', None)
    [job] = client.bulk2.Lead.delete(records=[{"Id": r["sf__Id"]} for r in good[:2]], wait=0)
    assert job["numberRecordsFailed"] == 0
    assert client.query("SELECT COUNT() FROM Lead")["totalSize"] == 3


def test_a_bulk_upload_with_an_unknown_column_fails_as_a_whole(org, client):
    with pytest.raises(Exception, match="Field name not found : Fooo"):
        client.bulk2.Lead.insert(records=[{"Fooo": "x"}], wait=0)


def test_another_process_can_seed_and_drive_the_org(org):
    from prm_sync.connect.emulator import Control

    with Control(org.url) as control:
        [lead] = control.do("load", object="Lead", rows=[PERSON])
        control.do("edit", object="Lead", rows={lead: {"Title": "x"}})
        assert control.snapshot()["Lead"][0]["Title"] == "x"
        control.do("purge", object="Lead", ids=[lead])
        assert control.snapshot()["Lead"] == []
        control.do("hide", object="Lead", fields=["Budget__c"])
        assert org.org.hidden["Lead"] == {"Budget__c"}


def test_a_seed_of_many_leads_is_served_quickly(org):
    import time

    began = time.perf_counter()
    org.app.load("Lead", ({**PERSON, "LastName": f"L{i}"} for i in range(30_000)))
    loaded = time.perf_counter()
    org.pull(fields=["LastName"], stop_after=1)
    assert loaded - began < 6
    assert time.perf_counter() - loaded < 3
