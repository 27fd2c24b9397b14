"""`pytest tests/chaos --chaos-seed N --chaos-cycles M` plays one seed again; without them, all seeds of the suite."""

from __future__ import annotations

import pytest

SEEDS = (1, 2, 3, 4, 5, 6, 7, 8)
CYCLES = 25  #: of each seed: 200 together


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--chaos-seed", type=int, default=None, help="play this seed alone")
    parser.addoption("--chaos-cycles", type=int, default=None, help=f"cycles of each seed; {CYCLES} by default")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "chaos_seed" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--chaos-seed", default=None)
        metafunc.parametrize("chaos_seed", SEEDS if chosen is None else (chosen,))


@pytest.fixture
def chaos_cycles(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--chaos-cycles", default=None) or CYCLES)
