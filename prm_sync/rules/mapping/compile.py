"""A mapping to one function over the columns of a page: each field is made for all its records at a time.

So a value costs little more than a step of a loop in C, and what is unusual a call of its parser (columns.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeAlias

import phonenumbers

from prm_sync.canonical import values
from prm_sync.canonical.countries import COUNTRIES
from prm_sync.canonical.model import Kind
from prm_sync.rules.mapping.columns import Column, each, each_by, is_plain, looked_up, money, parsed, without_empty
from prm_sync.rules.mapping.faults import Fault, FaultCode
from prm_sync.rules.mapping.spec import NOTHING, Choices, FieldRule, MappingSpec

Record: TypeAlias = Mapping[str, Any]
Row: TypeAlias = tuple[Any, ...]
Faults: TypeAlias = dict[int, list[Fault]]
"""What is wrong with which record, by its place; of each record in the order in which its fields are made."""

_MISS = object()


@dataclass(frozen=True, slots=True)
class Compiled:
    """A mapping for one connection, ready to run.

    `rows(records)` gives for each record the values in the order of `columns`, or None: skipped by `when` (it has no
    faults), or refused (its last fault is `fatal`). A field that fails is None in the row and has a Fault.
    It raises nothing for any JSON objects.
    """

    spec: MappingSpec
    connection: str
    columns: tuple[str, ...]  #: the fields that it fills, in the order of the field table
    hash: str  #: changes with the mapping, the entity, and the code that parses values
    fields: tuple[_Field, ...] = field(repr=False)  #: in the order in which they are made

    @property
    def unfilled(self) -> tuple[str, ...]:
        """The entity's other fields."""
        return tuple(f.name for f in self.spec.entity.fields if f.name not in self.columns)

    def rows(self, records: Sequence[Record]) -> tuple[list[Row | None], Faults]:
        """The rows of a page's records, and what is wrong with them."""
        passing = self._passing(records)
        if not passing or not self.fields:
            return [None] * len(records), {}
        page = _Page(self._columns([records[n] for n in passing] if len(passing) < len(records) else records))
        for each_field in self.fields:
            each_field.make(page)
        self._reachable(page)
        rows: list[Row | None] = list(zip(*(page.made[name] for name in self.columns), strict=True))
        faults = page.told()
        for n in page.refused:
            rows[n] = None
        if len(passing) == len(records):
            return rows, faults
        placed: list[Row | None] = [None] * len(records)
        for n, row in zip(passing, rows, strict=True):
            placed[n] = row
        return placed, {passing[n]: found for n, found in faults.items()}

    def run(self, record: Record, faults: list[Fault]) -> Row | None:
        """The row of one record; what is wrong with it is appended to `faults`."""
        [row], found = self.rows([record])
        faults += found.get(0, ())
        return row

    def _passing(self, records: Sequence[Record]) -> Sequence[int]:
        """The places of the records that `when` lets pass."""
        passing: Sequence[int] = range(len(records))
        for name, allowed in self.spec.when.items():
            column, able = _read(records, name), _allowed(allowed)
            passing = [n for n in passing if column[n] in able]
        return passing

    def _columns(self, records: Sequence[Record]) -> Mapping[str, Column]:
        """What stands in each source. One look at a record for all of them takes a third of one for each."""
        names = list(dict.fromkeys(source for rule in self.spec.fields for source in rule.sources))
        try:
            found = zip(*map(itemgetter(*names, names[0]), records), strict=True)
        except KeyError:  # some are left out where they are empty, or are paths
            return {name: _read(records, name) for name in names}
        return dict(zip(names, found, strict=False))

    def _reachable(self, page: _Page) -> None:
        """Refuse records that lack all of a group of which the entity needs one."""
        for group in self.spec.entity.any_of:
            have = [page.made[name] for name in group if name in page.made]
            if have:
                sources = [s for f in self.fields if f.rule.field.name in group for s in f.rule.sources]
                fault = Fault(
                    "|".join(group), ", ".join(dict.fromkeys(sources)), f"none of {', '.join(group)} has a value",
                    FaultCode.UNREACHABLE, fatal=True,
                )  # fmt: skip
                for n, found in enumerate(zip(*have, strict=True)):
                    if found.count(None) == len(found):
                        page.refuse(n, fault)

    def named(self, row: Sequence[Any]) -> dict[str, Any]:
        """A row by the names of all the entity's fields."""
        return dict.fromkeys(self.unfilled) | dict(zip(self.columns, row, strict=True))

    @property
    def stream(self) -> str:
        return self.spec.stream

    @property
    def entity(self) -> str:
        return self.spec.entity.name

    def lineage(self) -> list[tuple[str, tuple[str, ...], str]]:
        """(canonical column, the remote fields it is made of, in words how), in the order of `columns`."""
        rules = {rule.field.name: rule for rule in self.spec.fields}
        return [(name, rules[name].sources, _in_words(rules[name])) for name in self.columns if name in rules]


def compile_mapping(spec: MappingSpec, connection: str) -> Compiled:
    """The mapping as a function, for the records of one connection: its name stands in references."""
    filled = {rule.field.name for rule in spec.fields}
    columns = tuple(f.name for f in spec.entity.fields if f.name in filled)
    fields = tuple(_Field(rule, f"{connection}:") for rule in spec.fields)
    return Compiled(spec, connection, columns, mapping_hash(spec), fields)


# --- a page on its way through a mapping -----------------------------------------------------------------------------


@dataclass(slots=True)
class _Page:
    sources: Mapping[str, Column]
    made: dict[str, Column] = field(default_factory=dict)  #: by canonical field
    faults: Faults = field(default_factory=dict)
    refused: set[int] = field(default_factory=set)

    def add(self, n: int, fault: Fault) -> None:
        self.faults.setdefault(n, []).append(fault)

    def refuse(self, n: int, fault: Fault) -> None:
        """The record goes, for this fault. What is found of it afterwards does not count."""
        if n not in self.refused:
            self.refused.add(n)
            self.add(n, fault)

    def told(self) -> Faults:
        """The faults; of a record that was refused none after the one that it was refused for."""
        for n in self.refused:
            found = self.faults[n]
            del found[next(place for place, fault in enumerate(found, 1) if fault.fatal) :]
        return self.faults


def _read(records: Sequence[Record], source: str) -> list[Any]:
    """The source's values; a key with dots in it wins over the path."""
    column = [record.get(source) for record in records]
    if "." in source:
        keys = tuple(source.split("."))
        for n, value in enumerate(column):
            if value is None and source not in records[n]:
                column[n] = _step(records[n], keys)
    return column


def _step(value: Any, keys: tuple[str, ...]) -> Any:
    """What stands at a path; digits count in a list. None where the path ends early."""
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list) and key.isascii() and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


# --- a field --------------------------------------------------------------------------------------------------------


class _Field:
    """One rule at work."""

    def __init__(self, rule: FieldRule, prefix: str) -> None:
        self.rule, self.name, self.kind = rule, rule.field.name, rule.field.kind
        self.source = ", ".join(rule.sources)
        self.prefix = prefix if self.kind is Kind.REFERENCE else ""
        self.ready = rule.do is not None and (rule.do.final or rule.do.gives is self.kind)
        self.choices: Choices | None = None
        self.known: Mapping[Any, Any] = {}
        if rule.choices is not None:
            self.choices = _each_choice(rule.choices, self._referring)
            self.known = {**self.choices.known, None: self.choices.empty}
        elif self.kind is Kind.CHOICE:
            self.known = {**{c: c for c in rule.field.choices}, None: None}

    def make(self, page: _Page) -> None:
        """The field's column, and what is wrong with it."""
        column, failed = self._sources(page), list[int]()
        if self.rule.do is not None:
            column, failed = self._done(page, self.rule.do.run, column)
        made = column if self.ready else self._canonical(page, column)
        if failed:
            made = list(made)
            for n in failed:
                made[n] = None
        page.made[self.name] = made
        if self.rule.required:
            for n, value in enumerate(made):
                if value is None:
                    self._refuse(page, n)

    def _sources(self, page: _Page) -> Column:
        """The first source that is not empty; for a function that takes all, lists of all of them."""
        columns = [page.sources[source] for source in self.rule.sources]
        if self.rule.do is not None and self.rule.do.takes_all:
            return [None if all(map(values.is_empty, found)) else list(found) for found in zip(*columns, strict=True)]
        first, *others = columns
        for other in others:
            first = [w if v is None else v for v, w in zip(without_empty(first), other, strict=True)]
        return first

    def _done(self, page: _Page, do: Callable[[Any], Any], column: Column) -> tuple[Column, list[int]]:
        """What the function gives, and where it failed."""
        failed: list[int] = []

        def fail(n: int, value: Any, wrong: ValueError) -> None:
            failed.append(n)
            self._fail(page, n, value, wrong)

        return each(do, without_empty(column), fail), failed

    def _canonical(self, page: _Page, column: Column) -> Column:
        c = self.choices
        if c is not None and not c.is_default:
            return self._chosen(page, column, c)
        made = self._parsed(page, column)
        if c is None:
            return made
        return [c.empty if m is None and values.is_empty(v) else m for m, v in zip(made, column, strict=True)]

    def _parsed(self, page: _Page, column: Column) -> Column:
        fail, given = partial(self._fail, page), self.rule.given
        if self.kind is Kind.CHOICE:
            return looked_up(self.known, column, lambda n, v: self._own_choice(page, n, v))
        if self.kind is Kind.COUNTRY:
            return looked_up(_COUNTRIES, column, lambda n, v: self._country(page, n, v))
        if self.kind in (Kind.PHONE, Kind.MONEY):
            by = page.made.get(given) if given else None
            by = [None] * len(column) if by is None else by
            return money(column, by, fail) if self.kind is Kind.MONEY else each_by(values.phone, column, by, fail)
        made = parsed(self.kind, column, fail)
        return [v and self.prefix + v for v in made] if self.prefix else made

    def _chosen(self, page: _Page, column: Column, c: Choices) -> Column:
        if self.kind is Kind.TEXTS:
            return [self._choose_each(page, n, c, v) for n, v in enumerate(column)]
        if not c.known and is_plain(column):
            return [c.other if v and v.strip() else c.empty for v in column]
        return looked_up(self.known, column, lambda n, v: self._choose(page, n, c, v))

    def _referring(self, value: Any) -> Any:
        return f"{self.prefix}{value}" if self.prefix and value is not None else value

    # --- what a single value may need -------------------------------------------------------------------------------

    def _choose(self, page: _Page, n: int, choices: Choices, value: Any) -> Any:
        """The choice for a value that was not found as it stands."""
        if values.is_empty(value):
            return choices.empty
        made = _known(choices, value)
        if made is not _MISS:
            return made
        self._unmapped(page, n, value)
        return None

    def _choose_each(self, page: _Page, n: int, choices: Choices, value: Any) -> Any:
        """The choices for a list of values; one unknown value is a fault of the whole field."""
        if values.is_empty(value):
            return choices.empty
        given = value if isinstance(value, list | tuple) else [value]
        chosen = [_known(choices, v) for v in given if not values.is_empty(v)]
        if _MISS in chosen:
            self._unmapped(page, n, value)
            return None
        return list(dict.fromkeys(v for items in chosen if items for v in items)) or None

    def _own_choice(self, page: _Page, n: int, value: Any) -> str | None:
        """A canonical choice that the remote writes as we do."""
        if values.is_empty(value):
            return None
        if isinstance(value, str) and (word := values.text(value)) in self.rule.field.choices:
            return word
        self._unmapped(page, n, value, "not a choice of the field; name it in `choices`")
        return None

    def _country(self, page: _Page, n: int, value: Any) -> str | None:
        try:
            return values.country(value)
        except ValueError as wrong:
            self._fail(page, n, value, wrong)
            return None

    def _unmapped(self, page: _Page, n: int, value: Any, why: str = "a value that `choices` does not know") -> None:
        page.add(n, Fault(self.name, self.source, why, FaultCode.UNMAPPED_VALUE, value=value))

    def _fail(self, page: _Page, n: int, value: Any, wrong: ValueError) -> None:
        if not values.is_empty(value):
            page.add(n, Fault(self.name, self.source, str(wrong), FaultCode.INVALID, value=value))

    def _refuse(self, page: _Page, n: int) -> None:
        """The record goes: for the fault that the field has just had, or because it is empty."""
        found = page.faults.get(n)
        if n not in page.refused and found and found[-1].field == self.name:
            found[-1] = found[-1]._replace(fatal=True)
            page.refused.add(n)
        page.refuse(n, Fault(self.name, self.source, "empty, and required", FaultCode.EMPTY_REQUIRED, fatal=True))


_COUNTRIES: Mapping[Any, str | None] = {**COUNTRIES, None: None, "": None}


def _each_choice(choices: Choices, made: Callable[[Any], Any]) -> Choices:
    other = choices.other if choices.other is NOTHING else made(choices.other)
    return Choices({k: made(v) for k, v in choices.known.items()}, made(choices.empty), other)


def _known(choices: Choices, value: Any) -> Any:
    try:
        key = values.text(value)
    except ValueError:
        return _MISS
    if key not in choices.known and key.lower() in ("true", "false"):
        key = key.lower()
    return choices.known.get(key, _MISS if choices.other is NOTHING else choices.other)


def _allowed(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """What `when` lets pass: true also as a file writes it, null also as an empty text."""
    passing: list[Any] = []
    for value in given:
        passing.append(value)
        if isinstance(value, bool):
            passing += [str(value).lower(), str(value), str(value).upper()]
        elif value is None:
            passing.append("")
    return tuple(passing)


# --- hash and words -------------------------------------------------------------------------------------------------


def mapping_hash(spec: MappingSpec) -> str:
    """Another hash means: the same record may give another row."""
    fields = [[f.name, f.kind, f.given, f.choices, f.entity] for f in spec.entity.fields]
    rules = [
        [r.field.name, r.sources, r.do.name if r.do else None, r.choices and r.choices.plain(), r.required]
        for r in spec.fields
    ]
    told = [spec.connector, spec.stream, spec.entity.name, dict(spec.when), fields, spec.entity.any_of, rules]
    return hashlib.sha256(json.dumps([_code_hash(), told], default=str).encode()).hexdigest()[:32]


@cache
def _code_hash() -> str:
    """Of everything that turns a remote value into a canonical one."""
    here, canonical = Path(__file__).parent, Path(values.__file__).parent
    read = [here / n for n in ("columns.py", "compile.py", "functions.py", "freemail.py")]
    read += [canonical / n for n in ("values.py", "phone.py", "countries.py", "currencies.py", "languages.py")]
    told = b"\0".join(path.read_bytes().replace(b"\r\n", b"\n") for path in read)
    return hashlib.sha256(told + phonenumbers.__version__.encode()).hexdigest()


def _in_words(rule: FieldRule) -> str:
    words = []
    if len(rule.sources) > 1 and not (rule.do and rule.do.takes_all):
        words.append("first that is not empty")
    if rule.do:
        words.append(f"{rule.do.name}: {rule.do.doc}")
    if rule.choices is not None:
        pairs = ", ".join(f"{k} = {v}" for k, v in rule.choices.known.items())
        words += [f"choices {pairs}"] if pairs else []
        words += [f"empty = {rule.choices.empty}"] if rule.choices.empty is not None else []
        words += [f"else {rule.choices.other}"] if rule.choices.other is not NOTHING else []
    given = f" by {rule.given}" if rule.given else ""
    words.append(f"read as {rule.field.kind.value}{given}" + (", required" if rule.required else ""))
    return "; ".join(words)
