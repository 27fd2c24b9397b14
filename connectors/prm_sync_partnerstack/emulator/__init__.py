"""An emulated PartnerStack: `EMULATOR` is what the connector names; the connector is never imported here."""

from prm_sync_partnerstack.emulator.account import Account, ApiError
from prm_sync_partnerstack.emulator.app import EMULATOR, LIVE, TEST, PartnerStackApp, build, credentials
from prm_sync_partnerstack.emulator.partner_side import PartnerSide
from prm_sync_partnerstack.emulator.switches import SWITCHES

__all__ = [
    "EMULATOR",
    "LIVE",
    "SWITCHES",
    "TEST",
    "Account",
    "ApiError",
    "PartnerSide",
    "PartnerStackApp",
    "build",
    "credentials",
]
