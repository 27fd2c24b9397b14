"""The same matching as Splink 5 settings: our candidates, reasons and weights, in its words. `flows.splink` runs them.

Two signs exchanged and a second slip between them are counted by DuckDB as two slips, by us as three: on such pairs
scores may differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from prm_sync.rules.identity.compare import BEGINS_ALIKE, NEAR
from prm_sync.rules.identity.reasons import EITHER, NAMES, Block, Matching

_NULL = {"sql_condition": "1 = 0", "is_null_level": True}  #: Splink wants one; what is absent falls to the last level
_CERTAIN = 0.9  #: the larger of the two probabilities of a level; only their ratio counts

#: Reasons of which at most one holds: the levels of one comparison. The others are comparisons of their own.
_LEVELS = ("family", "given", "mail", "mobile", "phone", "company", "domain", "street", "place", "birth", "number")


def settings(matching: Matching, parts: set[str]) -> dict[str, Any]:
    """Splink 5 settings for records with these parts, with the weights of `matching` as trained parameters."""
    conditions = _conditions(parts)
    groups = [[n for n in NAMES if n.startswith(f"{role}_")] for role in _LEVELS]
    alone = [[n] for n in NAMES if not any(n in group for group in groups)]
    comparisons = []
    for group in groups + alone:
        levels = [_level(name, conditions[name], matching.weights.of.get(name, 0.0))
                  for name in group if name in conditions]  # fmt: skip
        if levels:
            name = group[0].rpartition("_")[0] if len(group) > 1 else group[0]
            levels = [_NULL, *levels, _level("else", "ELSE", 0.0)]
            comparisons.append({"output_column_name": name, "comparison_levels": levels})
    return {
        "link_type": "dedupe_only",
        "probability_two_random_records_match": 1 / (1 + math.exp(-matching.weights.base)),
        "retain_matching_columns": False,
        "comparisons": comparisons,
        "blocking_rules_to_generate_predictions": [
            {"blocking_rule": rule} for block in matching.blocks for rule in _rules(block, parts)
        ],
    }


def _level(name: str, sql: str, weight: float) -> dict[str, Any]:
    small = _CERTAIN * math.exp(-abs(weight))
    m, u = (_CERTAIN, small) if weight > 0 else (small, _CERTAIN)
    return {"sql_condition": sql, "label_for_charts": name, "m_probability": m, "u_probability": u}


def _rules(block: Block, known: set[str]) -> list[str]:
    """The blocking rules of one group of parts: one for each way in which both sides may choose among `EITHER`."""
    rules = [""]
    for part in block:
        choices = [p for p in EITHER.get(part, (part,)) if p in known]
        rules = [
            f"{rule} AND l.{x} = r.{y}" for rule in rules for x in map(_block_column, choices)
            for y in map(_block_column, choices)
        ]  # fmt: skip
    return [rule.removeprefix(" AND ") for rule in rules]


def _block_column(part: str) -> str:
    return f'"{part}"'


# --- the reasons as SQL ---


def _conditions(known: set[str]) -> dict[str, str]:
    """Reason -> SQL that is true where `compare.features` has it; without those whose columns are not there."""
    found: dict[str, str] = {}
    if {"family", "given"} <= known:
        found |= _names()
    if "mail" in known:
        found |= _graded("mail", f"{_slips('mail')} <= 2")
        person = f"({_same('mail_local')} OR ({_near('mail_local')}))"
        rest = found.pop("mail_other")
        found |= {"mail_person": f"({rest}) AND {person}", "mail_other": f"({rest}) AND NOT coalesce({person}, false)"}
    if {"mobile", "phone"} & known:
        found |= _phones(known)
    if "company" in known:
        found |= _graded("company", _near("company"))
    employers = [p for p in ("domain", "mail_domain") if p in known]
    if employers:
        same = _any(_same(x, y) for x in employers for y in employers)
        both = _any(_both(x, y) for x in employers for y in employers)
        found |= {"domain_same": same, "domain_other": f"{both} AND NOT {same}"}
    if "street" in known:
        found |= _graded("street", _near("street"))
    found |= _place(known)
    for part in {"birth", "number"} & known:
        found |= _graded(part, f"{_slips(part)} <= 1")
    return found | _together(found)


def _both(part: str, other: str | None = None) -> str:
    return f'("{part}_l" IS NOT NULL AND "{other or part}_r" IS NOT NULL)'


def _same(part: str, other: str | None = None) -> str:
    return f'coalesce("{part}_l" = "{other or part}_r", false)'


def _slips(part: str, other: str | None = None) -> str:
    return f'damerau_levenshtein("{part}_l", "{other or part}_r")'


def _near(part: str, other: str | None = None) -> str:
    x, y = f'"{part}_l"', f'"{other or part}_r"'
    longer = f"greatest(length({x}), length({y}))"
    slips = f"{_slips(part, other)} <= {1 - NEAR} * {longer}"
    return f"coalesce({slips} OR jaro_winkler_similarity({x}, {y}) >= {BEGINS_ALIKE}, false)"


def _any(conditions: Iterable[str]) -> str:
    return f"({' OR '.join(conditions)})"


def _graded(part: str, near: str) -> dict[str, str]:
    both, same = _both(part), _same(part)
    return {
        f"{part}_same": same, f"{part}_near": f"{both} AND NOT {same} AND {near}",
        f"{part}_other": f"{both} AND NOT {same} AND NOT {near}",
    }  # fmt: skip


def _names() -> dict[str, str]:
    levels = {part: _name(part) for part in ("family", "given")}
    family, given = levels["family"], levels["given"]
    alike = [f"({_same(x, y)} OR {_same(f'{x}_sound', f'{y}_sound')} OR {_near(x, y)})"
             for x, y in (("family", "given"), ("given", "family"))]  # fmt: skip
    straight = f"(({family['same']} OR {family['sounds']} OR {family['near']}) AND NOT ({given['other']}))"
    crossed = f"(NOT {straight} AND {' AND '.join(alike)})"
    first = 'left("given_l", 1) = left("given_r", 1)'
    begins = 'starts_with("given_l", "given_r") OR starts_with("given_r", "given_l")'
    short = (f"({_both('given')} AND NOT {given['same']} AND ({_same('given_root')} OR "
             f"({first} AND (length(\"given_l\") = 1 OR length(\"given_r\") = 1 OR {begins}))))")  # fmt: skip
    given["near"] = f"({given['near']} OR {given.pop('sounds')})"
    found = {"names_swapped": crossed, "given_short": f"{short} AND NOT {crossed}"}
    found |= {f"family_{level}": f"{sql} AND NOT {crossed}" for level, sql in family.items()}
    return found | {f"given_{level}": f"{sql} AND NOT {short} AND NOT {crossed}" for level, sql in given.items()}


def _name(part: str) -> dict[str, str]:
    both, same, sounds, near = _both(part), _same(part), _same(f"{part}_sound"), _near(part)
    left = f"{both} AND NOT {same} AND NOT {sounds} AND NOT {near}"
    script = f'(("{part}_han_l" IS NULL) <> ("{part}_han_r" IS NULL))'
    return {
        "same": same, "sounds": f"({both} AND NOT {same} AND {sounds})",
        "near": f"({both} AND NOT {same} AND NOT {sounds} AND {near})",
        "script": f"({left} AND {script})", "other": f"({left} AND NOT {script})",
    }  # fmt: skip


def _phones(known: set[str]) -> dict[str, str]:
    found = _graded("mobile", f"{_slips('mobile')} <= 1") if "mobile" in known else {}
    if "phone" not in known:
        return found
    found |= {"phone_same": _same("phone"), "phone_other": f"{_both('phone')} AND NOT {_same('phone')}"}
    if "mobile" in known:
        either = f"({_same('phone', 'mobile')} OR {_same('mobile', 'phone')})"
        crossed = f"({either} AND NOT {_same('phone')} AND NOT {_same('mobile')})"
        found = {name: f"{sql} AND NOT {crossed}" if name.endswith("_other") else sql for name, sql in found.items()}
        found["phone_crossed"] = crossed
    return found


def _place(known: set[str]) -> dict[str, str]:
    code, town = "postal_code" in known, "city" in known
    if not (code or town):
        return {}
    same = _same("postal_code") if code else "false"
    near = f"({_both('postal_code')} AND NOT {same} AND {_slips('postal_code')} <= 1)" if code else "false"
    same_town = f"({_same('city')} OR (NOT {same} AND {_near('city')}))" if town else "false"
    other = f"{_both('postal_code')} AND NOT {same} AND NOT {near}" if code else "false"
    only_town = f"NOT {_both('postal_code') if code else 'false'} AND {_both('city') if town else 'false'}"
    return {
        "place_same": same, "place_near": f"NOT {same} AND ({near} OR {same_town})",
        "place_other": f"NOT {near} AND NOT {same_town} AND (({other}) OR ({only_town}))",
    }  # fmt: skip


def _together(found: dict[str, str]) -> dict[str, str]:
    def one_of(*names: str) -> str:
        return _any([f"({found[n]})" for n in names if n in found] or ["false"])

    name = (f"(({one_of('family_same', 'family_sounds', 'family_near')} AND "
            f"{one_of('given_same', 'given_near', 'given_short')}) OR {one_of('names_swapped')})")  # fmt: skip
    contact = one_of("mail_same", "mail_near", "mobile_same")
    work = one_of("company_same", "company_near", "domain_same")
    home = one_of("street_same", "street_near", "place_same")
    own = one_of("mail_same", "mobile_same", "birth_same", "birth_near", "number_same", "number_near")
    return {
        "names_alike": name, "names_differ": f"{one_of('family_other')} AND {one_of('given_other')}",
        "contact_agrees": f"{name} AND {contact}", "work_agrees": f"{name} AND {work}",
        "home_agrees": f"{name} AND {home}",
        "only_work": f"{one_of('family_other', 'given_other')} AND ({work} OR {home}) AND NOT {own}",
    }  # fmt: skip
