"""A whole installation for Dagster: two emulated systems, a project of its own, a server in a folder of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from prm_sync.app import open_app
from prm_sync.connect.emulator import load_emulator, serve
from prm_sync.orchestration.catalogue import Catalogue, read_catalogue
from prm_sync.settings import Settings
from prm_sync.warehouse import db, embedded
from prm_sync.warehouse.urls import warehouse_url

PROJECT = """\
connections:
  crm:
    connector: salesforce
    config: {crm}
    streams: [Lead]
    limits: {{max_update_share: 1.0}}
  prm:
    connector: partnerstack
    config: {prm}
    streams: [partnerships, leads]
trust: [crm, prm]
mappings: mappings
"""
CRM_LEAD = """\
from: salesforce.Lead
to: lead
fields:
  last_name: LastName
  company: Company
  email: Email
  country: Country
  product: Product_Interest__c
  status: {from: Status, choices: {Open - Not Contacted: new, Working - Contacted: working}}
back:
  Prm_Offer_Status__c: offer_state
  Prm_Partner_Key__c: offer_partner_key
"""
PARTNERS = [
    {"partner_key": f"partner{n}", "email": f"p{n}@partner{n}.example", "approved_status": "approved",
     "fields": {"company_name": f"Partner {n}", "territories": ["DE", "VN"], "weekly_capacity": 50, "country": "DE"}}
    for n in range(8)
]  # fmt: skip


def leads(n: int, start: int = 0, **values: Any) -> list[dict[str, Any]]:
    return [
        {"LastName": f"Lead {i}", "Company": f"Company {i}", "Email": f"lead{i}@company{i}.example", "Country": "DE",
         "Status": "Open - Not Contacted", **values}
        for i in range(start, start + n)
    ]  # fmt: skip


@dataclass
class Sandbox:
    """The emulators `crm` and `prm`, and the installation that syncs them."""

    folder: Path
    crm: Any
    prm: Any
    env: dict[str, str]

    @property
    def settings(self) -> Settings:
        return Settings.from_env(self.env, cwd=self.folder)

    @staticmethod
    def leads(n: int, start: int = 0, **values: Any) -> list[dict[str, Any]]:
        return leads(n, start, **values)

    def opener(self):
        return open_app(self.settings, env=self.env)

    def catalogue(self) -> Catalogue:
        return read_catalogue(self.settings)

    def query(self, statement: str, **values: Any) -> list[sa.Row[Any]]:
        engine = db.engine(warehouse_url(self.settings))
        try:
            with engine.begin() as tx:
                result = tx.execute(sa.text(statement), values)
                return list(result.all()) if result.returns_rows else []
        finally:
            engine.dispose()

    def mapping(self, name: str, text: str) -> Path:
        path = self.folder / "mappings" / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path


def _config(keys: dict[str, Any], secrets: dict[str, str], env: dict[str, str], prefix: str) -> str:
    """Credentials as YAML, the secret ones by reference."""
    parts = []
    for key, value in keys.items():
        if key in secrets:
            env[f"{prefix}_{key.upper()}"] = str(value)
            parts.append(f"{key}: {{env: {prefix}_{key.upper()}}}")
        else:
            parts.append(f"{key}: {value}")
    return "{" + ", ".join(parts) + "}"


@contextmanager
def installation(schedules: str = "") -> Iterator[Sandbox]:
    """Emulators served, a project written, the environment set; all of it gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="prm-", dir="/tmp"))
    folder.chmod(0o711)
    env = {"PRM_SYNC_HOME": str(folder / "home"), "PRM_SYNC_PROJECT": str(folder)}
    with ExitStack() as stack:
        apps, configs = {}, {}
        for name, vendor, secrets in (
            ("crm", "salesforce", ("client_secret",)), ("prm", "partnerstack", ("public_key", "secret_key")),
        ):  # fmt: skip
            emulator = load_emulator(f"prm_sync_{vendor}.emulator:EMULATOR")
            apps[name] = emulator.build({})
            url = stack.enter_context(serve(apps[name])).url
            quick = {"calls_per_s": 1000} if name == "prm" else {}
            configs[name] = _config({**emulator.credentials(url), **quick}, secrets, env, name.upper())
        apps["crm"].load("Lead", leads(20))
        apps["prm"].load("partnerships", PARTNERS)
        (folder / "prm_sync.yaml").write_text(PROJECT.format(**configs) + schedules)
        (folder / "mappings" / "salesforce").mkdir(parents=True)
        made = Sandbox(folder, apps["crm"], apps["prm"], env)
        made.mapping("salesforce/lead.yaml", CRM_LEAD)
        before = {key: os.environ.get(key) for key in env}
        os.environ.update(env)
        try:
            yield made
        finally:
            for key, value in before.items():
                if value is None:
                    os.environ.pop(key)
                else:
                    os.environ[key] = value
            embedded.remove(folder / "home", elsewhere=folder / "elsewhere")
    shutil.rmtree(folder)
