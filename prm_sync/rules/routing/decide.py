"""Routing: leads to partners. `deal` for many leads in columns, `route` with every candidate of every lead."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from prm_sync.rules.routing.board import Batch, Board, reasons
from prm_sync.rules.routing.deadlines import Deadlines
from prm_sync.rules.routing.eligibility import Rule
from prm_sync.rules.routing.facts import CAPACITY, POINTS, Candidate, Decision, LeadFacts, Ledger, Outcome, PartnerFacts
from prm_sync.rules.routing.policy import RoutingPolicy
from prm_sync.rules.routing.roster import LOT, LOT_AT, NOBODY, LeadClass

EVERYBODY = 200  #: with more partners a decision names those who might have had the lead; the others are only counted
RUNNERS_UP = 50  #: ... and of these so many


def route(
    leads: Iterable[LeadFacts], partners: Iterable[PartnerFacts], ledger: Ledger, policy: RoutingPolicy, now: datetime
) -> list[Decision]:
    """One decision for each lead, in their order. Leads choose by their priority, then by id, whatever that order is.

    `ledger` is not changed; `ledger.after(decisions)` is what the next call needs. `now` is aware.
    """
    asked = list(leads)
    board = Board(partners, ledger, policy, now)
    batch = Batch(board, asked)
    words = _Words(board)
    found: list[Decision | None] = [None] * len(asked)
    if policy.choice == "optimal":
        deal(batch)
        for n, lead in enumerate(asked):
            kind, rank = board.kinds[batch.kind_of[n]], batch.ranks[n]
            outcome: Outcome = kind.stopped or ("nobody" if rank < 0 else "optimal")
            found[n] = words.decision(lead, kind, rank, "relationship" if batch.related[n] else outcome)
    else:
        for n in batch.order:
            kind = board.kinds[batch.kind_of[n]]
            rank, outcome = board.pick(batch.ids[n], kind)
            found[n] = words.decision(asked[n], kind, rank, outcome)
            if rank >= 0:
                board.take(rank)
    return [d for d in found if d is not None]


def deal(batch: Batch) -> None:
    """Give every lead of a batch to a partner, or to nobody: the same as `route`, without words.

    Raises ConfigError where the policy's choice is `optimal` and OR-tools is not installed.
    """
    board = batch.board
    if board.policy.choice == "optimal":
        from prm_sync.rules.routing import optimal  # numpy and OR-tools: only for who asks for them

        optimal.deal(batch)
        return
    kinds, kind_of, ids, ranks, full = board.kinds, batch.kind_of, batch.ids, batch.ranks, batch.full
    pick, choose, take = board.pick, board.choose, board.take
    for n in batch.order:
        kind = kinds[kind_of[n]]
        if kind.closed:
            full[n] = kind.many
            continue
        if kind.owner == NOBODY:
            rank = choose(ids[n], kind) if kind.many else NOBODY
        else:
            rank, outcome = pick(ids[n], kind)
            batch.related[n] = outcome == "relationship"
        if rank < 0:
            kind.closed = True  # an offer is never taken back within a batch
            full[n] = kind.many
            continue
        ranks[n] = rank
        if kind.many > 1 and kind.full_of is not kind.roster.full:
            kind.full_of, kind.full = kind.roster.full, (kind.passed & kind.roster.full).bit_count()
        full[n] = kind.full
        take(rank)


def score_of_best(
    leads: Iterable[LeadFacts], partners: Iterable[PartnerFacts], ledger: Ledger, policy: RoutingPolicy, now: datetime
) -> tuple[float, int]:
    """What the choice `best` would come to: the sum of scores by the load at the beginning, and leads given."""
    batch = Batch(Board(partners, ledger, policy.model_copy(update={"choice": "best"}), now), leads)
    deal(batch)
    return batch.points() / POINTS, sum(rank >= 0 for rank in batch.ranks)


class _Words:
    """Decisions in words, as the board stands."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._deadlines = Deadlines(board.policy, board.now)
        self._all = len(board.partners) <= EVERYBODY
        self._ruled_out: dict[int, tuple[Candidate, ...]] = {}
        self._verdicts: dict[tuple[int, str, object], Candidate] = {}

    def decision(self, lead: LeadFacts, kind: LeadClass, rank: int, outcome: Outcome) -> Decision:
        board, policy = self._board, self._board.policy
        winner = kind.roster.row(rank) if rank >= 0 else None
        considered = self._considered(kind, rank) if kind.stopped is None else ()
        full = sum(c.code == CAPACITY for c in considered)
        outscored = len(considered) - full - (winner is not None)
        counts = reasons(board.codes, kind.failed, full, outscored)
        if not self._all:
            considered = tuple(sorted(considered, key=lambda c: (c is not winner, -(c.score or 0)))[:RUNNERS_UP])
        queue = None
        if winner is None and outcome not in ("test", "status"):
            queue = policy.queues.of(next(iter(counts), outcome) if outcome == "nobody" else outcome)
        return Decision(
            lead.id, winner and winner.partner_id, winner and winner.score, outcome, self._note(lead, outcome),
            considered, self._others(lead, kind) if self._all and kind.stopped is None else (), counts, queue,
            policy.version, board.now, *self._until(lead, board.partners[rank >> LOT_AT & LOT] if winner else None),
        )  # fmt: skip

    def _until(self, lead: LeadFacts, partner: PartnerFacts | None) -> tuple[datetime, datetime | None]:
        """When the partner is to have answered, and to be done with it."""
        answer, resolve = self._board.policy.answer_within_h(lead), self._board.policy.resolve_within_h(lead)
        return self._deadlines.of(partner, answer), self._deadlines.of(partner, resolve) if resolve else None

    def _considered(self, kind: LeadClass, rank: int) -> tuple[Candidate, ...]:
        """Everybody who passed all rules but capacity, as they stand; the winner as it was chosen."""
        board, roster, rows = self._board, kind.roster, []
        chosen = rank >> LOT_AT & LOT if rank >= 0 else -1
        for i, grade in roster.members(kind):
            if i == chosen:
                rows.append(roster.row(rank))
            elif (stands := roster.rank(i, grade) + board.load[i]) >= 0:
                rows.append(roster.row(stands))
            else:
                rows.append(roster.full_row(i, board.why_full(i)))
        return tuple(rows)

    def _others(self, lead: LeadFacts, kind: LeadClass) -> tuple[Candidate, ...]:
        """Everybody else, with the first rule that they fail; the same for all leads of a class."""
        if kind.number not in self._ruled_out:
            self._ruled_out[kind.number] = tuple(self._verdict(i, r, lead) for i, r in kind.roster.ruled_out(lead))
        return self._ruled_out[kind.number]

    def _verdict(self, i: int, rule: Rule, lead: LeadFacts) -> Candidate:
        key = (i, rule.code, rule.given(lead))
        if key not in self._verdicts:
            partner = self._board.partners[i]
            self._verdicts[key] = Candidate(partner.id, rule.code, rule.words(partner, lead))
        return self._verdicts[key]

    def _note(self, lead: LeadFacts, outcome: Outcome) -> str:
        match outcome:
            case "test":
                return "a test record is never routed"
            case "status":
                return f"the {self._board.policy.thing} is {lead.status or 'without status'}"
            case "max_offers":
                return f"offered {lead.offers} times already: a person must look at it"
            case _:
                return ""

