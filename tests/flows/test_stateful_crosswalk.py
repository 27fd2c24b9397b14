"""Any sequence of making, merging, deleting and restoring: the crosswalk is what the records say, with stable ids."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from scripted import Remote, emptied
from workbench import Project, rows

from prm_sync.app import App
from prm_sync.flows.pull import pull
from prm_sync.flows.refine import refine
from prm_sync.flows.report import State
from prm_sync.rules.identity import clusters

MAPPING = "from: files.leads\nto: lead\nfields:\n  email: Email\n  city: City\n"
EMAILS = ("an@an.example", "bình@bình.example", "chị@x.example")
NUMBERS = st.integers(0, 99)


def machine(app: App, project: Project) -> type[RuleBasedStateMachine]:
    class Crosswalk(RuleBasedStateMachine):
        """The model: records (each with one e-mail address for ever), and the merges of records that are gone."""

        def __init__(self) -> None:
            super().__init__()
            emptied(app)
            self.remote = Remote(project.clock)
            app.connectors = {"lists": self.remote.connector()}
            self.emails: dict[str, str] = {}
            self.known: set[str] = set()  #: records that a pull has seen
            self.ids: dict[frozenset[str], str] = {}  #: by entity's records, at the last look
            self.in_step = True
            for n in (0, 5, 5, 5):
                self.make(n, now=n == 5)

        @rule(n=st.integers(0, 5), now=st.booleans())
        def make(self, n: int, now: bool) -> None:
            row_id = f"r{len(self.emails)}"
            if len(self.emails) < 8:
                self.emails[row_id] = EMAILS[n] if n < len(EMAILS) else f"{row_id}@own.example"
                self.remote.put(row_id, Email=self.emails[row_id], City="Huế")
                self.happened(now=now)

        @precondition(lambda self: len(self.remote.rows) > 1)
        @rule(a=NUMBERS, b=NUMBERS, now=st.booleans())
        def merge(self, a: int, b: int, now: bool) -> None:
            live = sorted(self.remote.rows)
            loser = live[a % len(live)]
            winner = [i for i in live if i != loser][b % (len(live) - 1)]
            self.remote.merge(loser, winner)
            self.happened(now=now)

        @precondition(lambda self: len(self.remote.rows) > 2)
        @rule(a=NUMBERS, b=NUMBERS, c=NUMBERS, chained=st.booleans())
        def merge_and_restore(self, a: int, b: int, c: int, chained: bool) -> None:
            """Merged and seen, perhaps the winner merged on into a third one, then restored."""
            loser = sorted(self.remote.rows)[a % len(self.remote.rows)]
            winner = [i for i in sorted(self.remote.rows) if i != loser][b % (len(self.remote.rows) - 1)]
            self.remote.merge(loser, winner)
            self.happened(now=True)
            self.entities_are_what_the_records_say()
            if chained:
                others = [i for i in sorted(self.remote.rows) if i != winner]
                self.remote.merge(winner, others[c % len(others)])
                self.happened(now=True)
                self.entities_are_what_the_records_say()
            self.remote.undelete(loser)
            self.happened(now=True)

        @precondition(lambda self: self.remote.rows)
        @rule(n=NUMBERS, now=st.booleans())
        def delete(self, n: int, now: bool) -> None:
            self.remote.delete(sorted(self.remote.rows)[n % len(self.remote.rows)])
            self.happened(now=now)

        @precondition(lambda self: self.remote.gone)
        @rule(n=NUMBERS, now=st.booleans())
        def undelete(self, n: int, now: bool) -> None:
            self.remote.undelete(sorted(self.remote.gone)[n % len(self.remote.gone)])
            self.happened(now=now)

        def happened(self, *, now: bool) -> None:
            """Seen at once, or together with what comes after it."""
            self.in_step = False
            if now:
                self.sync()

        @rule()
        def sync(self) -> None:
            project.clock.advance(minutes=30)
            report = pull(app, "lists", "leads")
            refine(app)
            assert report.state is State.DONE
            self.known |= set(self.remote.rows)
            self.in_step = True

        @invariant()
        def entities_are_what_the_records_say(self) -> None:
            if not self.in_step:
                return
            found: dict[str, set[str]] = {}
            for r in rows(app.db, "SELECT remote_id, entity_id FROM core.crosswalk"):
                found.setdefault(r["entity_id"], set()).add(r["remote_id"])
            assert sorted(map(sorted, found.values())) == sorted(map(sorted, self.parts()))
            golden = {r["id"]: r for r in rows(app.db, "SELECT id, deleted_at, merged_into FROM core.lead")}
            assert {i for i, g in golden.items() if g["merged_into"] is None} == set(found)
            assert {g["merged_into"] for g in golden.values()} - {None} <= set(found)
            for id_, records in found.items():
                assert (golden[id_]["deleted_at"] is None) == any(i in self.remote.rows for i in records)
            ids = {frozenset(records): id_ for id_, records in found.items()}
            for part, id_ in ids.items():
                assert self.ids.get(part, id_) == id_, "the same records have got another id"
            self.ids = ids

        def parts(self) -> list[set[str]]:
            numbered = {i: n for n, i in enumerate(sorted(self.known))}
            links = [(n, n) for n in numbered.values()]
            for i, n in numbered.items():
                links += [(n, m) for j, m in numbered.items() if self.emails[i] == self.emails[j]]
                into = self.remote.gone[i][2] if i in self.remote.gone else None
                if into in numbered:
                    links.append((n, numbered[into]))
            roots = clusters(links) if links else {}
            out: dict[int, set[str]] = {}
            for i, n in numbered.items():
                out.setdefault(roots[n], set()).add(i)
            return list(out.values())

    return Crosswalk


def test_the_crosswalk_follows_merges_splits_deletes_and_undeletes(project: Project) -> None:
    config: dict[str, Any] = {"folder": str(project.folder)}
    project.write(connections={"lists": {"connector": "files", "config": config}}, mappings="mappings")
    project.mapping(MAPPING)
    with project.open() as app:
        run_state_machine_as_test(
            machine(app, project),
            settings=settings(
                max_examples=6, stateful_step_count=5, deadline=None, derandomize=True, database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )  # fmt: skip
