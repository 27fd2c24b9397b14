"""PartnerStack (Vendor API v2) for prm-sync: partners, leads, deal registrations, customers, transactions, rewards."""

from __future__ import annotations

from contextlib import AbstractContextManager

from prm_sync.connect import Connector, Context, Limit, Session
from prm_sync_partnerstack.config import PartnerStackConfig

__all__ = ["CONNECTOR", "PartnerStackConfig"]


def _open(config: PartnerStackConfig, context: Context) -> AbstractContextManager[Session]:
    from prm_sync_partnerstack.session import opened  # the HTTP client is loaded with the first session, not before

    return opened(config, context)


CONNECTOR = Connector(
    name="partnerstack",
    title="PartnerStack",
    kind="prm",
    config=PartnerStackConfig,
    open=_open,
    # The vendor's numbers are not public. This is what all processes of one connection share; see also `calls_per_s`.
    limits=(Limit("calls", 10, 1.0),),
    emulator="prm_sync_partnerstack.emulator:EMULATOR",
)
