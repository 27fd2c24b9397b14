"""What the partners do between two rounds: take leads, decline them, say nothing, work, win and lose."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from prm_sync.demo.systems import Systems
from prm_sync.demo.words import DECLINES

ACCEPTED, DECLINED = 0.70, 0.15  #: of the offers; the rest is never answered and runs out
PACE_H = 7.0  #: mean hours to an answer
LATEST_H = 40.0
STEPS_H = (4, 14, 27, 42)  #: when the partners' deeds so far arrive, hours after the offers


@dataclass(frozen=True, slots=True, order=True)
class Deed:
    """One thing that a partner does, so many hours after the offer."""

    after_h: float
    lead_key: str
    action: str
    arguments: tuple[tuple[str, Any], ...]


def act(systems: Systems, seed: int) -> int:
    """Let two days pass in which the partners do what they do. Returns how many offers they answered."""
    began = systems.now()
    waiting = [row for row in systems.prm.control.snapshot()["leads"] if _is_open_offer(row)]
    offered_ms = {row["key"]: row["fields"]["offered_at"] for row in waiting}
    deeds = sorted(deed for row in waiting for deed in deeds_of(row, seed))
    before_h = 0
    for step_h in STEPS_H:
        systems.set_time(began + timedelta(hours=step_h))
        due = [
            {"do": deed.action, "lead_key": deed.lead_key,
             "at": offered_ms[deed.lead_key] + round(deed.after_h * 3_600_000),
             **dict(deed.arguments)}
            for deed in deeds if before_h < deed.after_h <= step_h
        ]  # fmt: skip
        systems.prm.control.do("each", deeds=due)
        before_h = step_h
    return sum(deed.action == "answer" for deed in deeds)


def _is_open_offer(row: dict[str, Any]) -> bool:
    return bool(row["external_key"]) and row["approved"] is None and not row["archived"]


def deeds_of(row: dict[str, Any], seed: int) -> Iterator[Deed]:
    """What becomes of one offer: by lot, but the same lead and seed have the same fate."""
    rng = random.Random(f"{seed}:{row['external_key']}")  # noqa: S311 - chance that can be repeated
    lead_key, fate = row["key"], rng.random()
    answered_h = min(0.2 + rng.expovariate(1 / PACE_H), LATEST_H - rng.random())
    if fate < ACCEPTED:
        yield Deed(answered_h, lead_key, "answer", (("accepted", True),))
        yield from _work(rng, lead_key, answered_h)
    elif fate < ACCEPTED + DECLINED:
        yield Deed(answered_h, lead_key, "answer", (("accepted", False), ("reason", rng.choice(DECLINES))))


def _work(rng: random.Random, lead_key: str, answered_h: float) -> Iterator[Deed]:
    """What a partner does with a lead it took; deeds that come too late for the next round do not happen."""
    began_h = answered_h + rng.uniform(0.5, 8)
    if rng.random() > 0.7 or began_h > LATEST_H:
        return
    yield Deed(began_h, lead_key, "progress", (("stage", "working"),))
    closed_h = began_h + rng.uniform(4, 30)
    if rng.random() > 0.5 or closed_h > LATEST_H:
        return
    if rng.random() < 0.6:
        won = (("status", "closed won"), ("stage", "won"), ("amount", rng.randrange(50_000, 5_000_000)))
        yield Deed(closed_h, lead_key, "progress", won)
    else:
        yield Deed(closed_h, lead_key, "progress", (("status", "closed lost"), ("stage", "lost")))
