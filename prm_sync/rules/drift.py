"""Drift: what of a stream is no longer as the mappings count on, how bad that is, and what is held back until then.

A field that is gone or of another type makes wrong values for every record at once, so what is read from it keeps its
value until somebody has looked. Everything else is told, and goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final

from prm_sync.rules.mapping.spec import NOTHING, FieldRule, MappingSpec


@dataclass(frozen=True, slots=True)
class Shape:
    """One field of a stream, as far as mappings count on it. `guessed`: its type was told by looking at values."""

    type: str
    choices: tuple[str, ...] = ()
    length: int | None = None
    required: bool = False
    writable: bool = False
    guessed: bool = False

    def plain(self) -> dict[str, Any]:
        """The same as JSON."""
        return {**asdict(self), "choices": list(self.choices)}

    @staticmethod
    def of(plain: Mapping[str, Any]) -> Shape:
        return Shape(**{**plain, "choices": tuple(plain["choices"])})


Shapes = Mapping[str, Shape]  #: by the field's remote name


class Severity(StrEnum):
    BREAKING = "breaking"  #: wrong values, or refused writes, for every record
    WARNING = "warning"  #: for some records
    INFO = "info"  #: nothing that a mapping counts on


class Kind(StrEnum):
    REMOVED = "removed"
    RETYPED = "retyped"
    READ_ONLY = "read_only"
    NEW_CHOICE = "new_choice"
    LOST_CHOICE = "lost_choice"
    SHRUNK = "shrunk"
    REQUIRED = "required"
    ADDED = "added"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about one field that is not as expected. `concerns`: `<entity>.<field>` made of it or written to it."""

    field: str
    kind: Kind
    severity: Severity
    before: Shape | None
    after: Shape | None
    concerns: tuple[str, ...]
    holds: bool
    message: str  #: what changed and what to do; names of the remote's schema, never a record's values


HOLDING: Final = frozenset((Kind.REMOVED, Kind.RETYPED))  #: what is read from such a field is held


@dataclass(frozen=True, slots=True)
class Uses:
    """What the mappings of one stream do with a remote field."""

    reads: dict[str, list[str]] = field(default_factory=dict)  #: remote field -> "<entity>.<field>", `when` as ".when"
    writes: dict[str, list[str]] = field(default_factory=dict)
    rules: dict[str, list[FieldRule]] = field(default_factory=dict)


def uses_of(specs: Iterable[MappingSpec], known: Iterable[str]) -> Uses:
    """`known`: every field name of the stream, of before and now."""
    uses, names = Uses(), frozenset(known)
    for spec in specs:
        for source in spec.when:
            uses.reads.setdefault(remote_field(source, names), []).append(f"{spec.entity.name}.when")
        for rule in spec.fields:
            for name in dict.fromkeys(remote_field(s, names) for s in rule.sources):
                uses.reads.setdefault(name, []).append(f"{spec.entity.name}.{rule.field.name}")
                uses.rules.setdefault(name, []).append(rule)
        for back in spec.back:
            written = uses.writes.setdefault(remote_field(back.remote, names), [])
            written += [f"{spec.entity.name}.{f.name}" for f in back.sources]
    return uses


def remote_field(source: str, names: frozenset[str]) -> str:
    """The field that a mapping's source stands in: itself, or the object that a dotted path begins with."""
    return source if source in names else source.partition(".")[0]


# --- the difference --------------------------------------------------------------------------------------------------


def differences(expected: Shapes, now: Shapes, uses: Uses) -> list[Finding]:
    """What is no longer as expected, by the field's name."""
    found: list[Finding] = []
    for name in sorted({*expected, *now}):
        before, after = expected.get(name), now.get(name)
        concerns = tuple(dict.fromkeys([*uses.reads.get(name, ()), *uses.writes.get(name, ())]))
        for kind, severity, words in _of_field(name, before, after, uses):
            holds = kind in HOLDING and name in uses.reads and severity is Severity.BREAKING
            found.append(Finding(name, kind, severity, before, after, concerns, holds, words))
    return found


def taken_up(expected: Shapes, now: Shapes, findings: Sequence[Finding]) -> dict[str, Shape]:
    """What is expected from now on: the present form of every field but those with something open."""
    open_ = {f.field for f in findings if f.severity is not Severity.INFO}
    kept = {name: shape for name, shape in expected.items() if name in open_}
    return {**{name: shape for name, shape in now.items() if name not in open_}, **kept}


_Told = tuple[Kind, Severity, str]


def _of_field(name: str, before: Shape | None, after: Shape | None, uses: Uses) -> Iterator[_Told]:
    read, written = uses.reads.get(name, []), uses.writes.get(name, [])
    used = bool(read or written)
    if after is None:
        held = f"{_names(read)} keep the values they have" if read else f"{_names(written)} cannot be written any more"
        told = f"{name} is gone; {held}. Bring it back, or change the mapping" if used else f"{name} is gone"
        yield Kind.REMOVED, Severity.BREAKING if used else Severity.INFO, told
        return
    if before is None:
        if after.required and after.writable and uses.writes:
            yield Kind.REQUIRED, Severity.WARNING, _required(name)
        else:
            yield Kind.ADDED, Severity.INFO, f"{name} is new ({after.type}); map it if it is wanted"
        return
    if before.type != after.type and not (before.guessed or after.guessed):
        held = f"; {_names(read)} keep the values they have. Check the mapping" if read else ""
        told = f"{name} was {before.type} and is {after.type}{held}"
        yield Kind.RETYPED, Severity.BREAKING if used else Severity.INFO, told
    if written and before.writable and not after.writable:
        told = f"{name} can no longer be written: {_names(written)} do not arrive. Grant it, or take it out of `back:`"
        yield Kind.READ_ONLY, Severity.BREAKING, told
    yield from _of_choices(name, before, after, uses)
    if before.length and after.length and after.length < before.length:
        told = f"{name} held {before.length} characters and holds {after.length}"
        told += ": longer values are refused when they are written" if written else ": longer values may be cut"
        yield Kind.SHRUNK, Severity.WARNING if used else Severity.INFO, told
    if after.required and not before.required and uses.writes and name not in uses.writes:
        yield Kind.REQUIRED, Severity.WARNING, _required(name)


def _required(name: str) -> str:
    return f"{name} must now be given and no `back:` writes it: new records are refused. Map it, or give it a default"


def _of_choices(name: str, before: Shape, after: Shape, uses: Uses) -> Iterator[_Told]:
    new = [c for c in after.choices if c not in before.choices]
    if new:
        unknown = [c for c in new if not all(_knows(rule, c) for rule in uses.rules.get(name, ()))]
        if unknown:
            fields = _names(uses.reads.get(name, ()))
            told = f"{name} has new values that no mapping knows: {_listed(unknown)}; add them to `choices` of {fields}"
            yield Kind.NEW_CHOICE, Severity.WARNING, told
        else:
            yield Kind.NEW_CHOICE, Severity.INFO, f"{name} has new values: {_listed(new)}"
    lost = [c for c in before.choices if c not in after.choices]
    if lost and after.choices:
        written = uses.writes.get(name)
        told = f"{name} no longer has the values {_listed(lost)}"
        told += f"; {_names(written)} may be refused when they are written" if written else ""
        yield Kind.LOST_CHOICE, Severity.WARNING if written else Severity.INFO, told


def _knows(rule: FieldRule, choice: str) -> bool:
    """Whether the rule makes something of a picklist value. What a function makes of it cannot be told here."""
    if rule.do is not None:
        return True
    if rule.choices is not None and not rule.choices.is_default:
        return rule.choices.other is not NOTHING or choice.strip() in rule.choices.known
    return not rule.field.choices or choice.strip() in rule.field.choices


def _names(fields: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(fields)) or "nothing"


def _listed(values: Sequence[str], most: int = 10) -> str:
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(f'"{v}"' for v in values[:most]) + more


# --- what is held ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Held:
    """What of a mapping is held back: these canonical fields, or (`whole`) all of every record."""

    fields: frozenset[str] = frozenset()
    whole: bool = False


NOTHING_HELD: Final = Held()


def held(spec: MappingSpec, drifted: frozenset[str]) -> Held:
    """What cannot be trusted of a mapping while these remote fields are not what they were.

    A rule with several sources is held for any of them: the next best source is another value, not the same one. So is
    what is read by a held field (an amount by its currency). A field of `when` decides about the whole record.
    """
    if not drifted:
        return NOTHING_HELD
    if any(_stands_in(source, drifted) for source in spec.when):
        return Held(whole=True)
    fields = {r.field.name for r in spec.fields if any(_stands_in(s, drifted) for s in r.sources)}
    fields |= {r.field.name for r in spec.fields if r.given in fields}
    return Held(frozenset(fields))


def _stands_in(source: str, drifted: frozenset[str]) -> bool:
    return source in drifted or source.partition(".")[0] in drifted
