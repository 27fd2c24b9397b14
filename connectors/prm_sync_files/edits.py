"""What a batch of changes asks of a table: wishes by the row's key, and the outcome of each change."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prm_sync.connect import Change, Done, Outcome, Refused
from prm_sync_files.cells import UnfitError, cell_of
from prm_sync_files.config import WriteConfig

Cells = dict[str, str]
"""Column -> cell."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One change of a row. `cells` without its key; None: the row is to go. `known`: it must be there already."""

    place: int  #: of the change in the batch
    cells: Mapping[str, str] | None
    known: bool


@dataclass(slots=True)
class Edits:
    """Of one batch: the wishes that are open, by the row's key, and the outcomes so far."""

    key: str  #: the key column
    guard: bool
    outcomes: list[Outcome | None]
    open: dict[str, list[Wish]] = field(default_factory=dict)
    settled: dict[str, bool] = field(default_factory=dict)  #: key -> whether its row is to be there

    def asks_for(self, key: str) -> bool:
        return key in self.open or key in self.settled

    def met(self, key: str, row: Cells, error: str) -> Cells | None:
        """What becomes of a row that `asks_for` is true of; None: it goes. `error`: why it cannot be trusted."""
        if key in self.settled:  # an earlier row has the same key: this one goes with it, but is never changed
            return row if self.settled[key] else None
        wishes = self.open.pop(key)
        if error:
            for wish in wishes:
                self.outcomes[wish.place] = Refused("broken_row", f"{error}; correct it in the file")
            self.settled[key] = True
            return row
        new = self._played(key, wishes, row)
        self.settled[key] = new is not None
        return new

    def made(self) -> list[Cells]:
        """The rows to be made, now that every row that is there was met."""
        rows = [self._played(key, wishes, None) for key, wishes in self.open.items()]
        self.open.clear()
        return [row for row in rows if row is not None]

    def _played(self, key: str, wishes: Sequence[Wish], row: Cells | None) -> Cells | None:
        for wish in wishes:
            created = False
            if wish.cells is None:
                row = None
            elif row is not None:
                row = {**row, **wish.cells}
            elif wish.known:
                self.outcomes[wish.place] = Refused("not_found", "its row is not in the file any more")
                continue
            else:
                row, created = {self.key: cell_of(key, guard=self.guard), **wish.cells}, True
            self.outcomes[wish.place] = Done(key, created)
        return row


def edits_of(how: WriteConfig, changes: Sequence[Change]) -> Edits:
    """The wishes of a batch. A change that no row can be made of has its outcome at once."""
    edits = Edits(how.key, how.guard, [None] * len(changes))
    for place, change in enumerate(changes):
        found = _wish(how, place, change)
        if isinstance(found, Refused):
            edits.outcomes[place] = found
        else:
            edits.open.setdefault(found[0], []).append(found[1])
    return edits


def _wish(how: WriteConfig, place: int, change: Change) -> tuple[str, Wish] | Refused:
    if change.match is not None and change.match[0] != how.key:
        return Refused("no_match", f"rows are found by {how.key} alone", change.match[0])
    own = _key(change.values.get(how.key))
    key = change.remote_id or _key(change.match[1] if change.match else None) or own
    if not key:
        return Refused("no_key", "has no value, and a row needs its own id", how.key)
    if own and own != key:
        return Refused("key_changed", "is the row's own id, which stays as it is", how.key)
    cells: Cells = {}
    for name, value in {how.key: key, **change.values}.items():
        if name not in how.columns:
            return Refused("unknown_column", "is not among the columns that are written; add it to `writes`", name)
        try:
            cells[name] = cell_of(value, guard=how.guard)
        except UnfitError as unfit:
            return Refused(unfit.code, str(unfit), name)
    del cells[how.key]
    return key, Wish(place, None if change.op == "delete" else cells, known=change.remote_id is not None)


def _key(value: object) -> str:
    return "" if value is None else unicodedata.normalize("NFC", str(value)).strip()
