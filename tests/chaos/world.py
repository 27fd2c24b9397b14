"""What happens in a cycle of the chaos test, drawn from one seeded `random.Random`.

Deeds of people on both sides, changes of the CRM's schema, and faults armed on the vendors. Each deed is told in
`told`, so that a seed that fails says what it did last. `World` also keeps what a person would remember: the value that
was entered last, and which records somebody took away.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from workbench import Vendors

LEADS, PARTNERS = 20, 3
CITIES = ("Huế", "北京", "القاهرة", "شیراز", "Köln", "Cádiz")
LAST_NAMES = ("Nguyễn", "王", "محمد", "رضایی", "Weber", "Muñoz")
INDUSTRIES = ("Technology", "Banking", "Retail", "Energy")
RECENT = 5  #: cycles within which a change may still be unread, where faults or kills held it up


@dataclass
class World:
    """Both vendors and the people who work in them."""

    vendors: Vendors
    rng: random.Random
    told: list[str] = field(default_factory=list)
    entered: dict[str, dict[str, str]] = field(default_factory=dict)  #: lead -> field -> what a person entered last
    unsure: set[str] = field(default_factory=set)  #: leads of which no person can say what their values should be
    taken: set[str] = field(default_factory=set)  #: external keys that people archived or deleted in the PRM
    cycle: int = 0
    _edits: dict[str, list[tuple[int, str, str]]] = field(default_factory=dict)  #: lead -> cycle, side, field of each
    _made: int = 0
    _partners: int = PARTNERS  #: so many were ever made
    _values: int = 0
    _columns: dict[str, Any] = field(default_factory=dict)  #: the CRM's columns of leads as they were

    def __post_init__(self) -> None:
        self._columns = dict(self._lead_columns)
        for n in range(self._partners):
            self.vendors.partner(f"partner{n}")
        for _ in range(LEADS):
            self.create()

    # --- looking ---

    @property
    def _lead_columns(self) -> dict[str, Any]:
        return self.vendors.sf.org.tables["Lead"].object.columns

    def crm(self, *, deleted: bool = False) -> list[dict[str, Any]]:
        found = self.vendors.sf.org.tables["Lead"].rows.values()
        return sorted((r for r in found if bool(r["IsDeleted"]) is deleted), key=lambda r: str(r["Id"]))

    def prm(self) -> list[dict[str, Any]]:
        return sorted((r for r in self.vendors.prm_leads() if r["external_key"]), key=lambda r: str(r["key"]))

    def _lead_of(self, copy: dict[str, Any]) -> str | None:
        """The CRM's record of an offered lead, by the id that we write there."""
        id_ = str(copy["external_key"]).partition(":")[0]
        found = [r["Id"] for r in self.crm() if r.get("Prm_Lead_Id__c") == id_]
        return found[0] if len(found) == 1 else None

    def say(self, what: str) -> None:
        self.told.append(f"{self.vendors.clock.at:%d %H:%M:%S} {what}")

    def _new_value(self) -> str:
        self._values += 1
        return f"{self.rng.choice(CITIES)} {self._values}"

    def happen(self, n: int) -> list[Callable[[], None]]:
        """`n` deeds to be done, drawn when they are done."""
        return [self._deed for _ in range(n)]

    def _deed(self) -> None:
        names, weights = zip(*DEEDS.items(), strict=True)
        [name] = self.rng.choices(names, weights)
        org = self.vendors.sf.org
        locked, org.locked = org.locked, {}  # people's own saves wait until a lock is gone
        getattr(self, name)()
        org.locked = locked

    # --- people in the CRM ---

    def create(self) -> None:
        self._made += 1
        name = f"{self.rng.choice(LAST_NAMES)} {self._made}"
        lead = self.vendors.lead(name, Email=f"l{self._made}@company{self._made}.example", City=self._new_value())
        self.say(f"create {lead}")

    def edit(self) -> None:
        if not (rows := self.crm()):
            return
        lead = self.rng.choice(rows)["Id"]
        name = self.rng.choice(("City", "City", "Description", "Industry", "Company"))
        self._enter_crm(lead, name)

    def _enter_crm(self, lead: str, name: str) -> None:
        if name in self.vendors.sf.org.hidden.get("Lead", ()):
            return
        value = self.rng.choice(INDUSTRIES) if name == "Industry" else self._new_value()
        self.vendors.sf.org.update("Lead", lead, {name: value})
        self._entered("crm", lead, name, value)
        self.say(f"crm {lead} {name}={value}")

    def _entered(self, side: str, lead: str, name: str, value: str) -> None:
        self.entered.setdefault(lead, {})[name] = value
        self._touched(side, lead, name)

    def _touched(self, side: str, lead: str, name: str) -> None:
        """A vendor tells when a record was changed, not which field. So who was last cannot be told where one side
        changed a city, then the other one did, and then the first one something else, before the first was read. Who
        wins there is not foretold; that both sides agree in the end is still asked for.
        """
        lately = [e for e in self._edits.get(lead, ()) if e[0] > self.cycle - RECENT]
        self._edits[lead] = [*lately, (self.cycle, side, name)]
        cities = [n for n, (_, by, field_) in enumerate(lately) if field_ == "City" and by != side]
        if any(by == side and field_ == "City" for n in cities for _, by, field_ in lately[:n]) and name != "City":
            self.unsure.add(lead)

    def delete(self) -> None:
        rows = self.crm()
        if len(rows) > LEADS // 2:
            lead = self.rng.choice(rows)["Id"]
            self.vendors.sf.org.delete("Lead", lead)
            self.say(f"crm delete {lead}")

    def purge(self) -> None:
        """Deleted, and the recycle bin emptied: only the delete log still tells of it, and perhaps not even that."""
        rows = self.crm()
        if len(rows) > LEADS // 2:
            lead, org = self.rng.choice(rows)["Id"], self.vendors.sf.org
            org.purge("Lead", lead)
            untold = self.rng.random() < 0.4
            if untold:
                org.tables["Lead"].gone[:] = [line for line in org.tables["Lead"].gone if lead not in line]
            self.say(f"crm {'hard delete' if untold else 'purge'} {lead}")

    def undelete(self) -> None:
        if rows := self.crm(deleted=True):
            lead = self.rng.choice(rows)
            self.vendors.sf.org.undelete("Lead", lead["Id"])
            self.unsure.add(lead["Id"])
            self.say(f"crm undelete {lead['Id']}")

    def merge(self) -> None:
        rows = self.crm()
        if len(rows) > LEADS // 2:
            winner, loser = (r["Id"] for r in self.rng.sample(rows, 2))
            self.vendors.sf.org.merge("Lead", winner, [loser])
            self.unsure |= {winner, loser}
            self.say(f"crm merge {loser} into {winner}")

    # --- people in the PRM ---

    def answer(self) -> None:
        if open_ := [r for r in self.prm() if r["approved"] is None]:
            copy, yes = self.rng.choice(open_), self.rng.random() < 0.5
            self.vendors.ps.partners.answer(copy["key"], accepted=yes, reason=None if yes else "xa quá")
            self._touched_prm(copy)
            self.say(f"prm answer {copy['external_key']} {yes}")

    def progress(self) -> None:
        if taken := [r for r in self.prm() if r["approved"]]:
            copy = self.rng.choice(taken)
            stage = self.rng.choice(("working", "won", "lost"))
            self.vendors.ps.partners.progress(copy["key"], stage=stage)
            self._touched_prm(copy)
            self.say(f"prm progress {copy['external_key']} {stage}")

    def _touched_prm(self, copy: dict[str, Any]) -> None:
        if lead := self._lead_of(copy):
            self._touched("prm", lead, "answer")

    def edit_prm(self) -> None:
        if rows := self._current():
            self._enter_prm(self.rng.choice(rows), self.rng.choice(("City", "City", "Description", "Industry")))

    def _current(self) -> list[dict[str, Any]]:
        """Copies with the partner that the lead is offered to now, of leads that the CRM has."""
        last: dict[str, dict[str, Any]] = {}
        for copy in sorted(self.prm(), key=lambda r: int(str(r["external_key"]).partition(":")[2])):
            if lead := self._lead_of(copy):
                last[lead] = copy
        return list(last.values())

    def _enter_prm(self, copy: dict[str, Any], name: str) -> None:
        part, inner = {"City": ("meta", "city"), "Description": ("fields", "need"), "Industry": ("fields", "industry")}[
            name
        ]
        value = self.rng.choice(INDUSTRIES) if name == "Industry" else self._new_value()
        self.vendors.ps.store["leads"].update(copy["key"], {part: {**(copy[part] or {}), inner: value}})
        if lead := self._lead_of(copy):
            self._entered("prm", lead, name, value)
        self.say(f"prm {copy['external_key']} {inner}={value}")

    def both(self) -> None:
        """Somebody on each side changes the same field, one a few seconds after the other."""
        if rows := self._current():
            copy, name = self.rng.choice(rows), self.rng.choice(("City", "Description", "Industry"))
            lead = self._lead_of(copy)
            assert lead is not None
            sides = [lambda: self._enter_prm(copy, name), lambda: self._enter_crm(lead, name)]
            self.rng.shuffle(sides)
            for side in sides:
                side()
                self.vendors.clock.advance(seconds=2)

    def archive(self) -> None:
        if rows := self.prm():
            copy = self.rng.choice(rows)
            self.vendors.ps.account.archive("leads", copy["key"])
            self._gone(copy)
            self.say(f"prm archive {copy['external_key']}")

    def remove_prm(self) -> None:
        """A hard delete, of which the PRM tells nothing."""
        if rows := self.prm():
            copy = self.rng.choice(rows)
            self.vendors.ps.account.remove("leads", copy["key"])
            self._gone(copy)
            self.say(f"prm hard delete {copy['external_key']}")

    def _gone(self, copy: dict[str, Any]) -> None:
        self.taken.add(copy["external_key"])
        if lead := self._lead_of(copy):
            self.unsure.add(lead)

    def merge_partners(self) -> None:
        """A partner gets a new account, and the old one is merged into it: the vendor moves its leads there."""
        old = self.rng.choice(sorted(r["key"] for r in self.vendors.partnerships()))
        self._partners += 1
        new = self.vendors.partner(f"partner{self._partners - 1}")
        was = self.vendors.ps.store["partnerships"].get(old)["partner_key"]
        for copy in self.prm():
            if copy["partner_key"] == was:
                self._touched_prm(copy)
        self.vendors.ps.partners.merge("partnerships", old, new)
        self.say(f"prm merge partner {old} into {new}")

    # --- the CRM's administrator ---

    def schema(self) -> None:
        columns, hidden = self._lead_columns, self.vendors.sf.org.hidden
        match self.rng.choice(("hide", "show", "retype", "choice", "add", "shrink")):
            case "hide":
                hidden["Lead"] = {self.rng.choice(("Phone", "Title", "Prm_Decline_Reason__c", "Website"))}
                self.say(f"crm hides {hidden['Lead']}")
            case "show":
                self.mend_schema()
            case "retype":
                columns["Title"] = replace(columns["Title"], type="double")
                self.say("crm retypes Title")
            case "choice":
                value = f"待定 {len(columns['Status'].choices)}"
                columns["Status"] = replace(columns["Status"], choices=(*columns["Status"].choices, value))
                if rows := self.crm():
                    lead = self.rng.choice(rows)["Id"]
                    self.vendors.sf.org.update("Lead", lead, {"Status": value})
                    self._touched("crm", lead, "Status")
                    self.say(f"crm {lead} has the new status {value}")
            case "add":
                columns["More__c"] = replace(columns["City"], name="More__c")
                self.say("crm adds More__c")
            case "shrink":
                columns["Company"] = replace(columns["Company"], length=100)
                self.say("crm shrinks Company")

    def mend_schema(self) -> None:
        """All fields as on the first day, but for picklist values that records have by now."""
        status = self._lead_columns["Status"]
        self._lead_columns.clear()
        self._lead_columns.update({**self._columns, "Status": status})
        for row in self.vendors.sf.org.tables["Lead"].rows.values():
            row.pop("More__c", None)
        self.vendors.sf.org.hidden.clear()
        self.say("crm schema mended")

    def leave(self) -> None:
        """The columns are the emulator's own, for all tests."""
        self._lead_columns.clear()
        self._lead_columns.update(self._columns)

    # --- faults ---

    def arm(self) -> None:
        """One fault for some call of the next cycle."""
        sf, ps = self.vendors.sf.faults, self.vendors.ps.faults
        faults = self.rng.choice((sf, ps))
        where = {"skip": self.rng.randrange(8)}
        writes = {"method": "P*", "skip": self.rng.randrange(3), "path": "/*s*/leads*"}
        if faults is sf:
            writes["path"] = "*/composite/sobjects*"
        kind = self.rng.choice(("status", "status", "refuse", "lost", "lost", "unsent", "cut", "token", "lock"))
        match kind:
            case "status":
                status = self.rng.choice((429, 500, 502, 503))
                kind = str(status)
                retry = {"retry_after_s": 1} if status == 429 else {}
                faults.status(status, times=self.rng.randint(1, 2), **where, **retry)
            case "refuse":  # one of many calls: a part of the batch fails
                ps.status(400, **{**writes, "path": "/api/v2/leads*"})
            case "lost":  # done, and the answer never came
                faults.lose_answer(0, **writes)
            case "unsent":
                faults.lose_answer(0, applied=False, **writes)
            case "cut":
                faults.cut(**where)
            case "token":
                if faults is sf:
                    sf.expire_tokens(**where)
                else:
                    ps.status(401, **where)
            case "lock":  # single rows of a collection are refused, the others are written
                for row in self.rng.sample(self.crm(), 3):
                    self.vendors.sf.org.locked[row["Id"]] = self.rng.randint(1, 2)
        self.say(f"fault {kind} at {'crm' if faults is sf else 'prm'}")

    def calm(self) -> None:
        self.vendors.sf.faults.clear()
        self.vendors.ps.faults.clear()
        self.vendors.sf.org.locked.clear()


DEEDS = {
    "create": 2, "edit": 8, "delete": 1, "purge": 0.7, "undelete": 1, "merge": 1,
    "answer": 5, "progress": 3, "edit_prm": 5, "both": 4, "archive": 0.5, "remove_prm": 0.3,
    "merge_partners": 0.5, "schema": 1.5,
}  # fmt: skip
