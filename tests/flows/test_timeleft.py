"""How long a pull will go on, by its pages; and that refine leaves the end of a pull to the refine that follows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import pytest
from workbench import Bench

from prm_sync.flows import refine as flow
from prm_sync.flows.pull import pull
from prm_sync.flows.refine import refine, refining_meanwhile
from prm_sync.flows.report import FlowReport
from prm_sync.flows.timeleft import Chunks, TimeLeft


def test_it_goes_by_the_pages_since_the_first() -> None:
    moment = [50.0]
    left = TimeLeft(lambda: moment[0])
    assert left.seconds() == math.inf
    left.page(2_000, 10_000)
    assert left.seconds() == math.inf, "one page says nothing of how long the next takes"
    moment[0] += 2
    left.page(4_000, 10_000)
    assert left.seconds() == pytest.approx(6)
    moment[0] += 1.5
    assert left.seconds() == pytest.approx(4.5)
    moment[0] += 100
    assert left.seconds() == 0


def test_a_remote_that_does_not_say_how_many_there_are_is_never_nearly_done() -> None:
    moment = [0.0]
    left = TimeLeft(lambda: moment[0])
    for n in range(1, 4):
        moment[0] += 1
        left.page(n * 100, None)
        assert left.seconds() == math.inf


def test_another_stream_is_counted_from_its_own_beginning() -> None:
    moment = [0.0]
    left = TimeLeft(lambda: moment[0])
    for n in range(1, 4):
        moment[0] += 10
        left.page(n * 100, 300)
    assert left.seconds() == 0
    moment[0] += 10
    left.page(200, 1_000)
    assert left.seconds() == math.inf
    moment[0] += 1
    left.page(400, 1_000)
    assert left.seconds() == pytest.approx(3)


def test_after_a_chunk_comes_as_much_rest_and_at_least_one_look() -> None:
    moment = [0.0]
    chunks = Chunks(1.0, lambda: moment[0])
    assert chunks.turn(math.inf) == "rest"
    moment[0] = 1.0
    assert chunks.turn(math.inf) == "full"
    chunks.done(1.0, idle=True)
    assert chunks.turn(math.inf) == "rest", "too little was there: look again in a second"
    moment[0] = 4.0
    began, moment[0] = 2.0, 4.0
    chunks.done(began, idle=False)
    moment[0] = 5.9
    assert chunks.turn(math.inf) == "rest"
    moment[0] = 6.1
    assert chunks.turn(math.inf) == "full"


def test_the_last_chunk_is_begun_so_that_it_ends_with_the_pull() -> None:
    """A chunk takes 0.5 s for each second since the one before began; the pull ends at 20."""
    moment, begun = [0.0], list[tuple[float, str]]()
    chunks = Chunks(1.0, lambda: moment[0])
    last = 0.0
    while moment[0] < 20:
        turn = chunks.turn(20 - moment[0])
        if turn in ("full", "small"):
            began = moment[0]
            begun.append((began, turn))
            moment[0] += 0.5 * (began - last)
            assert moment[0] <= 20, "the end of the pull would wait for it"
            chunks.done(began, idle=False)
            last = began
        else:
            moment[0] += 0.05
    assert (begun[0][1], begun[-1][1]) == ("full", "small")
    assert 20 - last < 1.6, "what is left is what came while the last one was done, and in the look after it"


@pytest.mark.parametrize(("left_s", "ahead"), [(lambda: math.inf, True), (lambda: 0.0, False)])
def test_what_would_not_be_done_before_the_pull_is_left_to_the_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, left_s: Callable[[], float], ahead: bool
) -> None:
    monkeypatch.setattr(flow, "LOOK_EVERY_S", 0.02)
    for n in range(6):
        bench.vendors.lead(f"Lead{n}")
    report = FlowReport("refine", "")
    with refining_meanwhile(bench.app, ["lead"], report, at_least=1, left_s=left_s):
        pull(bench.app, "crm", "Lead")
        until = time.monotonic() + (20 if ahead else 0.5)
        while "refined" not in report.numbers and time.monotonic() < until:
            time.sleep(0.02)
    assert report.numbers.get("refined", 0) == (6 if ahead else 0)
    assert refine(bench.app).numbers.get("refined", 0) == (0 if ahead else 6)
