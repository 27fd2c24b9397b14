"""A large first load: pages prepared in processes beside, and what becomes of them when one is killed or fails."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from scripted import emptied
from workbench import MONDAY, Bench

from prm_sync.connect import Page, Undecoded
from prm_sync.flows import beside, translate
from prm_sync.flows import pull as flow
from prm_sync.flows.beside import prepared_beside
from prm_sync.flows.preparing import Prepared, Recipe, prepare
from prm_sync.flows.pull import pull
from prm_sync.flows.refine import refine
from prm_sync.project import shipped
from prm_sync.rules.identity import IdentityPolicy
from prm_sync.rules.mapping import load_mapping
from prm_sync.warehouse import raw

LEADS = 700
KEPT = {
    "raw.record": "remote_id, payload::text, hash, remote_time, seen_at, deleted_at",
    "core.lead_source": "remote_id, remote_time, key_1, key_2, key_3, key_4, first_name, company, email, phone, "
    "country, status, city, need, annual_revenue, created_at",
    "core.lead": "id, first_name, company, email, phone, country, status, provenance::text, sources, merged_into",
    "core.crosswalk": "entity, connection, stream, remote_id, entity_id, matched_by",
    "ops.quarantine": "remote_id, entity, field, code, reason, source, state",
}


@pytest.fixture
def loaded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Leads in many scripts, some with odd values, some twice; pages of 200; large is what has more than one page."""
    names = ("Nguyễn Thị", "فاطمة", "王伟", 'O"Brien\\', "Zoë\nLee", "سارا")
    odd: dict[int, dict[str, Any]] = {
        6: {"Phone": "n/a"}, 7: {"Country": "Nowhere"}, 8: {"Email": None, "Phone": None},
        9: {"Email": "lead4@twice.example"}, 10: {"Status": "unheard of"},
    }  # fmt: skip
    for n in range(LEADS):
        kind = odd.get(n % 40, {}) if n > 40 else {}
        usual = {"Email": f"lead{n}@twice.example", "FirstName": names[n % len(names)], "Phone": f"+49 30 {200000 + n}"}
        bench.vendors.lead(f"Lead{n}", **{**usual, "City": f"Ort {n % 7}\t{n}", **kind})
    monkeypatch.setattr(flow, "LARGE", 300)
    return bench


def kept(bench: Bench) -> dict[str, list[tuple[Any, ...]]]:
    """All that a load has left, but numbers that are counted on."""
    return {
        table: sorted((tuple(r.values()) for r in bench.rows(f"SELECT {columns} FROM {table}")), key=repr)
        for table, columns in KEPT.items()
    }


def load(bench: Bench) -> dict[str, list[tuple[Any, ...]]]:
    emptied(bench.app)
    with bench.app.db.begin() as tx:
        tx.exec_driver_sql("TRUNCATE ops.quarantine")
    report = pull(bench.app, "crm", "Lead")
    assert report.numbers["new"] == LEADS
    refine(bench.app)
    return kept(bench)


def test_a_load_by_processes_leaves_what_every_other_road_leaves(
    loaded: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []
    begin = beside._Process.__init__
    monkeypatch.setattr(beside._Process, "__init__", lambda self, recipe: started.append(self) or begin(self, recipe))
    by_processes = load(loaded)
    assert len(started) == beside.PROCESSES
    assert all(p._process.returncode is not None for p in started), "they are gone with the load"
    monkeypatch.setattr(flow, "LARGE", 10**6)
    assert load(loaded) == by_processes, "prepared in a thread"
    assert len(started) == beside.PROCESSES
    monkeypatch.setattr(translate, "is_plain", lambda *_: False)
    assert load(loaded) == by_processes, "record by record"
    assert len(by_processes["raw.record"]) == LEADS
    assert {"phone", "country", "status"} <= {row[2] for row in by_processes["ops.quarantine"]}
    assert any(row[-1] for row in by_processes["core.lead"]) or max(row[-2] for row in by_processes["core.lead"]) > 1


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_process_that_is_killed_costs_no_page(
    loaded: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, after: int
) -> None:
    undisturbed = load(loaded)
    sent, send = count(1), beside._Process.send

    def killing(self: Any, page: Page) -> bool:
        if next(sent) == after:
            self._process.kill()
            self._process.wait()
        return send(self, page)

    monkeypatch.setattr(beside._Process, "send", killing)
    with caplog.at_level(logging.WARNING):
        assert load(loaded) == undisturbed
    told = [r for r in caplog.records if r.message.startswith("a process that prepares pages has ended")]
    assert len(told) == 1


def test_a_stream_that_was_written_to_is_looked_up(loaded: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What we wrote is an echo there, so that a page must not be taken for what it says."""
    emptied(loaded.app)
    added: list[int] = []
    add = raw.add
    monkeypatch.setattr(raw, "add", lambda *a: added.append(1) or add(*a))
    with loaded.app.db.begin() as tx:
        tx.exec_driver_sql(
            "INSERT INTO ops.outbox (token, connection, stream, entity, entity_id, target, op, values, state, "
            "created_at) VALUES ('t', 'crm', 'Lead', 'lead', 'lead_1', '', 'upsert', '{}', 'done', now())"
        )
    assert pull(loaded.app, "crm", "Lead").numbers["new"] == LEADS
    assert not added
    emptied(loaded.app)
    assert pull(loaded.app, "crm", "Lead").numbers["new"] == LEADS
    assert added


# --- the processes themselves --------------------------------------------------------------------------------------


def recipe() -> Recipe:
    spec = load_mapping(shipped("mappings") / "salesforce" / "lead.yaml")
    return Recipe("crm", "Lead", "Id", "SystemModstamp", MONDAY, "run1", (spec,), IdentityPolicy())


def page(first: int, size: int = 3) -> Page:
    records = [{"Id": f"00Q{n}", "Email": f"a{n}@b.example", "LastName": "Lee"} for n in range(first, first + size)]
    return Page(Undecoded(msgspec.json.encode(records), msgspec.json.decode, size))


def here(one: Page) -> Prepared:
    made = recipe()
    return prepare(made, made.makers(), one.records, seen_at=made.seen_at, run_id=made.run_id)


def test_pages_come_back_in_their_order_as_they_would_be_made_here() -> None:
    pages = [page(n * 10) for n in range(7)]
    found = list(prepared_beside(pages, recipe(), partial(pytest.fail, "made here")))
    assert [p for p, _ in found] == pages
    assert [made for _, made in found] == [here(p) for p in pages]


def test_what_is_no_bytes_is_made_here() -> None:
    pages = [page(0), Page([{"Id": "1"}]), page(10)]
    made = [m if isinstance(m, Prepared) else m[0] for _, m in prepared_beside(pages, recipe(), lambda p: ["here"])]
    assert [m if m == "here" else "beside" for m in made] == ["beside", "here", "beside"]


def test_a_page_that_cannot_be_decoded_fails_where_it_belongs() -> None:
    broken = Page(Undecoded(b"[{", msgspec.json.decode, 1))
    pages = prepared_beside([page(0), broken], recipe(), here)
    next(pages)
    with pytest.raises(msgspec.DecodeError):
        next(pages)


def test_an_error_of_the_source_comes_through_and_nothing_stays_behind() -> None:
    def source() -> Iterator[Page]:
        yield page(0)
        raise ConnectionError("the line is cut")

    pages = prepared_beside(source(), recipe(), here)
    next(pages)
    with pytest.raises(ConnectionError):
        next(pages)
    assert not [c for c in psutil.Process().children() if "prm_sync.flows.preparer" in c.cmdline()]


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import time\nfrom test_beside import recipe\nfrom prm_sync.flows.beside import _Process\n"
        "process = _Process(recipe())\nprint(process._process.pid, flush=True)\ntime.sleep(60)\n"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    assert wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def wait_until(true: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.05)
    return False


def test_a_recipe_names_no_secret_and_needs_no_connection() -> None:
    assert set(replace(recipe(), run_id="r").__slots__) == {
        "connection", "stream", "key", "modified", "seen_at", "run_id", "mappings", "identity",
    }  # fmt: skip
