"""Who decides a field: the rules, and a machine of hypothesis that lets two systems, people and our writes at it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from prm_sync.canonical.model import Entity, Field, Kind, Merge
from prm_sync.rules.authority import AGREED, DECIDED, Decision, Judged, flips, judge
from prm_sync.rules.reconcile import same
from prm_sync.rules.survivorship import UNCHANGED, Change, Member, Rule, merger

DAY = datetime(2026, 5, 1, tzinfo=UTC)
CITY = Entity("thing", "A thing with a city.", (Field("city", Kind.TEXT, ""), Field("name", Kind.TEXT, "")))
RULES = {
    "latest": Rule(Merge.LATEST), "review": Rule(Merge.LATEST),
    "crm": Rule(Merge.TRUSTED, ("crm", "prm")), "prm": Rule(Merge.TRUSTED, ("prm", "crm")),
}  # fmt: skip


def judged(by: str, *members: Member, decisions: Mapping[str, Decision] | None = None) -> Judged:
    merged = merger(CITY, ("crm", "prm"), {"city": RULES[by]})
    review = frozenset({"city"} if by == "review" else ())
    return judge(CITY, merged, {"city": by}, review)(members, decisions or {})


def city(by: str, *members: Member, decisions: Mapping[str, Decision] | None = None) -> Any:
    return judged(by, *members, decisions=decisions).golden[0][0]


def member(connection: str, value: str | None, at: int | None = None, before: Any = UNCHANGED) -> Member:
    changes = {} if at is None and before is UNCHANGED else {
        "city": Change(None if at is None else DAY + timedelta(days=at), before)
    }  # fmt: skip
    return Member(connection, "s", "1", (value, None), DAY, DAY, changes)


def test_one_system_that_changed_a_field_decides_it_under_review_and_by_time() -> None:
    old, new = member("crm", "Hà Nội"), member("prm", "Huế", 3, "Hà Nội")
    assert city("review", old, new) == city("latest", old, new) == city("prm", old, new) == "Huế"
    assert city("crm", old, new) == "Hà Nội"


@pytest.mark.parametrize(("by", "winner"), [("latest", "Vinh"), ("crm", "Huế"), ("prm", "Vinh")])
def test_two_that_changed_it_differently_are_decided_by_the_rule_and_told(by: str, winner: str) -> None:
    found = judged(by, member("crm", "Huế", 1, "Hà Nội"), member("prm", "Vinh", 2, "Hà Nội"))
    assert found.golden[0][0] == winner
    [clash] = found.clashes
    assert (clash.open, clash.winner, clash.agreed) == (False, winner, "Hà Nội")
    assert [(s.connection, s.value, s.before) for s in clash.sides] == [
        ("crm", "Huế", "Hà Nội"), ("prm", "Vinh", "Hà Nội"),
    ]  # fmt: skip


def test_under_review_the_agreed_value_stays_until_somebody_decides() -> None:
    sides = member("crm", "Huế", 1, "Hà Nội"), member("prm", "Vinh", 2, "Hà Nội")
    found = judged("review", *sides)
    assert (found.golden[0][0], found.golden[1]["city"], found.clashes[0].open) == ("Hà Nội", AGREED, True)
    seen = {s.name: s.changes["city"].at for s in sides if s.changes}
    decided = judged("review", *sides, decisions={"city": Decision("Đồng Hới", seen)})
    assert (decided.golden[0][0], decided.golden[1]["city"], decided.clashes) == ("Đồng Hới", DECIDED, ())


def test_a_field_that_was_empty_before_both_filled_it_stays_empty_under_review() -> None:
    found = judged("review", member("crm", "Huế", 1, None), member("prm", "Vinh", 2, None))
    assert (found.golden[0][0], "city" in found.golden[1]) == (None, False)


def test_the_same_change_in_both_systems_is_no_clash() -> None:
    found = judged("review", member("crm", "Huế", 1, "Hà Nội"), member("prm", "Huế", 2, "Hà Nội"))
    assert (found.clashes, found.settled, found.golden[0][0]) == ((), ("city",), "Huế")


def test_a_change_that_was_taken_back_is_none() -> None:
    assert city("review", member("crm", "Hà Nội", 5, "Hà Nội"), member("prm", "Huế", 2, "Hà Nội")) == "Huế"


def test_what_only_repeats_us_is_never_the_latest() -> None:
    assert city("latest", member("crm", "Huế", 1, "Vinh"), member("prm", "Vinh").__class__(
        "prm", "s", "1", ("Vinh", None), DAY + timedelta(days=99), DAY, {"city": Change(None)}
    )) == "Huế"  # fmt: skip


def test_a_change_after_the_decision_counts_from_the_decision() -> None:
    crm, prm = member("crm", "Huế", 1, "Hà Nội"), member("prm", "Tam Kỳ", 9, "Hà Nội")
    seen = {"crm/s/1": DAY + timedelta(days=1), "prm/s/1": DAY + timedelta(days=2)}
    decisions = {"city": Decision("Huế", seen)}
    assert city("review", crm, prm, decisions=decisions) == "Tam Kỳ"
    assert city("crm", crm, prm, decisions=decisions) == "Huế"


def test_the_same_changes_are_the_same_conflict_and_others_another() -> None:
    sides = member("crm", "Huế", 1, "Hà Nội"), member("prm", "Vinh", 2, "Hà Nội")
    [one], [again] = judged("review", *sides).clashes, judged("review", *reversed(sides)).clashes
    [other] = judged("review", sides[0], member("prm", "Vinh", 3, "Hà Nội")).clashes
    assert one.id("x") == again.id("x") != other.id("x")
    assert one.id("x") != one.id("y")


@pytest.mark.parametrize(
    ("past", "wanted", "n"),
    [([], "a", 0), ([("a", "b")], "a", 1), ([("a", "b"), ("b", "a")], "b", 2), ([("a", "b"), ("b", "c")], "d", 0),
     ([("o", "w"), ("o", "w"), ("o", "w")], "w", 3), ([(None, {"x": 1}), (None, {"x": 2})], {"x": 1}, 1)],
)  # fmt: skip
def test_a_value_that_comes_back_is_counted(past: Any, wanted: Any, n: int) -> None:
    assert flips(past, wanted, same) == n


# --- any order, any number ---------------------------------------------------------------------------------------

values = st.sampled_from(["a", "b", "c", None])
changes = st.one_of(
    st.none(),
    st.builds(
        lambda at, before: {"city": Change(DAY + timedelta(days=at), before)}, st.integers(0, 3),
        st.one_of(st.just(UNCHANGED), values),
    ),
)  # fmt: skip
members_ = st.lists(
    st.builds(
        lambda c, i, v, ch: Member(c, "s", str(i), (v, None), DAY, DAY, ch), st.sampled_from(["crm", "prm", "erp"]),
        st.integers(0, 3), values, changes,
    ),
    min_size=1, max_size=5, unique_by=lambda m: m.name,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(members_, st.sampled_from(sorted(RULES)), st.randoms())
def test_the_verdict_does_not_depend_on_the_order_of_the_records(members: list[Member], by: str, rnd: Any) -> None:
    expected = judged(by, *members)
    shuffled = list(members)
    rnd.shuffle(shuffled)
    again = judged(by, *shuffled)
    assert again == expected
    assert [c.id("x") for c in again.clashes] == [c.id("x") for c in expected.clashes]


@settings(max_examples=300, deadline=None)
@given(members_, st.sampled_from(sorted(RULES)))
def test_a_value_is_some_records_own_or_the_agreed_one_and_open_means_review(members: list[Member], by: str) -> None:
    found = judged(by, *members)
    said = {m.values[0] for m in members} | {c.agreed for c in found.clashes}
    assert found.golden[0][0] in said
    assert all(c.open == (by == "review") for c in found.clashes)
    assert all(len({s.connection for s in c.sides}) == len(c.sides) >= 2 for c in found.clashes)


# --- two systems, people, and our writes -------------------------------------------------------------------------


class TwoSystems(RuleBasedStateMachine):
    """What the warehouse does with changes, in memory: who changed what since all agreed, and what is written back."""

    @initialize(by=st.sampled_from(sorted(RULES)))
    def begin(self, by: str) -> None:
        self.by, self.day = by, 0
        self.values: dict[str, Any] = {"crm": "a", "prm": "a"}
        self.changes: dict[str, Change] = {}
        self.decision: Decision | None = None

    def members(self) -> list[Member]:
        return [
            Member(c, "s", "1", (v, None), DAY, DAY, {"city": self.changes[c]} if c in self.changes else None)
            for c, v in self.values.items()
        ]

    def look(self) -> Judged:
        decisions = {"city": self.decision} if self.decision is not None else {}
        found = judged(self.by, *self.members(), decisions=decisions)
        if found.settled:
            self.changes = {c: Change(x.at) for c, x in self.changes.items()}
            self.decision = None
        return found

    @rule(who=st.sampled_from(["crm", "prm"]), value=st.sampled_from(["a", "b", "c", "d"]))
    def somebody_edits(self, who: str, value: str) -> None:
        if value == self.values[who]:
            return
        self.day += 1
        known = self.changes.get(who)
        before = known.before if known is not None and known.before is not UNCHANGED else self.values[who]
        self.values[who], self.changes[who] = value, Change(DAY + timedelta(days=self.day), before)

    @rule()
    def refine_and_push(self) -> None:
        found = self.look()
        if any(c.open for c in found.clashes):
            return
        for who in self.values:
            if self.values[who] != found.golden[0][0]:
                self.values[who], self.changes[who] = found.golden[0][0], Change(None)
        self.look()

    @rule(value=st.sampled_from(["a", "b", "z"]))
    def somebody_decides(self, value: str) -> None:
        for clash in self.look().clashes:
            if clash.open:
                self.decision = Decision(value, {s.record: s.at for s in clash.sides})
                assert self.look().golden[0][0] == value

    @rule()
    def two_pushes_bring_rest(self) -> None:
        self.refine_and_push()
        if not any(c.open for c in self.look().clashes):
            before = dict(self.values)
            assert len(set(before.values())) == 1, "both say the same after one push"
            self.refine_and_push()
            assert self.values == before, "and nothing moves without an edit"
            assert all(c.before is UNCHANGED for c in self.changes.values())

    @invariant()
    def nothing_is_made_up(self) -> None:
        if hasattr(self, "values") and self.decision is None:
            found = judged(self.by, *self.members())
            known = {*self.values.values(), *(c.before for c in self.changes.values())}
            assert found.golden[0][0] in known


TestTwoSystems = TwoSystems.TestCase
TestTwoSystems.settings = settings(
    max_examples=60, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
