"""The JSON Schema of mapping files names what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from prm_sync import yamlfile
from prm_sync.canonical.entities import ENTITIES
from prm_sync.canonical.facts import facts_of
from prm_sync.canonical.model import Kind
from prm_sync.rules.mapping import mapping_schema
from prm_sync.rules.mapping.functions import FUNCTIONS
from prm_sync.rules.mapping.spec import BACK_KEYS, FIELD_KEYS, KEYS

MAPPINGS = Path(__file__).parents[2] / "mappings"
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "number": (int, float)}


def accepts(schema: dict[str, Any], value: Any, root: dict[str, Any]) -> bool:
    """Whether a value is valid by the words of JSON Schema that ours uses; any other word fails the test."""
    return all(_holds(word, told, schema, value, root) for word, told in schema.items())


def _holds(word: str, told: Any, schema: dict[str, Any], value: Any, root: dict[str, Any]) -> bool:
    match word:
        case "$schema" | "$defs" | "title" | "description" | "then":
            return True
        case "$ref":
            return accepts(root["$defs"][told.removeprefix("#/$defs/")], value, root)
        case "type":
            names = [told] if isinstance(told, str) else told
            return any(isinstance(value, TYPES[n]) and (n != "number" or not isinstance(value, bool)) for n in names)
        case "enum":
            return value in told
        case "const":
            return bool(value == told)
        case "anyOf":
            return any(accepts(part, value, root) for part in told)
        case "allOf":
            return all(accepts(part, value, root) for part in told)
        case "if":
            return not accepts(told, value, root) or accepts(schema["then"], value, root)
        case "pattern":
            return re.search(told, value) is not None
        case "minLength" | "minItems":
            return not isinstance(value, str | list) or len(value) >= told
        case "required":
            return not isinstance(value, dict) or set(told) <= set(value)
        case "items":
            return not isinstance(value, list) or all(accepts(told, v, root) for v in value)
        case "properties":
            return not isinstance(value, dict) or all(accepts(told[k], v, root) for k, v in value.items() if k in told)
        case "additionalProperties":
            rest = (
                [v for k, v in value.items() if k not in schema.get("properties", {})]
                if isinstance(value, dict)
                else []
            )
            return not rest if told is False else all(accepts(told, v, root) for v in rest)
    raise AssertionError(f"this test does not know the word {word}")


def refs(node: Any) -> set[str]:
    if isinstance(node, dict):
        return {node["$ref"]} if "$ref" in node else set[str]().union(*map(refs, node.values()))
    return set[str]().union(*map(refs, node)) if isinstance(node, list) else set()


def test_every_reference_of_the_schema_resolves() -> None:
    schema = mapping_schema()
    found = refs(schema)
    assert found
    assert {ref.removeprefix("#/$defs/") for ref in found} <= set(schema["$defs"])


def test_the_schema_knows_every_entity_field_fact_function_and_key() -> None:
    schema = mapping_schema()
    assert tuple(schema["properties"]) == KEYS
    assert schema["properties"]["to"]["enum"] == list(ENTITIES)
    for part in schema["allOf"]:
        entity = ENTITIES[part["if"]["properties"]["to"]["const"]]
        fields = part["then"]["properties"]["fields"]["properties"]
        assert list(fields) == [f.name for f in entity.fields]
        for field in entity.fields:
            if field.kind is Kind.CHOICE:
                how = fields[field.name]["anyOf"][1]["properties"]
                assert set(how) == set(FIELD_KEYS)
                assert how["else"]["enum"] == [*field.choices, None]
        names = schema["$defs"][f"names_of_{entity.name}"]["anyOf"][0]["enum"]
        assert set(names) == {f.name for f in (*entity.fields, *facts_of(entity))}
        assert set(part["then"]["properties"]["back"]["additionalProperties"]["anyOf"][1]["properties"]) == set(
            BACK_KEYS
        )
    for way, name in (("in", "do"), ("back", "do_back")):
        able = {f["const"]: f["description"] for f in schema["$defs"][name]["anyOf"]}
        assert able == {f.name: f.doc for f in FUNCTIONS.values() if way in f.ways}


@pytest.mark.parametrize("path", sorted(MAPPINGS.glob("*/*.yaml")), ids=lambda p: f"{p.parent.name}/{p.name}")
def test_the_schema_accepts_every_shipped_mapping(path: Path) -> None:
    schema = mapping_schema()
    assert accepts(schema, yamlfile.read(path).data, schema) is not path.name.endswith(".cases.yaml")


@pytest.mark.parametrize(
    "mistake",
    [
        {"fields": {"emial": "Email"}},
        {"fields": {"email": {"from": "Email", "do": "emial"}}},
        {"fields": {"email": {"do": "lower"}}},
        {"fields": {"email": {"from": []}}},
        {"fields": {"status": {"from": "S", "choices": {"Open": "opened"}}}},
        {"fields": {"phone": {"from": "P", "choices": {"a": "b"}}}},
        {"back": {"X": "offer_stat"}},
        {"back": {"X": {"from": "email", "required": True}}},
        {"feilds": {}},
        {"to": "leed"},
        {"from": "salesforce"},
        {"when": {"A": {}}},
    ],
)
def test_the_schema_refuses_mistakes(mistake: dict[str, Any]) -> None:
    schema = mapping_schema()
    good = {"from": "salesforce.Lead", "to": "lead", "fields": {"email": "Email"}}
    assert accepts(schema, good, schema)
    assert not accepts(schema, {**good, **mistake}, schema)
