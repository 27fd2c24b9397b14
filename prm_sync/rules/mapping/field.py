"""How one canonical field is made for all the records of a page, and what is wrong with each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

from prm_sync.canonical import values
from prm_sync.canonical.countries import COUNTRIES
from prm_sync.canonical.model import Kind
from prm_sync.rules.mapping.columns import Column, each, each_by, is_plain, looked_up, money, parsed, without_empty
from prm_sync.rules.mapping.faults import Fault, FaultCode
from prm_sync.rules.mapping.spec import NOTHING, Choices, FieldRule

Record: TypeAlias = Mapping[str, Any]
Faults: TypeAlias = dict[int, list[Fault]]
"""What is wrong with which record, by its place; of each record in the order in which its fields are made."""

_MISS = object()


@dataclass(slots=True)
class Page:
    """The records of a page on their way through a mapping."""

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


def read(records: Sequence[Record], source: str) -> list[Any]:
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


class FieldMaker:
    """One rule of a mapping at work: makes its field for all records of a page."""

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

    def make(self, page: Page) -> None:
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

    def _sources(self, page: Page) -> Column:
        """The first source that is not empty; for a function that takes all, lists of all of them."""
        columns = [page.sources[source] for source in self.rule.sources]
        if self.rule.do is not None and self.rule.do.takes_all:
            return [None if all(map(values.is_empty, found)) else list(found) for found in zip(*columns, strict=True)]
        first, *others = columns
        for other in others:
            first = [w if v is None else v for v, w in zip(without_empty(first), other, strict=True)]
        return first

    def _done(self, page: Page, do: Callable[[Any], Any], column: Column) -> tuple[Column, list[int]]:
        """What the function gives, and where it failed."""
        failed: list[int] = []

        def fail(n: int, value: Any, wrong: ValueError) -> None:
            failed.append(n)
            self._fail(page, n, value, wrong)

        return each(do, without_empty(column), fail), failed

    def _canonical(self, page: Page, column: Column) -> Column:
        c = self.choices
        if c is not None and not c.is_default:
            return self._chosen(page, column, c)
        made = self._parsed(page, column)
        if c is None:
            return made
        return [c.empty if m is None and values.is_empty(v) else m for m, v in zip(made, column, strict=True)]

    def _parsed(self, page: Page, column: Column) -> Column:
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

    def _chosen(self, page: Page, column: Column, c: Choices) -> Column:
        if self.kind is Kind.TEXTS:
            return [self._choose_each(page, n, c, v) for n, v in enumerate(column)]
        if not c.known and is_plain(column):
            return [c.other if v and v.strip() else c.empty for v in column]
        return looked_up(self.known, column, lambda n, v: self._choose(page, n, c, v))

    def _referring(self, value: Any) -> Any:
        return f"{self.prefix}{value}" if self.prefix and value is not None else value

    # --- what a single value may need -------------------------------------------------------------------------------

    def _choose(self, page: Page, n: int, choices: Choices, value: Any) -> Any:
        """The choice for a value that was not found as it stands."""
        if values.is_empty(value):
            return choices.empty
        made = _known(choices, value)
        if made is not _MISS:
            return made
        self._unmapped(page, n, value)
        return None

    def _choose_each(self, page: Page, n: int, choices: Choices, value: Any) -> Any:
        """The choices for a list of values; one unknown value is a fault of the whole field."""
        if values.is_empty(value):
            return choices.empty
        given = value if isinstance(value, list | tuple) else [value]
        chosen = [_known(choices, v) for v in given if not values.is_empty(v)]
        if _MISS in chosen:
            self._unmapped(page, n, value)
            return None
        return list(dict.fromkeys(v for items in chosen if items for v in items)) or None

    def _own_choice(self, page: Page, n: int, value: Any) -> str | None:
        """A canonical choice that the remote writes as we do."""
        if values.is_empty(value):
            return None
        if isinstance(value, str) and (word := values.text(value)) in self.rule.field.choices:
            return word
        self._unmapped(page, n, value, "not a choice of the field; name it in `choices`")
        return None

    def _country(self, page: Page, n: int, value: Any) -> str | None:
        try:
            return values.country(value)
        except ValueError as wrong:
            self._fail(page, n, value, wrong)
            return None

    def _unmapped(self, page: Page, n: int, value: Any, why: str = "a value that `choices` does not know") -> None:
        page.add(n, Fault(self.name, self.source, why, FaultCode.UNMAPPED_VALUE, value=value))

    def _fail(self, page: Page, n: int, value: Any, wrong: ValueError) -> None:
        if not values.is_empty(value):
            page.add(n, Fault(self.name, self.source, str(wrong), FaultCode.INVALID, value=value))

    def _refuse(self, page: Page, n: int) -> None:
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
