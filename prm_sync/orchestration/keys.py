"""The names of all assets. Each has one part only: the lineage graph shows no more than the last."""

from __future__ import annotations

import dagster as dg

from prm_sync.orchestration.catalogue import Catalogue, StreamEntry

LEDGER = dg.AssetKey("ledger_lead_offer")
CASES = dg.AssetKey("ledger_case_assignment")
PERFORMANCE = dg.AssetKey("mart_partner_performance")
MARTS = {
    "performance": PERFORMANCE,
    "standing": dg.AssetKey("mart_partner_standing"),
    "service": dg.AssetKey("mart_partner_service"),
    "incentives": dg.AssetKey("mart_incentive_check"),
    "forecast": dg.AssetKey("mart_expiry_forecast"),
    "pacing": dg.AssetKey("mart_target_pacing"),
    "signals": dg.AssetKey("ledger_signal_audience"),
    "recommendations": dg.AssetKey("ledger_recommendation_audience"),
}
"""The marts by the part of `measure` that makes each."""
PROJECT = dg.AssetKey("ops_field_lineage")


def ledgers(catalogue: Catalogue) -> list[dg.AssetKey]:
    """What routing fills: offers of leads, assignments of cases, as far as there are any to route."""
    return [key for key, there in ((LEDGER, catalogue.routes), (CASES, catalogue.routes_cases)) if there]


def remote_key(entry: StreamEntry) -> dg.AssetKey:
    """The records in the remote system itself."""
    return dg.AssetKey(entry.name)


def raw_key(entry: StreamEntry) -> dg.AssetKey:
    return dg.AssetKey(f"raw_{entry.name}")


def core_key(entity: str) -> dg.AssetKey:
    return dg.AssetKey(f"core_{entity}")


def push_key(entry: StreamEntry) -> dg.AssetKey:
    return dg.AssetKey(f"push_{entry.name}")
