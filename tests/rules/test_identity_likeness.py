"""Matching by likeness: spellings, candidates, reasons, weights; and that the order of arrival does not matter."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prm_sync.errors import ConfigError
from prm_sync.rules.identity import REASONS, Matching, Weights, blocking, engine, load_identity, matching_of, spelling
from prm_sync.rules.identity.compare import features, taken
from prm_sync.rules.identity.reasons import BLOCKS, NAMES
from prm_sync.rules.identity.rows import Rows, rows
from prm_sync.rules.identity.score import score, train

ROLES = {
    "given": "given", "family": "family", "mail": "mail", "mobile": "mobile", "phone": "phone", "company": "company",
    "street": "street", "city": "city", "postal_code": "postal_code",
}  # fmt: skip
MATCHING = Matching(ROLES, BLOCKS, merge=0.5, review=0.05)


def people(*records: dict[str, Any]) -> Rows:
    return rows({column: [r.get(column) for r in records] for column in ROLES.values()}, ROLES)


def held(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    """The reasons that hold between two records, in both directions."""
    both = people(one, other)
    there, back = (features(taken(both, np.array([i])), taken(both, np.array([1 - i])))[0] for i in (0, 1))
    assert there.tolist() == back.tolist()
    return {name for name, holds in zip(NAMES, there, strict=True) if holds}


# --- spelling ---


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Nguyễn Văn", "nguyen van"), ("王伟", "Wang Wei"), ("Müller", "MULLER"), ("Ὀδυσσεύς", "odysseys"),
        ("Đặng", "Dang"), ("O'Neil", "oneil"), ("Иванов", "Ivanov"),
    ],
)  # fmt: skip
def test_one_name_in_two_scripts_has_one_latin_spelling(one: str, other: str) -> None:
    assert spelling.latin(one) == spelling.latin(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("محمد", "Mohammed"), ("خالد", "Khalid"), ("حسين", "Hussein"), ("Philip", "Filip"), ("Kate", "Cathe")],
)
def test_names_whose_vowels_are_not_written_sound_alike(one: str, other: str) -> None:
    assert spelling.sound(spelling.latin(one)) == spelling.sound(spelling.latin(other))


@pytest.mark.parametrize(
    "written",
    [
        "Acme Works", "ACME Works GmbH & Co. KG", "Acme Works S.A. de C.V.", "Acme Works 株式会社", "شركة Acme Works",
        "AcmeWorks Ltda.", "Acme Works Sp. z o.o.", "ООО Acme Works", "Công ty TNHH Acme Works", "Acme Works Pvt Ltd",
        "Acme Works ذ.م.م", "(주)Acme Works", "Acme Works A.Ş.",
    ],
)  # fmt: skip
def test_a_company_is_known_without_its_legal_form(written: str) -> None:
    assert spelling.company_core(written) == "acmeworks"


@pytest.mark.parametrize("name", ["AG", "Co", "San Miguel", "SE Asia Trading"])
def test_a_company_that_is_named_like_a_legal_form_keeps_its_name(name: str) -> None:
    assert spelling.company_core(name) == spelling.latin(name)


# --- reasons ---

ANN = {"given": "Ann", "family": "Weber", "mail": "ann.weber@acme.example", "mobile": "+491701234567",
       "company": "Acme GmbH"}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({}, {"family_same", "given_same", "mail_same", "mobile_same", "company_same", "names_alike"}),
        ({"family": "Webre"}, {"family_sounds", "names_alike"}),
        ({"family": "Wegber"}, {"family_near", "names_alike"}),
        ({"given": "Weber", "family": "Ann"}, {"names_swapped", "names_alike"}),
        ({"given": "A."}, {"given_short"}),
        ({"given": "王"}, {"given_script"}),
        ({"family": None}, {"given_same"}),
        ({"mail": "ann.webre@acme.example"}, {"mail_near", "domain_same"}),
        ({"mail": "annweber77@gmail.com"}, {"mail_person"}),
        ({"mail": "info@acme.example"}, {"mail_other", "domain_same"}),
        ({"mobile": "+491701234568"}, {"mobile_near"}),
        ({"mobile": None, "phone": "+491701234567"}, {"phone_crossed"}),
        ({"company": "Acme"}, {"company_same", "work_agrees"}),
        ({"company": "Zenith"}, {"company_other"}),
    ],
)
def test_what_differs_is_named(change: dict[str, Any], reasons: set[str]) -> None:
    found = held(ANN, {**ANN, **change})
    assert reasons <= found <= set(REASONS)
    for role in ("family", "given", "mail", "mobile", "phone", "company", "domain"):
        assert sum(name.startswith(f"{role}_") for name in found) <= 1


@pytest.mark.parametrize(("short", "long"), [("Bob", "Robert"), ("Paco", "Francisco"), ("Sasha", "Александр")])
def test_a_short_form_is_the_name(short: str, long: str) -> None:
    assert "given_short" in held({**ANN, "given": short}, {**ANN, "given": long})


def test_colleagues_on_one_switchboard_are_two_people() -> None:
    office = {
        "phone": "+4930123456", "company": "Acme GmbH", "street": "Ring 1", "city": "Berlin", "postal_code": "10115",
    }  # fmt: skip
    both = people(
        {**office, "given": "Ann", "family": "Weber", "mail": "a.weber@acme.example"},
        {**office, "given": "Boris", "family": "Weber", "mail": "b.weber@acme.example"},
    )
    assert len(blocking.index(both, BLOCKS).pairs(50)) == 1
    assert engine.resolve(both, MATCHING).clusters().tolist() == [0, 1]


def test_a_free_mail_domain_names_no_candidates() -> None:
    both = people({"family": "Ng", "mail": "a.ng@gmail.com"}, {"family": "Ng", "mail": "q.ng@gmail.com"})
    assert len(blocking.index(both, BLOCKS).pairs(50)) == 0


# --- any order of arrival ---

NAMES_OF = st.sampled_from(["Ann", "An", "Anna", "王伟", "Wang Wei", "محمد", "Mohammed", "Nguyễn", "Nguyen", "Bob", ""])
PERSON = st.fixed_dictionaries(
    {
        "given": NAMES_OF, "family": NAMES_OF,
        "mail": st.sampled_from(["", "a@x.example", "ann@x.example", "b@gmail.com"]),
        "mobile": st.sampled_from(["", "+491701234567", "+491701234568"]),
        "phone": st.sampled_from(["", "+4930123456"]),
        "company": st.sampled_from(["", "Acme GmbH", "Acme"]), "postal_code": st.sampled_from(["", "10115"]),
    }
)  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(st.lists(PERSON, min_size=1, max_size=24), st.integers(2, 6), st.randoms(use_true_random=False))
def test_all_at_once_or_part_by_part_in_any_order_gives_the_same_clusters(
    persons: list[dict[str, Any]], most_rows: int, draw: random.Random
) -> None:
    """Also where block keys wear out on the way: `most_rows` is small."""
    matching = replace(MATCHING, most_rows=most_rows)
    expected = groups(engine.resolve(people(*persons), matching).clusters(), range(len(persons)))
    order = draw.sample(range(len(persons)), len(persons))
    cuts = sorted(draw.sample(range(1, len(persons)), min(3, len(persons) - 1))) if len(persons) > 1 else []
    parts = [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    resolved = engine.resolve(people(*(persons[n] for n in parts[0])), matching)
    for part in parts[1:]:
        resolved = resolved.with_more(people(*(persons[n] for n in part)))
    assert groups(resolved.clusters(), order) == expected


def groups(cluster: Any, order: Any) -> set[frozenset[int]]:
    found: dict[int, set[int]] = {}
    for root, n in zip(cluster.tolist(), order, strict=True):
        found.setdefault(root, set()).add(n)
    return {frozenset(g) for g in found.values()}


# --- weights ---


def test_weights_learned_from_decisions_follow_the_decisions() -> None:
    """A reviewer for whom the mobile number says nothing and the company all: the weights turn round."""
    draw = np.random.default_rng(3)
    flags = draw.integers(0, 2, (4000, len(NAMES))).astype(np.uint8)
    company, mobile = flags[:, NAMES.index("company_same")], flags[:, NAMES.index("mobile_same")]
    prior = Weights(0.0, {"mobile_same": 4.0})
    learned = train(flags, company == 1, prior=prior)
    assert ((score(flags, learned) >= 0.5) == (company == 1)).mean() > 0.999
    assert ((score(flags, prior) >= 0.5) == (company == 1)).mean() < 0.6
    assert abs(learned.of["mobile_same"]) < 1
    assert mobile.any()


def test_a_reason_that_no_decision_speaks_of_keeps_its_weight() -> None:
    flags = np.zeros((50, len(NAMES)), np.uint8)
    flags[:25, NAMES.index("mail_same")] = 1
    learned = train(flags, flags[:, NAMES.index("mail_same")] == 1, prior=MATCHING.weights)
    assert learned.of["birth_same"] == pytest.approx(MATCHING.weights.of["birth_same"])


# --- the policy ---


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fields: {famly: last_name}", '"famly" is no role; did you mean "family"'),
        ("fields: {family: last_nam}", '"last_nam" is no field of contact'),
        ("fields: {family: last_name}\n      weights: {mail_sam: 1}", '"mail_sam" is no reason'),
        ("fields: {family: last_name}\n      candidates: [[nam]]", '"nam" is no part'),
        ("fields: {family: last_name}\n      merge: 0.4\n      review: 0.6", "review must not be above merge"),
    ],
)
def test_a_mistake_in_the_policy_is_named_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "identity.yaml"
    file.write_text(f"entities:\n  contact:\n    same_if: [[email]]\n    resembles:\n      {text}\n")
    with pytest.raises(ConfigError, match=r"identity.yaml:\d+") as raised:
        load_identity(file)
    assert words in str(raised.value)


def test_weights_of_the_policy_are_laid_over_the_shipped_ones(tmp_path: Path) -> None:
    file = tmp_path / "identity.yaml"
    file.write_text(
        "entities:\n  contact:\n    same_if: [[email]]\n    resembles:\n      fields: {family: last_name}\n"
        "      base: -9\n      weights: {family_same: 7}\n"
    )
    matching = matching_of(load_identity(file), "contact")
    assert matching is not None
    assert (matching.weights.base, matching.weights.of["family_same"]) == (-9, 7)
    assert matching.weights.of["mail_same"] == MATCHING.weights.of["mail_same"]
    assert matching_of(load_identity(file), "lead") is None
