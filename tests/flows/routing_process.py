"""One `route` in a process of its own: folder, database URL, time, choice. Pages are small: two runs take turns."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from pydantic import SecretStr

from prm_sync.app import open_app
from prm_sync.flows import route
from prm_sync.settings import Settings

if __name__ == "__main__":
    folder, url, at, choice = sys.argv[1:]
    route.BATCH_LEADS = route.OPTIMAL_LEADS = 7
    settings = Settings(project=Path(folder), home=Path(folder) / ".prm_sync", database_url=SecretStr(url))
    env = dict.fromkeys(("SF_SECRET", "PS_PUBLIC", "PS_SECRET"), "none")
    with open_app(settings, clock=lambda: datetime.fromisoformat(at), env=env, migrate=False) as app:
        routing = app.policies.routing.model_copy(update={"choice": choice})
        app.policies = replace(app.policies, routing=routing)
        print("ready", flush=True)
        sys.stdin.readline()
        print(dict(route.route(app).counts()))
