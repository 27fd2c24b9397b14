"""The asset checks: what is looked at after each flow, and from where on it stops what comes after.

Only a quarantine that swallows a large part of a stream blocks: it means that the mapping or the remote has changed,
and golden records should not follow. All other checks tell somebody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import dagster as dg

from prm_sync.app import App
from prm_sync.flows.report import FlowReport, State
from prm_sync.orchestration import figures
from prm_sync.orchestration.catalogue import StreamEntry
from prm_sync.orchestration.edge import check, command, sql
from prm_sync.rules.routing.facts import week_start

QUARANTINE_FEW = 10  #: so few records never block
WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR

Results = Sequence[dg.AssetCheckResult]
Specs = list[dg.AssetCheckSpec]


# --- raw ---------------------------------------------------------------------------------------------------------


def raw_specs(key: dg.AssetKey) -> Specs:
    return [
        dg.AssetCheckSpec("read_to_the_end", asset=key, description="No quota and no doubt stopped the read early"),
        dg.AssetCheckSpec(
            "quarantine_share", asset=key, blocking=True,
            description="At most `max_quarantine_share` of the records are in quarantine; more stops what comes after",
        ),
        dg.AssetCheckSpec("values_are_mapped", asset=key, description="The mapping knows every picklist value"),
    ]  # fmt: skip


def raw_results(
    key: dg.AssetKey, entry: StreamEntry, report: FlowReport, held: figures.Held, rows: int, most: float
) -> Results:
    """`most`: the share of the records that may be in quarantine."""
    where = f"connection = '{entry.connection}' AND stream = '{entry.stream}' AND state = 'open'"
    share = held.records / rows if rows else 0.0
    unmapped = "\n".join(f"| {field} | {remote} | {n} |" for field, remote, n in held.unmapped[:50])
    return [
        _ended(key, "read_to_the_end", report),
        check(
            "quarantine_share", key, held.records <= max(QUARANTINE_FEW, most * rows),
            {"share": share, "most": most, "records": held.records, "fields": held.fields,
             "look": command(f"prm-sync quarantine list --connection {entry.connection} --stream {entry.stream}"),
             "query": sql(f"SELECT code, field, reason, count(*) FROM ops.quarantine WHERE {where} GROUP BY 1, 2, 3;")},  # noqa: S608 shown, not run
            severity=ERROR,
            description=f"{held.records} of {rows} records ({share:.0%}) are in quarantine: look at the mapping"
            if held.records else None,
        ),
        check(
            "values_are_mapped", key, not held.unmapped,
            {"unmapped": dg.MetadataValue.md(f"| field | remote field | records |\n|---|---|---|\n{unmapped}"),
             "fields": len(held.unmapped),
             "what to do": "add the values to `choices` of the mapping; the records are then mapped again"},
            description=f"the mapping does not know all values of {', '.join(sorted({f for f, _, _ in held.unmapped}))}"
            if held.unmapped else None,
        ),
    ]  # fmt: skip


def _ended(key: dg.AssetKey, name: str, report: FlowReport) -> dg.AssetCheckResult:
    return check(
        name, key, report.state is State.DONE, {"state": report.state.value}, description=report.message,
        severity=ERROR if report.state is State.HELD else WARN,
    )  # fmt: skip


# --- core --------------------------------------------------------------------------------------------------------


def core_specs(key: dg.AssetKey) -> Specs:
    return [
        dg.AssetCheckSpec(
            "records_reconcile", asset=key,
            description="Every record received is here, in quarantine, or left out by the mapping's `when`",
        ),
        dg.AssetCheckSpec("nothing_is_in_conflict", asset=key, description="No field waits for a person to decide it"),
        dg.AssetCheckSpec("matches_are_decided", asset=key, description="No pair of records waits for a decision"),
    ]  # fmt: skip


def core_results(
    key: dg.AssetKey, found: Sequence[figures.Reconciled], disputed: Sequence[tuple[str, str, int]], waiting: int
) -> Results:
    rows = "\n".join(
        f"| {r.connection}.{r.stream} | {r.received} | {r.mapped} | {r.quarantined} | "
        f"{'by `when`' if r.selective else r.lost} |"
        for r in found
    )
    lost, head = sum(abs(r.lost) for r in found), "| stream | received | mapped | quarantined | left |"
    return [
        check(
            "records_reconcile", key, lost == 0,
            {"counts": dg.MetadataValue.md(f"{head}\n|---|---|---|---|---|\n{rows}"), "lost": lost},
            severity=ERROR,
            description=f"{lost} records do not add up: `prm-sync run refine`, then look again" if lost else None,
        ),
        _undisputed(key, disputed),
        check(
            "matches_are_decided", key, not waiting,
            {"pairs": waiting, "look": command(f"prm-sync match list {key.path[-1].removeprefix('core_')}")},
            description=f"{waiting} pairs of records may be one and wait for a decision" if waiting else None,
        ),
    ]  # fmt: skip


def _undisputed(key: dg.AssetKey, disputed: Sequence[tuple[str, str, int]]) -> dg.AssetCheckResult:
    rows = "\n".join(f"| {field} | {kind} | {count} |" for field, kind, count in disputed)
    n = sum(count for _, _, count in disputed)
    return check(
        "nothing_is_in_conflict", key, not disputed,
        {"conflicts": n, "fields": dg.MetadataValue.md(f"| field | kind | conflicts |\n|---|---|---|\n{rows}"),
         "look": command(f"prm-sync conflict list --entity {key.path[-1].removeprefix('core_')}")},
        description=f"{n} fields are written nowhere until somebody decides" if n else None,
    )  # fmt: skip


# --- ledger and mart ---------------------------------------------------------------------------------------------


def ledger_specs(key: dg.AssetKey) -> Specs:
    return [
        dg.AssetCheckSpec(
            "within_capacity", asset=key, description="No partner was offered more leads than a week takes"
        )
    ]


def over_capacity(app: App) -> list[tuple[str, int, int]]:
    return figures.over_capacity(app, week_start(app.clock()))


def ledger_results(key: dg.AssetKey, over: Sequence[tuple[str, int, int]]) -> Results:
    rows = "\n".join(f"| {partner} | {offers} | {capacity} |" for partner, offers, capacity in over)
    return [
        check(
            "within_capacity", key, not over,
            {"over": dg.MetadataValue.md(f"| partner | offers this week | capacity |\n|---|---|---|\n{rows}"),
             "partners": len(over)},
            description=f"{len(over)} partners have more offers than capacity: was one lowered?" if over else None,
        )
    ]  # fmt: skip


_MART_CHECKS = {
    "performance": ("in_one_currency", "No won deal is left out for its currency"),
    "standing": ("agreements_hold", "Every active partner has an agreement in force, or none is known"),
    "incentives": ("claims_were_earned", "No claim is more than its programme gives"),
    "forecast": ("nobody_is_stranded", "Nothing that runs out leaves open leads without any eligible partner"),
    "pacing": ("nobody_is_behind_plan", "No partner is behind plan with a target, early days aside"),
}  #: the check of the mart of each part of `measure` that has one


def mart_specs(part: str, key: dg.AssetKey) -> Specs:
    found = _MART_CHECKS.get(part)
    return [dg.AssetCheckSpec(found[0], asset=key, description=found[1])] if found else []


def mart_results(part: str, key: dg.AssetKey, app: App) -> Results:
    if part not in _MART_CHECKS:
        return []
    wrong, words, look = _MART_FINDINGS[part](app)
    return [
        check(
            _MART_CHECKS[part][0], key, not wrong, {"wrong": wrong, "look": look},
            description=words if wrong else None,
        )
    ]  # fmt: skip


_Finding = tuple[int, str, dg.MarkdownMetadataValue]  #: how many are wrong, in words, and where to look


def _currencies(app: App) -> _Finding:
    n = figures.won_in_other_currency(app)
    words = f"{n} won deals are not in {app.currency} and therefore not in the revenue"
    return n, words, sql("SELECT * FROM mart.partner_performance WHERE other_currency > 0;")


def _agreements(app: App) -> _Finding:
    states = figures.agreements(app)
    n = states.get("expired", 0) + states.get("unsigned", 0)
    words = f"of active partners {states.get('expired', 0)} have an agreement that ended, {states.get('unsigned', 0)} "
    words += "one that waits for a signature"
    return n, words, sql("SELECT * FROM mart.partner_standing WHERE agreement_state IN ('expired', 'unsigned');")


def _claims(app: App) -> _Finding:
    n = figures.claims_in_doubt(app)
    return n, f"{n} claims are not what policies/incentives.yaml gives", command("prm-sync incentives")


def _stranded(app: App) -> _Finding:
    n, first = figures.stranded(app)
    return n, f"{n} open leads will have no eligible partner, the first after {first}", command("prm-sync forecast")


def _behind(app: App) -> _Finding:
    n = figures.behind_plan(app)
    return n, f"{n} targets are behind plan, as policies/targets.yaml means it", command("prm-sync targets --behind")


_MART_FINDINGS: dict[str, Callable[[App], _Finding]] = {
    "performance": _currencies, "standing": _agreements, "incentives": _claims, "forecast": _stranded,
    "pacing": _behind,
}  # fmt: skip


# --- push --------------------------------------------------------------------------------------------------------


def push_specs(key: dg.AssetKey) -> Specs:
    return [
        dg.AssetCheckSpec("nothing_is_held", asset=key, description="No plan waits for approval"),
        dg.AssetCheckSpec(
            "sent_to_the_end", asset=key, description="Everything meant to be sent was sent and answered"
        ),
        dg.AssetCheckSpec("nothing_is_refused", asset=key, description="The remote took every change"),
    ]


def push_results(key: dg.AssetKey, entry: StreamEntry, report: FlowReport, box: figures.Outbox) -> Results:
    plans = "\n".join(f"- {why}: `prm-sync approve {plan}`" for plan, why in box.held_plans)
    refused = "\n".join(f"| {code} | {field} | {n} |" for code, field, n in box.refused)
    held = report.state is State.HELD
    return [
        check(
            "nothing_is_held", key, not held,
            {"plans": dg.MetadataValue.md(plans or "none"),
             "look": command(f"prm-sync plan {entry.connection} {entry.stream}")},
            severity=ERROR, description=report.message if held else None,
        ),
        check(
            "sent_to_the_end", key, report.state is not State.PARTIAL, {"left": sum(box.by_state.values())},
            description=report.message if report.state is State.PARTIAL else None,
        ),
        check(
            "nothing_is_refused", key, not box.refused,
            {"refused": dg.MetadataValue.md(f"| code | field | changes |\n|---|---|---|\n{refused}"),
             "changes": sum(n for _, _, n in box.refused),
             "look": command(f"prm-sync quarantine list --connection {entry.connection} --stream {entry.stream}")},
        ),
    ]  # fmt: skip
