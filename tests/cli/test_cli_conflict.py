"""`prm-sync conflict`: a conflict worked from the command line alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import Cli
from workbench import Project, SteppedClock

from prm_sync.cli.terminal import MASK
from prm_sync.connect import registry

SYSTEMS = Path(__file__).parents[1] / "flows"


@pytest.fixture
def torn(project: Project, clock: SteppedClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    """Two systems that changed a name and a phone number differently, both under review."""
    monkeypatch.syspath_prepend(str(SYSTEMS))
    from twosystems import Between, System, set_up

    alpha, beta = System("alpha", clock), System("beta", clock)
    usual = {"Name": "Công ty Một", "Number": "A-1", "City": "Huế", "Country": "VN", "Phone": "+84912345678"}
    a, b = alpha.add(**usual), beta.add(**usual)
    with registry.register(alpha.connector()), registry.register(beta.connector()):
        set_up(project, alpha, beta, authority="entities: {account: {name: review, phone: review}}")
        with project.open() as app:
            app_between = Between(app, clock, (alpha, beta))
            app_between.cycle()
            alpha.edit(a, Name="Công ty Hai", Phone="+84911111111")
            beta.edit(b, Name="Công ty Ba", Phone="+84922222222")
            app_between.cycle()
        env = {"PRM_SYNC_PROJECT": str(project.folder), "PRM_SYNC_DATABASE_URL": project.database_url}
        cli = Cli(project.folder, env)
        cli.systems = (alpha, beta)  # type: ignore[attr-defined]
        yield cli


def test_a_conflict_is_listed_shown_decided_and_carried_out(torn: Cli) -> None:
    listed = torn("conflict", "list", "--json").json
    assert {(c["field"], c["state"], c["n"]) for c in listed["counts"]} == {("name", "open", 1), ("phone", "open", 1)}
    by_field = {c["field"]: c for c in listed["conflicts"]}
    assert {s["value"] for s in by_field["phone"]["sides"]} == {MASK}
    assert by_field["phone"]["agreed"] == MASK
    assert "Công ty Hai" in torn("conflict", "list", "--field", "name").out
    id_ = by_field["name"]["id"]
    shown = torn("conflict", "show", id_, "--json").json["conflict"]
    assert {s["connection"]: (s["before"], s["value"]) for s in shown["sides"]} == {
        "alpha": ("Công ty Một", "Công ty Hai"), "beta": ("Công ty Một", "Công ty Ba"),
    }  # fmt: skip
    assert all(s["at"] for s in shown["sides"])
    said = torn("conflict", "show", id_).out
    assert "--take alpha or --take beta" in said
    done = torn("conflict", "resolve", id_, "--take", "beta", "--by", "Linh", "--json").json
    decided = done["conflict"]
    assert (decided["state"], decided["value"], decided["resolved_by"]) == ("resolved", "Công ty Ba", "Linh")
    phone = by_field["phone"]["id"]
    torn("conflict", "resolve", phone, "--value", "0933 333 333", "--json", code=2)
    torn("conflict", "resolve", phone, "--value", "+84 933 333 333")
    torn("run", "refine", "push")
    for system in torn.systems:  # type: ignore[attr-defined]
        [record] = system.records.values()
        assert (record["Name"], record["Phone"]) == ("Công ty Ba", "+84933333333")
    assert torn("conflict", "list", "--json").json["conflicts"] == []
    assert len(torn("conflict", "list", "--state", "resolved", "--json").json["conflicts"]) == 2
    assert "conflicts: none" in torn("status").out


def test_what_cannot_be_decided_is_said_in_words(torn: Cli) -> None:
    id_ = torn("conflict", "list", "--field", "name", "--json").json["conflicts"][0]["id"]
    assert "there is no conflict" in torn("conflict", "show", "conflict_nothing", code=2).err
    assert "between alpha, beta" in torn("conflict", "resolve", id_, "--take", "gamma", code=2).err
    assert "say one of" in torn("conflict", "resolve", id_, code=2).err
    assert "--take alpha" in torn("conflict", "resolve", id_, "--thaw", code=2).err
    assert "open, ruled, resolved" in torn("conflict", "list", "--state", "old", code=2).err
    torn("conflict", "resolve", id_, "--take", "agreed")
    assert "is resolved already" in torn("conflict", "resolve", id_, "--take", "alpha", code=1).err
