"""kill -9 at random moments of a whole cycle, again and again: the end is that of a cycle that nobody disturbed.

Real processes, a real PostgreSQL, both vendors in processes of their own. The only hook is SIGKILL at a random time.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from workbench import engine, rows

from prm_sync.connect.emulator import Control
from prm_sync.warehouse.tables import build

pytestmark = [pytest.mark.crash, pytest.mark.timeout(290)]

KILLS = 50
LEADS, PARTNERS = 110, 5
START = datetime(2027, 3, 1, 8, tzinfo=UTC)
DAYS = 3  #: cycles, half a day apart, with the partners' answers in between; the last one is not disturbed
PER_DAY = 13  #: most kills of one day
CYCLE = Path(__file__).with_name("cycle.py")
VENDOR_STAMPS = frozenset({"SystemModstamp", "LastModifiedDate", "LastActivityDate"})
VOLATILE = frozenset(
    {
        "arrived", "touched", "seq", "hash", "run_id", "plan_id", "fence", "mapped_seq", "holder", "cursor", "seen_at",
        "remote_time", "since", "valid_from", "valid_to", "version", "token", "settled_at", "first_seen_at",
        "last_seen_at", "read_at", "full_read_at", "tries", "as_of", "stage_at", "at", "mapping_hash",
        "provenance",  # of records that say the same, either may be named
    }
)  # fmt: skip #: when and in which order, not what
# How the changes of a push fall into plans depends on where it was killed; what was written is in ops.write_log.
NOT_COMPARED = frozenset({"ops.run", "ops.budget", "ops.plan", "core.progress"})
WHEN_LOOKED_AT = frozenset({"core.echo", "core.field_time"})  #: what is known of a change depends on who read it when


@contextmanager
def emulator(address: str, options: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Control]]:
    command = [sys.executable, "-m", "prm_sync.connect.emulator", address, "--options", json.dumps(options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            with Control(ready["url"]) as control:
                yield ready, control
        finally:
            process.kill()


@dataclass
class Stage:
    """Both vendors and the process that runs cycles; `kills` counts over all plays."""

    sf: Control
    ps: Control
    project: dict[str, Any]
    env: dict[str, str]
    runner: subprocess.Popen[str]
    make_database: Callable[..., str]
    folder: Path
    kills: int = 0
    plays: int = 0
    took_s: list[float] = field(default_factory=lambda: [0.0] * DAYS)

    def play(self, rng: random.Random | None) -> dict[str, Any]:
        """The whole story on a fresh stage; killed at random where there is an `rng`. Returns the end state."""
        self.plays += 1
        folder = self.folder / f"play{self.plays}"
        folder.mkdir()
        (folder / "prm_sync.yaml").write_text(yaml.safe_dump(self.project))
        url = self.make_database()
        self._set_the_stage()
        for day in range(DAYS):
            at = START + timedelta(hours=12 * day)
            if day:
                self.ps.clock(advance_s=43_200)
            if day == 1:
                self._partners_answer()
            command = {"folder": str(folder), "url": url, "env": self.env, "at": at.isoformat()}
            killed = 0
            while True:
                disturb = rng is not None and day < DAYS - 1 and killed < PER_DAY
                # Rather early than late: a cycle that is run again has less left to do.
                after_s = self.took_s[day] * min(rng.random(), rng.random()) if disturb and rng is not None else None
                said = self._ask({**command, "kill_after_s": after_s})
                if not said["killed"]:
                    assert said["code"] == 0
                    if rng is None:
                        self.took_s[day] = said["took_s"]
                    break
                killed += 1
                self.kills += 1
        return self._end_state(url)

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        assert self.runner.stdin is not None
        assert self.runner.stdout is not None
        self.runner.stdin.write(json.dumps(command) + "\n")
        self.runner.stdin.flush()
        return dict(json.loads(self.runner.stdout.readline()))

    def _set_the_stage(self) -> None:
        self.sf.reset()
        now = datetime.fromisoformat(self.ps.clock(hold=True))
        self.ps.clock(advance_s=(START - now).total_seconds())
        self.ps.reset()
        leads = [
            {
                "LastName": f"Lead {i:03}", "FirstName": "Ann", "Company": f"Company {i % 90}",
                "Country": ("DE", "FR")[i % 7 == 0],
                "Email": None if i % 40 == 3 else f"lead{i if i % 25 else 0}@company.example",
                "Status": "On the moon" if i % 50 == 7 else "Open - Not Contacted",
                "SystemModstamp": stamp(START - timedelta(days=2, minutes=LEADS - i)),
            }
            for i in range(LEADS)
        ]  # fmt: skip
        self.sf.do("load", object="Lead", rows=leads)
        accounts = [
            {"Name": f"Partner {i}", "Type": "Partner", "Prm_Partner_Key__c": f"partner{i}",
             "SystemModstamp": stamp(START - timedelta(days=2))}
            for i in range(PARTNERS)
        ]  # fmt: skip
        self.sf.do("load", object="Account", rows=accounts)
        partners = [
            {"partner_key": f"partner{i}", "email": f"ops@partner{i}.example",
             "fields": {"company_name": f"Partner {i}", "territories": "DE", "weekly_capacity": 40}}
            for i in range(PARTNERS)
        ]  # fmt: skip
        self.ps.do("load", name="partnerships", rows=partners)

    def _partners_answer(self) -> None:
        for n, lead in enumerate(sorted(self.ps.snapshot()["leads"], key=lambda r: r["external_key"])):
            if n % 3 == 0:
                accepted = n % 2 == 0
                reason = None if accepted else "too far"
                self.ps.do("answer", lead_key=lead["key"], accepted=accepted, reason=reason)

    def _end_state(self, url: str) -> dict[str, Any]:
        sf, ps = self.sf.snapshot(), self.ps.snapshot()
        names = {r["key"]: f"<{r['external_key']}>" for r in ps["leads"]}
        state: dict[str, Any] = {f"ps.{n}": [without(r, {"updated_at"}) for r in t] for n, t in ps.items()}
        state |= {f"sf.{n}": [without(r, VENDOR_STAMPS) for r in t] for n, t in sf.items() if n in ("Lead", "Account")}
        db = engine(url)
        for table in build().metadata.sorted_tables:
            name = f"{table.schema}.{table.name}"
            if name not in NOT_COMPARED | WHEN_LOOKED_AT:
                found = rows(db, f'SELECT * FROM {table.schema}."{table.name}"')
                state[name] = [self._comparable(table, r) for r in found]
        db.dispose()
        return {name: sorted(named(names, r) for r in found) for name, found in state.items()}

    @staticmethod
    def _comparable(table: Any, row: dict[str, Any]) -> dict[str, Any]:
        kept = {n: v for n, v in row.items() if n not in VOLATILE}
        if table.c.get("id") is not None and table.c.id.identity is not None:
            kept.pop("id")
        if isinstance(kept.get("payload"), dict):
            kept["payload"] = without(kept["payload"], VENDOR_STAMPS | {"updated_at"})
        if table.schema == "ops":
            kept.pop("created_at", None)
        if kept.get("matched_by") == "pushed":  # a pull may have met the record before its push was sure of it
            kept["matched_by"] = "external_id"
        return kept


def agrees(name: str, found: list[str], wanted: list[str]) -> bool:
    """The same rows; of the past, all that an undisturbed run saw: who is interrupted reads again, and may see more.

    Of the changes that were written, none that an undisturbed run did not write: who is interrupted may come too late
    to write what was true for a while. What the remotes hold in the end is compared by itself.
    """
    if name.endswith("_past"):
        return set(wanted) <= set(found)
    if name in ("ops.outbox", "ops.write_log"):
        return set(found) <= set(wanted)
    return found == wanted


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def without(row: dict[str, Any], fields: set[str] | frozenset[str]) -> dict[str, Any]:
    return {n: v for n, v in row.items() if n not in fields}


def plain(value: Any) -> Any:
    """The same with 10.0 as 10: a vendor gives numbers back in its own spelling."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list) else value


def named(names: dict[str, str], row: dict[str, Any]) -> str:
    """The row as text, with the PRM's lead keys (given out in the order of arrival) replaced by ours."""
    text = json.dumps(plain(row), default=str, sort_keys=True)
    return re.sub(r"lead_\d{6}(?![0-9a-f])", lambda m: names.get(m.group(), m.group()), text)


@pytest.fixture
def stage(make_database: Callable[..., str], tmp_path: Path) -> Iterator[Stage]:
    with ExitStack() as stack:
        quick = {"switches": {"page_rows": 50}}
        sf, sf_control = stack.enter_context(emulator("prm_sync_salesforce.emulator:EMULATOR", quick))
        ps, ps_control = stack.enter_context(emulator("prm_sync_partnerstack.emulator:EMULATOR", {}))
        runner = stack.enter_context(
            subprocess.Popen([sys.executable, str(CYCLE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        stack.callback(runner.kill)
        env = {
            "SF_SECRET": sf["credentials"]["client_secret"], "PS_PUBLIC": ps["credentials"]["public_key"],
            "PS_SECRET": ps["credentials"]["secret_key"],
        }  # fmt: skip
        crm = {"instance_url": sf["credentials"]["instance_url"], "client_id": sf["credentials"]["client_id"],
               "client_secret": {"env": "SF_SECRET"}, "lookback_s": 0, "safety_s": 0, "timeout_s": 30,
               "page_size": 200}  # fmt: skip
        prm = {"base_url": ps["credentials"]["base_url"], "public_key": {"env": "PS_PUBLIC"},
               "secret_key": {"env": "PS_SECRET"}, "timeout_s": 30, "calls_per_s": 10000, "page_size": 50}  # fmt: skip
        limits = {"max_update_share": 1.0}
        project = {
            "connections": {
                "crm": {"connector": "salesforce", "config": crm, "streams": ["Lead", "Account"], "limits": limits},
                "prm": {
                    "connector": "partnerstack", "config": prm, "streams": ["partnerships", "leads"], "limits": limits,
                },
            },
            "trust": ["crm", "prm"],
        }
        yield Stage(sf_control, ps_control, project, env, runner, make_database, tmp_path)


def test_fifty_kills_at_random_moments_leave_what_an_undisturbed_run_leaves(stage: Stage) -> None:
    expected = stage.play(None)
    print(f"undisturbed: {[round(t, 2) for t in stage.took_s]} s")
    assert len(expected["raw.record"]) > LEADS + PARTNERS
    external = [json.loads(r)["external_key"] for r in expected["ps.leads"]]
    assert len(external) == len(set(external)) > 50  # 5 partners, 10 open offers each, and those after the declines
    seed = 0
    while stage.kills < KILLS:
        seed += 1
        began = time.monotonic()
        found = stage.play(random.Random(seed))
        print(f"play {seed}: {stage.kills} kills so far, {time.monotonic() - began:.1f} s")
        differing = {
            name: {"only disturbed": sorted(set(found[name]) - set(wanted))[:3],
                   "only undisturbed": sorted(set(wanted) - set(found[name]))[:3],
                   "rows": (len(found[name]), len(wanted))}
            for name, wanted in expected.items() if not agrees(name, found[name], wanted)
        }  # fmt: skip
        assert differing == {}, json.dumps([f"play {seed}, after {stage.kills} kills", differing], indent=1)
