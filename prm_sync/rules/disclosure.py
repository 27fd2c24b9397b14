"""What of one record may leave for one partner today, in which form, for which purpose; and why the rest stays.

Everything is kept back that no entry of the policy lets out. Where several entries let a field out, the most open form
counts; `drop` in one of them keeps it back whatever the others say, and so do a person's flags.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from prm_sync.canonical.entities import ENTITIES
from prm_sync.rules.sharing import ALL, DO_NOT_SHARE, Mask, SharingPolicy, StreamSharing, named, values_of

_OPENNESS: dict[Mask | None, int] = {None: 0, "initials": 1, "country": 2, "hash": 3}
NO_KEY = "hashed fields need a key: set PRM_SYNC_HASH_KEY to a secret of 16 characters or more"


@dataclass(frozen=True, slots=True)
class Audience:
    """Who would see it. `stream` is "connection/stream"; a stream that no partner owns has no partner."""

    stream: str
    partner_key: str | None = None
    tier: str | None = None
    programme: str | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """How one field leaves: under which entry (its place in the file), for which purpose, masked how."""

    entry: str
    purpose: str
    mask: Mask | None = None


@dataclass(frozen=True, slots=True)
class Disclosure:
    """The values that leave, as they leave; the terms of each; and of every other field why it stays."""

    values: dict[str, Any]
    terms: dict[str, Term]
    withheld: dict[str, str]

    @property
    def nothing(self) -> bool:
        return not self.values


@dataclass(frozen=True, slots=True)
class Sharing:
    """The policy as it stands for one entity and stream at one moment."""

    policy: SharingPolicy
    entity: str
    stream: str
    at: datetime
    key: bytes | None = field(default=None, repr=False)
    entries: tuple[tuple[str, StreamSharing, frozenset[str]], ...] = field(init=False)  #: in force, with their fields
    flags: tuple[tuple[str, frozenset[str]], ...] = field(init=False)

    def __post_init__(self) -> None:
        found = [(p, e) for p, e in self.policy.entries(self.stream) if e.entity == self.entity]
        now = tuple((p, e, frozenset(named(e))) for p, e in found if in_force(e, self.at))
        flags = {f: frozenset(names) for f, names in self.policy.opt_outs.get(self.entity, {}).items()}
        if self.entity in ENTITIES and DO_NOT_SHARE in ENTITIES[self.entity].by_name:
            flags[DO_NOT_SHARE] = frozenset({ALL})
        object.__setattr__(self, "entries", now)
        object.__setattr__(self, "flags", tuple(flags.items()))

    @property
    def needs(self) -> tuple[str, ...]:
        """Canonical fields that are looked at to decide, besides those that leave."""
        asked = [flag for flag, _ in self.flags]
        for _, entry, _ in self.entries:
            asked += [*entry.where, *entry.filled, *([entry.consent] if entry.consent else [])]
            asked += ["country"] if "country" in entry.mask.values() else []
        return tuple(dict.fromkeys(asked))

    def of(self, audience: Audience, record: Mapping[str, Any], names: Sequence[str]) -> Disclosure:
        """What of these fields of the record may leave. Raises ValueError where a hash is asked for without a key."""
        held = {flag: fields for flag, fields in self.flags if record.get(flag) is True}
        matching: list[tuple[str, StreamSharing, frozenset[str]]] = []
        others: list[tuple[frozenset[str], str]] = []
        for place, entry, fields in self.entries:
            why = _not_for(entry, audience) or _not_of(entry, record)
            if why is None:
                matching.append((place, entry, fields))
            else:
                others.append((fields, f"{place}: {why}"))
        out = Disclosure({}, {}, {})
        for name in names:
            term = self._term(name, held, matching, others)
            if isinstance(term, str):
                out.withheld[name] = term
                continue
            value = self._masked(term.mask, name, record.get(name), record)
            out.values[name], out.terms[name] = value, term
        return out

    def _term(
        self, name: str, held: Mapping[str, frozenset[str]],
        matching: Sequence[tuple[str, StreamSharing, frozenset[str]]], others: Sequence[tuple[frozenset[str], str]],
    ) -> Term | str:  # fmt: skip
        for flag, fields in held.items():
            if name in fields or ALL in fields:
                return f"the record says {flag}"
        best: Term | None = None
        for place, entry, fields in matching:
            mask = entry.mask.get(name)
            if mask == "drop":
                return f"{place}: dropped"
            if name in fields and (best is None or _OPENNESS[mask] < _OPENNESS[best.mask]):
                best = Term(place, entry.purpose, mask)
        if best is not None:
            return best
        return next((why for fields, why in others if name in fields), "no entry in force names it")

    def _masked(self, mask: Mask | None, name: str, value: Any, record: Mapping[str, Any]) -> Any:
        if mask is None or value is None or value == "":
            return value
        if mask == "country":
            return record.get("country")
        if mask == "initials":
            return initials(str(value))
        if self.key is None:
            raise ValueError(NO_KEY)
        return keyed_hash(self.key, name, str(value))


def in_force(entry: StreamSharing, at: datetime) -> bool:
    day = at.date()
    return (entry.since is None or entry.since <= day) and (entry.until is None or day <= entry.until)


def edition(policy: SharingPolicy, at: datetime) -> str:
    """The policy's version and which of its dated entries are in force: another edition, and all is compared anew."""
    dated = "".join("01"[in_force(e, at)] for _, e in policy.all_entries() if e.since or e.until)
    return f"{policy.version}/{dated}" if dated else policy.version


def keyed_hash(key: bytes, about: str, value: str) -> str:
    """32 hex digits that say the same of the same value, and nothing to who has not the key."""
    return hmac.new(key, f"{about}\0{value}".encode(), hashlib.sha256).hexdigest()[:32]


def initials(text: str) -> str:
    """The first sign of each word, with its marks: "Nguyễn Văn An" is "N. V. A."; a word of one sign is hidden."""
    return " ".join(_initial(word) for word in text.replace("-", " ").split())


def _initial(word: str) -> str:
    end = 1
    while end < len(word) and (unicodedata.category(word[end])[0] == "M" or word[end] == "\u200d"):
        end += 1
    return f"{word[:end]}." if end < len(word) else "\u2022"


def _not_for(entry: StreamSharing, audience: Audience) -> str | None:
    for names, name, what in (
        (entry.partners, audience.partner_key, "partner"), (entry.tiers, audience.tier, "tier"),
        (entry.programmes, audience.programme, "programme"),
    ):  # fmt: skip
        if names and name not in names:
            return f"is not for this {what}"
    return None


def _not_of(entry: StreamSharing, record: Mapping[str, Any]) -> str | None:
    for name, wanted in entry.where.items():
        value = record.get(name)
        if not any(type(value) is type(w) and value == w for w in values_of(wanted)):
            return f"is not for records with this {name}"
    for name in entry.filled:
        if record.get(name) in (None, ""):
            return f"is only for records with {name}"
    if entry.consent is not None and not record.get(entry.consent):
        return f"there is no consent: {entry.consent} is empty"
    return None
