"""Salesforce as a connection: reads by SOQL or Bulk API 2.0, writes by sObject Collections. See README.md."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from prm_sync.connect import Connector, Context, Limit, Session
from prm_sync_salesforce.config import SalesforceConfig

__all__ = ["CONNECTOR", "SalesforceConfig"]


def _open(config: Any, context: Context) -> AbstractContextManager[Session]:
    from prm_sync_salesforce.session import opened  # not before it is used: reading a declaration stays cheap

    return opened(config, context)


CONNECTOR = Connector(
    name="salesforce",
    title="Salesforce",
    kind="crm",
    config=SalesforceConfig,
    open=_open,
    # The daily figure is corrected by each answer's Sforce-Limit-Info; the burst is politeness, Salesforce names none.
    limits=(Limit("daily", 100_000, 86_400.0, share=0.5), Limit("burst", 25, 1.0)),
    emulator="prm_sync_salesforce.emulator:EMULATOR",
)
