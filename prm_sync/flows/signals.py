"""Signals of demand: core -> core.signal, and for which partners each is. Part of measure."""

from __future__ import annotations

from prm_sync.app import App
from prm_sync.flows.refine import refine_entity
from prm_sync.flows.report import FlowReport
from prm_sync.rules.routing.territory import Atlas
from prm_sync.rules.signals import audience, months_before, whole_months
from prm_sync.warehouse import progress, signal_effect, signals, source

STEP = "signals"
EFFECT_COUNTED_MONTHS = 12  #: effects of signals that were told earlier stay as they are


def tell_demand(app: App, report: FlowReport) -> None:
    """Bring the signals up to date; nothing is counted again where nothing has changed and the month is the same."""
    policy, routing, now = app.policies.signals, app.policies.routing, app.clock()
    months = whole_months(now, policy.published_months)
    hash_ = f"{policy.version}|{routing.version}|{months[0]}"
    upto = source.mark(app.db, *signals.READS)
    with app.db.begin() as tx:
        after = progress.upto(tx, STEP, hash_)
        if after and not signals.changed_since(tx, after):
            return
        territories = signals.territories(tx)
        atlas = Atlas(routing.areas, routing.region_names, territories.values())
        codes = {(c, r): code for c, r in signals.regions(tx) if (code := atlas.region_of(c, r)) is not None}
        asked = signals.Asked(
            policy.measures, months, policy.baseline_months, policy.smallest_group, policy.min_lift, policy.min_count,
            policy.round_to,
        )  # fmt: skip
        changed = signals.keep(tx, asked, codes, now)
        since = months_before(months[0], EFFECT_COUNTED_MONTHS + policy.effect_months)
        effects = signal_effect.recount(tx, asked, codes, policy.effect_months, since, now)
    refine_entity(app, "signal", report)
    with app.db.begin() as tx:
        told = signals.places(tx)
        moved = signals.keep_audience(tx, audience(told, territories, atlas))
        progress.keep(tx, STEP, upto, hash_)
    report.add(signals=len(told), signals_changed=changed, signals_for_others=moved, signal_effects=effects)
