"""The demo's folder: a project as a user would have it, in a home of its own that is made anew each time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from prm_sync.demo.company import Size
from prm_sync.demo.systems import Systems
from prm_sync.errors import ConfigError
from prm_sync.project import shipped
from prm_sync.settings import PROJECT_FILE, Settings
from prm_sync.warehouse import embedded

SECRETS = ("client_secret", "public_key", "secret_key")  #: keys of the credentials that may not stand in the file
WHAT_IF = "what-if.yaml"  #: the routing policy with leads dealt in turn, for `prm-sync simulate`
MARK = ".prm-sync-demo"  #: says that the folder is the demo's, to be deleted by the next

PORTAL = {
    "cases": (
        "Key", "Partner", "Assignment", "Case", "Priority", "Subject", "Description", "Product", "Customer", "City",
        "Country", "Contact", "Contact Phone", "Opened At", "Assigned At", "Answer By", "Solve By",
        "Answer", "Answered At", "Decline Reason", "Stage", "First Response At", "Solved At", "Resolution",
    ),
    "shipping_notices": (
        "Key", "Partner", "Order", "Status", "Product", "Promised", "Shipped", "Carrier", "Tracking", "Delivered",
        "City", "Postcode", "Country", "Delivery Preference",
    ),
    "market_signals": (
        "Key", "Partner", "Month", "Measure", "Country", "Region", "Product", "Direction", "About", "Times",
    ),
    "needs": ("Key", "Partner", "Date", "Subject", "Theme", "Product", "Country", "Score", "Scale", "Text"),
}  # fmt: skip
"""The tables of the partners' folder and their columns, as `mappings/files_prm` knows them."""

HEAD = """\
# The demo's project: two emulated systems, a folder of spreadsheets, and one that partners see. Try `prm-sync check`.
# Secrets stand in files of their own; in production rather {env: NAME}.
"""

AUTHORITY_HEAD = """\
# Which system decides a field that several may change. As shipped, but for one line: where both systems changed the
# product of a lead, a person decides (`prm-sync conflict list`), and until then nothing of it is written.
"""

SHARING_HEAD = """\
# What may leave for partners. As shipped, but: of a lead's family name a bronze partner sees the initials.
"""


def fresh_folder(base: Path) -> Path:
    """An empty `demo` folder in `base`; an earlier demo's is removed with its database server.

    Raises ConfigError where there is a folder of that name that no demo made.
    """
    folder = base.resolve() / "demo"
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).is_file():
            raise ConfigError(f"{folder} is there already and no demo's; move it away, or set PRM_SYNC_HOME",
                              file=folder)
        embedded.remove(home_of(folder))
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
    return folder


def home_of(folder: Path) -> Path:
    """The home within the folder: `prm-sync` started there finds it by itself."""
    return folder / ".prm_sync"


def settings_of(folder: Path) -> Settings:
    """The demo's own settings, whatever the environment says: it never touches a server of yours."""
    return Settings(project=folder, home=home_of(folder))


def write_project(folder: Path, systems: Systems, targets_csv: str, size: Size) -> None:
    """`prm_sync.yaml`, the secrets it refers to, its policies, and the sheet of targets."""
    sheets = folder / "sheets"
    sheets.mkdir()
    (sheets / "targets.csv").write_text(targets_csv, encoding="utf-8")
    crm = _connection(folder, "salesforce", systems.crm.credentials)
    # The offers of one round may change most leads of a small company: that is meant.
    crm["limits"] = {"max_update_share": 1.0}
    prm = _connection(folder, "partnerstack", systems.prm.credentials)
    prm["config"] |= {"calls_per_s": 1000, "match_by": "path"}
    # The first offers of all go beyond this: somebody looks at them before they leave.
    prm["stream_limits"] = {"leads": {"max_create": min(8 * size.partners, size.leads // 12)}}
    prm["streams"] = ["partnerships", "customers", "transactions", "deals", "leads"]
    files = {
        "connector": "files",
        "config": {
            "folder": str(sheets),
            "streams": {"targets": {"file": "targets.csv", "key": ["Partner Key", "Metric", "Period Start"]}},
        },
        "streams": ["targets"],
    }
    project = {
        "connections": {"crm": crm, "prm": prm, "sheets": files, "portal": portal_of(folder)},
        "trust": ["crm", "prm", "sheets", "portal"],
        "currency": "USD", "policies": "policies",
        # Nothing runs by itself: the systems are there only while the demo is.
        "schedules": {"pull": None, "measure": None, "reconcile": None},
    }  # fmt: skip
    text = yaml.safe_dump(project, sort_keys=False, allow_unicode=True, width=110)
    (folder / PROJECT_FILE).write_text(HEAD + text, encoding="utf-8")

    _write_policies(folder)


def portal_of(folder: Path) -> dict[str, Any]:
    """The connection of the partners' folder, which is made."""
    portal = folder / "portal"
    portal.mkdir(exist_ok=True)
    writes = {name: {"key": columns[0], "columns": list(columns)} for name, columns in PORTAL.items()}
    return {
        "connector": "files", "kind": "prm", "config": {"folder": str(portal), "writes": writes},
        "streams": list(PORTAL),
    }  # fmt: skip


def _write_policies(folder: Path) -> None:
    """As shipped, but: one field that a person decides where both systems changed it, and one that not all partners
    see; and a routing policy to try.
    """
    policy = yaml.safe_load((shipped("policies") / "authority.yaml").read_text(encoding="utf-8"))
    policy["entities"]["lead"]["product"] = "review"
    (folder / "policies").mkdir()
    text = yaml.safe_dump(policy, sort_keys=False, allow_unicode=True)
    (folder / "policies" / "authority.yaml").write_text(AUTHORITY_HEAD + text, encoding="utf-8")
    sharing = yaml.safe_load((shipped("policies") / "sharing.yaml").read_text(encoding="utf-8"))
    leads = sharing["streams"]["leads"]
    leads["mask"] = {"last_name": "initials"}
    sharing["grants"] = [{
        "streams": ["leads"], "entity": "lead", "purpose": leads["purpose"], "tiers": ["platinum", "gold", "silver"],
        "pii": leads["pii"], "fields": ["last_name"],
    }]  # fmt: skip
    text = yaml.safe_dump(sharing, sort_keys=False, allow_unicode=True)
    (folder / "policies" / "sharing.yaml").write_text(SHARING_HEAD + text, encoding="utf-8")
    routing = (shipped("policies") / "routing.yaml").read_text(encoding="utf-8")
    (folder / WHAT_IF).write_text(routing.replace("\nchoice: best\n", "\nchoice: round_robin\n"), encoding="utf-8")


def _connection(folder: Path, connector: str, credentials: Mapping[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for key, value in credentials.items():
        if key in SECRETS:
            config[key] = {"file": _secret(folder, f"{connector}.{key}", str(value))}
        else:
            config[key] = value
    return {"connector": connector, "config": config}


def _secret(folder: Path, name: str, value: str) -> str:
    """The secret in a file that only its owner can read; the file's name relative to the project."""
    secrets = folder / "secrets"
    secrets.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(os.open(secrets / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w",
                   encoding="utf-8") as file:
        file.write(value)
    return f"secrets/{name}"
