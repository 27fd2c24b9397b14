"""The JSON Schema of mapping files, made from the field table and the functions: editors complete and check by it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prm_sync.canonical.entities import ENTITIES
from prm_sync.canonical.facts import facts_of
from prm_sync.canonical.model import Entity, Field, Kind
from prm_sync.rules.mapping.functions import FUNCTIONS, Way

_SOURCE: dict[str, Any] = {"$ref": "#/$defs/source"}
_SCALAR: dict[str, Any] = {"type": ["string", "number", "boolean", "null"]}
_CONSTANT = (Kind.MONEY, Kind.PHONE)  # kinds that take no choices


def mapping_schema() -> dict[str, Any]:
    """Draft 2020-12. What it cannot say (a `from` that the stream lacks) `prm-sync mappings test` does."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "prm-sync mapping",
        "description": "How the records of one stream become canonical rows, and what is written back.",
        "type": "object",
        "required": ["from", "to"],
        "anyOf": [{"required": ["fields"]}, {"required": ["back"]}],
        "additionalProperties": False,
        "properties": {
            "from": {
                "type": "string", "pattern": r"^[^.]+\..+$",
                "description": "<connector>.<stream>, such as salesforce.Lead",
            },
            "to": {"enum": list(ENTITIES), "description": "The canonical entity"},
            "when": {
                "type": "object",
                "description": "Remote field: value or values; other records are skipped. A missing key is null.",
                "additionalProperties": {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR, "minItems": 1}]},
            },
            "fields": {"type": "object"},
            "back": {"type": "object"},
        },
        "allOf": [_of_entity(entity) for entity in ENTITIES.values()],
        "$defs": {
            "source": _names({"type": "string", "minLength": 1}),
            "plain": {"anyOf": [_SOURCE, _rule(_how(None))]},
            "chosen": {"anyOf": [_SOURCE, _rule(_how(_SCALAR))]},
            "do": _functions("in"),
            "do_back": _functions("back"),
            **{f"names_of_{e.name}": _names({"enum": _names_of(e)}) for e in ENTITIES.values()},
        },
    }  # fmt: skip


def _of_entity(entity: Entity) -> dict[str, Any]:
    return {
        "if": {"properties": {"to": {"const": entity.name}}, "required": ["to"]},
        "then": {
            "properties": {
                "fields": {
                    "description": entity.doc,
                    "properties": {f.name: _field(f) for f in entity.fields},
                    "additionalProperties": False,
                },
                "back": {"additionalProperties": _back({"$ref": f"#/$defs/names_of_{entity.name}"})},
            }
        },
    }


def _field(field: Field) -> dict[str, Any]:
    described: dict[str, Any] = {"description": f"{field.doc} ({field.kind})"}
    if field.kind is Kind.CHOICE:
        return {**described, "anyOf": [_SOURCE, _rule(_how({"enum": [*field.choices, None]}))]}
    return {**described, "$ref": f"#/$defs/{'plain' if field.kind in _CONSTANT else 'chosen'}"}


def _how(choice: dict[str, Any] | None) -> dict[str, Any]:
    """The keys of a field's long form; `choice` is what a choice may become, None where there are no choices."""
    how: dict[str, Any] = {"from": _SOURCE, "do": {"$ref": "#/$defs/do"}, "required": {"type": "boolean"}}
    if choice is not None:
        how |= {"choices": {"type": "object", "additionalProperties": choice}, "else": choice}
    return how


def _back(source: dict[str, Any]) -> dict[str, Any]:
    choices = {"type": "object", "additionalProperties": _SCALAR}
    how = {"from": source, "do": {"$ref": "#/$defs/do_back"}, "choices": choices, "else": _SCALAR}
    return {"anyOf": [source, _rule(how)]}


def _names_of(entity: Entity) -> list[str]:
    return list(dict.fromkeys(f.name for f in (*entity.fields, *facts_of(entity))))


def _rule(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": ["from"], "additionalProperties": False, "properties": properties}


def _names(one: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


def _functions(way: Way) -> dict[str, Any]:
    able: Iterable[Any] = (f for f in FUNCTIONS.values() if way in f.ways)
    return {"anyOf": [{"const": f.name, "description": f.doc} for f in able]}
