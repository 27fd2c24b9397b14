"""A mapping file as data: what stands in it, checked against the field table, each mistake with its line.

    from: salesforce.Lead                # <connector>.<stream>
    to: lead                             # a canonical entity
    when: {IsConverted: [false]}         # other records are skipped, not refused; a missing key is null
    fields:                              # canonical field: remote field, or how it is made
      email: Email
      mobile: {from: [MobilePhone, Phone]}                # the first that is not empty
      status: {from: Status, choices: {Open: new}, else: working}
      domain: {from: Email, do: work_domain}              # a function of functions.py
      last_name: {from: LastName, required: true}
    back:                                # remote field: canonical field or fact, or how it is made
      Partner_Stage__c: {from: offer_partner_stage, choices: {open: Open, working: Working, won: Won, lost: Lost}}

Order of work: `from`, then `do`, then `choices`, then the parser of the field's kind. `choices: {null: EUR}` alone is a
default for an empty source; `else` holds for every other value that is not empty.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from prm_sync import yamlfile
from prm_sync.canonical import values
from prm_sync.canonical.entities import ENTITIES
from prm_sync.canonical.facts import facts_of
from prm_sync.canonical.model import Entity, Field, Kind
from prm_sync.errors import ConfigError
from prm_sync.rules.mapping.functions import FUNCTIONS, Function, Way
from prm_sync.yamlfile import YamlFile, did_you_mean

KEYS: Final = ("from", "to", "when", "fields", "back")
FIELD_KEYS: Final = ("from", "do", "choices", "else", "required")
BACK_KEYS: Final = ("from", "do", "choices", "else")
NULL_KEYS: Final = frozenset({"", "~", "null", "Null", "NULL"})


class Nothing(Enum):
    """The type of `NOTHING`: an `else` that is not there (`else: null` is one that is)."""

    NOTHING = "nothing"


NOTHING: Final = Nothing.NOTHING


@dataclass(frozen=True, slots=True)
class Choices:
    """`choices` and `else`. `known` is by the value's text ("true" for true); `empty` is what null becomes."""

    known: Mapping[str, Any]
    empty: Any = None
    other: Any | Nothing = NOTHING

    @property
    def is_default(self) -> bool:
        """True for `choices: {null: X}`: a default for an empty source, every other value goes its own way."""
        return not self.known and self.other is NOTHING

    def plain(self) -> list[Any]:
        """The same in JSON's values: for hashes."""
        return [dict(self.known), self.empty, str(self.other), type(self.other).__name__]


@dataclass(frozen=True, slots=True)
class FieldRule:
    """How one canonical field is made. `given` is the mapped field that a PHONE or MONEY is read by."""

    field: Field
    sources: tuple[str, ...]
    do: Function | None = None
    choices: Choices | None = None
    required: bool = False
    given: str | None = None


@dataclass(frozen=True, slots=True)
class BackRule:
    """How one remote field is written. `currency` names the field or fact that `do: major_units` goes by."""

    remote: str
    sources: tuple[Field, ...]
    do: Function | None = None
    choices: Choices | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class MappingSpec:
    """One mapping file. `fields` stand in the order in which they are made (a country before its phones)."""

    file: Path
    connector: str
    stream: str
    entity: Entity
    when: Mapping[str, tuple[Any, ...]]
    fields: tuple[FieldRule, ...]
    back: tuple[BackRule, ...]

    @property
    def name(self) -> str:
        return f"{self.connector}.{self.stream} -> {self.entity.name}"

    @property
    def sources(self) -> tuple[str, ...]:
        """Every remote field that is read, as written (dotted paths too), `when` included; each once."""
        return tuple(dict.fromkeys([*self.when, *(s for rule in self.fields for s in rule.sources)]))


def load_mapping(path: Path, entities: Mapping[str, Entity] = ENTITIES) -> MappingSpec:
    """The mapping in a file. Raises ConfigError with file and line at the first mistake."""
    return _Reader(yamlfile.read(path), entities).spec()


def load_all(
    folder: Path, entities: Mapping[str, Entity] = ENTITIES, connectors: Collection[str] | None = None
) -> tuple[list[MappingSpec], list[ConfigError]]:
    """All of `<folder>/<connector>/*.yaml` but the `*.cases.yaml`, by path; and the errors of the broken files.

    `connectors`: only theirs; None: those of every folder.
    """
    specs: list[MappingSpec] = []
    errors: list[ConfigError] = []
    for path in sorted(folder.glob("*/*.yaml")):
        if path.name.endswith(".cases.yaml") or (connectors is not None and path.parent.name not in connectors):
            continue
        try:
            spec = load_mapping(path, entities)
            if spec.connector != path.parent.name:
                raise ConfigError(
                    f'`from` names the connector "{spec.connector}", the folder "{path.parent.name}"', file=path
                )
        except ConfigError as wrong:
            errors.append(wrong)
        else:
            specs.append(spec)
    return specs, errors


def load_mappings(folder: Path, entities: Mapping[str, Entity] = ENTITIES) -> list[MappingSpec]:
    """All mappings of a folder. Raises the ConfigError of the first broken file."""
    specs, errors = load_all(folder, entities)
    if errors:
        raise errors[0]
    return specs


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


class _Reader:
    """One file on its way to a spec."""

    def __init__(self, file: YamlFile, entities: Mapping[str, Entity]) -> None:
        self.file, self.entities = file, entities

    def spec(self) -> MappingSpec:
        top = self._mapping(self.file.data)
        self._known_keys(top, KEYS)
        connector, stream = self._origin(top)
        entity = self._entity(top)
        when = {name: self._allowed(name, given) for name, given in self._mapping(top.get("when"), "when").items()}
        fields = self._mapping(top.get("fields"), "fields")
        back = self._mapping(top.get("back"), "back")
        if not fields and not back:
            raise self.file.error("neither `fields` nor `back`: a mapping must map something")
        rules = {name: self._field(entity, name, how) for name, how in fields.items()}
        if rules:
            self._complete(entity, rules)
        facts = {f.name: f for f in facts_of(entity)}
        for remote in back:
            if over := next((other for other in back if remote.startswith(f"{other}.")), None):
                raise self.file.error(
                    f'back.{remote} stands within "{over}", which is written as a value', "back", remote
                )
        return MappingSpec(
            self.file.path, connector, stream, entity, when, _in_order(entity, rules),
            tuple(self._back(entity, facts, remote, how) for remote, how in back.items()),
        )  # fmt: skip

    def _mapping(self, value: Any, *place: str) -> dict[str, Any]:
        if value is None and place:
            return {}
        if not isinstance(value, dict):
            raise self.file.error(f"{'.'.join(place) or 'the file'} must be a mapping (`name: value` lines)", *place)
        return value

    def _known_keys(self, found: Mapping[str, Any], known: tuple[str, ...], *place: str) -> None:
        for key in found:
            if key not in known:
                where = f" in {'.'.join(place)}" if place else ""
                raise self.file.error(f'unknown key "{key}"{where}{did_you_mean(key, known)}', *place, key)

    def _origin(self, top: Mapping[str, Any]) -> tuple[str, str]:
        origin = top.get("from")
        connector, _, stream = origin.partition(".") if isinstance(origin, str) else ("", "", "")
        if not connector or not stream:
            raise self.file.error("`from` must be <connector>.<stream>, such as salesforce.Lead", "from")
        return connector, stream

    def _entity(self, top: Mapping[str, Any]) -> Entity:
        name = top.get("to")
        if not isinstance(name, str):
            raise self.file.error("`to` must name a canonical entity" + did_you_mean("", self.entities), "to")
        if name not in self.entities:
            raise self.file.error(f'unknown entity "{name}"{did_you_mean(name, self.entities)}', "to")
        return self.entities[name]

    def _allowed(self, name: str, given: Any) -> tuple[Any, ...]:
        allowed = given if isinstance(given, list) else [given]
        if not allowed or not all(map(_is_scalar, allowed)):
            raise self.file.error(f"when.{name} must be a value or a list of values", "when", name)
        return tuple(allowed)

    def _complete(self, entity: Entity, rules: Mapping[str, FieldRule]) -> None:
        for name, rule in rules.items():
            if rule.field.kind is Kind.MONEY and rule.field.given and rule.given not in rules:
                raise self.file.error(f'"{name}" is an amount: map "{rule.field.given}", too', "fields", name)
        for group in entity.any_of:
            if not any(name in rules for name in group):
                raise self.file.error(f"map at least one of {', '.join(group)}: a {entity.name} needs one", "fields")

    def _rule(self, place: tuple[str, str], how: Any, keys: tuple[str, ...], way: Way) -> dict[str, Any]:
        """The long form of a rule, its keys, `from` and `do` checked; `from` a list, `do` a Function or None."""
        if isinstance(how, str | list):
            how = {"from": how}
        if not isinstance(how, dict):
            raise self.file.error(f"{'.'.join(place)} must be a name or {{from: ...}}", *place)
        self._known_keys(how, keys, *place)
        names = [how["from"]] if isinstance(how.get("from"), str) else how.get("from")
        if not isinstance(names, list) or not names or not all(isinstance(n, str) and n for n in names):
            raise self.file.error(f"{'.'.join(place)}: `from` is missing: a name or a list of names", *place, "from")
        function = how.get("do")
        if function is not None:
            able = {name: f for name, f in FUNCTIONS.items() if way in f.ways}
            if function not in able:
                raise self.file.error(
                    f'{".".join(place)}: unknown function "{function}"{did_you_mean(str(function), able)}', *place, "do"
                )
            function = able[function]
        return {**how, "from": names, "do": function}

    def _field(self, entity: Entity, name: str, how: Any) -> FieldRule:
        place = ("fields", name)
        if name not in entity.by_name:
            known = did_you_mean(name, entity.by_name)
            raise self.file.error(f'unknown field "{name}" of {entity.name}{known}', *place)
        field = entity.by_name[name]
        how = self._rule(place, how, FIELD_KEYS, "in")
        if not isinstance(how.get("required", False), bool):
            raise self.file.error(f"fields.{name}: `required` is true or false", *place, "required")
        if how["do"] and how["do"].final and field.kind is not Kind.MONEY:
            raise self.file.error(f'fields.{name}: "{how["do"].name}" is for amounts, {name} is none', *place, "do")
        choices = self._choices(place, how)
        if choices is not None and field.kind in (Kind.MONEY, Kind.PHONE):
            raise self.file.error(f"fields.{name}: a {field.kind} has no choices", *place)
        if choices is not None:
            choices = self._canonical(field, choices)
        given = field.given if field.kind in (Kind.PHONE, Kind.MONEY) else None
        return FieldRule(field, tuple(how["from"]), how["do"], choices, how.get("required", False), given)

    def _choices(self, place: tuple[str, str], how: Mapping[str, Any]) -> Choices | None:
        if "choices" not in how and "else" not in how:
            return None
        table = self._mapping(how.get("choices"), *place, "choices")
        for key, value in [*table.items(), ("else", how.get("else"))]:
            if not _is_scalar(value):
                at = (*place, "else") if key == "else" else (*place, "choices", key)
                raise self.file.error(f"{'.'.join(place)}: a choice must be a plain value", *at)
        empty = next((v for k, v in table.items() if k in NULL_KEYS), None)
        known = {k: v for k, v in table.items() if k not in NULL_KEYS}
        if not table and "else" not in how:
            raise self.file.error(f"{'.'.join(place)}: `choices` is empty", *place, "choices")
        return Choices(known, empty, how.get("else", NOTHING))

    def _canonical(self, field: Field, choices: Choices) -> Choices:
        """The choices with canonical values: parsed once, here, instead of with every record."""
        where = ("fields", field.name)

        def made(value: Any, *at: str) -> Any:
            if value is None or value is NOTHING:
                return value
            if field.kind is Kind.CHOICE:
                if value not in field.choices:
                    known = did_you_mean(str(value), field.choices)
                    raise self.file.error(f'fields.{field.name}: "{value}" is no choice of it{known}', *where, *at)
                return value
            try:
                return values.PARSERS[field.kind](value)
            except ValueError as wrong:
                raise self.file.error(f'fields.{field.name}: "{value}": {wrong}', *where, *at) from None

        null = next((k for k in NULL_KEYS if (*where, "choices", k) in self.file.lines), "null")
        return Choices(
            {key: made(value, "choices", key) for key, value in choices.known.items()},
            made(choices.empty, "choices", null),
            made(choices.other, "else"),
        )

    def _back(self, entity: Entity, facts: Mapping[str, Field], remote: str, how: Any) -> BackRule:
        place = ("back", remote)
        known = {**entity.by_name, **facts}
        how = self._rule(place, how, BACK_KEYS, "back")
        for name in how["from"]:
            if name not in known:
                near = did_you_mean(name, known)
                message = f'back.{remote}: "{name}" is neither a field nor a fact of {entity.name}{near}'
                raise self.file.error(message, *place, "from")
        sources = tuple(known[name] for name in how["from"])
        choices = self._choices(place, how)
        if choices is not None:
            self._covers(place, sources, choices)
        currency = None
        if how["do"] and how["do"].given:
            sources, currency = self._currency(place, sources, known, facts)
        return BackRule(remote, sources, how["do"], choices, currency)

    def _covers(self, place: tuple[str, str], sources: tuple[Field, ...], choices: Choices) -> None:
        """Where a canonical choice is translated, every value of it must be: a write has nobody to ask."""
        able = {c for f in sources for c in f.choices}
        if not able or choices.is_default:
            return
        for key in choices.known:
            if key not in able:
                message = f'{".".join(place)}: "{key}" is no choice{did_you_mean(key, able)}'
                raise self.file.error(message, *place, "choices", key)
        if choices.other is NOTHING and (left := sorted(able - set(choices.known))):
            raise self.file.error(f"{'.'.join(place)}: `choices` lacks {', '.join(left)}; add them or `else`", *place)

    def _currency(
        self, place: tuple[str, str], sources: tuple[Field, ...], known: Mapping[str, Field], facts: Mapping[str, Field]
    ) -> tuple[tuple[Field, ...], str]:
        """The amounts, and the field that holds their currency: the one named, or what the amount is given by."""
        amounts = tuple(f for f in sources if f.kind is Kind.MONEY)
        named = [f.name for f in sources if f.kind is Kind.CURRENCY]
        of_facts = [f.name for f in facts.values() if f.kind is Kind.CURRENCY]
        if not amounts or len(amounts) + len(named) != len(sources) or len(named) > 1:
            raise self.file.error(f"{'.'.join(place)}: major_units takes an amount (and its currency)", *place)
        currency = named[0] if named else amounts[0].given or (of_facts[0] if len(of_facts) == 1 else None)
        if currency is None or currency not in known:
            raise self.file.error(f"{'.'.join(place)}: the currency of the amount is not known", *place)
        return amounts, currency


def _in_order(entity: Entity, rules: Mapping[str, FieldRule]) -> tuple[FieldRule, ...]:
    """In the order of the field table, but what a phone or an amount is read by before it."""
    givers = {rule.given for rule in rules.values()}
    mapped = [rules[f.name] for f in entity.fields if f.name in rules]
    return tuple(sorted(mapped, key=lambda rule: rule.field.name not in givers))
