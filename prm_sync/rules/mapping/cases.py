"""Golden cases: examples beside a mapping, `<mapping>.cases.yaml`, that say what it must make of a record.

    - name: a lead of Vietnam
      record: {Email: An@Example.vn, Phone: "0912 345 678", Country: Việt Nam}
      expect: {email: an@example.vn, phone: "+84912345678"}       # only what is named is compared
    - {name: an unknown status, record: {...}, quarantine: {status: does not know}}    # field: part of reason, or code
    - {name: a converted lead, record: {IsConverted: true}, skip: true}
    - {name: an offer, values: {offer_state: pending}, back: {Offer_State__c: Pending}}

`expect` and `quarantine` may stand together; faults that are not named fail the case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prm_sync import yamlfile
from prm_sync.canonical import values as parsers
from prm_sync.canonical.facts import facts_of
from prm_sync.canonical.model import Field, Kind
from prm_sync.rules.mapping.back import as_json, compile_back
from prm_sync.rules.mapping.compile import Compiled, compile_mapping
from prm_sync.rules.mapping.faults import Fault
from prm_sync.rules.mapping.spec import MappingSpec
from prm_sync.yamlfile import YamlFile, did_you_mean

CONNECTION = "example"  #: the connection of a case: references read "example:003..."
_KEYS = ("name", "record", "expect", "quarantine", "skip", "values", "back")


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One case run. `problems` is empty where it passed."""

    name: str
    line: int
    problems: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.problems


def cases_file(spec: MappingSpec) -> Path:
    """Where the cases of a mapping stand, whether or not they are there."""
    return spec.file.with_name(f"{spec.file.stem}.cases.yaml")


def run_cases(spec: MappingSpec) -> list[CaseResult]:
    """Every case of the mapping, run. Raises ConfigError where there is no cases file or it is malformed."""
    file = yamlfile.read(cases_file(spec))
    if not isinstance(file.data, list) or not file.data:
        raise file.error("a cases file is a list of cases")
    compiled = compile_mapping(spec, CONNECTION)
    return [_run(file, index, case, compiled) for index, case in enumerate(file.data)]


def _run(file: YamlFile, index: int, case: Any, compiled: Compiled) -> CaseResult:
    if not isinstance(case, dict) or not isinstance(case.get("name"), str):
        raise file.error("a case is a mapping with a `name`", index)
    for key in case:
        if key not in _KEYS:
            raise file.error(f'unknown key "{key}" of a case{did_you_mean(key, _KEYS)}', index, key)
    if isinstance(case.get("record"), dict) and ({"expect", "quarantine"} & set(case) or case.get("skip") is True):
        problems = _inward(file, index, case, compiled)
    elif isinstance(case.get("values"), dict) and isinstance(case.get("back"), dict):
        problems = _backward(file, index, case, compiled.spec)
    else:
        raise file.error(
            "a case has `record` and `expect`, `quarantine` or `skip: true`; or `values` and `back`", index
        )
    return CaseResult(case["name"], file.line((index,)), tuple(problems))


def _inward(file: YamlFile, index: int, case: Mapping[str, Any], compiled: Compiled) -> list[str]:
    faults: list[Fault] = []
    row = compiled.run(case["record"], faults)
    if case.get("skip"):
        return [] if row is None and not faults else ["should be skipped by `when`, and was not"]
    problems = _faults(case.get("quarantine") or {}, faults)
    expected = case.get("expect") or {}
    if row is None and not faults:
        problems.append("was skipped by `when`")
    elif row is None and expected:
        problems.append(f"was refused: {faults[-1].field}: {faults[-1].reason}")
    elif row is not None:
        problems += _differences(file, index, expected, compiled.named(row), compiled.spec)
    return problems


def _faults(expected: Mapping[str, Any], faults: list[Fault]) -> list[str]:
    problems = [f"{f.field}: not expected: {f.reason} ({f.code})" for f in faults if f.field not in expected]
    for field, part in expected.items():
        found = [f for f in faults if f.field == field]
        if not found:
            problems.append(f"{field}: should be quarantined, and was not")
        elif not any(str(part) in f.reason or str(part) == f.code for f in found):
            problems.append(f'{field}: quarantined for "{found[0].reason}", not for "{part}"')
    return problems


def _differences(
    file: YamlFile, index: int, expected: Mapping[str, Any], row: Mapping[str, Any], spec: MappingSpec
) -> list[str]:
    problems = []
    for name, value in expected.items():
        if name not in row:
            raise file.error(
                f'unknown field "{name}" of {spec.entity.name}{did_you_mean(name, row)}', index, "expect", name
            )
        wanted = _canonical(file, spec.entity.by_name[name], value, index, "expect", name)
        if row[name] != wanted or isinstance(row[name], bool) != isinstance(wanted, bool):
            problems.append(f"{name}: {_shown(row[name])}, not {_shown(wanted)}")
    return problems


def _backward(file: YamlFile, index: int, case: Mapping[str, Any], spec: MappingSpec) -> list[str]:
    known = {**spec.entity.by_name, **{f.name: f for f in facts_of(spec.entity)}}
    given = {}
    for name, value in case["values"].items():
        if name not in known:
            raise file.error(f'"{name}" is neither field nor fact{did_you_mean(name, known)}', index, "values", name)
        given[name] = _canonical(file, known[name], value, index, "values", name)
    try:
        made = compile_back(spec).run(given)
    except ValueError as wrong:
        return [str(wrong)]
    wanted = case["back"]
    problems = [f"{k}: {_shown(made[k])} is written, and not expected" for k in made if k not in wanted]
    for name, value in wanted.items():
        if name not in made:
            problems.append(f"{name}: not written")
        elif made[name] != value or isinstance(made[name], bool) != isinstance(value, bool):
            problems.append(f"{name}: {_shown(made[name])}, not {_shown(value)}")
    return problems


def _canonical(file: YamlFile, field: Field, value: Any, *place: str | int) -> Any:
    """A value of a case as the canonical value it stands for: only time is written otherwise in YAML."""
    parser = {Kind.DATE: parsers.date, Kind.INSTANT: parsers.instant}.get(field.kind)
    if parser is None or value is None:
        return value
    try:
        return parser(value)
    except ValueError as wrong:
        raise file.error(f"{field.name}: {wrong}", *place) from None


def _shown(value: Any) -> str:
    return repr(as_json(value))
