"""The toolkit for emulated vendors: HTTP servers of a vendor's wire protocol, with faults on demand."""

from prm_sync.connect.emulator.app import EmulatedApp
from prm_sync.connect.emulator.calls import Call, Calls
from prm_sync.connect.emulator.clock import Clock
from prm_sync.connect.emulator.control import Control
from prm_sync.connect.emulator.declare import Emulator, Switch, load_emulator, switch_values
from prm_sync.connect.emulator.faults import EXPIRE_TOKENS, Fault, Faults
from prm_sync.connect.emulator.serve import Running, run_forever, serve
from prm_sync.connect.emulator.store import Row, Store, Table, Tombstone, iso_ms

__all__ = [
    "EXPIRE_TOKENS",
    "Call",
    "Calls",
    "Clock",
    "Control",
    "EmulatedApp",
    "Emulator",
    "Fault",
    "Faults",
    "Row",
    "Running",
    "Store",
    "Switch",
    "Table",
    "Tombstone",
    "iso_ms",
    "load_emulator",
    "run_forever",
    "serve",
    "switch_values",
]
