"""The whole product, started as a person starts it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "orchestration"))
