"""What every connector promises about writing."""

from __future__ import annotations

from prm_sync.connect.kit.bench import (
    HOUR_S,
    Bench,
    NotApplicable,
    matchable,
    names_of,
    opened,
    upsert,
    writable,
    written,
)
from prm_sync.connect.protocol import Change, Done, Fetches, Refused, Unavailable


def check_every_change_has_its_own_outcome(bench: Bench) -> None:
    with opened(bench) as (session, stream):
        writable(stream)
        changes = [
            upsert(stream, "t1", bench.good_values(1)),
            Change("upsert", "t2", bench.bad_values()),
            upsert(stream, "t3", bench.good_values(3)),
        ]
        before = bench.count()
        outcomes = written(session, stream, *changes)
    assert [type(o) for o in outcomes] == [Done, Refused, Done], f"one bad among three: {outcomes}"
    assert bench.count() == before + 2
    first, _, third = outcomes
    assert isinstance(first, Done)
    assert isinstance(third, Done)
    assert first.remote_id != third.remote_id, "two new records with one remote id"
    assert first.created, "a new record must be told as created"
    assert third.created, "a new record must be told as created"


def check_writing_twice_has_the_effect_of_once(bench: Bench) -> None:
    with opened(bench) as (session, stream):
        matchable(stream)
        change = upsert(stream, "t5", bench.good_values(5))
        before = bench.count()
        first, second = (written(session, stream, change)[0] for _ in range(2))
    assert isinstance(first, Done), f"a good change was not taken: {first}"
    assert isinstance(second, Done), f"the same change again was not taken: {second}"
    assert first.remote_id == second.remote_id, "the repeat met another record"
    assert not second.created, "the repeat made a second record"
    assert bench.count() == before + 1


def check_a_lost_answer_is_unknown_and_a_repeat_has_the_effect_of_once(bench: Bench) -> None:
    with opened(bench) as (session, stream):
        matchable(stream)
        change = upsert(stream, "t7", bench.good_values(7))
        before = bench.count()
        if not bench.lose_answer():
            raise NotApplicable("the bench cannot lose an answer")
        try:
            outcomes = written(session, stream, change)
        except Unavailable:
            outcomes = []
        assert not outcomes, f"a write whose answer is lost must raise Unavailable, it gave {outcomes}"
        assert bench.count() == before + 1, "the write was sent more than once, or the bench did not apply it"
        bench.advance(HOUR_S)
        again = written(session, stream, change)[0]
    assert isinstance(again, Done), f"the repeat was not taken: {again}"
    assert not again.created, "the repeat says that it made the record"
    assert bench.count() == before + 1, "the repeat made a second record"


def check_an_update_leaves_other_fields_alone(bench: Bench) -> None:
    with opened(bench) as (session, stream):
        writable(stream)
        if not isinstance(session, Fetches):
            raise NotApplicable("the session cannot fetch single records")
        values, other = bench.good_values(9), bench.good_values(10)
        loose = [
            name for name in values if name not in stream.match_on and values[name] != other.get(name, values[name])
        ]
        if not loose:
            raise NotApplicable("good_values differ in nothing but the match fields")
        made = written(session, stream, upsert(stream, "t9", values))[0]
        assert isinstance(made, Done), f"a good change was not taken: {made}"
        bench.advance(HOUR_S)
        before = session.fetch(stream, stream.key, [made.remote_id], names_of(stream))[0]
        update = Change("upsert", "t10", {loose[0]: other[loose[0]]}, remote_id=made.remote_id)
        done = written(session, stream, update)[0]
        assert isinstance(done, Done), f"an update of one field was not taken: {done}"
        assert (done.remote_id, done.created) == (made.remote_id, False), "an update must say which record it changed"
        bench.advance(HOUR_S)
        after = session.fetch(stream, stream.key, [made.remote_id], names_of(stream))[0]
    assert before is not None, "a record that was just made cannot be fetched"
    assert after is not None, "a record that was just changed cannot be fetched"
    lost = [name for name in values if name != loose[0] and before.get(name) != after.get(name)]
    assert not lost, f"an update of {loose[0]} changed {lost} too"
    assert before.get(loose[0]) != after.get(loose[0]), f"the update of {loose[0]} was told as done, but is not"


def check_a_delete_works_or_is_refused(bench: Bench) -> None:
    with opened(bench) as (session, stream):
        writable(stream)
        made = written(session, stream, upsert(stream, "t11", bench.good_values(11)))[0]
        assert isinstance(made, Done), f"a good change was not taken: {made}"
        before = bench.count()
        outcome = written(session, stream, Change("delete", "t12", {}, remote_id=made.remote_id))[0]
    if isinstance(outcome, Refused):
        assert not outcome.retry, "a delete that this stream never does must not be retried"
        assert bench.count() == before, "the delete was refused, but the record is gone"
    else:
        assert isinstance(outcome, Done), f"neither done nor refused: {outcome}"
        assert bench.count() == before - 1, "the delete was told as done, but the record is still there"
