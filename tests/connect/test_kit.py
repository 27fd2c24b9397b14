"""The kit's own test: the sound connectors keep every promise, and each broken one fails the check meant for it."""

from __future__ import annotations

import unittest
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from toy import ToySession, connector
from toy_bench import ToyBench
from toy_emulator import EMULATOR, ToyVendor
from toy_mutants import CONFIG_MUTANTS, MUTANTS, SOUND

from prm_sync.connect import ConnectorError, Deletes, Stream, kit
from prm_sync.connect.emulator import load_emulator, serve

Check = Callable[[kit.Bench], None]
BY_NAME = {check.__name__: check for check in kit.CHECKS}


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[ToyVendor, str]]:
    vendor = ToyVendor()
    with serve(vendor.app) as running:
        yield vendor, running.url


@pytest.mark.parametrize("session", SOUND, ids=lambda s: s.__name__)
@pytest.mark.parametrize("check", kit.CHECKS, ids=lambda check: check.__name__)
def test_the_sound_connector_keeps_every_promise(
    check: Check, session: type[ToySession], served: tuple[ToyVendor, str]
) -> None:
    try:
        check(ToyBench(*served, connector(session)))
    except kit.NotApplicable as reason:
        pytest.fail(f"the toy promises everything, but this was not checked: {reason}")


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.__name__)
def test_the_broken_connector_fails_the_check_meant_for_it(
    mutant: type[ToySession], served: tuple[ToyVendor, str]
) -> None:
    with pytest.raises((AssertionError, ConnectorError)):
        BY_NAME[MUTANTS[mutant]](ToyBench(*served, connector(mutant)))


@pytest.mark.parametrize("config", CONFIG_MUTANTS, ids=lambda c: c.__name__)
def test_a_config_that_shows_its_secret_fails(config: type[Any], served: tuple[ToyVendor, str]) -> None:
    with pytest.raises(AssertionError):
        BY_NAME[CONFIG_MUTANTS[config]](ToyBench(*served, connector(config=config)))


def test_every_check_has_a_mutant() -> None:
    assert set(BY_NAME) == {*MUTANTS.values(), *CONFIG_MUTANTS.values()}
    assert len(BY_NAME) == len(kit.CHECKS)


def test_what_a_stream_does_not_promise_is_skipped_with_the_reason(served: tuple[ToyVendor, str]) -> None:
    class ReadOnly(ToySession):
        def discover(self, only: object = None) -> list[Stream]:
            plain = {"write_batch": 0, "incremental": False, "deletes": Deletes.NEVER, "modified": None, "match_on": ()}
            return [Stream(**{**{f: getattr(s, f) for f in Stream.__slots__}, **plain}) for s in super().discover()]

    skipped = {}
    for name, check in BY_NAME.items():
        bench = ToyBench(*served, connector(ReadOnly))
        try:
            check(bench)
        except unittest.SkipTest as reason:
            skipped[name] = str(reason)
    assert set(skipped) == {
        "check_every_record_says_when_it_changed",
        "check_incremental_brings_the_change_and_little_else",
        "check_a_late_change_in_the_same_tick_is_seen",
        "check_deletes_come_as_declared",
        "check_a_merge_names_the_record_that_is_left",
        "check_every_change_has_its_own_outcome",
        "check_writing_twice_has_the_effect_of_once",
        "check_a_lost_answer_is_unknown_and_a_repeat_has_the_effect_of_once",
        "check_an_update_leaves_other_fields_alone",
        "check_a_delete_works_or_is_refused",
    }
    assert skipped["check_deletes_come_as_declared"] == "the stream does not tell deletes"


def test_the_declaration_names_the_emulator_and_the_emulator_gives_the_config() -> None:
    declared = connector()
    assert declared.emulator is not None
    emulator = load_emulator(declared.emulator)
    assert emulator is not None
    with serve(EMULATOR.build({"leads": 4})) as running:
        config = declared.config(**EMULATOR.credentials(running.url))
        with declared.open(config, kit.bench.context()) as session:
            stream = session.discover()[0]
            records = [r for page in session.read(stream, None, ["id", "email"]) for r in page.records]
    assert len(records) == 4
