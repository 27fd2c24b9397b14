"""The command line: commands only start flows and show what they report. Heavy imports stay inside the commands."""

from prm_sync.cli.program import main, program

__all__ = ["main", "program"]
