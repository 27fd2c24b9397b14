"""The emulated CRM and PRM of the demo: each in a process of its own, with one clock for both and for us."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prm_sync.connect import registry
from prm_sync.connect.emulator import Control
from prm_sync.connect.emulator.calls import WRITES
from prm_sync.demo.company import Company
from prm_sync.errors import ConfigError

log = logging.getLogger(__name__)

START_S = 60.0  #: longest wait for an emulator to answer
STOP_S = 5.0
CONTROL_S = 120.0  #: longest wait for one control call: loading thousands of rows is one

ASKS_BY_POST = ("/oauth2/token", "/jobs/query", "/composite/sobjects/{name}")
"""Ends of Salesforce's routes that are a POST and change nothing: a token, a query job, many records by id."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Calls that a system answered."""

    reads: int = 0
    writes: int = 0

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(self.reads + other.reads, self.writes + other.writes)

    def __sub__(self, other: Traffic) -> Traffic:
        return Traffic(self.reads - other.reads, self.writes - other.writes)


@dataclass(frozen=True, slots=True)
class System:
    """One emulated system: where it is, how to log in, and the far hand on it."""

    url: str
    credentials: Mapping[str, Any]
    control: Control
    process: subprocess.Popen[str]

    def traffic(self) -> Traffic:
        reads = writes = 0
        for call in self.control.calls()["counts"]:
            if call["method"] in WRITES and not str(call["route"]).endswith(ASKS_BY_POST):
                writes += call["count"]
            else:
                reads += call["count"]
        return Traffic(reads, writes)


@dataclass(slots=True)
class Systems:
    """Both systems, and how far their clock goes ahead of (behind) the real one."""

    crm: System
    prm: System
    skew: timedelta = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.skew

    def set_time(self, at: datetime | None) -> None:
        """The time for both systems and for us from now on; None: the real time."""
        self.skew = at - datetime.now(UTC) if at is not None else timedelta()
        for system in (self.crm, self.prm):
            system.control.clock(skew_s=self.skew.total_seconds())

    def traffic(self) -> Traffic:
        return self.crm.traffic() + self.prm.traffic()

    def load(self, company: Company) -> None:
        """The company's rows into both systems at once."""
        with ThreadPoolExecutor(2, "demo-load") as pool:
            loads = [
                pool.submit(_load, self.crm, "object", company.crm), pool.submit(_load, self.prm, "name",
                    company.prm),
            ]  # fmt: skip
            for done in loads:
                done.result()


def _load(system: System, kind: str, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    for name, rows in tables.items():
        system.control.do("load", **{kind: name, "rows": list(rows)})


@contextmanager
def systems(errors: Path) -> Iterator[Systems]:
    """Salesforce and PartnerStack, emulated, on free ports of this machine; what they complain of goes to `errors`."""
    with ExitStack() as stack:
        file = stack.enter_context(errors.open("w", encoding="utf-8"))
        started = [_start(stack, connector, file) for connector in ("salesforce", "partnerstack")]
        crm, prm = (_ready(stack, process) for process in started)
        yield Systems(crm, prm)


def _start(stack: ExitStack, connector: str, errors: Any) -> subprocess.Popen[str]:
    address = registry.find(connector).emulator
    if address is None:
        raise ConfigError(f"the connector {connector!r} has no emulator: the demo cannot run")
    command = [sys.executable, "-m", "prm_sync.connect.emulator", address]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True
    )
    stack.callback(_stop, process)
    return process


def _ready(stack: ExitStack, process: subprocess.Popen[str]) -> System:
    """Waits for the line in which an emulator says where it is."""
    assert process.stdout is not None
    give_up = threading.Timer(START_S, process.kill)
    give_up.start()
    try:
        line = process.stdout.readline()
    finally:
        give_up.cancel()
    if not line:
        raise ConfigError("an emulator did not start; its words are in emulators.log of the demo's folder")
    ready = json.loads(line)
    control = stack.enter_context(Control(ready["url"], CONTROL_S))
    log.info("emulator started", extra={"emulator": ready["name"], "pid": process.pid})
    return System(ready["url"], ready["credentials"], control, process)


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_S)
    if process.stdout is not None:
        process.stdout.close()
