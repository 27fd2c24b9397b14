"""The partners with what each has left, while leads are dealt out one after the other.

A decision depends on the lead, the partners, the policy and what the decisions before it left, and on nothing else:
a batch is decided by the same few functions as a single lead. What makes a batch quick: leads that agree in what the
rules look at are one class, and of a class only the few best partners are looked at again for each lead.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from math import inf, log
from typing import TYPE_CHECKING, Any, NamedTuple

from prm_sync.rules.fold import fold
from prm_sync.rules.routing.eligibility import RuleBook
from prm_sync.rules.routing.facts import CAPACITY, OUTSCORED, Candidate, LeadFacts, Ledger, Outcome, PartnerFacts
from prm_sync.rules.routing.policy import RoutingPolicy
from prm_sync.rules.routing.roster import FULL, GRADE, LOT, LOT_AT, MOST_PARTNERS, NOBODY, SCORE_AT, LeadClass, Roster
from prm_sync.rules.routing.score import Scale

if TYPE_CHECKING:
    from prm_sync.rules.routing.columns import LeadColumns  # numpy: only for who routes

_NEVER = 1 << 60
_WORD = (1 << 64) - 1
_ALIKE = (
    "status", "is_test", "offers", "segment", "account_partner_id", "registered_by", "declined_by", "expired_by",
    "country", "region", "product", "industry", "language", "certification",
)  # fmt: skip
"""The fields of `LeadFacts` that make a class, in the order in which the rules look at them; postcodes and companies
besides, where a policy looks at them."""


class Routed(NamedTuple):
    """What one lead of a batch got, and why."""

    lead_id: str
    winner: Candidate | None  #: with its score and every term
    outcome: Outcome
    failed: Sequence[int]  #: how many partners fail by which rule, as `Board.codes` names them; capacity is apart
    full: int  #: partners that would have passed, but had no capacity left
    outscored: int  #: partners that could have had it, but another was chosen


class Board:
    """One policy, its partners and their ledger, at one time. `now` is aware."""

    def __init__(self, partners: Iterable[PartnerFacts], ledger: Ledger, policy: RoutingPolicy, now: datetime) -> None:
        self.policy, self.now = policy, now
        known = sorted(partners, key=lambda p: (fraction(policy.seed, p.id), p.id))
        if len(known) > MOST_PARTNERS:
            raise ValueError(f"more than {MOST_PARTNERS} partners")
        self.partners = known
        self.number = {p.id: i for i, p in enumerate(known)}
        self.book = RuleBook(policy, known, now)
        self.codes = tuple(rule.code for rule in self.book.rules)
        self._scale = Scale(policy)
        usual, most = policy.capacity.weekly, policy.capacity.max_open
        self._by_week = usual is not None  #: without a number for the week, load is what is open of what may be
        counted = ledger.week if self._by_week else ledger.open
        self._weekly = [_own(p.weekly_capacity, usual) if usual is not None else most for p in known]
        self._week = [counted.get(p.id, 0) for p in known]
        self._day = [ledger.day.get(p.id, 0) for p in known]
        self._open = [ledger.open.get(p.id, 0) for p in known]
        self._taken = [0] * len(known)
        self._until = [_NEVER] * len(known)  #: offers until a partner's load or capacity is another
        self.load = [FULL] * len(known)  #: what a partner's load adds to its rank
        self._most = max(self._scale.loads) << SCORE_AT
        self._rosters: dict[str | None, Roster] = {}
        self._roster_of: dict[str | None, Roster] = {}  #: by the segment as leads write it
        self._segments: set[str] = set()
        if policy.score.win_rate.segment_deals is not None and policy.score.win_rate.weight:
            self._segments = {fold(segment) for p in known for segment in p.segments}
        self.kinds: list[LeadClass] = []  #: every class so far, by its number
        for i in range(len(known)):
            self._stand(i)
        self.begun = self.load[:]  #: what the load added at the beginning
        self._in_turn = policy.choice == "round_robin"
        self.choose: Callable[[str, LeadClass], int] = self._best
        self._lots = [_number(policy.seed, p.id) for p in known] if policy.choice == "weighted" else []
        if policy.choice in ("round_robin", "weighted"):
            self.choose = self._next_in_turn if self._in_turn else self._drawn

    # --- classes ---

    def class_of(self, lead: LeadFacts) -> LeadClass:
        """The class of a lead, decided anew."""
        self.kinds.append(self._new_class(lead))
        return self.kinds[-1]

    def classes_of(self, leads: LeadColumns) -> array[int]:
        """The number of the class of each of many leads."""
        from prm_sync.rules.routing.columns import grouped, of_pairs

        alike = [leads.column(name) for name in _ALIKE]
        if self.book.atlas.by_postcode:
            alike.append(of_pairs(leads.column("country"), leads.column("postcode"), self.book.atlas.postcodes_of))
        if self.policy.exclusions:
            company = leads.column("domain"), leads.column("account_number")
            alike.append(of_pairs(*company, self.book.exclusions_at))
        first, group = grouped(alike, len(leads.ids))
        before = len(self.kinds)
        for lead in leads.at(first):  # those that agree in what the first rules look at come after one another
            self.class_of(lead)
        return array("I", (n + before for n in group)) if before else group

    def _new_class(self, lead: LeadFacts) -> LeadClass:
        roster = self._roster_of.get(lead.segment)
        if roster is None:
            roster = self._roster_of[lead.segment] = self._roster(lead.segment)
        stopped = self._stopped(lead)
        if stopped is not None:
            return LeadClass(len(self.kinds), roster, 0, 0, array("I"), stopped)
        found = roster.class_of(lead, len(self.kinds))
        owner = self.number.get(lead.account_partner_id or "")
        if owner is not None and self.policy.rules.relationship != "off":
            place = roster.place[owner]
            found.owner = place if found.passed & roster.bits[place] else NOBODY
        return found

    def _stopped(self, lead: LeadFacts) -> Outcome | None:
        if lead.is_test:
            return "test"
        if lead.status not in self.policy.eligible_statuses:
            return "status"
        return "max_offers" if lead.offers >= self.policy.offer.max_offers else None

    def _roster(self, segment: str | None) -> Roster:
        name = fold(segment) if segment else None
        if name not in self._segments:
            name = None  # nobody has a record there
        if name not in self._rosters:
            full = [load == FULL for load in self.load]
            made = self._rosters[name] = Roster(self.book, self._scale, self.partners, name, full)
            for i in range(len(self.partners)):
                week = self._week[i] + self._taken[i]
                made.turns[week] = made.turns.get(week, 0) | self._bit(made, i)
        return self._rosters[name]

    # --- one lead ---

    def pick(self, lead_id: str, kind: LeadClass) -> tuple[int, Outcome]:
        """The rank of who gets a lead of a class now, or NOBODY; and the way it was chosen. Nothing is taken yet."""
        if kind.stopped is not None:
            return NOBODY, kind.stopped
        if kind.owner != NOBODY and (related := self.related(kind)) != NOBODY:
            return related, "relationship"
        rank = self.choose(lead_id, kind) if kind.passed else NOBODY
        return rank, "nobody" if rank < 0 else self.policy.choice

    def related(self, kind: LeadClass) -> int:
        """The rank of the partner who serves the lead's account, where it may have the lead and has capacity."""
        roster = kind.roster
        if kind.owner == NOBODY or roster.full & roster.bits[kind.owner]:
            return NOBODY
        ((grade, _),) = roster.graded(kind, roster.bits[kind.owner])
        i = roster.order[kind.owner]
        return roster.rank(i, grade) + self.load[i]

    def take(self, rank: int) -> None:
        """The chosen one has the lead."""
        i = rank >> LOT_AT & LOT
        self._taken[i] += 1
        if self._in_turn:
            week = self._week[i] + self._taken[i]
            for roster in self._rosters.values():
                bit = self._bit(roster, i)
                roster.turns[week - 1] ^= bit
                roster.turns[week] = roster.turns.get(week, 0) | bit
        self._until[i] -= 1
        if not self._until[i]:
            self._stand(i)

    def _best(self, _: str, kind: LeadClass) -> int:
        """The highest rank. Offers only lower ranks: whoever had it last has it as long as its own is the same."""
        top = kind.top
        if top < 0 or self.load[top >> LOT_AT & LOT] != kind.top_load:
            top = kind.top = self._highest(kind)
            if top >= 0:
                kind.top_load = self.load[top >> LOT_AT & LOT]
        return top

    def _highest(self, kind: LeadClass) -> int:
        """The highest rank of the shortlist, which holds until those beyond it are as good."""
        load, most = self.load, self._most
        if kind.shortlist is None:
            kind.roster.shorten(kind)
        if kind.only:
            found = kind.only + load[kind.only >> LOT_AT & LOT]
            return found if found >= 0 else NOBODY
        while True:
            top, full = NOBODY, 0
            for rank in kind.shortlist or ():
                if rank + most < top:
                    return top
                found = rank + load[rank >> LOT_AT & LOT]
                if found > top:
                    top = found
                elif found < 0:
                    full += 1
            if top > kind.beyond + most or kind.beyond == FULL:
                return top
            if not full:
                kind.size *= 2
            kind.roster.shorten(kind)

    def _next_in_turn(self, _: str, kind: LeadClass) -> int:
        """Who had the fewest offers this week; then by lot."""
        roster = kind.roster
        free = kind.passed & ~roster.full
        if not free:
            return NOBODY
        turns, turn = roster.turns, kind.turn
        while not (here := free & turns.get(turn, 0)):
            turn += 1
        kind.turn = turn
        i = max(roster.in_set(here))
        ((grade, _set),) = roster.graded(kind, self._bit(roster, i))
        return roster.rank(i, grade) + self.load[i]

    def _drawn(self, lead_id: str, kind: LeadClass) -> int:
        """By lot, the score being the chance. The lot is the lead's and the partner's own: nobody else moves it.

        A race in which each partner needs an exponential time, the shorter the higher its score: who is not there, or
        full, changes nothing for the others, and that one wins first with a chance of its score over the sum of scores.
        """
        roster, load, lots = kind.roster, self.load, self._lots
        lead = _number(self.policy.seed, lead_id)
        winner, longest, by_score = NOBODY, -inf, False
        for i, grade in roster.members(kind):
            rank = roster.rank(i, grade) + load[i]
            if rank < 0:
                continue
            score = rank >> SCORE_AT
            if score and not by_score:
                winner, longest, by_score = NOBODY, -inf, True
            if score or not by_score:  # an even chance for all where nobody has any score
                time = log(_mixed(lead ^ lots[i])) / (score or 1)
                if time > longest:
                    winner, longest = rank, time
        return winner

    # --- what partners have left ---

    def left(self, i: int) -> int:
        """Offers that a partner can still take."""
        if not self.policy.rules.capacity:
            return _NEVER
        capacity, taken = self.policy.capacity, self._taken[i]
        left = min(self._weekly[i] - self._week[i], capacity.max_open - self._open[i])
        if capacity.daily is not None:
            left = min(left, capacity.daily - self._day[i])
        return left - taken

    def weekly(self, i: int) -> int:
        """Offers that a partner takes in a week."""
        return self._weekly[i]

    def why_full(self, i: int) -> str:
        """Why a partner can take no more."""
        capacity, taken = self.policy.capacity, self._taken[i]
        for has, most, words in (
            (self._week[i], self._weekly[i] if self._by_week else None, "this week"),
            (self._day[i], capacity.daily, "today"),
            (self._open[i], capacity.max_open, "open"),
        ):  # fmt: skip
            if most is not None and has + taken >= most:
                return f"{has + taken} offers {words} of at most {most}"
        return ""

    def _stand(self, i: int) -> None:
        """A partner's load and capacity as they are now, and how long they stay so."""
        left, week, weekly = self.left(i), self._week[i] + self._taken[i], self._weekly[i]
        if left <= 0:
            self.load[i], self._until[i] = FULL, _NEVER
            for roster in self._rosters.values():
                roster.full |= self._bit(roster, i)
            return
        step = self._scale.load(week, weekly)
        self.load[i] = self._scale.loads[step] << SCORE_AT
        lower = weekly - week + step * weekly // -(len(self._scale.loads) - 1) + 1 if step else _NEVER
        self._until[i] = min(left, lower)

    def _bit(self, roster: Roster, i: int) -> int:
        return roster.bits[roster.place[i]]


def _own(number: int | None, usual: int) -> int:
    return usual if number is None else max(number, 0)


def fraction(seed: int, name: str) -> float:
    """A number in [0, 1) that is the same for the same seed and name in every process."""
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") / (1 << 48)


def _number(seed: int, name: str) -> int:
    """A number below 2**64 that is the same for the same seed and name in every process."""
    return int.from_bytes(hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest(), "big")


def _mixed(number: int) -> float:
    """A number between 0 and 1, neither of them, in which every bit of `number` counts (the end of SplitMix64)."""
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & _WORD
    number = (number ^ number >> 27) * 0x94D049BB133111EB & _WORD
    return ((number ^ number >> 31) + 0.5) / (_WORD + 1)


def reasons(codes: Sequence[str], failed: Sequence[int], full: int, outscored: int) -> dict[str, int]:
    """How many partners did not get a lead for which reason, the commonest first."""
    counts = {code: n for code, n in zip(codes, failed, strict=False) if n}
    counts |= {code: n for code, n in ((CAPACITY, full), (OUTSCORED, outscored)) if n}
    return dict(sorted(counts.items(), key=lambda c: -c[1]))


class Batch:
    """The leads of one batch, each with its class and its place in the order. `leads`: columns, or `LeadFacts`."""

    def __init__(self, board: Board, leads: LeadColumns | Iterable[tuple[Any, ...]]) -> None:
        from prm_sync.rules.routing.columns import LeadColumns, columns_of, in_order

        given = leads if isinstance(leads, LeadColumns) else columns_of(leads)
        self.board = board
        self.ids = given.ids
        self.kind_of = board.classes_of(given)  #: the number of each lead's class
        self.order = in_order(given.priorities, given.ids)
        self.ranks = array("q", [NOBODY]) * len(self.ids)  #: the rank of each lead's winner, or NOBODY
        self.full = array("I", [0]) * len(self.ids)  #: of each lead the partners that were full
        self.related = bytearray(len(self.ids))  #: 1: got for serving the account already

    def settle(self, n: int, rank: int, *, related: bool = False) -> None:
        """A lead's winner, and how many partners are full as things stand."""
        kind = self.board.kinds[self.kind_of[n]]
        full = kind.passed & kind.roster.full
        if rank >= 0:
            self.ranks[n], self.related[n] = rank, related
            if full:
                full &= ~kind.roster.bits[kind.roster.place[rank >> LOT_AT & LOT]]
        self.full[n] = full.bit_count()

    def points(self) -> int:
        """The sum of the winners' scores, each with the load that its partner had at the beginning."""
        board, total = self.board, 0
        for number, rank in zip(self.kind_of, self.ranks, strict=True):
            if rank >= 0:
                i = rank >> LOT_AT & LOT
                total += board.kinds[number].roster.rank(i, rank & GRADE) + board.begun[i] >> SCORE_AT
        return total

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Routed]:
        """What each lead got, in the order in which they were given."""
        choice, kinds = self.board.policy.choice, self.board.kinds
        made = tuple.__new__  # `Routed(...)` takes twice as long
        for lead_id, number, rank, full, related in zip(
            self.ids, self.kind_of, self.ranks, self.full, self.related, strict=True
        ):
            kind = kinds[number]
            if rank >= 0:
                outcome: Outcome = "relationship" if related else choice
                winner = kind.roster.rows.get(rank) or kind.roster.row(rank)
                yield made(Routed, (lead_id, winner, outcome, kind.failed, full, kind.many - full - 1))
            else:
                yield made(Routed, (lead_id, None, kind.stopped or "nobody", kind.failed, full, 0))
