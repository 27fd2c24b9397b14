"""The exported Splink settings find, on DuckDB, the clusters that our own engine finds."""

from __future__ import annotations

import random

import pytest

from prm_sync.errors import ConfigError
from prm_sync.flows import splink
from prm_sync.rules.identity import Matching, engine
from prm_sync.rules.identity.reasons import BLOCKS
from prm_sync.rules.identity.rows import Rows, rows
from prm_sync.rules.identity.splink import settings

ROLES = {role: role for role in ("given", "family", "mail", "mobile", "phone", "company", "domain", "street", "city",
                                 "postal_code", "birth", "number")}  # fmt: skip
MATCHING = Matching(ROLES, BLOCKS, merge=0.51, review=0.1, most_rows=1000)  # Splink has no such limit


def people(n: int) -> Rows:
    rng = random.Random(5)
    names = ["Ann", "Anna", "Weber", "Webre", "王伟", "Wang Wei", "محمد", "Mohammed", "Nguyễn", "Nguyen", "Bob"]
    of = rng.randrange

    def person() -> dict[str, str | None]:
        some = {
            "mail": [f"a{of(4000)}@x{of(30)}.example", "b@gmail.com"], "mobile": [f"+4917012345{of(1000):03}"],
            "phone": [f"+493012345{of(100):02}"], "domain": [f"acme{of(60)}.example"],
            "company": [f"Acme{of(60)} GmbH", f"Acme{of(60)}", "Zenith 株式会社", "Zenit"],
            "street": ["Ring 1", "Rign 1", "Allee 9"], "city": ["Berlin", "Hà Nội", "Ha Noi"],
            "postal_code": [str(of(10000, 10100))], "number": [str(of(1000, 5000))],
            "birth": ["1980-01-02", "1980-01-03", f"19{of(10, 99)}-12-31"],
        }  # fmt: skip
        family = rng.choice(names) + rng.choice(["", "", "ova", "mann", "sen", "ez"])
        return {"given": rng.choice(names), "family": family} | {k: rng.choice([None, *v]) for k, v in some.items()}

    persons = [person() for _ in range(n)]
    columns = {role: [p[role] for p in persons] for role in ROLES}
    return rows(columns, ROLES)


def test_every_reason_with_a_weight_is_exported() -> None:
    exported = settings(MATCHING, set(people(1).code))
    labels = {level.get("label_for_charts") for c in exported["comparisons"] for level in c["comparison_levels"]}
    assert set(MATCHING.weights.of) <= labels
    assert len(exported["blocking_rules_to_generate_predictions"]) >= len(MATCHING.blocks)


def test_splink_on_duckdb_finds_the_same_clusters() -> None:
    persons = people(300)
    ours = engine.resolve(persons, MATCHING).clusters()
    assert 50 < len(set(ours.tolist())) < 290
    assert splink.clusters(persons, MATCHING).tolist() == ours.tolist()


def test_without_splink_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "splink", None)
    with pytest.raises(ConfigError, match=r"pip install 'prm-sync\[splink\]'"):
        splink.clusters(people(2), MATCHING)
