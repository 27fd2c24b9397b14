"""The assets: each starts one flow and says what it did. Records stay in the warehouse: none passes through here."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from prm_sync.canonical.model import Entity
from prm_sync.flows.measure import measure
from prm_sync.flows.pull import pull
from prm_sync.flows.push import push
from prm_sync.flows.refine import refine
from prm_sync.flows.route import route
from prm_sync.orchestration import checks, figures, lineage, repair_checks
from prm_sync.orchestration.catalogue import (
    CASE_ROUTING_READS,
    MEASURING_READS,
    ROUTING_READS,
    Catalogue,
    StreamEntry,
    digest,
    plain,
)
from prm_sync.orchestration.edge import OpenOnce, command, headlines, numbers, settled, sql
from prm_sync.orchestration.keys import (
    CASES,
    LEDGER,
    MARTS,
    PERFORMANCE,
    core_key,
    ledgers,
    push_key,
    raw_key,
    remote_key,
)
from prm_sync.orchestration.project_asset import project_asset
from prm_sync.warehouse import offers

OPS, REVOPS = "team:ops", "team:revops"
PROGRESS_S = 20.0  #: a long pull says how far it is this often
Freshness = dg.FreshnessPolicy | None


def all_assets(
    catalogue: Catalogue, fresh: Freshness, fresh_daily: Freshness
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Every asset of a catalogue, sources first. `fresh`: how old synced data may get; `fresh_daily`: the marts."""
    out: list[dg.AssetsDefinition | dg.AssetSpec] = [project_asset(catalogue)]
    out += [_remote(entry) for entry in catalogue.streams]
    out += [_raw(entry, fresh) for entry in catalogue.streams]
    out += [_core(catalogue, entity, fresh) for entity in catalogue.entities.values()]
    if ledgers(catalogue):
        out.append(_ledger(catalogue, fresh))
    out += [_mart(catalogue, part, fresh_daily) for part in catalogue.measured]
    out += [_push(catalogue, entry) for entry in catalogue.pushed]
    return out


def _tags(layer: str, entry: StreamEntry | None = None) -> dict[str, str]:
    tags = {"prm_sync/layer": layer}
    if entry is not None:
        tags |= {"prm_sync/connection": entry.connection, "prm_sync/stream": plain(entry.stream)[:63]}
    return tags


def pool(connection: str) -> str:
    """One pull or push of a connection at a time, in whatever run: two would only fence one another off."""
    return f"api_{connection}"


def _derived(
    key: dg.AssetKey, layer: str, description: str, deps: list[dg.AssetKey], fresh: Freshness,
    metadata: Mapping[str, Any], code_version: str | None = None,
) -> dg.AssetSpec:  # fmt: skip
    """An asset that is made from what the warehouse holds, not from one connection."""
    return dg.AssetSpec(
        key,
        deps=deps,
        description=description,
        group_name=layer,
        kinds={"postgres"},
        owners=[REVOPS],
        tags=_tags(layer),
        code_version=code_version,
        freshness_policy=fresh,
        metadata=metadata,
    )


def _step(
    spec: dg.AssetSpec, check_specs: Sequence[dg.AssetCheckSpec], pool_name: str, *more: dg.AssetSpec
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Makes the step of one asset, or several, of a function that runs a flow with the opened app."""
    return dg.multi_asset(
        name=spec.key.path[-1],
        specs=[spec, *more],
        check_specs=check_specs,
        pool=pool_name,
        required_resource_keys={"app"},
    )


def _remote(entry: StreamEntry) -> dg.AssetSpec:
    return dg.AssetSpec(
        remote_key(entry),
        description=f"{entry.stream} in {entry.connection}, as the remote system has it",
        group_name=entry.connection,
        kinds={entry.connector},
        owners=[OPS],
        tags=_tags("remote", entry),
    )


def _raw(entry: StreamEntry, fresh: Freshness) -> dg.AssetsDefinition:
    key, connection, stream = raw_key(entry), entry.connection, entry.stream
    where = f"connection = '{connection}' AND stream = '{stream}'"
    spec = dg.AssetSpec(
        key,
        deps=[remote_key(entry)],
        description=f"{stream} of {connection}, exactly as received",
        group_name=connection,
        kinds={entry.connector, "postgres"},
        owners=[OPS],
        tags=_tags("raw", entry),
        code_version=digest("|".join(m.compiled.hash for m in entry.feeds)),
        freshness_policy=fresh,
        metadata={
            "dagster/table_name": "raw.record",
            "dagster/column_schema": lineage.raw_schema(entry),
            "source to target": lineage.markdown(lineage.edges_in(entry)),
            "query": sql(f"SELECT remote_id, payload FROM raw.record WHERE {where};"),  # noqa: S608 shown, not run
            "replay": command(f"prm-sync run pull --connection {connection} --stream {stream}"),
            "mapping": ", ".join(f"{m.spec.file.parent.name}/{m.spec.file.name}" for m in entry.feeds) or "none",
        },
    )

    @_step(spec, [*checks.raw_specs(key), *repair_checks.specs(key)], pool(connection))
    def pulled(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        subject = f"{connection}.{stream}"
        with headlines(subject):
            app = _app(context)
            progress = _progress(context, subject)
            pulled_now = pull(app, connection, stream, on_page=progress, dagster_run_id=context.run.run_id)
            report = settled(subject, pulled_now)
            held, rows = figures.held(app, connection, stream), figures.raw_rows(app, connection, stream)
            most = app.limits_of(connection, stream).max_quarantine_share
            others = repair_checks.results(app, key, entry)
        yield dg.MaterializeResult(
            asset_key=key,
            metadata={**numbers(report), "dagster/row_count": rows, "quarantine_open": held.records},
            check_results=[*checks.raw_results(key, entry, report, held, rows, most), *others],
        )

    return pulled


def _progress(context: dg.AssetExecutionContext, subject: str) -> Callable[[int, int | None], None]:
    last = time.monotonic()

    def said(read: int, total: int | None) -> None:
        nonlocal last
        if time.monotonic() - last >= PROGRESS_S:
            last = time.monotonic()
            so_far = f"{read} records read of {total}" if total else f"{read} records read"
            context.log.info(f"{subject}: {so_far}")  # noqa: G004 shown to people, in the run's page

    return said


def _core(catalogue: Catalogue, entity: Entity, fresh: Freshness) -> dg.AssetsDefinition:
    key, name = core_key(entity.name), entity.name
    streams = list(dict.fromkeys((e.connection, e.stream, bool(m.spec.when)) for e, m in catalogue.feeding(name)))
    edges = [e for entry in catalogue.sources_of(name) for e in lineage.edges_in(entry) if e.entity == name]
    columns = lineage.golden_lineage(catalogue, entity)
    schema = lineage.golden_schema(catalogue, entity)
    spec = _derived(
        key, "core", f"Golden records. {entity.doc}",
        [raw_key(entry) for entry in catalogue.sources_of(name)],
        fresh,
        code_version=catalogue.version_of(name),
        metadata={
            "dagster/table_name": f"core.{name}",
            "dagster/column_schema": schema,
            "source to target": lineage.markdown(edges),
            "query": sql(f'SELECT * FROM core."{name}" WHERE merged_into IS NULL AND deleted_at IS NULL;'),  # noqa: S608 shown, not run
            "history": sql(f"SELECT * FROM core.{name}_history WHERE id = '...' ORDER BY valid_from;"),  # noqa: S608 shown, not run
            "replay": command(f"prm-sync run refine --entity {name}"),
        },
    )  # fmt: skip

    @_step(spec, checks.core_specs(key), "refine")
    def refined(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        with headlines(f"refine {name}"):
            app = _app(context)
            report = settled(f"refine {name}", refine(app, [name], dagster_run_id=context.run.run_id))
            rows, found = figures.golden_rows(app, name), figures.reconcile(app, name, streams)
            disputed = figures.disputed(app, name)
            waiting = figures.open_matches(app, name)
        yield dg.MaterializeResult(
            asset_key=key,
            metadata={
                **numbers(report),
                "dagster/row_count": rows, "dagster/column_schema": schema, "dagster/column_lineage": columns,
            },
            check_results=checks.core_results(key, found, disputed, waiting),
        )  # fmt: skip

    return refined


def _routed(
    catalogue: Catalogue, fresh: Freshness, key: dg.AssetKey, doc: str, reads: Sequence[str], *, table: str, query: str,
    thing: str,
) -> dg.AssetSpec:  # fmt: skip
    """One of what routing fills."""
    return _derived(
        key, "ledger", doc, [core_key(name) for name in reads if name in catalogue.entities], fresh,
        metadata={
            "dagster/table_name": table,
            "query": sql(f"SELECT * FROM {query} ORDER BY offered_at DESC;"),  # noqa: S608 shown, not run
            "explain": command(f"prm-sync explain {thing} ID"),
            "replay": command("prm-sync run route"),
        },
    )  # fmt: skip


def _ledger(catalogue: Catalogue, fresh: Freshness) -> dg.AssetsDefinition:
    there = ledgers(catalogue)
    leads = _routed(
        catalogue, fresh, LEDGER, "Which lead was offered to which partner, and why the others were not",
        ROUTING_READS, table="ledger.lead_offer", query="mart.offers", thing="lead",
    )  # fmt: skip
    cases = _routed(
        catalogue, fresh, CASES, "Which case was given to which service partner, and why the others did not get it",
        CASE_ROUTING_READS, table="ledger.case_assignment", query="mart.case_assignments", thing="case",
    )  # fmt: skip
    first, *more = [spec for spec in (leads, cases) if spec.key in there]

    @_step(first, checks.ledger_specs(LEDGER) if LEDGER in there else (), "ledger", *more)
    def routed(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        with headlines("route"):
            app = _app(context)
            report = settled("route", route(app, dagster_run_id=context.run.run_id))
            made = {key: figures.offers_by_state(app, _BOOKS[key]) for key in there}
            over = checks.over_capacity(app)
        for key, by_state in made.items():
            yield dg.MaterializeResult(
                asset_key=key,
                metadata={
                    **numbers(report),
                    "dagster/row_count": sum(by_state.values()), **{f"offers_{s}": n for s, n in by_state.items()},
                },
                check_results=checks.ledger_results(LEDGER, over) if key == LEDGER else [],
            )  # fmt: skip

    return routed


_BOOKS = {LEDGER: offers.LEADS, CASES: offers.CASES}


@dataclass(frozen=True, slots=True)
class _Mart:
    """What one shows of a mart that a part of `measure` makes."""

    description: str
    table: str
    query: str
    replay: str
    after: tuple[str, ...] = ()  #: parts of which it uses the rows
    ledger: bool = False


_MARTS = {
    "performance": _Mart(
        "Performance per partner and month: offers, answers, wins, revenue, target, score", "mart.partner_performance",
        "SELECT * FROM mart.partner_performance ORDER BY period DESC, sourced_revenue DESC;", "prm-sync run measure",
        ledger=True,
    ),
    "standing": _Mart(
        "Agreement and certificates of each partner as they are on the day", "mart.partner_standing",
        "SELECT * FROM mart.partner_standing ORDER BY agreement_until;", "prm-sync run measure",
    ),
    "service": _Mart(
        "Which partner serves which account and deal, and what that partner did last about it", "mart.partner_service",
        "SELECT * FROM mart.partner_service ORDER BY action_at DESC NULLS LAST;", "prm-sync run measure",
        after=("performance",), ledger=True,
    ),
    "incentives": _Mart(
        "What partners earned by incentive programmes beside what they claim", "mart.incentive_check",
        "SELECT * FROM mart.incentive_check WHERE state <> 'as_earned' ORDER BY abs(claimed - earned) DESC;",
        "prm-sync incentives", ledger=True,
    ),
    "forecast": _Mart(
        "Certificates, agreements and protections that run out, and what routing will then do otherwise",
        "mart.expiry_forecast", "SELECT * FROM mart.expiry_forecast ORDER BY last_day;", "prm-sync forecast",
        ledger=True,
    ),
    "pacing": _Mart(
        "How far each partner's targets are, beside how far they should be by the day", "mart.target_pacing",
        "SELECT * FROM mart.target_pacing WHERE state = 'behind' ORDER BY pace;", "prm-sync targets", ledger=True,
    ),
    "signals": _Mart(
        "Which partners are told of which change of demand in their regions", "ledger.signal_audience",
        "SELECT * FROM mart.signals ORDER BY period DESC;", "prm-sync run measure", ledger=True,
    ),
    "recommendations": _Mart(
        "Which partner is told of which customer, and whose consent that rests on", "ledger.recommendation_audience",
        "SELECT * FROM mart.recommendations WHERE deleted_at IS NULL ORDER BY score DESC;", "prm-sync run measure",
        after=("service",),
    ),
}  # fmt: skip


def _mart(catalogue: Catalogue, part: str, fresh: Freshness) -> dg.AssetsDefinition:
    """The mart that one part of `measure` makes."""
    key, about = MARTS[part], _MARTS[part]
    ledger = ledgers(catalogue) if about.ledger else []
    read = [core_key(name) for name in MEASURING_READS[part] if name in catalogue.entities]
    spec = _derived(
        key, "mart", about.description, [*ledger, *(MARTS[p] for p in about.after if p in catalogue.measured), *read],
        fresh,
        metadata={
            "dagster/table_name": about.table, "query": sql(about.query), "replay": command(about.replay),
        },
    )  # fmt: skip

    @_step(spec, checks.mart_specs(part, key), "mart")
    def measured(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        with headlines(f"measure {part}"):
            app = _app(context)
            report = settled(f"measure {part}", measure(app, [part], dagster_run_id=context.run.run_id))
            rows = figures.rows_of(app, about.table)
            found = checks.mart_results(part, key, app)
        yield dg.MaterializeResult(
            asset_key=key, metadata={**numbers(report), "dagster/row_count": rows}, check_results=found
        )

    return measured


TOLD_BY = {"partner": ("standing",), "opportunity": ("service",)}
"""Marts that hold facts of an entity, besides the one that holds most of them."""


def facts_of(catalogue: Catalogue) -> dict[str, dg.AssetKey]:
    """The assets that hold what we know about an entity besides its fields."""
    facts: dict[str, dg.AssetKey] = {}
    if catalogue.routes:
        facts |= dict.fromkeys(("lead", "opportunity", "deal_registration"), LEDGER)
    if catalogue.routes_cases:
        facts["case"] = CASES
    if catalogue.measures:
        facts |= {"partner": PERFORMANCE, "signal": MARTS["signals"]}
    for part, entity in (("service", "account"), ("recommendations", "recommendation")):
        if part in catalogue.measured:
            facts[entity] = MARTS[part]
    return facts


def push_deps(catalogue: Catalogue, entry: StreamEntry) -> list[dg.AssetKey]:
    """Where the values come from that a push writes."""
    facts = facts_of(catalogue)
    found = [lineage.origin_of(m, f.name, facts) for m in entry.backs for rule in m.spec.back for f in rule.sources]
    filled = {core_key(name) for name in catalogue.entities} | set(facts.values())
    filled |= {MARTS[part] for part in catalogue.measured}
    known = [facts[m.entity] for m in entry.backs if m.entity in facts]
    known += [MARTS[part] for m in entry.backs for part in TOLD_BY.get(m.entity, ())]
    wanted = dict.fromkeys([*(core_key(m.entity) for m in entry.backs), *found, *known])
    return [raw_key(entry), *(key for key in wanted if key in filled)]  # what is there, and what should be


def _push(catalogue: Catalogue, entry: StreamEntry) -> dg.AssetsDefinition:
    key, connection, stream = push_key(entry), entry.connection, entry.stream
    columns: Mapping[str, Any] = {"dagster/column_lineage": lineage.pushed_lineage(entry, facts_of(catalogue))}
    where = f"connection = '{connection}' AND stream = '{stream}'"
    spec = dg.AssetSpec(
        key,
        deps=push_deps(catalogue, entry),
        description=f"What is written to {stream} of {connection}: the difference between what should be and what is",
        group_name="push",
        kinds={entry.connector},
        owners=[OPS],
        tags=_tags("push", entry),
        code_version=digest("|".join(m.compiled.hash for m in entry.backs)),
        metadata={
            "dagster/table_name": "ops.outbox",
            "source to target": lineage.markdown(lineage.edges_back(entry)),
            "query": sql(f"SELECT * FROM ops.write_log WHERE {where} ORDER BY id DESC;"),  # noqa: S608 shown, not run
            "plan": command(f"prm-sync plan {connection} {stream}"),
            "replay": command(f"prm-sync run push --connection {connection} --stream {stream}"),
        },
    )

    @_step(spec, checks.push_specs(key), pool(connection))
    def pushed(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
        subject = f"{connection}.{stream}"
        with headlines(subject):
            app = _app(context)
            report = settled(subject, push(app, connection, stream, dagster_run_id=context.run.run_id))
            box = figures.outbox(app, connection, stream)
        yield dg.MaterializeResult(
            asset_key=key,
            metadata={**numbers(report), **columns, **{f"outbox_{state}": n for state, n in box.by_state.items()}},
            check_results=checks.push_results(key, entry, report, box),
        )

    return pushed


def _app(context: dg.AssetExecutionContext) -> Any:
    opened: OpenOnce = context.resources.app
    return opened.app
