"""Survivorship by policy and by the fields' own times, against a slow answer of its own; and a machine of changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from prm_sync.canonical.model import Entity, Field, Kind, Merge
from prm_sync.rules.survivorship import Change, Member, Rule, golden, merger

DAY = datetime(2026, 5, 1, tzinfo=UTC)
NEVER = datetime.min.replace(tzinfo=UTC)
FIELDS = ("a", "b", "c")
THING = Entity("thing", "A thing.", tuple(Field(f, Kind.TEXT, "") for f in FIELDS))
PRICED = Entity(
    "priced", "A thing with a price.",
    (Field("price", Kind.MONEY, "", given="currency"), Field("currency", Kind.CURRENCY, "")),
)  # fmt: skip
TRUST = ("crm", "prm", "erp")


def day(n: int | None) -> datetime | None:
    return None if n is None else DAY + timedelta(days=n)


def expected(members: list[Member], i: int, rule_: Rule) -> Any:
    """What survives, the slow way: all candidates, ranked by one tuple each."""
    said = [m for m in members if m.values[i] not in (None, "")]
    if not said:
        return None

    def at(m: Member) -> datetime:
        change = (m.changes or {}).get(FIELDS[i])
        return (change.at if change is not None else m.changed_at) or NEVER

    trust = list(rule_.trust or TRUST)
    firsts = {
        Merge.LATEST: lambda m: (), Merge.LONGEST: lambda m: (-len(m.values[i]),),
        Merge.TRUSTED: lambda m: (trust.index(m.connection) if m.connection in trust else 99,),
        Merge.OLDEST: lambda m: (),
        Merge.FREQUENT: lambda m: (-sum(o.values[i] == m.values[i] for o in said),),
    }  # fmt: skip
    ordered = sorted(said, key=lambda m: m.name)
    if rule_.merge is Merge.OLDEST:
        return min(ordered, key=lambda m: m.first_at or datetime.max.replace(tzinfo=UTC)).values[i]
    latest = sorted(ordered, key=at, reverse=True)
    return min(latest, key=firsts[rule_.merge]).values[i]


days = st.one_of(st.none(), st.integers(0, 3))
rules_ = st.builds(
    Rule, st.sampled_from([Merge.LATEST, Merge.TRUSTED, Merge.LONGEST, Merge.OLDEST, Merge.FREQUENT]),
    st.permutations(TRUST).map(lambda p: tuple(p[:2])) | st.just(()),
)  # fmt: skip
members_ = st.lists(
    st.builds(
        lambda c, i, v, at, first, own: Member(
            c, "s", str(i), v, day(at), day(first), {f: Change(day(n)) for f, n in own.items()} or None
        ),
        st.sampled_from(TRUST), st.integers(0, 9),
        st.tuples(*[st.sampled_from([None, "", "x", "yy", "Huế", "上海市"])] * 3), days, days,
        st.dictionaries(st.sampled_from(FIELDS), days, max_size=3),
    ),
    min_size=1, max_size=6, unique_by=lambda m: m.name,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(members_, st.tuples(rules_, rules_, rules_), st.randoms())
def test_every_rule_gives_what_the_slow_way_gives_in_any_order(
    members: list[Member], chosen: tuple[Rule, ...], rnd: Any
) -> None:
    merged = merger(THING, TRUST, dict(zip(FIELDS, chosen, strict=True)))
    shuffled = list(members)
    rnd.shuffle(shuffled)
    found = merged(shuffled)
    assert found == merged(members)
    assert found[0] == tuple(expected(members, i, r) for i, r in enumerate(chosen))
    named = {m.name: m for m in members}
    assert all(named[source].values[FIELDS.index(f)] == found[0][FIELDS.index(f)] for f, source in found[1].items())


@settings(max_examples=100, deadline=None)
@given(members_)
def test_what_most_records_say_survives_and_a_further_voice_for_it_changes_nothing(members: list[Member]) -> None:
    merged = merger(THING, TRUST, {"a": Rule(Merge.FREQUENT)})
    winner = merged(members)[0][0]
    if winner is not None:
        more = Member("crm", "s", "one more", (winner, None, None), day(0), day(0))
        assert merged([*members, more])[0][0] == winner


def test_an_amounts_time_is_the_later_of_its_own_and_its_currencys() -> None:
    old = Member("crm", "s", "1", (100, "EUR"), day(5), day(0))
    repriced = Member("prm", "s", "2", (200, "EUR"), day(1), day(0), {"price": Change(day(9))})
    assert golden([old, repriced], PRICED, TRUST)[0] == (200, "EUR")
    echoed = Member("prm", "s", "2", (200, "EUR"), day(1), day(0), {"price": Change(None), "currency": Change(None)})
    assert golden([old, echoed], PRICED, TRUST)[0] == (100, "EUR")
    by_trust = merger(PRICED, TRUST, {"currency": Rule(Merge.TRUSTED)})
    assert by_trust([old, repriced])[0] == (100, "EUR")


class Records(RuleBasedStateMachine):
    """Records of an entity come, change field by field and go; the golden record follows, whatever the order."""

    @initialize(chosen=st.tuples(rules_, rules_, rules_))
    def begin(self, chosen: tuple[Rule, ...]) -> None:
        self.rules = dict(zip(FIELDS, chosen, strict=True))
        self.merged = merger(THING, TRUST, self.rules)
        self.members: dict[str, Member] = {}
        self.day = 10

    @rule(c=st.sampled_from(TRUST), n=st.integers(0, 2), v=st.sampled_from(["x", "yy", "Đà Nẵng"]), at=days)
    def comes(self, c: str, n: int, v: str, at: int | None) -> None:
        made = Member(c, "s", str(n), (v, None, v.upper()), day(at), day(at))
        self.members.setdefault(made.name, made)

    @rule(pick=st.integers(0, 99), f=st.sampled_from(FIELDS), v=st.sampled_from([None, "z", "zzz"]))
    def changes(self, pick: int, f: str, v: str | None) -> None:
        if self.members:
            name = sorted(self.members)[pick % len(self.members)]
            m, i = self.members[name], FIELDS.index(f)
            self.day += 1
            values = (*m.values[:i], v, *m.values[i + 1 :])
            own = {**(m.changes or {}), f: Change(day(self.day))}
            self.members[name] = Member(m.connection, m.stream, m.remote_id, values, m.changed_at, m.first_at, own)
            if v is not None and self.rules[f].merge is Merge.LATEST:
                assert self.merged(list(self.members.values()))[0][i] == v

    @rule(pick=st.integers(0, 99))
    def goes(self, pick: int) -> None:
        if len(self.members) > 1:
            del self.members[sorted(self.members)[pick % len(self.members)]]

    @invariant()
    def the_golden_record_is_right(self) -> None:
        members = list(getattr(self, "members", {}).values())
        if members:
            found, _ = self.merged(members[::-1])
            assert found == tuple(expected(members, i, self.rules[f]) for i, f in enumerate(FIELDS))


TestRecords = Records.TestCase
TestRecords.settings = settings(max_examples=50, stateful_step_count=20, deadline=None)
