"""`policies/survivorship.yaml` and `policies/authority.yaml`: whose value of a field stands, as RevOps says it.

survivorship: which of an entity's records gives the golden record a field. authority: which system decides a field that
several may change. Both come to one rule for each field; where both name a field, authority goes first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field as Setting

from prm_sync.canonical.entities import ENTITIES
from prm_sync.canonical.model import Entity, Kind, Merge
from prm_sync.errors import ConfigError
from prm_sync.rules.policyfile import Part, Policy, load, refused, schema_of
from prm_sync.rules.survivorship import Rule
from prm_sync.yamlfile import Place, YamlFile, did_you_mean, read

KINDS = ("crm", "prm", "files")
BY_TIME, BY_PEOPLE, BY_SURVIVORSHIP = "latest", "review", "survivorship"
MergeName = Literal["latest", "trusted", "longest", "oldest", "frequent", "any"]


# --- survivorship.yaml -------------------------------------------------------------------------------------------


class Survives(Part):
    """How one field survives, in full."""

    rule: MergeName | None = Setting(default=None, description="As the field table says by default")
    trust: tuple[str, ...] = Setting(
        default=(), description="For `trusted`: connections, or kinds (crm, prm, files), the most trusted first"
    )
    never_null: bool = Setting(
        default=False, description="True: a value stays where every source has lost it, until one has another"
    )


class SurvivorshipPolicy(Policy):
    """A whole `policies/survivorship.yaml`. An empty one leaves all to the field table and `trust:`."""

    entities: dict[str, dict[str, MergeName | Survives]] = Setting(
        default_factory=dict, description="entity -> field -> rule, or {rule: ..., trust: [...], never_null: true}"
    )

    def mistakes(self) -> Iterator[tuple[Place, str]]:
        for entity, name, place in _named(self.entities):
            if isinstance(name, str):
                yield place, name
                continue
            said = self.full(entity.name, name.name)
            if name.kind is Kind.MONEY:
                yield place, f'an amount survives with its currency: name "{name.given}" instead'
            elif said.never_null and name.kind is Kind.CURRENCY and _prices(entity, name.name):
                yield place, "`never_null` cannot keep a currency without its amounts"
            if said.trust and said.rule not in (None, "trusted"):
                yield (*place, "trust"), f'only the rule `trusted` asks for `trust`; this is "{said.rule}"'

    def full(self, entity: str, field: str) -> Survives:
        said = self.entities[entity][field]
        return said if isinstance(said, Survives) else Survives(rule=said)

    def names(self) -> Iterator[tuple[Place, str]]:
        """Every connection or kind that is named, and where."""
        for entity, fields in self.entities.items():
            for field in fields:
                for n, name in enumerate(self.full(entity, field).trust):
                    yield ("entities", entity, field, "trust", n), name


# --- authority.yaml ----------------------------------------------------------------------------------------------


class FlipFlop(Part):
    """When a field that goes back and forth is frozen."""

    times: int = Setting(default=3, ge=1, description="Times that a value may come back within the window; then frozen")
    hours: float = Setting(default=24, gt=0, description="The window")


class AuthorityPolicy(Policy):
    """A whole `policies/authority.yaml`."""

    default: str = Setting(
        default=BY_SURVIVORSHIP,
        description="For fields that prm-sync writes to a system that others change too: survivorship, latest, review, "
        "crm, prm, files or a connection",
    )
    flip_flop: FlipFlop = FlipFlop()
    entities: dict[str, dict[str, str]] = Setting(
        default_factory=dict,
        description="entity -> field -> crm | prm | files | <connection> | latest | review | survivorship",
    )

    def mistakes(self) -> Iterator[tuple[Place, str]]:
        for entity, name, place in _named(self.entities):
            if isinstance(name, str):
                yield place, name
            elif name.kind is Kind.MONEY and self.entities[entity.name][name.name] != BY_PEOPLE:
                yield place, f'an amount survives with its currency: name "{name.given}" instead'
            elif self.entities[entity.name][name.name] == BY_PEOPLE and name.kind in (Kind.MONEY, Kind.CURRENCY):
                yield place, "`review` takes single values; an amount and its currency go by `latest` or by one system"

    def names(self) -> Iterator[tuple[Place, str]]:
        """Every rule that must be a connection or a kind, and where it stands."""
        fixed = (BY_TIME, BY_PEOPLE, BY_SURVIVORSHIP)
        if self.default not in fixed:
            yield ("default",), self.default
        for entity, fields in self.entities.items():
            for field, rule in fields.items():
                if rule not in fixed:
                    yield ("entities", entity, field), rule


def _named(entities: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[Entity, Any, Place]]:
    """(entity, its field, place) of all that is named; where there is none, the mistake in words as the field."""
    for name, fields in entities.items():
        entity = ENTITIES.get(name)
        if entity is None:
            nobody = Entity(name, "", ())
            yield nobody, f'"{name}" is no entity{did_you_mean(name, ENTITIES)}', ("entities", name)
            continue
        for field in fields:
            known = entity.by_name.get(field)
            wrong = f'"{field}" is no field of {name}{did_you_mean(field, entity.by_name)}'
            yield entity, known or wrong, ("entities", name, field)


def _prices(entity: Entity, currency: str) -> bool:
    return any(f.kind is Kind.MONEY and f.given == currency for f in entity.fields)


# --- reading -----------------------------------------------------------------------------------------------------


def load_survivorship(source: Path | YamlFile, connections: Collection[str] | None = None) -> SurvivorshipPolicy:
    """`connections`: those of the project; None: names are not looked at.

    Raises ConfigError with the file:line of every mistake.
    """
    return _loaded(SurvivorshipPolicy, source, connections)


def load_authority(source: Path | YamlFile, connections: Collection[str] | None = None) -> AuthorityPolicy:
    """As `load_survivorship`."""
    return _loaded(AuthorityPolicy, source, connections)


P = TypeVar("P", SurvivorshipPolicy, AuthorityPolicy)


def _loaded(kind: type[P], source: Path | YamlFile, connections: Collection[str] | None) -> P:
    file = read(source) if isinstance(source, Path) else source
    policy = load(kind, file)
    _check_names(file, policy.names(), connections)
    return policy


def _check_names(
    file: YamlFile, names: Iterator[tuple[Place, str]], connections: Collection[str] | None
) -> None:
    if connections is None:
        return
    known = {*connections, *KINDS}
    wrong = [
        (place, f'"{name}" is no connection and no rule{did_you_mean(name, known | {BY_TIME, BY_PEOPLE})}')
        for place, name in names if name not in known
    ]  # fmt: skip
    error: ConfigError | None = refused(file, wrong)
    if error is not None:
        raise error


def survivorship_schema() -> dict[str, Any]:
    return schema_of(SurvivorshipPolicy, "survivorship")


def authority_schema() -> dict[str, Any]:
    return schema_of(AuthorityPolicy, "authority")


# --- one rule for each field -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Precedence:
    """What both policies come to for one entity, with the connections of one project."""

    rules: Mapping[str, Rule]  #: for survivorship, in place of the field table's
    watched: Mapping[str, str]  #: fields of which clashes are told -> their rule in words
    review: frozenset[str]  #: fields that a person decides
    never_null: tuple[str, ...]  #: fields that keep their last value

    def __str__(self) -> str:
        """All of it, in an order of its own: for hashes."""
        rules = sorted((name, r.merge.value, r.trust) for name, r in self.rules.items())
        return repr((rules, sorted(self.watched.items()), sorted(self.review), self.never_null))


def precedence(
    entity: Entity, survivorship: SurvivorshipPolicy, authority: AuthorityPolicy, *,
    kinds: Mapping[str, str], trusted: Collection[str], shared: Collection[str],
) -> Precedence:  # fmt: skip
    """`kinds`: connection -> crm, prm or files. `shared`: fields that we write to one and another maps in."""
    rules: dict[str, Rule] = {}
    never_null = []
    for field in survivorship.entities.get(entity.name, {}):
        said = survivorship.full(entity.name, field)
        if said.never_null:
            never_null.append(field)
        if said.rule or said.trust:
            merge = Merge(said.rule or "trusted")
            rules[field] = Rule(merge, _connections(said.trust, kinds, trusted))
    named = authority.entities.get(entity.name, {})
    watched: dict[str, str] = {}
    for field in entity.by_name:
        if field not in named and field not in shared:
            continue
        by = named.get(field, authority.default)
        if by == BY_TIME:
            rules[field] = Rule(Merge.LATEST)
        elif by not in (BY_PEOPLE, BY_SURVIVORSHIP) and not _is_amount(entity, field):
            rules[field] = Rule(Merge.TRUSTED, _connections((by,), kinds, trusted))
        merge = rules[field].merge if field in rules else entity.by_name[field].merge
        watched[field] = by if by != BY_SURVIVORSHIP else merge.value
    review = frozenset(
        f for f in watched if named.get(f, authority.default) == BY_PEOPLE and not _is_priced(entity, f)
    )
    return Precedence(rules, watched, review, tuple(sorted(never_null)))


def _is_amount(entity: Entity, field: str) -> bool:
    return entity.by_name[field].kind is Kind.MONEY


def _is_priced(entity: Entity, field: str) -> bool:
    return _is_amount(entity, field) or entity.by_name[field].kind is Kind.CURRENCY


def _connections(names: Collection[str], kinds: Mapping[str, str], trusted: Collection[str]) -> tuple[str, ...]:
    """Connections and kinds as connections: a kind is all of its own, in the project's order; then the rest."""
    out: list[str] = []
    for name in names:
        out += [name] if name in kinds else [c for c in trusted if kinds.get(c) == name]
    return tuple(dict.fromkeys([*out, *trusted])) if names else ()
