"""The conformance kit: what every connector promises, as plain functions that its author runs against a bench.

    @pytest.mark.parametrize("check", kit.CHECKS, ids=lambda check: check.__name__)
    def test_the_connector_keeps_its_promises(check, bench):
        check(bench)

A promise that the stream does not make, or that the bench cannot show, raises `NotApplicable`: a skip for pytest.
For every check there is a broken connector that fails it (tests/connect/toy_mutants.py).
"""

from prm_sync.connect.kit.bench import Bench, CountingBudget, Merges, NotApplicable
from prm_sync.connect.kit.checks import CHECKS

__all__ = ["CHECKS", "Bench", "CountingBudget", "Merges", "NotApplicable"]
