"""Writing: match before create, unknown outcomes, one outcome each and in order, refusals by table."""

from __future__ import annotations

from collections import Counter

import pytest

from prm_sync.connect import Change, Done, Misconfigured, RateLimited, Refused, Unavailable

LEADS = "/api/v2/leads"


def lead(n, **values):
    """A lead as a push makes it: matched by our id."""
    made = {"partner_key": "nordwind", "status": "open", "meta": {"first_name": f"Li {n}"}, **values}
    return Change("upsert", f"t{n}", {"external_key": f"crm-{n}", **made}, match=("external_key", f"crm-{n}"))


def write(bench, name, changes, **config):
    with bench.open(**config) as session:
        return session.write(session.discover([name])[0], changes)


def external_keys(bench):
    return Counter(row["external_key"] for row in bench.app.store["leads"].rows())


def test_a_lead_is_made_once_and_matched_afterwards(bench):
    [first] = write(bench, "leads", [lead(1)])
    [second] = write(bench, "leads", [lead(1, amount=700)])
    assert isinstance(first, Done)
    assert first.created
    assert second == Done(first.remote_id, created=False)
    row = bench.app.store["leads"].get(first.remote_id)
    assert row["amount"] == 700
    assert row["partnership_key"].startswith("part_")


def test_a_lead_that_is_there_as_wanted_costs_no_write(bench):
    write(bench, "leads", [lead(1)])
    bench.forget_calls()
    assert isinstance(write(bench, "leads", [lead(1)])[0], Done)
    assert bench.calls.writes() == []


@pytest.mark.parametrize("road", ["path", "list", "path_then_list"])
def test_a_create_whose_answer_is_lost_after_it_was_applied_is_not_made_again(bench, road):
    bench.faults.lose_answer(method="POST", delay_s=0)
    with pytest.raises(Unavailable):
        write(bench, "leads", [lead(1)], match_by=road)
    assert external_keys(bench) == {"crm-1": 1}, "it was applied"
    with bench.open(match_by=road) as session:
        [found] = session.fetch(session.discover(["leads"])[0], "external_key", ["crm-1"], ["status"])
    assert found["status"] == "open"
    [again] = write(bench, "leads", [lead(1)], match_by=road)
    assert again == Done(found["key"], created=False)
    assert external_keys(bench) == {"crm-1": 1}


def test_without_the_match_the_same_retry_makes_a_duplicate(bench):
    """The account does not guard external keys (assumed): what the look-up is for."""
    for n in range(2):
        change = lead(1)
        write(bench, "leads", [Change("upsert", f"t{n}", change.values)])
    assert external_keys(bench) == {"crm-1": 2}


def test_one_unknown_outcome_does_not_hide_the_known_ones(bench):
    bench.faults.lose_answer(method="POST", skip=2, delay_s=0)
    outcomes = write(bench, "leads", [lead(n) for n in range(6)], match_by="path")
    unknown = [o for o in outcomes if isinstance(o, Refused)]
    assert [(o.code, o.retry) for o in unknown] == [("unknown", True)]
    assert len([o for o in outcomes if isinstance(o, Done)]) == 5
    again = write(bench, "leads", [lead(n) for n in range(6)])
    assert all(isinstance(o, Done) and not o.created for o in again)
    assert set(external_keys(bench).values()) == {1}


def test_a_match_is_found_where_addresses_do_not_take_external_keys(make_bench):
    bench = make_bench(path_takes_external_key=False)
    bench.partner()
    first = write(bench, "leads", [lead(n) for n in range(3)])
    bench.forget_calls()
    second = write(bench, "leads", [lead(n, amount=n) for n in range(3)])
    assert [o.remote_id for o in second] == [o.remote_id for o in first]
    bench.settled_calls()
    assert bench.calls.count("GET", LEADS) == 1, "one look through the newest rows for the whole batch"


def test_once_a_hit_by_address_was_seen_a_miss_is_believed(bench):
    write(bench, "leads", [lead(1)])
    with bench.open() as session:
        stream = session.discover(["leads"])[0]
        session.write(stream, [lead(1, amount=1)])  # a hit by address
        bench.forget_calls()
        session.write(stream, [lead(2), lead(3)])
    bench.settled_calls()
    assert bench.calls.count("GET", LEADS) == 0
    assert bench.calls.count("GET", LEADS + "/{key}") == 2


def test_a_list_road_sees_no_further_than_its_pages(bench):
    bench.app.load("leads", [{"external_key": f"old-{n}", "partner_key": "nordwind"} for n in range(5)])
    with bench.open(match_by="list", match_scan_pages=2, page_size=2) as session:
        stream = session.discover(["leads"])[0]
        found = session.fetch(stream, "external_key", ["old-4", "old-1", "old-0"], ["key"])
    assert [f is not None for f in found] == [True, True, False]


def test_an_archived_lead_is_no_match(bench):
    [first] = write(bench, "leads", [lead(1)])
    bench.account.archive("leads", first.remote_id)
    [second] = write(bench, "leads", [lead(1)])
    assert second.created
    assert second.remote_id != first.remote_id


@pytest.mark.parametrize("create_status", [200, 201])
def test_both_statuses_of_a_create_are_good(make_bench, create_status):
    bench = make_bench(create_status=create_status)
    bench.partner()
    assert write(bench, "leads", [lead(1)])[0].created


def test_a_create_that_lost_a_race_for_the_key_becomes_a_patch(make_bench):
    bench = make_bench(unique_external_key=True)
    bench.partner()
    row = {"external_key": "crm-1", "partner_key": "nordwind", "meta": {}}
    bench.faults.run(lambda: bench.app.load("leads", [row]), method="POST")  # another writer, just before us
    [outcome] = write(bench, "leads", [lead(1, amount=9)])
    assert isinstance(outcome, Done)
    assert not outcome.created
    assert bench.app.store["leads"].get(outcome.remote_id)["amount"] == 9
    assert external_keys(bench) == {"crm-1": 1}


def test_every_change_has_its_own_outcome_in_its_place(bench):
    bad = {3: {"partner_key": "nobody"}, 7: {"status": "maybe"}, 11: {"amount": 2**40}}
    outcomes = write(bench, "leads", [lead(n, **bad.get(n, {})) for n in range(20)], concurrency=8)
    assert [n for n, o in enumerate(outcomes) if isinstance(o, Refused)] == list(bad)
    assert all(o.code == "invalid" and not o.retry for n, o in enumerate(outcomes) if n in bad)
    assert outcomes[7].field == "status"
    for n, outcome in enumerate(outcomes):
        if n not in bad:
            assert bench.app.store["leads"].get(outcome.remote_id)["external_key"] == f"crm-{n}"


def test_changes_of_one_lead_in_one_batch_keep_their_order_and_make_one_lead(bench):
    for _ in range(2):
        outcomes = write(bench, "leads", [lead(1, amount=n) for n in range(8)] + [lead(2)], concurrency=8)
        assert len({o.remote_id for o in outcomes[:8]}) == 1
        assert bench.app.store["leads"].get(outcomes[0].remote_id)["amount"] == 7
    assert external_keys(bench) == {"crm-1": 1, "crm-2": 1}


def test_a_refusal_does_not_repeat_what_was_sent(bench):
    [outcome] = write(bench, "deals", [Change("upsert", "t", {
        "account_name": "Haus Ltd", "partner_key": "nordwind", "stage": "Daydreaming", "amount": 4})])  # fmt: skip
    assert outcome.field == "stage"
    assert "Qualified" in outcome.message
    assert "Daydreaming" not in outcome.message


@pytest.mark.parametrize("replaces", [False, True])
def test_a_patch_of_one_nested_value_keeps_the_others_either_way(make_bench, replaces):
    bench = make_bench(patch_replaces_nested=replaces)
    bench.partner()
    [made] = write(bench, "leads", [lead(1, meta={"first_name": "Li", "email": "li@haus.example"})])
    write(bench, "leads", [Change("upsert", "t2", {"meta": {"phone": "+49301"}}, remote_id=made.remote_id)])
    meta = bench.app.store["leads"].get(made.remote_id)["meta"]
    assert meta == {"first_name": "Li", "email": "li@haus.example", "phone": "+49301"}


def test_fields_are_kept_whole_where_the_values_stand_in_field_data(make_bench):
    bench = make_bench(patch_replaces_nested=True, fields_as_list=True)
    bench.partner()
    [made] = write(bench, "leads", [lead(1, fields={"product": "Pump"})])
    write(bench, "leads", [Change("upsert", "t2", {"fields": {"stage": "visited"}}, remote_id=made.remote_id)])
    assert bench.app.store["leads"].get(made.remote_id)["fields"] == {"product": "Pump", "stage": "visited"}


def test_none_clears_a_field(bench):
    [made] = write(bench, "leads", [lead(1, amount=5)])
    write(bench, "leads", [Change("upsert", "t", {"amount": None}, remote_id=made.remote_id)])
    assert bench.app.store["leads"].get(made.remote_id)["amount"] is None


def test_an_archive_is_done_once_and_done_again(bench):
    [made] = write(bench, "leads", [lead(1)])
    gone = Change("delete", "t", {}, remote_id=made.remote_id)
    assert write(bench, "leads", [gone]) == [Done(made.remote_id, created=False)]
    assert write(bench, "leads", [gone]) == [Done(made.remote_id, created=False)]
    assert bench.app.store["leads"].get(made.remote_id)["archived"] is True
    with bench.open() as session:
        assert session.fetch(session.discover(["leads"])[0], "key", [made.remote_id], ["key"]) == [None]


def test_a_patch_of_what_is_gone_is_refused(bench):
    [outcome] = write(bench, "leads", [Change("upsert", "t", {"amount": 1}, remote_id="lead_none")])
    assert (outcome.code, outcome.retry) == ("not_found", False)


@pytest.mark.parametrize("how", ["conflict", "invalid", "same"])
def test_a_transaction_is_made_once_by_its_key(make_bench, how):
    bench = make_bench(repeated_transaction=how)
    bench.partner()
    customer = {"customer_key": "crm-a1", "email": "buy@haus.example", "partner_key": "nordwind"}
    change = Change("upsert", "c", customer, match=("customer_key", "crm-a1"))
    assert write(bench, "customers", [change])[0].created
    sale = {"key": "inv-1", "customer_external_key": "crm-a1", "amount": 129900, "currency": "EUR"}
    bench.faults.lose_answer(method="POST", delay_s=0)
    outcomes = write(bench, "transactions", [Change("upsert", "s", sale)], attempts=2)
    outcomes += write(bench, "transactions", [Change("upsert", "s", sale, match=("key", "inv-1"))])
    assert [o.remote_id for o in outcomes] == ["inv-1", "inv-1"]
    assert len(bench.app.store["transactions"]) == 1
    with bench.open() as session:
        stream = session.discover(["transactions"])[0]
        found = session.fetch(stream, "key", ["inv-1", "inv-2"], ["amount"])
    assert [f and f["amount"] for f in found] == [129900, None]


def test_a_bad_transaction_is_refused_and_a_made_one_cannot_be_changed(bench):
    both = {"key": "inv-1", "customer_email": "a@b.example", "customer_key": "c", "amount": 1, "currency": "EUR"}
    refused, fixed = write(bench, "transactions", [
        Change("upsert", "t1", both), Change("upsert", "t2", {"amount": 2}, remote_id="inv-9")])  # fmt: skip
    assert refused.code == "invalid"
    assert fixed.code == "immutable"


def test_a_customer_is_found_by_mail_without_regard_to_case(bench):
    bench.app.load("customers", [{"email": "buy@haus.example", "partner_key": "nordwind", "customer_key": "k1"}])
    change = Change("upsert", "t", {"name": "Haus"}, match=("email", "buy@haus.example"))
    [outcome] = write(bench, "customers", [change])
    assert isinstance(outcome, Done)
    assert not outcome.created


def test_partner_tags_and_fields_are_written_back(bench):
    values = {"tags": ["gold"], "fields": {"prm_sync_id": "p1"}}
    change = Change("upsert", "t", values, match=("partner_key", "nordwind"))
    [outcome] = write(bench, "partnerships", [change])
    row = bench.app.store["partnerships"].get(outcome.remote_id)
    assert (row["tags"], row["fields"]) == (["gold"], {"prm_sync_id": "p1"})


def test_wrong_keys_stop_the_batch_and_nothing_is_sent_twice(bench):
    with pytest.raises(Misconfigured):
        write(bench, "leads", [lead(n) for n in range(30)], secret_key="sk_wrong", match_by="path", concurrency=2)
    assert not bench.app.store["leads"].rows()


def test_a_rate_limit_in_the_middle_leaves_the_rest_unsent_and_says_so(bench):
    bench.faults.status(429, method="POST", skip=3, times=None, retry_after_s=400)
    outcomes = write(bench, "leads", [lead(n) for n in range(10)], concurrency=1, match_by="path")
    told = [o.code if isinstance(o, Refused) else "done" for o in outcomes]
    assert told == ["done"] * 3 + ["limited"] + ["not_sent"] * 6
    assert all(o.retry for o in outcomes if isinstance(o, Refused))
    assert sum(external_keys(bench).values()) == 3
    with pytest.raises(RateLimited):
        write(bench, "leads", [lead(50), lead(51), lead(52)], match_by="path")


def test_what_a_partner_answers_and_sells_is_read_back(bench):
    [made] = write(bench, "leads", [lead(1)])
    first = bench.pull("leads")
    bench.partners.answer(made.remote_id, accepted=False, reason="no capacity", at=1_900_000_000_000)
    row = bench.pull("leads", first.cursor).records[made.remote_id]
    assert (row["approved"], row["status"]) == (False, "open")
    assert row["fields"] == {"answered_at": 1_900_000_000_000, "decline_reason": "no capacity"}
    bench.partners.answer(made.remote_id, accepted=True)
    bench.partners.progress(made.remote_id, status="closed won", stage="signed", amount=480_000)
    row = bench.pull("leads", first.cursor).records[made.remote_id]
    assert (row["approved"], row["status"], row["amount"]) == (True, "closed won", 480_000)
    deal = bench.partners.register_deal("nordwind", {"account_name": "Haus", "amount": 100})
    assert bench.pull("deals").records[deal["key"]]["source"] == "partner"


def test_a_lead_that_goes_to_another_partner_loses_the_first_answer(bench):
    bench.partner("suedwind")
    [made] = write(bench, "leads", [lead(1, fields={"product": "Pump"})])
    bench.partners.answer(made.remote_id, accepted=False, reason="no capacity")
    write(bench, "leads", [lead(1, partner_key="suedwind")])
    row = bench.app.store["leads"].get(made.remote_id)
    assert (row["partner_key"], row["approved"], row["fields"]) == ("suedwind", None, {"product": "Pump"})


def test_a_deal_is_made_changed_and_archived_by_its_external_key(bench):
    values = {"partner_key": "nordwind", "account_name": "Haus", "stage": "Qualified", "close_date": "2027-06-30"}
    match = ("external_key", "opp-1")
    [made] = write(bench, "deals", [Change("upsert", "t1", values, match=match)])
    assert bench.app.store["deals"].get(made.remote_id)["external_key"] == "opp-1"
    [moved] = write(bench, "deals", [Change("upsert", "t2", {"stage": "Closed Won"}, match=match)])
    [gone] = write(bench, "deals", [Change("delete", "t3", {}, match=match)])
    assert moved == gone == Done(made.remote_id, created=False)
    assert bench.app.store["deals"].get(made.remote_id)["stage"] == "Closed Won"
    assert bench.pull("deals").deleted == {made.remote_id}


def test_test_keys_make_test_rows_for_test_partners_only(bench):
    pair = {"public_key": "pk_test_emulated", "secret_key": "sk_test_emulated_9d27aa", "environment": "test"}
    good, bad = write(bench, "leads", [lead(1, partner_key="gstest"), lead(2)], **pair)
    assert isinstance(bad, Refused)
    assert bench.app.store["leads"].get(good.remote_id)["test"] is True
    assert bench.pull("leads").records[good.remote_id]["test"] is True


def test_hidden_values_do_not_reach_the_log(bench, caplog):
    caplog.set_level("DEBUG")
    write(bench, "leads", [lead(1, meta={"email": "secret.person@haus.example"}), lead(2, status="maybe")])
    with bench.open() as session:
        session.fetch(session.discover(["partnerships"])[0], "email", ["ops@nordwind.example"], ["key"])
    assert caplog.records
    for record in caplog.records:
        text = f"{record.getMessage()} {record.__dict__}"
        assert not any(s in text for s in ("secret.person", "ops@nordwind", "sk_live_emulated", "crm-1"))
