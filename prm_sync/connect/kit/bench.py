"""The bench: the remote system under the author's hand, and how the checks look at a connector through it."""

from __future__ import annotations

import logging
import threading
import time
import traceback
import unittest
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from prm_sync.connect.protocol import (
    Budget,
    Change,
    Connector,
    Context,
    Cursor,
    Later,
    Outcome,
    Page,
    QuotaSpent,
    Record,
    Session,
    Settles,
    Stream,
)

HOUR_S = 3600.0
SETTLE_ROUNDS = 200


class NotApplicable(unittest.SkipTest):
    """The stream does not promise this, or the bench cannot show it."""


class Bench(Protocol):
    """What the author of a connector provides: an emulator, a recorded server, or a sandbox org; fresh for each check.

    Methods that answer bool may say False: "this bench cannot do that"; checks that need it are then not applicable.
    Any method may raise NotApplicable where the bench cannot do it at all (a folder of files answers no status).
    `secrets` are all secrets of both configs and all tokens; none may be seen in anything that the connector emits.
    """

    connector: Connector
    stream: str
    secrets: Sequence[str]
    roads: Sequence[str]  #: ways to read that must give the same records ("paged", "bulk"); empty: there is one

    def config(self, *, good: bool = True) -> Any:
        """The connector's config, with retries off (`attempts=1`) and time-outs of about a second, so that an injected
        fault is seen at once. `good=False`: credentials that are not accepted."""

    def seed(self, n: int) -> list[str]:
        """Makes n records; their ids. Several share one timestamp where the remote's clock is that coarse."""

    def touch(self, ids: Sequence[str]) -> None:
        """Changes these records in the remote."""

    def remove(self, ids: Sequence[str]) -> None:
        """Deletes these records in the remote, as its users would."""

    def count(self) -> int:
        """How many records the remote holds."""

    def calls(self) -> int:
        """How many calls reached the remote so far, of those that its limits count."""

    def logins(self) -> int:
        """How many logins the remote has seen so far."""

    def hold_clock(self) -> bool:
        """From now on all changes bear the same timestamp, until `advance`."""

    def advance(self, seconds: float) -> bool:
        """Moves the remote's clock, a held one too. A live bench waits until its last changes can be read: False."""

    def fail(self, status: int, retry_after_s: float | None = None) -> None:
        """The next call that is not a login is answered with this status; 429: with whatever this vendor says for too
        many calls, and, where `retry_after_s` is given, for how long."""

    def lose_answer(self) -> bool:
        """The next *write* is done, and its answer never comes."""

    def expire_token(self) -> bool:
        """The access token in use is not accepted from now on; a new login is."""

    def force_road(self, road: str) -> None:
        """From now on `config` leads to this way of reading."""

    def good_values(self, i: int) -> dict[str, Any]:
        """Values of a new record that the remote takes; another record for each i, with all `match_on` fields."""

    def bad_values(self) -> dict[str, Any]:
        """Values of a new record that the remote refuses."""


@runtime_checkable
class Merges(Protocol):
    """A bench whose remote can merge two records."""

    def merge(self, loser: str, winner: str) -> None:
        """Makes one record of both in the remote, as its users would: `winner` is left, `loser` is gone."""


@dataclass
class CountingBudget:
    """A budget with a given number of permits; it counts what is taken and keeps what it is told."""

    permits: float = float("inf")
    taken: int = 0
    learned: dict[str, tuple[int, float]] = field(default_factory=dict)  #: by limit: (left, resets_in_s)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, *limits: str, cost: int = 1) -> None:
        with self._lock:
            if not limits:
                return
            if self.taken + cost > self.permits:
                raise QuotaSpent(f"kit: our share of {', '.join(limits)} is used up")
            self.taken += cost

    def learn(self, limit: str, *, left: int, resets_in_s: float) -> None:
        self.learned[limit] = (left, resets_in_s)


def context(budget: Budget | None = None) -> Context:
    saved: dict[str, str] = {}
    return Context("kit", budget or CountingBudget(), logging.getLogger("prm_sync.kit"), saved.__setitem__)


@contextmanager
def opened(bench: Bench, budget: Budget | None = None) -> Iterator[tuple[Session, Stream]]:
    with bench.connector.open(bench.config(), context(budget)) as session:
        yield session, session.discover([bench.stream])[0]


def stream_of(bench: Bench) -> Stream:
    with opened(bench) as (_, stream):
        return stream


def names_of(stream: Stream) -> list[str]:
    return [f.name for f in stream.fields]


def seeded(bench: Bench, n: int) -> list[str]:
    """n new records, old enough to be seen by a reader that stops short of the remote's present moment."""
    ids = bench.seed(n)
    bench.advance(HOUR_S)
    return ids


def touched(bench: Bench, ids: Sequence[str]) -> None:
    bench.touch(ids)
    bench.advance(HOUR_S)


def pages_of(bench: Bench, cursor: Cursor | None, budget: Budget | None = None) -> Iterator[Page]:
    with opened(bench, budget) as (session, stream):
        yield from session.read(stream, cursor, names_of(stream))


def gone(row_id: str) -> str:
    """The key under which `replay` holds that a record was told to be gone."""
    return f"{row_id}#gone"


def replay(
    bench: Bench, cursor: Cursor | None, *, stop_after: int | None = None
) -> tuple[dict[str, Record | None], Cursor | None]:
    """What an engine holds that stages pages and commits cursors, killed after `stop_after` pages; its cursor."""
    held: dict[str, Record | None] = {}
    key = stream_of(bench).key
    for n, page in enumerate(pages_of(bench, cursor)):
        if n == stop_after:
            break
        held.update({str(record[key]): record for record in page.records})
        for row_id in page.deleted:
            held.pop(row_id, None)
            held[gone(row_id)] = None
        cursor = page.cursor or cursor
    return held, cursor


def settled(session: Session, stream: Stream, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes once all jobs are through."""
    held = list(outcomes)
    for _ in range(SETTLE_ROUNDS):
        waiting = [(i, o) for i, o in enumerate(held) if isinstance(o, Later)]
        if not waiting:
            return held
        assert isinstance(session, Settles), "the session answers Later, but cannot settle"
        ticket = waiting[0][1].ticket
        mine = [i for i, o in waiting if o.ticket == ticket]
        results = session.settle(stream, ticket)
        assert len(results) == len(mine), f"a job of {len(mine)} changes settled with {len(results)} outcomes"
        for i, outcome in zip(mine, results, strict=True):
            held[i] = outcome
        if isinstance(results[0], Later):
            time.sleep(min(results[0].after_s, 0.1))
    raise AssertionError(f"a job did not end in {SETTLE_ROUNDS} rounds")


def written(session: Session, stream: Stream, *changes: Change) -> list[Outcome]:
    return settled(session, stream, session.write(stream, changes))


def upsert(stream: Stream, token: str, values: Record) -> Change:
    """A change that makes the record, matched before by the stream's first match field where it has one."""
    by = stream.match_on[0] if stream.match_on else None
    return Change("upsert", token, values, match=(by, str(values[by])) if by else None)


def writable(stream: Stream) -> Stream:
    if not stream.write_batch:
        raise NotApplicable(f"{stream.name} is read only")
    return stream


def matchable(stream: Stream) -> Stream:
    """Raises NotApplicable where the stream is read only, or a repeated create cannot meet the first one."""
    if not writable(stream).match_on:
        raise NotApplicable(f"{stream.name} has no field to match on")
    return stream


class _Keep(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        raised = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
        self.texts.append(f"{record.getMessage()} {record.__dict__} {raised}")


@contextmanager
def captured_logs() -> Iterator[list[str]]:
    """All that is logged meanwhile, by anyone, from DEBUG on: each record's message, extras and traceback."""
    root, keep = logging.getLogger(), _Keep()
    level = root.level
    root.addHandler(keep)
    root.setLevel(logging.DEBUG)
    try:
        yield keep.texts
    finally:
        root.setLevel(level)
        root.removeHandler(keep)
