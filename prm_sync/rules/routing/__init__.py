"""Which partner gets which lead, why the others do not, and what becomes of the offer."""

from prm_sync.rules.routing.board import Batch, Board, Routed
from prm_sync.rules.routing.cases import CasePolicy, cases_schema, load_cases
from prm_sync.rules.routing.decide import deal, route, score_of_best
from prm_sync.rules.routing.explain import as_json, explain
from prm_sync.rules.routing.facts import (
    TERMS,
    Agreement,
    Candidate,
    Decision,
    LeadFacts,
    Ledger,
    PartnerFacts,
    day_start,
    unrouted,
    week_start,
)
from prm_sync.rules.routing.offers import (
    Fate,
    Offer,
    Refusal,
    Transition,
    apply_answer,
    apply_stage,
    due,
    moved,
    reopen,
    stage_of,
    taken_back,
    withdraw,
)
from prm_sync.rules.routing.policy import RoutingPolicy, load_routing, routing_schema
from prm_sync.rules.routing.replay import PastLead, Replay, replay

__all__ = [
    "TERMS",
    "Agreement",
    "Batch",
    "Board",
    "Candidate",
    "CasePolicy",
    "Decision",
    "Fate",
    "LeadFacts",
    "Ledger",
    "Offer",
    "PartnerFacts",
    "PastLead",
    "Refusal",
    "Replay",
    "Routed",
    "RoutingPolicy",
    "Transition",
    "apply_answer",
    "apply_stage",
    "as_json",
    "cases_schema",
    "day_start",
    "deal",
    "due",
    "explain",
    "load_cases",
    "load_routing",
    "moved",
    "reopen",
    "replay",
    "route",
    "routing_schema",
    "score_of_best",
    "stage_of",
    "taken_back",
    "unrouted",
    "week_start",
    "withdraw",
]
