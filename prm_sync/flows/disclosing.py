"""What of the compared records may leave for their partners, and what has to be taken back from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from prm_sync.app import App, StreamMapping
from prm_sync.canonical.entities import ENTITIES
from prm_sync.connect.protocol import Stream
from prm_sync.errors import ConfigError
from prm_sync.rules.disclosure import NO_KEY, Audience, Disclosure, Sharing
from prm_sync.warehouse import disclosures, targets
from prm_sync.warehouse.disclosures import NOBODY, Left, PartnerSeen
from prm_sync.warehouse.targets import Target


@dataclass(frozen=True, slots=True)
class Leaving:
    """What goes into the remote record: `values`, in which what is taken back is None."""

    values: Mapping[str, Any]
    told: Disclosure | None = None
    revoked: frozenset[str] = frozenset()
    had: bool = False  #: something of the record left for the partner before

    @property
    def all_revoked(self) -> bool:
        """Nothing of the record may be there any more, and something is."""
        return self.told is not None and self.told.nothing and self.had


def sharing_of(app: App, entity: str, connection: str, stream: str) -> Sharing:
    """The policy as it stands now. Raises ConfigError where it hashes and there is no key."""
    key = app.settings.hash_key
    found = Sharing(
        app.policies.sharing, entity, f"{connection}/{stream}", app.clock(),
        key.get_secret_value().encode() if key is not None else None,
    )  # fmt: skip
    if key is None and any("hash" in e.mask.values() for _, e, _ in found.entries):
        raise ConfigError(f"policies/sharing.yaml: {NO_KEY}")
    return found


@dataclass(slots=True)
class Disclosing:
    """One comparison of one stream of a PRM, batch by batch."""

    sharing: Sharing
    mapping: StreamMapping
    stream: Stream
    _had: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    _partners: Mapping[str, PartnerSeen] = field(default_factory=dict)
    _kept: frozenset[str] = frozenset()  #: fields that are not blanked: without them the record is nobody's

    def __post_init__(self) -> None:
        rules = self.mapping.spec.back
        keys = {f.name for r in rules if r.remote in self.stream.match_on for f in r.sources}
        self._kept = frozenset(keys | {r.currency for r in rules if r.currency})

    def look(self, tx: sa.Connection, batch: Sequence[Target]) -> None:
        """Ask who sees these, and what they have seen."""
        connection, stream = self.mapping.connection, self.stream.name
        self._had = disclosures.outstanding(tx, connection, stream, [t.entity_id for t in batch])
        keys = {t.partner_key for t in batch if t.partner_key}
        references = {t.values["partner_ref"] for t in batch if t.values.get("partner_ref")}
        self._partners = {
            **(disclosures.partners_by_key(tx, keys) if keys else {}),
            **(disclosures.partners_by_reference(tx, references) if references else {}),
        }

    def of(self, target: Target) -> Leaving:
        back = self.mapping.back
        assert back is not None
        partner = self.partner_of(target)
        audience = Audience(self.sharing.stream, partner.key, partner.tier, partner.programme)
        told = self.sharing.of(
            audience, target.values, [n for n in back.uses if n in target.values and n not in targets.SHARED_WITH]
        )
        had = self._had.get((target.entity_id, target.target), frozenset())
        own = ENTITIES[self.mapping.entity].by_name if self.mapping.entity in ENTITIES else {}
        revoked = frozenset(n for n in told.withheld if n in had and n in own and n not in self._kept)
        key = {} if told.nothing else {n: target.values[n] for n in back.uses if n in targets.SHARED_WITH}
        return Leaving({**key, **told.values, **dict.fromkeys(revoked)}, told, revoked, had=bool(had))

    def partner_of(self, target: Target) -> PartnerSeen:
        if target.partner_key:
            return self._partners.get(target.partner_key) or PartnerSeen(target.partner_key, None, None)
        if self.mapping.entity == "partner":
            v = target.values
            return PartnerSeen(v.get("partner_key"), v.get("tier"), v.get("group_name"))
        return self._partners.get(target.values.get("partner_ref") or "", NOBODY)

    def left(self, leaving: Leaving, tops: Iterable[str]) -> tuple[Left, ...]:
        """What leaves with these remote fields, by purpose."""
        assert leaving.told is not None
        told, sent = leaving.told, set(tops)
        found: dict[str, list[str]] = {}
        names = (f.name for r in self.mapping.spec.back if r.remote.split(".")[0] in sent for f in r.sources)
        for name in dict.fromkeys(names):
            if name in told.terms and told.values[name] is not None:
                found.setdefault(told.terms[name].purpose, []).append(name)
        return tuple(
            Left(purpose, tuple(fields), tuple(f"{n}={told.terms[n].mask}" for n in fields if told.terms[n].mask))
            for purpose, fields in found.items()
        )

    def taken_back(self, leaving: Leaving, remote: Iterable[str]) -> tuple[str, ...]:
        """The canonical fields that setting these remote fields takes back."""
        written = set(remote)
        return tuple(
            sorted(
                {f.name for r in self.mapping.spec.back if r.remote in written for f in r.sources} & leaving.revoked
            )
        )


def asked(sharing: Sharing, mapping: StreamMapping) -> tuple[str, ...]:
    """Canonical fields to read besides those that are written: what the decision goes by."""
    own = ENTITIES[mapping.entity].by_name if mapping.entity in ENTITIES else {}
    more = ("partner_key", "tier", "group_name") if mapping.entity == "partner" else ("partner_ref",)
    by_partner = any(e.partners or e.tiers or e.programmes for _, e, _ in sharing.entries)
    known = [n for n in more if n in own] if by_partner and mapping.entity != "lead" else []
    return (*sharing.needs, *known)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a partner would see of one record over one stream."""

    connection: str
    stream: str
    partner: PartnerSeen
    told: Disclosure


def seen_of(app: App, entity: str, entity_id: str, partner_key: str | None) -> list[Seen]:
    """What this partner would see of the record today, by stream; None: whoever it was offered or belongs to.

    Raises ConfigError for a partner that is not there.
    """
    out = []
    for m in app.back_mappings():
        if m.entity != entity or app.connector(m.connection).kind != "prm":
            continue
        assert m.back is not None
        with app.db.begin() as tx:
            keys: Sequence[str | None] = [partner_key]
            if partner_key is None and "shared_key" in m.back.uses:
                keys = targets.belongs_to(tx, entity, entity_id, m.connection) or [None]
            out += [_seen(app, m, tx, entity_id, key) for key in keys]
    return out


def _seen(app: App, mapping: StreamMapping, tx: sa.Connection, entity_id: str, partner_key: str | None) -> Seen:
    entity, back = mapping.entity, mapping.back
    assert back is not None
    sharing = sharing_of(app, entity, mapping.connection, mapping.stream)
    values = disclosures.values_of(tx, entity, entity_id, partner_key)
    key = partner_key or values.get("offer_partner_key")
    found = disclosures.partners_by_key(tx, [key]).get(key) if key else NOBODY
    if found is None:
        raise ConfigError(f"there is no partner with the key {key!r}; `prm-sync explain partner <name>` shows it")
    audience = Audience(sharing.stream, found.key, found.tier, found.programme)
    names = dict.fromkeys((*back.uses, *app.entities[entity].by_name))
    told = sharing.of(
        audience, values, [n for n in names if values.get(n) is not None and n not in targets.SHARED_WITH]
    )
    unused = {n: "the mapping does not write it" for n in told.values if n not in back.uses}
    kept = {n: v for n, v in told.values.items() if n not in unused}
    terms = {n: t for n, t in told.terms.items() if n not in unused}
    return Seen(mapping.connection, mapping.stream, found, Disclosure(kept, terms, {**told.withheld, **unused}))
