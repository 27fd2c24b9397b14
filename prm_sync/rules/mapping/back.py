"""The way back: what of an entity is written to the remote, in the remote's names and JSON."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from prm_sync.rules.mapping.spec import NOTHING, BackRule, Choices, MappingSpec

_MISSING = object()


@dataclass(frozen=True, slots=True)
class Back:
    """The `back:` part of a mapping. `fields` are the remote names, `uses` the canonical names and facts needed."""

    spec: MappingSpec
    fields: tuple[str, ...]
    uses: tuple[str, ...]
    hash: str  #: another hash means: the same values may be written in another way
    _rules: tuple[tuple[tuple[str, ...], Callable[[Mapping[str, Any]], Any]], ...]

    def run(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The remote record, nested by dotted names. What is not in `values` is left out; None clears the remote field.

        Raises ValueError, naming the remote field, where a value is not canonical.
        """
        record: dict[str, Any] = {}
        for path, make in self._rules:
            value = make(values)
            if value is _MISSING:
                continue
            inner = record
            for key in path[:-1]:
                inner = inner.setdefault(key, {})
            inner[path[-1]] = value
        return record


def compile_back(spec: MappingSpec) -> Back:
    uses = [f.name for rule in spec.back for f in rule.sources] + [r.currency for r in spec.back if r.currency]
    rules = tuple((tuple(rule.remote.split(".")), _maker(rule)) for rule in spec.back)
    return Back(spec, tuple(rule.remote for rule in spec.back), tuple(dict.fromkeys(uses)), _hash(spec), rules)


def _hash(spec: MappingSpec) -> str:
    told = [
        [r.remote, [f.name for f in r.sources], r.do and r.do.name, r.choices and r.choices.plain(), r.currency]
        for r in spec.back
    ]
    return hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()[:32]


def as_json(value: Any) -> Any:
    """A canonical value as JSON: instants "2026-11-20T08:15:30.000+0000", days "2026-11-20"."""
    if isinstance(value, dt.datetime):
        at = value.astimezone(dt.UTC)
        return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}+0000"
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return list(value) if isinstance(value, tuple | list) else value


def _maker(rule: BackRule) -> Callable[[Mapping[str, Any]], Any]:
    names = tuple(f.name for f in rule.sources)
    takes_all = rule.do is not None and rule.do.takes_all
    needed = (*names, rule.currency) if rule.currency else names

    def make(given: Mapping[str, Any]) -> Any:
        have = [given[name] for name in names if name in given]
        if not have or (takes_all and len(have) < len(names)) or not all(n in given for n in needed[len(names) :]):
            return _MISSING  # half a name would be a wrong name, an amount without its currency a wrong amount
        value: Any = have if takes_all else next((v for v in have if not _is_blank(v)), None)
        if rule.do and (not _is_blank(value) if not takes_all else not all(map(_is_blank, have))):
            try:
                value = rule.do.run(value, given[rule.currency]) if rule.currency else rule.do.run(value)
            except ValueError as wrong:
                raise ValueError(f"back.{rule.remote}: {wrong}") from wrong
        elif takes_all:
            value = None
        return as_json(value) if rule.choices is None else _chosen(rule, rule.choices, value)

    return make


def _is_blank(value: Any) -> bool:
    return value is None or value in ("", [])


def _chosen(rule: BackRule, choices: Choices, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_chosen(rule, choices, v) for v in value]
    if _is_blank(value):
        return choices.empty
    if choices.is_default:
        return as_json(value)
    key = str(value).lower() if isinstance(value, bool) else str(as_json(value))
    made = choices.known.get(key, choices.other)
    if made is NOTHING:
        raise ValueError(f"back.{rule.remote}: a value that `choices` does not know")
    return made
