"""The emulator by itself, over plain HTTP: envelope, paging, filters, validation, switches, and its control routes."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from prm_sync.connect.emulator import Control, load_emulator
from prm_sync.connect.kit import CountingBudget
from prm_sync.errors import ConfigError
from prm_sync_partnerstack.emulator import EMULATOR, LIVE, TEST
from prm_sync_partnerstack.pace import PacedBudget

LEAD = {"partner_key": "nordwind", "status": "open"}
DEAL = {"account_name": "Haus", "partner_key": "nordwind", "stage": "Qualified"}
SALE = {"customer_email": "buy@haus.example", "amount": 100, "currency": "eur"}


@pytest.fixture
def call(bench):
    with httpx.Client(base_url=f"{bench.url}/api/v2", auth=LIVE, timeout=5) as client:
        yield lambda method, path, **how: client.request(method, path, **how)


def keys(response):
    assert response.status_code == 200, response.text
    return [row["key"] for row in response.json()["data"]["items"]]


def test_answers_have_the_envelope(bench, call):
    made = call("POST", "/leads", json=LEAD).json()
    assert set(made) == {"status", "message", "data"}
    assert made["data"]["partnership_key"].startswith("part_")
    listed = call("GET", "/leads").json()
    assert listed["data"] == {"items": [made["data"]], "has_more": False}
    missing = call("GET", "/leads/none")
    assert (missing.status_code, missing.json()) == (404, {"status": 404, "message": "Lead not found"})


def test_pages_are_newest_first_and_walk_both_ways_by_key(bench, call):
    made = bench.leads(12)[::-1]
    assert keys(call("GET", "/leads")) == made[:10], "ten, unless asked otherwise"
    assert keys(call("GET", "/leads", params={"limit": 4, "starting_after": made[3]})) == made[4:8]
    assert keys(call("GET", "/leads", params={"limit": 4, "ending_before": made[6]})) == made[2:6]
    assert call("GET", "/leads", params={"limit": 4, "starting_after": made[7]}).json()["data"]["has_more"] is False
    assert keys(call("GET", "/leads", params={"order_by": "created_at", "limit": 2})) == made[:-3:-1]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0}, {"limit": 251}, {"limit": "x"}, {"order_by": "name"}, {"order_by": "updated_at"},
        {"starting_after": "lead_none"}, {"min_updated": "2027-01-01"},
    ],
    ids=str,
)  # fmt: skip
def test_a_query_that_is_not_allowed_is_a_400(bench, call, query):
    bench.leads(1)
    assert call("GET", "/leads", params=query).status_code == 400


def test_both_cursors_at_once_are_refused(bench, call):
    [one] = bench.leads(1)
    answer = call("GET", "/leads", params={"starting_after": one, "ending_before": one})
    assert answer.status_code == 400
    assert answer.json()["message"] == "starting_after and ending_before are mutually exclusive"


def test_partnerships_are_ordered_by_change_and_found_by_three_keys(bench, call):
    first = bench.partner("a1")
    bench.clock.advance(timedelta(hours=1))
    second = bench.partner("b2")
    bench.clock.advance(timedelta(hours=1))
    bench.account.patch("partnerships", first, {"tags": ["x"]}, test=False)
    assert keys(call("GET", "/partnerships", params={"order_by": "-updated_at", "limit": 2})) == [first, second]
    for key in (first, "a1", "ops@a1.example"):
        assert call("GET", f"/partnerships/{key}").json()["data"]["key"] == first


def test_times_filter_in_milliseconds_and_only_where_documented(make_bench):
    bench = make_bench()
    bench.partner()
    keys_made = bench.leads(3)
    rows = [bench.app.store["leads"].get(k) for k in keys_made]
    with httpx.Client(base_url=f"{bench.url}/api/v2", auth=LIVE, timeout=5) as client:
        then = rows[1]["created_at"]
        assert keys(client.get("/leads", params={"min_created": then, "max_created": then})) == [keys_made[1]]
        bench.app.load("rewards", [{"amount": 1}])
        far = {"min_updated": 9_999_999_999_999}
        assert len(keys(client.get("/rewards", params=far))) == 1, "ignored"
        bench.app.switch(refuse_unknown_filters=True)
        assert client.get("/rewards", params=far).status_code == 400


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        ("/leads", {"status": "open"}, "partner_key"),
        ("/leads", {**LEAD, "status": "won"}, "status"),
        ("/leads", {**LEAD, "partner_key": "nobody"}, "partner_key"),
        ("/leads", {**LEAD, "amount": 12.5}, "amount"),
        ("/leads", {**LEAD, "meta": "x"}, "meta"),
        ("/leads", [1], "object"),
        ("/deals", {**DEAL, "stage": "Nowhere"}, "stage"),
        ("/deals", {**DEAL, "close_date": "soon"}, "close_date"),
        ("/partnerships", {"email": "a" * 250 + "@b.example"}, "email"),
        ("/partnerships", {"email": "a@b.example", "first_name": "n" * 51}, "first_name"),
        ("/transactions", {**SALE, "customer_key": "c"}, "exactly one"),
        ("/transactions", {**SALE, "currency": "EURO"}, "currency"),
        ("/transactions", {**SALE, "amount": 50_000_000_001}, "amount"),
        ("/transactions", {**SALE, "key": "abc"}, "key"),
        ("/transactions", {**SALE, "metadata": {f"n{i}": 1 for i in range(26)}}, "metadata"),
        ("/transactions", {**SALE, "metadata": {"n": "v" * 101}}, "metadata"),
    ],
)
def test_a_bad_body_is_refused_in_words(bench, call, path, body, word):
    answer = call("POST", path, json=body)
    assert answer.status_code == 400
    assert word in answer.json()["message"]


def test_a_sale_needs_its_customer_and_earns_a_reward_that_a_test_sale_does_not(bench, call):
    assert call("POST", "/transactions", json=SALE).status_code == 404
    for email, partner in (("buy@haus.example", "nordwind"), ("t@haus.example", "gstest")):
        call("POST", "/customers", json={"email": email, "partner_key": partner})
    sale = call("POST", "/transactions", json={**SALE, "key": "inv-1", "amount": 5000}).json()["data"]
    assert (sale["currency"], sale["customer"]["email"]) == ("EUR", "buy@haus.example")
    assert bench.partners.reward("inv-1")["amount"] == 500
    test_sale = {"key": "inv-t", "amount": 5000, "test": True, "customer": {"partner_key": "gstest"}}
    bench.app.load("transactions", [test_sale])
    assert bench.partners.reward("inv-t") is None


def test_test_keys_see_and_make_test_rows_only(bench, call):
    call("POST", "/leads", json=LEAD)
    with httpx.Client(base_url=f"{bench.url}/api/v2", auth=TEST, timeout=5) as client:
        assert keys(client.get("/leads")) == []
        assert client.post("/leads", json=LEAD).status_code == 400
        made = client.post("/leads", json={**LEAD, "partner_key": "gstest"}).json()["data"]
    assert made["test"] is True
    assert made["key"] in keys(call("GET", "/leads"))
    bench.app.switch(production_lists_test_rows=False)
    assert made["key"] not in keys(call("GET", "/leads"))


@pytest.mark.parametrize("auth", [None, ("pk_live_emulated", "wrong"), ("", "")])
def test_other_keys_are_not_let_in(bench, auth):
    assert httpx.get(f"{bench.url}/api/v2/leads", auth=auth).status_code == 401
    assert httpx.get(f"{bench.url}/api/v2/leads", headers={"Authorization": "Bearer x"}).status_code == 401


def test_archived_rows_are_listed_only_when_asked_for(bench, call):
    one, other = bench.leads(2)
    assert call("DELETE", f"/leads/{one}").json()["data"]["archived"] is True
    assert keys(call("GET", "/leads")) == [other]
    assert set(keys(call("GET", "/leads", params={"include_archived": "true"}))) == {one, other}
    assert call("PATCH", f"/leads/{one}", json={"amount": 1}).status_code == 404
    assert call("GET", f"/leads/{one}").status_code == 200
    bench.app.switch(archived_is_gone=True)
    assert call("GET", f"/leads/{one}").status_code == 404


def test_another_process_loads_rows_and_plays_the_partner(bench):
    with Control(bench.url) as control:
        control.do("load", name="partnerships", rows=[{"partner_key": "west", "email": "w@west.example"}])
        lead = control.do("submit_lead", partner_key="west", values={"meta": {"last_name": "Wei"}})
        control.do("answer", lead_key=lead["key"], accepted=True)
        control.do("progress", lead_key=lead["key"], status="closed won", amount=900)
        deal = control.do("register_deal", partner_key="west", values={"account_name": "Haus"})
        control.do("edit_deal", deal_key=deal["key"], values={"stage": "Closed Lost", "lost_reason": "price"})
        control.do("switch", create_status=201)
        rows = control.snapshot()
    assert [(r["approved"], r["status"], r["amount"]) for r in rows["leads"]] == [(True, "closed won", 900)]
    assert [(r["source"], r["stage"]) for r in rows["deals"]] == [("partner", "Closed Lost")]
    assert bench.account.switches["create_status"] == 201


def test_the_declaration_builds_a_loaded_app_and_knows_its_assumptions():
    assert load_emulator("prm_sync_partnerstack.emulator:EMULATOR") is EMULATOR
    app = EMULATOR.build({"switches": {"unique_external_key": True}, "load": {"partnerships": [{"partner_key": "a"}]}})
    assert len(app.store["partnerships"]) == 2
    assert "unique_external_key" in EMULATOR.assumed
    assert set(EMULATOR.credentials("http://x")) == {"base_url", "public_key", "secret_key"}
    with pytest.raises(ConfigError):
        EMULATOR.build({"switches": {"nonsense": 1}})


def test_the_pace_lets_a_second_of_calls_through_and_then_one_by_one():
    now, slept = [100.0], []

    def sleep(s):
        slept.append(round(s, 3))
        now[0] += s

    counting = CountingBudget()
    budget = PacedBudget(counting, 4, clock_s=lambda: now[0], sleep=sleep)
    for _ in range(7):
        budget.take("calls")
    assert slept == [0.25, 0.25], "four at once and the one that is due, then a quarter of a second each"
    assert counting.taken == 7
