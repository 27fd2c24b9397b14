"""Why did this partner get this lead? From the decision as stored: an old one is explained in its own words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from prm_sync.rules.routing.facts import ELIGIBLE, OUTSCORED, TERMS, Candidate, Decision

_CHOSEN = {
    "best": "highest score",
    "round_robin": "fewest offers this week",
    "weighted": "drawn by lot, the score being the chance",
    "optimal": "the batch as a whole scores highest so",
    "relationship": "serves the account already",
}
_LOST = {
    "best": "lower score, or equal and lost the draw",
    "round_robin": "had as many or more offers this week",
    "weighted": "not drawn",
    "optimal": "the batch as a whole scores less with it",
    "relationship": "does not serve the account",
}


def as_json(decision: Decision) -> dict[str, Any]:
    """The decision as it is stored: plain JSON values; candidates as arrays [partner, code, words, score, terms]."""
    return {
        "lead_id": decision.lead_id,
        "partner_id": decision.partner_id,
        "score": decision.score,
        "outcome": decision.outcome,
        "note": decision.note,
        "rule_version": decision.rule_version,
        "decided_at": decision.decided_at.isoformat(),
        "candidates": decision.candidates,
        "reasons": dict(decision.reasons),
        "queue": decision.queue,
    }


def explain(stored: Mapping[str, Any], names: Mapping[str, str] | None = None) -> list[str]:
    """Lines of text from `as_json`, read back or not: the winner, the others who could have had it, those ruled out.

    `names` are the partners' names by id; the id stands where there is none.
    """
    rows = [_candidate(row) for row in stored["candidates"]]
    called = {c.partner_id: (names or {}).get(c.partner_id, c.partner_id) for c in rows}
    winner, outcome = stored.get("partner_id"), stored["outcome"]
    ranked = sorted((c for c in rows if c.code == ELIGIBLE), key=lambda c: (-(c.score or 0.0), c.partner_id))
    ruled_out = sorted((c for c in rows if c.code != ELIGIBLE), key=lambda c: (c.code, c.partner_id))
    lines = [_headline(stored, called.get(winner, winner) if winner else None)]
    place = {c.partner_id: n for n, c in enumerate(ranked, start=1)}
    for c in sorted(ranked, key=lambda c: c.partner_id != winner):
        verdict = f"chosen: {_CHOSEN[outcome]}" if c.partner_id == winner else f"not chosen: {_LOST[outcome]}"
        lines.append(f"  {called[c.partner_id]}: {verdict}; {_score(c, place[c.partner_id], len(ranked))}")
    lines += [f"  {called[c.partner_id]}: no, {c.code.replace('_', ' ')}: {c.detail}" for c in ruled_out]
    named = Counter(OUTSCORED if c.code == ELIGIBLE else c.code for c in rows if c.partner_id != winner)
    rest = {code: n - named[code] for code, n in (stored.get("reasons") or {}).items() if n > named[code]}
    if rest:
        lines.append("  and not named one by one: " + ", ".join(f"{n} {c.replace('_', ' ')}" for c, n in rest.items()))
    return lines


def _headline(stored: Mapping[str, Any], winner: str | None) -> str:
    thing = "case" if "case_id" in stored else "lead"
    name = f"{thing} {stored[f'{thing}_id']}"
    counted = sum((stored.get("reasons") or {}).values()) + (winner is not None)
    count = max(counted, len(stored["candidates"]))
    when = f"decided {stored['decided_at']} by rules {stored['rule_version']}"
    if winner is not None:
        return f"{name} goes to {winner}, one of {count} partners; {when}"
    why = stored.get("note") or f"each of {count} partners is ruled out"
    queue = f"; it waits in queue {stored['queue']}" if stored.get("queue") else ""
    return f"{name} goes to nobody: {why}{queue}; {when}"


def _candidate(row: Sequence[Any]) -> Candidate:
    partner, code, detail, score, terms = row
    return Candidate(partner, code, detail, score, tuple(terms))


def _score(candidate: Candidate, place: int, of: int) -> str:
    parts = ", ".join(f"{name} {value:.2f}" for name, value in zip(TERMS, candidate.terms, strict=False) if value)
    words = f"score {candidate.score or 0.0:.2f}, place {place} of {of}" + (f" ({parts})" if parts else "")
    return words + (f"; {candidate.detail}" if candidate.detail else "")
