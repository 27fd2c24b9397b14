"""`python -m prm_sync.connect.emulator package.module:EMULATOR [--port N]`: serves it, one JSON line when ready."""

from __future__ import annotations

import argparse
import json
import os
import sys

from prm_sync.connect.emulator.declare import load_emulator
from prm_sync.connect.emulator.serve import run_forever


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve an emulated vendor on this machine.")
    parser.add_argument("emulator", help="package.module:EMULATOR")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--options", type=json.loads, default={}, help="options of the emulator, a JSON object")
    arguments = parser.parse_args()
    emulator = load_emulator(arguments.emulator)

    def announce(url: str) -> None:
        ready = {"name": emulator.name, "url": url, "pid": os.getpid(), "credentials": dict(emulator.credentials(url))}
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()

    run_forever(emulator, arguments.port, announce, arguments.options)


if __name__ == "__main__":
    main()
