from __future__ import annotations

import subprocess
import sys
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prm_sync.canonical.entities import ACCOUNT, CONTACT, LEAD, PARTNER
from prm_sync.rules.identity import EntityIdentity, IdentityPolicy, clusters, compile_keys, fold, keys_of, match_keys


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("  ACME   Ltd ", "acme ltd"),
        ("Straße", "STRASSE"),
        ("ＡＣＭＥ　１２３", "acme 123"),
        ("علي", "علی"),
        ("مصطفى", "مصطفی"),
        ("كريم", "کریم"),
        ("مـحـمـد", "محمد"),
        ("مُحَمَّد", "محمد"),
        ("می\u200cروم", "میروم"),
        ("\u200fنور\u200e", "نور"),
        ("٠١٢٣٤", "01234"),
        ("۰۱۲۳۴", "01234"),
        ("Đặng Văn", "đặng văn"),
        (unicodedata.normalize("NFD", "Nguyễn"), "nguyễn"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
        ("a\x1fb", "a b"),
        ("\ufb01rm", "firm"),
    ],
)
def test_two_spellings_of_one_word_fold_to_the_same(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Đức", "Dức"), ("Nguyễn", "Nguyen"), ("Müller", "Muller"), ("北京", "南京"), ("علی", "علا"), ("a b", "ab")],
)
def test_words_that_differ_stay_apart(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text(st.characters(max_codepoint=127)))
def test_the_fast_road_for_ascii_gives_what_the_long_one_gives(text: str) -> None:
    long = " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())
    assert fold(text) == long


LEAD_ROW = {"email": "An@Example.com", "mobile": "+84901234567", "phone": None, "last_name": "Đặng", "first_name": "An"}


def test_a_record_has_one_key_for_each_group_that_is_complete() -> None:
    assert keys_of(LEAD) == (("email",), ("mobile", "last_name"), ("phone", "last_name", "first_name"))
    assert len(match_keys(LEAD, LEAD_ROW)) == 2
    assert len(match_keys(LEAD, {**LEAD_ROW, "phone": "+842812345678"})) == 3
    assert match_keys(LEAD, {**LEAD_ROW, "mobile": "  "}) == match_keys(LEAD, LEAD_ROW)[:1]
    assert match_keys(LEAD, {}) == ()


def test_equal_values_have_equal_keys_whatever_their_spelling() -> None:
    assert match_keys(LEAD, {**LEAD_ROW, "email": "AN@example.COM ", "last_name": "ĐẶNG"}) == match_keys(LEAD, LEAD_ROW)


def test_the_same_value_in_another_field_or_entity_is_another_key() -> None:
    same = "+84901234567"
    keys = [
        match_keys(LEAD, {"mobile": same, "last_name": "An"}),
        match_keys(CONTACT, {"mobile": same, "last_name": "An"}),
        match_keys(PARTNER, {"partner_key": same}),
        match_keys(PARTNER, {"tax_id": same}),
        match_keys(LEAD, {"email": same}),
    ]
    assert len({key for (key,) in keys}) == 5


def test_values_do_not_run_into_one_another() -> None:
    one = match_keys(ACCOUNT, {"domain": "a.com", "name": "b c"})
    other = match_keys(ACCOUNT, {"domain": "a.com b", "name": "c"})
    assert one != other


def test_keys_are_the_same_in_every_process() -> None:
    code = (
        "from prm_sync.canonical.entities import LEAD\n"
        "from prm_sync.rules.identity import match_keys\n"
        "print(match_keys(LEAD, {'email': 'an@example.com', 'mobile': '1', 'last_name': 'Đặng'}))"
    )
    other = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", code], capture_output=True, text=True, encoding="utf-8", check=True,
        timeout=60,
    )  # fmt: skip
    assert other.stdout.strip() == str(
        match_keys(LEAD, {"email": "an@example.com", "mobile": "1", "last_name": "Đặng"})
    )


def test_a_policy_replaces_the_keys_of_one_entity_only() -> None:
    policy = IdentityPolicy(entities={"lead": EntityIdentity(same_if=(("company", "country"),))})
    assert keys_of(LEAD, policy) == (("company", "country"),)
    assert keys_of(CONTACT, policy) == CONTACT.exact_keys
    assert len(match_keys(LEAD, {"company": "Acme", "country": "DE", "email": "a@b.c"}, policy)) == 1


def test_an_entity_with_no_groups_matches_nothing() -> None:
    assert match_keys(LEAD, LEAD_ROW, IdentityPolicy(entities={"lead": EntityIdentity(same_if=())})) == ()


def test_a_group_of_columns_that_are_not_there_is_left_out() -> None:
    keys = compile_keys(LEAD, None, ("email", "mobile"))(("a@b.c", "1"))
    assert keys == [*match_keys(LEAD, {"email": "a@b.c"}), None, None, None]


values = st.one_of(st.none(), st.text(max_size=6), st.integers(0, 3), st.booleans())


@settings(max_examples=200, deadline=None)
@given(
    st.fixed_dictionaries(dict.fromkeys(("email", "mobile", "phone", "last_name", "first_name"), values)), st.randoms()
)
def test_the_order_of_columns_changes_no_key(row: dict[str, Any], rnd: Any) -> None:
    columns = list(row)
    rnd.shuffle(columns)
    keys = compile_keys(LEAD, None, columns)([row[c] for c in columns])
    assert tuple(k for k in keys if k is not None) == match_keys(LEAD, row)
    assert all(-(1 << 63) <= key < 1 << 63 for key in keys if key is not None)


def test_what_is_connected_over_steps_is_one_cluster_named_by_its_smallest() -> None:
    assert clusters([(5, 4), (9, 8), (4, 2), (7, 7)]) == {5: 2, 4: 2, 2: 2, 9: 8, 8: 8, 7: 7}
    assert clusters([]) == {}


def test_a_long_chain_is_one_cluster() -> None:
    assert set(clusters([(n, n + 1) for n in range(100_000)]).values()) == {0}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(-9, 15), st.integers(-9, 15)), max_size=30), st.randoms())
def test_clusters_do_not_depend_on_the_order_of_edges_and_hold_what_is_reachable(
    edges: list[tuple[int, int]], rnd: Any
) -> None:
    found = clusters(edges)
    shuffled = [(b, a) if rnd.random() < 0.5 else (a, b) for a, b in edges]
    rnd.shuffle(shuffled)
    assert clusters(shuffled) == found
    for start in found:
        reached, todo = {start}, [start]
        while todo:
            n = todo.pop()
            near = {b for a, b in edges if a == n} | {a for a, b in edges if b == n}
            todo += near - reached
            reached |= near
        assert found[start] == min(reached)
