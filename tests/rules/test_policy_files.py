"""The policies that are shipped, and what is said about wrong ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prm_sync.canonical.entities import ENTITIES
from prm_sync.errors import ConfigError
from prm_sync.rules.identity import IdentityPolicy, identity_schema, keys_of, load_identity
from prm_sync.rules.pacing import load_targets, targets_schema
from prm_sync.rules.recommendations import load_recommendations, recommendations_schema
from prm_sync.rules.registrations import load_registrations, registrations_schema
from prm_sync.rules.routing import TERMS, RoutingPolicy, cases_schema, load_cases, load_routing, routing_schema
from prm_sync.rules.sharing import load_sharing, sharing_schema
from prm_sync.rules.signals import load_signals, signals_schema
from prm_sync.yamlfile import parse

ROOT = Path(__file__).parents[2]
LOAD: dict[str, Callable[[Any], Any]] = {
    "routing": load_routing, "identity": load_identity, "sharing": load_sharing, "registrations": load_registrations,
    "cases": lambda source: load_cases(source, RoutingPolicy()),
    "signals": load_signals, "targets": load_targets, "recommendations": load_recommendations,
}  # fmt: skip
SCHEMA: dict[str, Callable[[], dict[str, Any]]] = {
    "routing": routing_schema,
    "identity": identity_schema,
    "sharing": sharing_schema,
    "registrations": registrations_schema,
    "cases": cases_schema,
    "signals": signals_schema,
    "targets": targets_schema,
    "recommendations": recommendations_schema,
}


@pytest.mark.parametrize("name", LOAD)
def test_the_committed_schema_is_the_generated_one(name: str) -> None:
    committed = json.loads((ROOT / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8"))
    assert committed == SCHEMA[name]()


@pytest.mark.parametrize("name", LOAD)
def test_the_shipped_policy_is_read_and_points_at_its_schema(name: str) -> None:
    path = ROOT / "policies" / f"{name}.yaml"
    assert LOAD[name](path).version
    assert path.read_text(encoding="utf-8").startswith(f"# yaml-language-server: $schema=../schemas/{name}.schema.json")


@pytest.mark.parametrize("name", LOAD)
def test_an_empty_policy_file_means_the_defaults(name: str) -> None:
    assert LOAD[name](parse("", Path("p.yaml"))).version == LOAD[name](parse("{}", Path("p.yaml"))).version


def test_the_version_changes_with_what_a_policy_says_and_not_with_its_comments() -> None:
    one = load_routing(parse("seed: 5\nchoice: best\n", Path("p.yaml")))
    same = load_routing(parse("# words\nchoice: best\nseed: 5\n", Path("q.yaml")))
    other = load_routing(parse("seed: 6\n", Path("p.yaml")))
    assert one.version == same.version != other.version


def test_the_shipped_routing_policy_knows_norway() -> None:
    assert "NO" in load_routing(ROOT / "policies" / "routing.yaml").areas["EMEA"]


def test_the_shipped_identity_policy_agrees_with_the_field_table() -> None:
    shipped = load_identity(ROOT / "policies" / "identity.yaml")
    assert {name: keys_of(e, shipped) for name, e in ENTITIES.items()} == {
        name: keys_of(e, IdentityPolicy()) for name, e in ENTITIES.items()
    }


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("routing", "choise: best", 'p.yaml:1: unknown key "choise" in the file; did you mean "choice"?'),
        ("routing", "seed: 1\nchoice: first", "p.yaml:2: choice: "),
        (
            "routing",
            "eligible_statuses: [new, qualifid]",
            '"qualifid" is no status of a lead; did you mean "qualified"?',
        ),
        ("routing", "partner_statuses:\n- activ", '"activ" is no status of a partner; did you mean "active"?'),
        (
            "routing",
            "areas:\n  DACH: [DE, Austria]",
            'p.yaml:2: areas.DACH.1: "Austria" is no country (DE) and no region (DE-BY)',
        ),
        ("routing", "areas:\n  DE: [DE-BY]", '"DE" is a country or region already'),
        ("routing", "region_names:\n  Bayern: [Bavaria]", '"Bayern" is no region code such as DE-BY'),
        (
            "routing",
            "rules:\n  territory: true\n  capasity: false",
            'p.yaml:3: unknown key "capasity" in rules; did you mean "capacity"?',
        ),
        ("routing", "exclusions:\n- partner: acme\n  because: x", "exactly one of them"),
        ("routing", "exclusions:\n- partner: acme\n  domain: a.b", '"because" is missing'),
        ("routing", "score:\n  tier:\n    tiers: {gold: 2}", "p.yaml:3: score.tier.tiers.gold: must be from 0 to 1"),
        (
            "routing",
            "score: {" + ", ".join(f"{t}: {{weight: 0}}" for t in TERMS) + "}",
            "at least one term must have a weight above 0",
        ),
        ("routing", "offer:\n  max_offers: 0", "p.yaml:2: offer.max_offers: "),
        (
            "recommendations",
            "weights: {won: 0, orders: 0, recency: 0, opportunities: 0, leads: 0, needs: 0}",
            "p.yaml:1: weights: at least one term must have a weight above 0",
        ),
        ("recommendations", "treshold: 70", 'unknown key "treshold" in the file; did you mean "threshold"?'),
        ("routing", "- best", "p.yaml:1: a policy is a mapping"),
        ("identity", "entities:\n  leed:\n    same_if: [[email]]", '"leed" is no entity; did you mean "lead"?'),
        (
            "identity",
            "entities:\n  lead:\n    same_if: [[emial]]",
            '"emial" is no field of lead; did you mean "email"?',
        ),
        ("identity", "entities:\n  lead:\n    same_if: [[]]", "a group names one or more different fields"),
        (
            "sharing",
            "streams:\n  leads:\n    entity: lead\n    purpose: x\n    fields: [emial]",
            'p.yaml:5: streams.leads.fields.0: "emial" is no field of lead; did you mean "email"?',
        ),
        (
            "sharing",
            "streams:\n  leads:\n    entity: lead\n    purpose: x\n    fields: [email]",
            '"email" is personal, which `pii` does not allow',
        ),
        (
            "sharing",
            "streams:\n  leads:\n    entity: lead\n    purpose: x\n    pii: [sensitive]\n    fields: []",
            "p.yaml:5: ",
        ),
        (
            "sharing",
            "streams:\n  leads:\n    entity: led\n    purpose: x\n    fields: []",
            '"led" is no entity; did you mean "lead"?',
        ),
        ("targets", "alert_after: 0.5\nbehind_bellow: 0.8", 'p.yaml:2: unknown key "behind_bellow" in the file; did'),
        ("targets", "behind_below: 80", "p.yaml:1: behind_below: "),
        ("targets", "alert_after: .nan", "p.yaml:1: alert_after: "),
        ("targets", "behind_below: most", "p.yaml:1: behind_below: "),
    ],
)
def test_a_mistake_in_a_policy_is_told_with_its_line_and_a_suggestion(name: str, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        LOAD[name](parse(text, Path("p.yaml")))
    assert message in str(caught.value)
    assert str(caught.value).startswith("p.yaml:")


def test_a_policy_that_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        load_routing(tmp_path / "routing.yaml")
