"""The partners in the order of their standing, and sets of them as whole numbers: one bit for each partner.

`&` of two sets of 2,000 partners takes a tenth of a microsecond, and the highest bit of a set is its best partner.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from prm_sync.canonical.places import PLACES
from prm_sync.rules.fold import fold
from prm_sync.rules.routing.eligibility import Rule, RuleBook
from prm_sync.rules.routing.facts import CAPACITY, ELIGIBLE, POINTS, Candidate, LeadFacts, Outcome, PartnerFacts
from prm_sync.rules.routing.score import NEARNESSES, SAME_REGION, Scale

# A rank is one whole number: points of the score, the partner's lot, the number of its grade. Of two the larger wins.
SCORE_AT: Final = 24
LOT_AT: Final = 6
LOT: Final = (1 << SCORE_AT - LOT_AT) - 1
GRADE: Final = (1 << LOT_AT) - 1
NOBODY: Final = -1
FULL: Final = -(1 << 45)  #: added to the rank of a partner without capacity
MOST_PARTNERS: Final = LOT


@dataclass(slots=True)
class LeadClass:
    """What is decided about all leads that agree in the facts that the rules look at."""

    number: int
    roster: Roster
    passed: int  #: partners that pass every rule but capacity
    many: int  #: how many these are
    failed: array[int]  #: how many partners fail by which rule, in the order of the rules
    stopped: Outcome | None = None  #: why such a lead is not routed at all
    owner: int = NOBODY  #: place of the partner that is preferred, since it serves the account
    product: int | None = None  #: partners that name the lead's product; None: it has none
    industry: int | None = None
    near: tuple[tuple[int, int], ...] = ()  #: (nearness, partners that sit so near), nearest first; (): all alike
    shortlist: tuple[int, ...] | None = None  #: ranks without load of the best, best first
    only: int = 0  #: the one rank of the shortlist, where there is nobody beyond it
    beyond: int = FULL  #: no rank outside the shortlist is higher
    size: int = 6  #: of the shortlist
    top: int = NOBODY  #: the rank that was found last, load and all
    top_load: int = 0  #: what its partner's load was then
    members: tuple[tuple[int, int], ...] | None = None  #: (partner, grade) of all that passed, by partner id
    full_of: int = 0  #: `roster.full` when `full` was counted
    full: int = 0  #: how many of those that passed have no capacity left
    closed: bool = False  #: nobody that passed has capacity left
    turn: int = 0  #: fewest offers that one of its partners had when we last looked


class Roster:
    """The partners for leads of one segment, worst standing first. `partners` are in the order of their lots."""

    def __init__(
        self, book: RuleBook, scale: Scale, partners: Sequence[PartnerFacts], segment: str | None, full: Sequence[bool]
    ) -> None:
        self._book, self._scale, self._partners = book, scale, partners
        self._points = [scale.standing(p, segment) for p in partners]
        self.order = sorted(range(len(partners)), key=lambda i: (sum(self._points[i]), i))
        self.place = [0] * len(partners)
        for place, i in enumerate(self.order):
            self.place[i] = place
        self._ranks = [sum(self._points[i]) << SCORE_AT | i << LOT_AT for i in self.order]
        self._grades = [(g.fit + g.distance) << SCORE_AT | n for n, g in enumerate(scale.grades)]
        self.bits = [1 << place for place in range(len(partners))]
        self.full = sum(self.bits[self.place[i]] for i in range(len(partners)) if full[i])
        self.turns: dict[int, int] = {}  #: offers this week -> partners with capacity that had so many
        self.passed, self.failed = self._standing()
        self._indexes = [self._index(rule) for rule in book.asking]
        self._masks: list[dict[Hashable, int]] = [{} for _ in book.asking]
        self._asked = [(n, rule.given, self._masks[n]) for n, rule in enumerate(book.asking)]
        self._named: dict[tuple[str, str], int] = {}
        self._in_region: dict[str, int] = {}  #: partners by the code of their region
        self._at: dict[str | None, int] = {}  #: every partner, by the code of its place
        self._index_names()
        self._fits: dict[tuple[str | None, str | None], tuple[int | None, int | None]] = {}
        self._places: dict[tuple[str | None, str | None], tuple[tuple[int, int], ...]] = {}
        self.rows: dict[int, Candidate] = {}  #: what `row` made so far

    # --- the rules ---

    def class_of(self, lead: LeadFacts, number: int) -> LeadClass:
        """Which partners may have such a lead, whatever their capacity."""
        passed, failed = self.passed, self.failed[:]
        first = len(self._book.standing)
        for n, given_of, masks in self._asked:
            given = given_of(lead)
            if given:
                mask = masks.get(given)
                left = passed & (self._mask(n, given) if mask is None else mask)
                if left != passed:
                    failed[first + n] = (passed ^ left).bit_count()
                    passed = left
                    if not left:
                        break
        found = LeadClass(number, self, passed, passed.bit_count(), failed)
        if passed:
            if self._scale.by_fit:
                found.product, found.industry = self._naming(lead.product, lead.industry)
            if self._scale.by_distance:
                found.near = self._nearnesses(lead.country, lead.region)
        return found

    def _naming(self, product: str | None, industry: str | None) -> tuple[int | None, int | None]:
        """Who names a product, and an industry; None where none is asked for."""
        key = (product, industry)
        if key not in self._fits:
            self._fits[key] = (
                self._named.get(("product", fold(product)), 0) if product else None,
                self._named.get(("industry", fold(industry)), 0) if industry else None,
            )
        return self._fits[key]

    def _nearnesses(self, country: str | None, region: str | None) -> tuple[tuple[int, int], ...]:
        """All partners, by how near they sit to a place."""
        key = (country, region)
        if key not in self._places:
            code, place = self._place(country, region)
            same = self._in_region.get(code, 0) if code else 0
            found = {SAME_REGION: same}
            for there, partners in self._at.items():
                nearness = self._scale.nearness(place, there)
                found[nearness] = found.get(nearness, 0) | (partners & ~same)
            nearest_first = sorted(found.items(), key=lambda item: self._scale.by_nearness(item[0]))
            self._places[key] = tuple((nearness, some) for nearness, some in nearest_first if some)
        return self._places[key]

    def _place(self, country: str | None, region: str | None) -> tuple[str | None, str | None]:
        """The code of a region, where it has one, and of the smallest place that holds it and is known."""
        if not country:
            return None, None
        code = self._book.atlas.region_of(country.upper(), region)
        return code, next((c for c in (code, country.upper()) if c in PLACES), None)

    def ruled_out(self, lead: LeadFacts) -> Iterator[tuple[int, Rule]]:
        """Every partner that may not have a lead, with the first rule that it fails."""
        alive = (1 << len(self._partners)) - 1
        for rule in self._book.standing:
            failed = alive & ~self._passing(rule)
            alive ^= failed
            yield from ((i, rule) for i in self.in_set(failed))
        for n, rule in enumerate(self._book.asking):
            given = rule.given(lead)
            if given:
                failed = alive & ~self._mask(n, given)
                alive ^= failed
                yield from ((i, rule) for i in self.in_set(failed))

    def in_set(self, partners: int) -> Iterator[int]:
        """The partners of a set, best standing first."""
        while partners:
            place = partners.bit_length() - 1
            partners ^= self.bits[place]
            yield self.order[place]

    def _standing(self) -> tuple[int, array[int]]:
        """Who passes the rules that ask nothing of a lead, and the counts for all rules to begin with."""
        alive = (1 << len(self._partners)) - 1
        counts = array("I", [0] * len(self._book.rules))
        for n, rule in enumerate(self._book.standing):
            failed = alive & ~self._passing(rule)
            counts[n] = failed.bit_count()
            alive ^= failed
        return alive, counts

    def _passing(self, rule: Rule) -> int:
        """Who passes a rule that asks nothing of a lead."""
        return sum(self.bits[self.place[i]] for i, p in enumerate(self._partners) if rule.held(p) is None)

    def _index(self, rule: Rule) -> tuple[int, dict[str, int]]:
        """Who takes whatever is asked, and who holds which token."""
        takes_all, holders = 0, dict[str, int]()
        for i, partner in enumerate(self._partners):
            bit, held = self.bits[self.place[i]], rule.held(partner)
            if held is None:
                takes_all |= bit
            else:
                for token in held:
                    holders[token] = holders.get(token, 0) | bit
        return takes_all, holders

    def _mask(self, n: int, given: Hashable) -> int:
        """Who passes an asking rule."""
        mask = self._masks[n].get(given)
        if mask is None:
            rule, (takes_all, holders) = self._book.asking[n], self._indexes[n]
            mask = 0
            for token in rule.tokens(given):
                mask |= holders.get(token, 0)
            mask = ~mask if rule.bars else mask | takes_all
            self._masks[n][given] = mask
        return mask

    def _index_names(self) -> None:
        """Who names which product and industry, and who sits where."""
        for i, p in enumerate(self._partners):
            bit = self.bits[self.place[i]]
            for kind, names in (("product", p.products), ("industry", p.industries)):
                for name in set(map(fold, names)):
                    self._named[kind, name] = self._named.get((kind, name), 0) | bit
            code, place = self._place(p.country, p.region)
            self._at[place] = self._at.get(place, 0) | bit
            if code:
                self._in_region[code] = self._in_region.get(code, 0) | bit

    # --- the score ---

    def graded(self, kind: LeadClass, partners: int) -> list[tuple[int, int]]:
        """(grade, those of the partners who have it), without empty ones."""
        product, industry, half = kind.product, kind.industry, 0
        if product is None:
            whole = industry or 0
        elif industry is None:
            whole = product
        else:
            whole, half = product & industry, product ^ industry
        parts: list[tuple[int, int]] = []
        for grade, named in ((2 * NEARNESSES, whole), (NEARNESSES, half), (0, partners)):
            here = partners & named
            if not here:
                continue
            partners ^= here
            for nearness, some in kind.near:
                there = here & some
                if there:
                    parts.append((grade + nearness, there))
                    here ^= there
                    if not here:
                        break
            if here:  # distance does not count
                parts.append((grade, here))
        return parts

    def shorten(self, kind: LeadClass) -> None:
        """The shortlist of a class anew: the highest ranks without load of those that have capacity."""
        ranks: list[int] = []
        beyond, size = FULL, kind.size
        for grade, partners in self.graded(kind, kind.passed & ~self.full):
            added = self._grades[grade]
            for _ in range(size):
                place = partners.bit_length() - 1
                ranks.append(self._ranks[place] + added)
                partners ^= self.bits[place]
                if not partners:
                    break
            else:
                beyond = max(beyond, self._ranks[partners.bit_length() - 1] + added)
        ranks.sort(reverse=True)
        if len(ranks) > size:
            beyond = max(beyond, ranks[size])
        kind.shortlist, kind.beyond = tuple(ranks[:size]), beyond
        kind.only = ranks[0] if len(ranks) == 1 and beyond == FULL else 0

    def members(self, kind: LeadClass) -> tuple[tuple[int, int], ...]:
        """(partner, grade) of all that passed every rule but capacity, in the order of partner ids."""
        if kind.members is None:
            found = [(i, grade) for grade, some in self.graded(kind, kind.passed) for i in self.in_set(some)]
            kind.members = tuple(sorted(found, key=lambda m: self._partners[m[0]].id))
        return kind.members

    def rank(self, i: int, grade: int) -> int:
        """The rank of a partner without load."""
        return self._ranks[self.place[i]] + self._grades[grade]

    def row(self, rank: int) -> Candidate:
        """A rank, load and all, in words and figures."""
        found = self.rows.get(rank)
        if found is None:
            i, score = rank >> LOT_AT & LOT, rank >> SCORE_AT
            grade = self._scale.grades[rank & GRADE]
            win_rate, response, tier = self._points[i]
            load = score - win_rate - response - tier - grade.fit - grade.distance
            terms = (grade.fit, win_rate, response, load, tier, grade.distance)
            parts = tuple(points / POINTS for points in terms)
            found = self.rows[rank] = Candidate(self._partners[i].id, ELIGIBLE, grade.where, score / POINTS, parts)
        return found

    def full_row(self, i: int, words: str) -> Candidate:
        return Candidate(self._partners[i].id, CAPACITY, words)
