"""A mapping to one function: straight-line Python made for it, so that a record costs little more than its fields.

The text of the function is kept (`Compiled.code`): what runs can be read. Values from the mapping file never get into
that text but through `repr` of a str, or as bound names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import phonenumbers

from prm_sync.canonical import values
from prm_sync.canonical.countries import COUNTRIES
from prm_sync.canonical.model import Kind
from prm_sync.rules.mapping.faults import Fault, FaultCode
from prm_sync.rules.mapping.spec import NOTHING, Choices, FieldRule, MappingSpec

Run: TypeAlias = Callable[[Mapping[str, Any], list[Fault]], "tuple[Any, ...] | None"]

_MISS = object()


@dataclass(frozen=True, slots=True)
class Compiled:
    """A mapping for one connection, ready to run.

    `run(record, faults)` gives the values in the order of `columns`, or None: skipped by `when` (no fault is appended),
    or refused (a fault with `fatal` is appended). A field that fails is None in the row and appended as a Fault.
    It raises nothing for any JSON object.
    """

    spec: MappingSpec
    connection: str
    columns: tuple[str, ...]  #: the fields that it fills, in the order of the field table
    hash: str  #: changes with the mapping, the entity, and the code that parses values
    run: Run = field(repr=False)
    code: str = field(repr=False)

    @property
    def unfilled(self) -> tuple[str, ...]:
        """The entity's other fields."""
        return tuple(f.name for f in self.spec.entity.fields if f.name not in self.columns)

    def named(self, row: Sequence[Any]) -> dict[str, Any]:
        """A row of `run` by the names of all the entity's fields."""
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
    code, names = _Writer(spec, connection).write()
    space: dict[str, Any] = dict(names)
    exec(compile(code, f"<mapping {spec.name!r}>", "exec"), space)  # noqa: S102 our own text, see the module's docstring
    filled = {rule.field.name for rule in spec.fields}
    columns = tuple(f.name for f in spec.entity.fields if f.name in filled)
    return Compiled(spec, connection, columns, mapping_hash(spec), space["run"], code)


# --- what the made function calls off its fast road -----------------------------------------------------------------


def _fail(faults: list[Fault], name: str, source: str, value: Any, wrong: ValueError) -> None:
    if not values.is_empty(value):
        faults.append(Fault(name, source, str(wrong), FaultCode.INVALID, value=value))


def _refuse(faults: list[Fault], since: int, name: str, source: str) -> None:
    """The record goes: for the fault that the field has just had, or because it is empty."""
    if len(faults) > since:
        faults[-1] = faults[-1]._replace(fatal=True)
    else:
        faults.append(Fault(name, source, "empty, and required", FaultCode.EMPTY_REQUIRED, fatal=True))


def _step(value: Any, keys: tuple[str, ...]) -> Any:
    """What stands at a path; digits count in a list. None where the path ends early."""
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isascii() and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def _choose(choices: Choices, faults: list[Fault], name: str, source: str, value: Any) -> Any:
    """The choice for a value that was not found as it stands."""
    if values.is_empty(value):
        return choices.empty
    made = _known(choices, value)
    if made is not _MISS:
        return made
    faults.append(Fault(name, source, "a value that `choices` does not know", FaultCode.UNMAPPED_VALUE, value=value))
    return None


def _known(choices: Choices, value: Any) -> Any:
    try:
        key = values.text(value)
    except ValueError:
        return _MISS
    if key not in choices.known and key.lower() in ("true", "false"):
        key = key.lower()
    return choices.known.get(key, _MISS if choices.other is NOTHING else choices.other)


def _choose_each(choices: Choices, faults: list[Fault], name: str, source: str, value: Any) -> Any:
    """The choices for a list of values; one unknown value is a fault of the whole field."""
    if values.is_empty(value):
        return choices.empty
    chosen = [
        _known(choices, v) for v in (value if isinstance(value, list | tuple) else [value]) if not values.is_empty(v)
    ]
    if _MISS in chosen:
        faults.append(
            Fault(name, source, "a value that `choices` does not know", FaultCode.UNMAPPED_VALUE, value=value)
        )
        return None
    return list(dict.fromkeys(v for items in chosen if items for v in items)) or None


def _choice_of(known: frozenset[str], faults: list[Fault], name: str, source: str, value: Any) -> str | None:
    """A canonical choice that the remote writes as we do."""
    if values.is_empty(value):
        return None
    if isinstance(value, str) and (word := values.text(value)) in known:
        return word
    faults.append(
        Fault(name, source, "not a choice of the field; name it in `choices`", FaultCode.UNMAPPED_VALUE, value=value)
    )
    return None


_NAMES: dict[str, Any] = {
    "fail": _fail, "refuse": _refuse, "step": _step, "choose": _choose, "choose_each": _choose_each,
    "choice_of": _choice_of, "empty": values.is_empty, "MISS": _MISS, "Fault": Fault,
    "UNREACHABLE": FaultCode.UNREACHABLE, "COUNTRIES": COUNTRIES, "money": values.money, "phone": values.phone,
    **{f"parse_{kind.value}": parser for kind, parser in values.PARSERS.items()},
}  # fmt: skip


# --- the writer -----------------------------------------------------------------------------------------------------


class _Writer:
    """Writes the function's text, and binds what it names."""

    def __init__(self, spec: MappingSpec, connection: str) -> None:
        self.spec, self.prefix = spec, f"{connection}:"
        self.lines: list[str] = []
        self.names = dict(_NAMES)
        self.mapped = {rule.field.name for rule in spec.fields}

    def write(self) -> tuple[str, dict[str, Any]]:
        self.put(0, "def run(record, faults):", "    get = record.get")
        for name, allowed in self.spec.when.items():
            self.read(1, name)
            self.put(1, f"if v not in {self.bind('allowed', _allowed(allowed))}: return None")
        for rule in self.spec.fields:
            self.field(rule)
        for group in self.spec.entity.any_of:
            if have := [n for n in group if n in self.mapped]:
                told = repr(("|".join(group), self.sources_of(have), f"none of {', '.join(group)} has a value"))[1:-1]
                self.put(
                    1,
                    f"if {' and '.join(f'f_{n} is None' for n in have)}:",
                    f"    faults.append(Fault({told}, UNREACHABLE, True))",
                    "    return None",
                )
        row = ", ".join(f"f_{f.name}" for f in self.spec.entity.fields if f.name in self.mapped)
        self.put(1, f"return ({row},)" if row else "return None")  # nothing is mapped: every record is passed over
        return "\n".join(self.lines) + "\n", self.names

    def put(self, depth: int, *lines: str) -> None:
        self.lines += [f"{'    ' * depth}{line}" for line in lines]

    def bind(self, word: str, value: Any) -> str:
        name = f"{word}_{len(self.names)}"
        self.names[name] = value
        return name

    def sources_of(self, names: list[str]) -> str:
        return ", ".join(dict.fromkeys(s for r in self.spec.fields if r.field.name in names for s in r.sources))

    def read(self, depth: int, source: str) -> None:
        """`v` = the source's value; a key with dots in it wins over the path."""
        self.put(depth, f"v = get({source!r})")
        if "." in source:
            keys = tuple(source.split("."))
            self.put(depth, f"if v is None and {source!r} not in record: v = step(record, {keys!r})")

    def read_all(self, rule: FieldRule) -> None:
        """`v` = the first source that is not empty; for a function that takes all, the list of them."""
        if rule.do and rule.do.takes_all:
            self.put(1, "a = []")
            for source in rule.sources:
                self.read(1, source)
                self.put(1, "a.append(v)")
            self.put(1, "v = None if all(map(empty, a)) else a")
            return
        self.read(1, rule.sources[0])
        for depth, source in enumerate(rule.sources[1:], 1):
            blank = "v is None or (v.__class__ is str and not v.strip()) or (not v and empty(v))"
            self.put(depth, f"if {blank}:")
            self.read(depth + 1, source)

    def field(self, rule: FieldRule) -> None:
        name, source = rule.field.name, ", ".join(rule.sources)
        self.put(1, f"# {name}")
        if rule.required:
            self.put(1, "since = len(faults)")
        self.read_all(rule)
        depth = 1
        if rule.do:
            function = self.bind("do", rule.do.run)
            self.put(
                1,
                "try:",
                f"    if v is not None: v = None if empty(v) else {function}(v)",
                "except ValueError as e:",
                f"    f_{name} = fail(faults, {name!r}, {source!r}, v, e)",
                "else:",
            )
            depth = 2
        self.assign(depth, rule, f"{name!r}, {source!r}")
        if rule.required:
            self.put(1, f"if f_{name} is None: return refuse(faults, since, {name!r}, {source!r})")

    def assign(self, depth: int, rule: FieldRule, where: str) -> None:
        """`f_<name>` = the canonical value of `v`. `where` are the arguments that name the field and its source."""
        f = f"f_{rule.field.name}"
        if rule.do and (rule.do.final or rule.do.gives is rule.field.kind):
            self.put(depth, f"{f} = v")
        elif rule.choices is not None and not rule.choices.is_default:
            self.chosen(depth, rule, where, f)
        else:
            self.parsed(depth, rule, where, f)
            if rule.choices is not None:  # a default for an empty source, not for a value that failed
                default = self.bind("default", self.of_kind(rule.field.kind, rule.choices.empty))
                self.put(depth, f"if {f} is None and empty(v): {f} = {default}")

    def of_kind(self, kind: Kind, value: Any) -> Any:
        return f"{self.prefix}{value}" if kind is Kind.REFERENCE and value is not None else value

    def chosen(self, depth: int, rule: FieldRule, where: str, f: str) -> None:
        assert rule.choices is not None
        kind, c = rule.field.kind, rule.choices
        other = c.other if c.other is NOTHING else self.of_kind(kind, c.other)
        made = Choices({k: self.of_kind(kind, v) for k, v in c.known.items()}, self.of_kind(kind, c.empty), other)
        choices = self.bind("choices", made)
        if kind is Kind.TEXTS:
            self.put(depth, f"{f} = choose_each({choices}, faults, {where}, v)")
            return
        if not made.known and made.other is not NOTHING:  # one value for whatever is said
            whatever = self.bind("other", made.other)
            self.put(
                depth,
                f"if v.__class__ is str and v.isascii() and v.isprintable() and v.strip(): {f} = {whatever}",
                f"else: {f} = choose({choices}, faults, {where}, v)",
            )
            return
        known = self.bind("known", dict(made.known))
        self.put(
            depth,
            f"{f} = {known}.get(v, MISS) if v.__class__ is str else MISS",
            f"if {f} is MISS: {f} = choose({choices}, faults, {where}, v)",
        )

    def parsed(self, depth: int, rule: FieldRule, where: str, f: str) -> None:
        kind = rule.field.kind
        clean = "v.__class__ is str and v.isascii() and v.isprintable()"
        call = f"parse_{kind.value}(v)"
        if kind is Kind.TEXT:
            self.put(depth, f"if {clean}: {f} = v.strip() or None")
        elif kind is Kind.REFERENCE:
            prefix = self.bind("prefix", self.prefix)
            self.put(depth, f"if {clean} and v and v[0] != ' ' != v[-1]: {f} = {prefix} + v")
            call = f"{prefix} + {call}"
        elif kind is Kind.CHOICE:
            known = self.bind("known", frozenset(rule.field.choices))
            self.put(
                depth,
                f"if v.__class__ is str and v in {known}: {f} = v",
                f"else: {f} = choice_of({known}, faults, {where}, v)",
            )
            return
        elif kind is Kind.COUNTRY:
            self.put(depth, f"if v.__class__ is str and v in COUNTRIES: {f} = COUNTRIES[v]")
        elif kind is Kind.BOOLEAN:
            self.put(depth, f"if v is False or v is True: {f} = v")
        elif kind in (Kind.PHONE, Kind.MONEY):
            given = f"f_{rule.given}" if rule.given in self.mapped else "None"
            call = f"{kind.value}(v, {given})"
        first = "if" if kind not in (Kind.TEXT, Kind.REFERENCE, Kind.COUNTRY, Kind.BOOLEAN) else "elif"
        self.put(
            depth,
            f"{first} v is None or v == '': {f} = None",
            "else:",
            f"    try: {f} = {call}",
            f"    except ValueError as e: {f} = fail(faults, {where}, v, e)",
        )


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
    read = [here / n for n in ("compile.py", "functions.py", "freemail.py")]
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
