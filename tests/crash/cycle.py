"""A process that runs whole sync cycles in children of its own, and kills them when it is told to.

It imports everything once and forks for each cycle: a cycle is then a real process that starts in milliseconds. It
takes one JSON command a line, `{"folder", "url", "env", "at", "kill_after_s"}`, and answers with one JSON line,
`{"killed": true}` or `{"killed": false, "code": 0, "took_s": 1.2}`. With `"goes_on": true` a step that is held or
partial does not end the cycle.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

import prm_sync_partnerstack.session  # noqa: F401 - imported before the fork
import prm_sync_salesforce.session  # noqa: F401 - imported before the fork
from prm_sync.app import open_app
from prm_sync.flows import pull as reading
from prm_sync.flows.measure import measure
from prm_sync.flows.pull import pull
from prm_sync.flows.push import push
from prm_sync.flows.refine import refine
from prm_sync.flows.route import route
from prm_sync.settings import Settings

reading.LARGE = 100  # the leads' first read has processes beside it, and leaves indexes away

STEPS = (
    lambda app: pull(app, "crm", "Account"),
    lambda app: pull(app, "crm", "Lead"),
    lambda app: pull(app, "prm", "partnerships"),
    lambda app: pull(app, "prm", "leads"),
    refine,
    route,
    measure,
    lambda app: push(app, "prm", "leads"),
    lambda app: push(app, "crm", "Lead"),
    lambda app: push(app, "crm", "Account"),
)
PUSHES = STEPS[-3:]


def cycle(command: dict[str, Any]) -> None:
    """Every step at a time of its own, the same whenever it is run."""
    now = [datetime.fromisoformat(command["at"])]
    folder = Path(command["folder"])
    settings = Settings(project=folder, home=folder, database_url=SecretStr(command["url"]))
    with open_app(settings, clock=lambda: now[0], env=command["env"]) as app:
        for name, c in app.connectors.items():  # no pace is kept: emulators need none
            wide = tuple(replace(x, permits=10**6) if x.per_s < 60 else x for x in c.limits)
            app.connectors = {**app.connectors, name: replace(c, limits=wide)}
        unread = False
        for step in STEPS:
            if unread and step in PUSHES:  # as an orchestrator does: nothing is written after half a read
                continue
            report = step(app)
            unread = unread or (report.verb == "pull" and report.state == "partial")
            if report.state != "done" and not command.get("goes_on"):
                raise SystemExit(f"{report.verb} {report.target}: {report.state}: {report.message}")
            now[0] += timedelta(seconds=10)


def child(command: dict[str, Any]) -> int:
    """Fork; the child never comes back from here."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        cycle(command)
        code = 0
    except BaseException:  # noqa: BLE001 - the edge of a process: it must not go on as a second parent
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    for line in sys.stdin:
        command = json.loads(line)
        began = time.monotonic()
        pid = child(command)
        give_up = began + command["kill_after_s"] if command["kill_after_s"] is not None else None
        answer: dict[str, Any] = {"killed": False}
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                answer |= {"code": os.waitstatus_to_exitcode(status), "took_s": time.monotonic() - began}
                break
            if give_up is not None and time.monotonic() >= give_up:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                answer = {"killed": True}
                break
            time.sleep(0.002)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
