"""`survivorship.yaml` and `authority.yaml`: what they come to, and the words for what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from prm_sync.canonical.entities import ENTITIES
from prm_sync.canonical.model import Merge
from prm_sync.errors import ConfigError
from prm_sync.project import shipped
from prm_sync.rules.precedence import (
    AuthorityPolicy,
    SurvivorshipPolicy,
    load_authority,
    load_survivorship,
    precedence,
)
from prm_sync.rules.survivorship import Rule
from prm_sync.yamlfile import parse

KINDS = {"sf": "crm", "hs": "crm", "ps": "prm", "lists": "files"}
TRUSTED = ("ps", "sf", "hs", "lists")


def of(entity: str, survivorship: str = "", authority: str = "", shared: Any = ()) -> Any:
    return precedence(
        ENTITIES[entity], load_survivorship(parse(survivorship, Path("s.yaml")), KINDS),
        load_authority(parse(authority, Path("a.yaml")), KINDS), kinds=KINDS, trusted=TRUSTED, shared=shared,
    )  # fmt: skip


def test_the_shipped_policies_are_right() -> None:
    assert load_survivorship(shipped("policies") / "survivorship.yaml", KINDS).entities
    assert load_authority(shipped("policies") / "authority.yaml", KINDS).entities


def test_a_kind_stands_for_all_its_connections_and_the_rest_follows() -> None:
    found = of("lead", "entities: {lead: {company: {rule: trusted, trust: [crm, ps]}, need: longest}}")
    assert found.rules == {
        "company": Rule(Merge.TRUSTED, ("sf", "hs", "ps", "lists")), "need": Rule(Merge.LONGEST),
    }  # fmt: skip
    assert found.watched == {}


def test_authority_goes_before_survivorship_and_its_default_takes_shared_fields_only() -> None:
    found = of(
        "lead", "entities: {lead: {city: longest, company: frequent}}",
        "{default: prm, entities: {lead: {city: hs, status: review, source: survivorship}}}", {"company", "city"},
    )  # fmt: skip
    assert found.rules["city"] == Rule(Merge.TRUSTED, ("hs", "ps", "sf", "lists"))
    assert found.rules["company"] == Rule(Merge.TRUSTED, ("ps", "sf", "hs", "lists"))
    assert found.watched == {"city": "hs", "company": "prm", "status": "review", "source": "latest"}
    assert found.review == {"status"}
    assert "email" not in found.rules


def test_a_default_of_review_leaves_money_to_its_currencys_rule() -> None:
    found = of("lead", authority="default: review", shared={"city", "budget", "currency"})
    assert found.review == {"city"}
    assert {"budget", "currency"} <= found.watched.keys()


def test_other_policies_are_told_apart_and_the_same_ones_are_not() -> None:
    one = "entities: {lead: {city: longest, company: frequent}}"
    other = "entities: {lead: {company: frequent, city: longest}}"
    assert str(of("lead", one)) == str(of("lead", other)) != str(of("lead"))
    assert str(of("lead", authority="default: review")) == str(of("lead")), "nothing is shared: nothing is decided"
    assert str(of("lead", authority="default: review", shared={"city"})) != str(of("lead", shared={"city"}))


@pytest.mark.parametrize(
    ("load", "text", "line", "words"),
    [
        (load_survivorship, "entities:\n  led:\n    city: latest\n", 2, '"led" is no entity; did you mean "lead"'),
        (load_survivorship, "entities:\n  lead:\n    citty: latest\n", 3, 'is no field of lead; did you mean "city"'),
        (load_survivorship, "entities:\n  lead:\n    city: newest\n", 3, "entities.lead.city"),
        (load_survivorship, "entities:\n  lead:\n    budget: latest\n", 3, 'name "currency" instead'),
        (load_survivorship, "entities:\n  lead:\n    city:\n      rule: any\n      trust: [sf]\n", 5, "only the rule"),
        (load_survivorship, "entities:\n  lead:\n    city:\n      trust:\n        - pss\n", 5, '"pss" is no'),
        (load_survivorship, "entities:\n  lead:\n    currency: {never_null: true}\n", 3, "`never_null` cannot keep"),
        (load_authority, "entities:\n  lead:\n    city: sff\n", 3, 'no connection and no rule; did you mean "sf"'),
        (load_authority, "default: nobody\n", 1, '"nobody" is no connection'),
        (load_authority, "entities:\n  lead:\n    currency: review\n", 3, "`review` takes single values"),
        (load_authority, "flip_flop:\n  times: 0\n", 2, "flip_flop.times"),
        (load_authority, "flipflop: {}\n", 1, 'unknown key "flipflop"'),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(load: Any, text: str, line: int, words: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        load(parse(text, Path("p.yaml")), KINDS)
    assert str(wrong.value).startswith(f"p.yaml:{line}: ")
    assert words in str(wrong.value)


def test_without_a_project_names_are_not_looked_at() -> None:
    assert isinstance(load_authority(parse("default: anybody", Path("a.yaml"))), AuthorityPolicy)
    assert isinstance(load_survivorship(parse("", Path("s.yaml"))), SurvivorshipPolicy)
