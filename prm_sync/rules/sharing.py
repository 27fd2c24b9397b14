"""`policies/sharing.yaml`: what may leave for partners. Whatever is not named there stays.

A field leaves only where an entry names the field *and* allows its privacy class; one without the other is a mistake in
the file, found when it is read. `prm_sync.rules.disclosure` decides by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import Field as Setting

from prm_sync.canonical.entities import ENTITIES
from prm_sync.canonical.facts import FACTS
from prm_sync.canonical.model import Field, Kind, Pii
from prm_sync.rules.policyfile import Part, Policy, load, schema_of
from prm_sync.yamlfile import Place, YamlFile, did_you_mean

Mask: TypeAlias = Literal["drop", "hash", "initials", "country"]
Plain: TypeAlias = bool | int | str

ALL = "*"
DO_NOT_SHARE = "do_not_share"  #: a canonical field: true, and nothing of the record leaves, whatever a policy says
EVIDENCE = "consent_evidence"  #: a canonical field that says where a person's consent is written down
OPT_OUTS: dict[str, dict[str, tuple[str, ...]]] = {
    "lead": {"no_email": ("email",), "no_call": ("phone", "mobile")},
    "contact": {"no_email": ("email",), "no_call": ("phone", "mobile")},
}
_WRITTEN = frozenset({Kind.TEXT, Kind.EMAIL, Kind.PHONE, Kind.DOMAIN})
_MASKABLE: dict[str, frozenset[Kind]] = {
    "hash": _WRITTEN | {Kind.REFERENCE}, "initials": frozenset({Kind.TEXT}), "country": _WRITTEN,
}  # fmt: skip
_COMPARABLE = _WRITTEN | {Kind.COUNTRY, Kind.LANGUAGE, Kind.CURRENCY, Kind.CHOICE, Kind.BOOLEAN, Kind.INTEGER}


class StreamSharing(Part):
    """What may leave over a stream, of which records, to whom, and when."""

    entity: str = Setting(description="Canonical entity whose fields these are")
    purpose: str = Setting(min_length=1, description="What partners need it for; stands in the share log")
    pii: tuple[Literal["none", "company", "personal", "sensitive"], ...] = Setting(
        default=("none",), description="Privacy classes that may leave; sensitive only together with `consent`"
    )
    fields: tuple[str, ...] = Setting(description="Canonical fields that may leave, and no others")
    where: dict[str, Plain | tuple[Plain, ...]] = Setting(
        default_factory=dict,
        description="Only records that have this value, or one of these, in each of these canonical fields",
    )
    filled: tuple[str, ...] = Setting(
        default=(), description="Only records in which each of these canonical fields has a value"
    )
    mask: dict[str, Mask] = Setting(
        default_factory=dict,
        description="How fields leave that do not leave as they are. drop: not at all, whatever other entries say; "
        "hash: keyed by PRM_SYNC_HASH_KEY; initials; country: only the country of the record",
    )
    partners: tuple[str, ...] = Setting(default=(), description="Only these partners, by their key; empty: all")
    tiers: tuple[str, ...] = Setting(default=(), description="Only partners of these tiers; empty: all")
    programmes: tuple[str, ...] = Setting(default=(), description="Only partners of these programmes; empty: all")
    since: date | None = Setting(default=None, description="First day on which it may leave (UTC)")
    until: date | None = Setting(default=None, description="Last day on which it may leave (UTC)")
    consent: str | None = Setting(
        default=None, description="Canonical field that must be filled (consent_evidence): only with consent"
    )


class Grant(StreamSharing):
    """An entry for one or several streams, beside those under `streams`."""

    streams: tuple[str, ...] = Setting(min_length=1, description='Streams: "leads", or "acme_prm/leads" for one only')


class SharingPolicy(Policy):
    """A whole `policies/sharing.yaml`. An empty one shares nothing."""

    streams: dict[str, StreamSharing] = Setting(
        default_factory=dict,
        description='By stream ("leads"), or for one connection only ("acme_prm/leads"), which then stands alone',
    )
    grants: tuple[Grant, ...] = Setting(
        default=(), description="More that may leave: for a partner, a tier, a programme, a time, some records"
    )
    opt_outs: dict[str, dict[str, tuple[str, ...]]] = Setting(
        default_factory=lambda: {entity: dict(flags) for entity, flags in OPT_OUTS.items()},
        description='By entity and flag: fields that stay where the flag is true; "*": all. do_not_share always is so',
    )

    def entries(self, stream: str) -> list[tuple[str, StreamSharing]]:
        """What is said about a stream ("connection/stream", or the stream alone), each with its place in the file."""
        alone = stream.rpartition("/")[2]
        found: list[tuple[str, StreamSharing]] = [
            (f"grants.{n}", g) for n, g in enumerate(self.grants) if stream in g.streams or alone in g.streams
        ]
        name = stream if stream in self.streams else alone
        return [(f"streams.{name}", self.streams[name]), *found] if name in self.streams else found

    def all_entries(self) -> Iterator[tuple[Place, StreamSharing]]:
        yield from ((("streams", name), entry) for name, entry in self.streams.items())
        yield from ((("grants", n), entry) for n, entry in enumerate(self.grants))

    def mistakes(self) -> Iterator[tuple[Place, str]]:
        for place, entry in self.all_entries():
            if entry.entity not in ENTITIES:
                yield (*place, "entity"), f'"{entry.entity}" is no entity{did_you_mean(entry.entity, ENTITIES)}'
                continue
            for inner, what in _mistakes(entry, fields_of(entry.entity)):
                yield (*place, *inner), what
        for entity, flags in self.opt_outs.items():
            if entity not in ENTITIES:
                yield ("opt_outs", entity), f'"{entity}" is no entity{did_you_mean(entity, ENTITIES)}'
                continue
            yield from _flag_mistakes(entity, flags)


def fields_of(entity: str) -> dict[str, Field]:
    """The fields that an entry for the entity may name: its own, and what is known about it here."""
    return ENTITIES[entity].by_name | {f.name: f for f in FACTS.get(entity, ())}


def allowed_fields(policy: SharingPolicy, entity: str, stream: str) -> frozenset[str]:
    """The canonical fields that may leave over a stream to somebody, at some time."""
    entries = [entry for _, entry in policy.entries(stream) if entry.entity == entity]
    return frozenset(name for entry in entries for name in named(entry))


def named(entry: StreamSharing) -> Iterator[str]:
    """The fields that an entry lets out: named, of an allowed class, and sensitive ones only with consent."""
    known = fields_of(entry.entity)
    for name in entry.fields:
        field = known.get(name)
        if field is None or field.pii not in entry.pii or entry.mask.get(name) == "drop":
            continue
        if field.pii is not Pii.SENSITIVE or entry.consent is not None:
            yield name


def load_sharing(source: Path | YamlFile) -> SharingPolicy:
    """Raises ConfigError with the file:line of every mistake."""
    return load(SharingPolicy, source)


def sharing_schema() -> dict[str, Any]:
    return schema_of(SharingPolicy, "sharing")


def _mistakes(entry: StreamSharing, known: Mapping[str, Field]) -> Iterator[tuple[Place, str]]:
    entity = entry.entity
    own = ENTITIES[entity].by_name
    for n, name in enumerate(entry.fields):
        if name not in known:
            yield ("fields", n), f'"{name}" is no field of {entity}{did_you_mean(name, known)}'
        elif known[name].pii not in entry.pii:
            yield ("fields", n), f'"{name}" is {known[name].pii}, which `pii` does not allow: add the class or drop it'
    if "sensitive" in entry.pii and entry.consent is None:
        yield (
            ("pii", entry.pii.index("sensitive")),
            f"sensitive fields leave only with consent: say which field has the evidence, `consent: {EVIDENCE}`",
        )
    for n, name in enumerate(entry.filled):
        if name not in own:
            yield ("filled", n), f'"{name}" is no field of {entity}{did_you_mean(name, own)}'
    if entry.consent is not None and entry.consent not in own:
        yield ("consent",), f'"{entry.consent}" is no field of {entity}{did_you_mean(entry.consent, own)}'
    for name, mask in entry.mask.items():
        if name not in known:
            yield ("mask", name), f'"{name}" is no field of {entity}{did_you_mean(name, known)}'
        elif mask != "drop" and known[name].kind not in _MASKABLE[mask]:
            yield ("mask", name), f'"{name}" is a {known[name].kind}, which cannot leave as {mask}: use drop'
        elif mask == "country" and "country" not in own:
            yield ("mask", name), f"{entity} has no country: use another mask"
        elif mask != "drop" and name not in entry.fields:
            yield ("mask", name), f'"{name}" is not among `fields`: name it there, or it stays anyway'
    for name, wanted in entry.where.items():
        if name not in own:
            yield ("where", name), f'"{name}" is no field of {entity}{did_you_mean(name, own)}'
        elif own[name].kind not in _COMPARABLE:
            yield ("where", name), f'"{name}" is a {own[name].kind}, which conditions cannot compare'
        else:
            yield from _value_mistakes(own[name], wanted)
    if entry.since is not None and entry.until is not None and entry.until < entry.since:
        yield ("until",), "ends before it begins"


def _value_mistakes(field: Field, wanted: Plain | tuple[Plain, ...]) -> Iterator[tuple[Place, str]]:
    type_ = {Kind.BOOLEAN: bool, Kind.INTEGER: int}.get(field.kind, str)
    for value in values_of(wanted):
        if type(value) is not type_:
            yield ("where", field.name), f"{field.name} is compared with a {type_.__name__}; write one"
        elif field.choices and value not in field.choices:
            yield ("where", field.name), f'"{value}" is no {field.name}{did_you_mean(str(value), field.choices)}'


def values_of(wanted: Plain | tuple[Plain, ...]) -> tuple[Plain, ...]:
    return wanted if isinstance(wanted, tuple) else (wanted,)


def _flag_mistakes(entity: str, flags: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[Place, str]]:
    known, own = fields_of(entity), ENTITIES[entity].by_name
    for flag, names in flags.items():
        if flag not in own:
            yield ("opt_outs", entity, flag), f'"{flag}" is no field of {entity}{did_you_mean(flag, own)}'
        elif own[flag].kind is not Kind.BOOLEAN:
            yield ("opt_outs", entity, flag), f'"{flag}" is a {own[flag].kind}; a flag is true or false'
        for n, name in enumerate(names):
            if name != ALL and name not in known:
                yield ("opt_outs", entity, flag, n), f'"{name}" is no field of {entity}{did_you_mean(name, known)}'
