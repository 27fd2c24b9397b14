"""A mapping to one function over the columns of a page: each field is made for all its records at a time.

So a value costs little more than a step of a loop in C, and what is unusual a call of its parser (columns.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeAlias

import phonenumbers

from prm_sync.canonical import values
from prm_sync.rules.mapping.columns import Column
from prm_sync.rules.mapping.faults import Fault, FaultCode
from prm_sync.rules.mapping.field import Faults, FieldMaker, Page, Record, read
from prm_sync.rules.mapping.spec import NOTHING, FieldRule, MappingSpec

Row: TypeAlias = tuple[Any, ...]


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
    fields: tuple[FieldMaker, ...] = field(repr=False)  #: in the order in which they are made

    @property
    def unfilled(self) -> tuple[str, ...]:
        """The entity's other fields."""
        return tuple(f.name for f in self.spec.entity.fields if f.name not in self.columns)

    def rows(self, records: Sequence[Record]) -> tuple[list[Row | None], Faults]:
        """The rows of a page's records, and what is wrong with them."""
        passing = self._passing(records)
        if not passing or not self.fields:
            return [None] * len(records), {}
        page = Page(self._columns([records[n] for n in passing] if len(passing) < len(records) else records))
        for maker in self.fields:
            maker.make(page)
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
            column, able = read(records, name), _allowed(allowed)
            passing = [n for n in passing if column[n] in able]
        return passing

    def _columns(self, records: Sequence[Record]) -> Mapping[str, Column]:
        """What stands in each source. One look at a record for all of them takes a third of one for each."""
        names = list(dict.fromkeys(source for rule in self.spec.fields for source in rule.sources))
        try:
            found = zip(*map(itemgetter(*names, names[0]), records), strict=True)
        except KeyError:  # some are left out where they are empty, or are paths
            return {name: read(records, name) for name in names}
        return dict(zip(names, found, strict=False))

    def _reachable(self, page: Page) -> None:
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
    fields = tuple(FieldMaker(rule, f"{connection}:") for rule in spec.fields)
    return Compiled(spec, connection, columns, mapping_hash(spec), fields)


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
    read = [here / n for n in ("columns.py", "compile.py", "field.py", "functions.py", "freemail.py")]
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
