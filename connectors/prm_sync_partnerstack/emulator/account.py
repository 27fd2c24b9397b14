"""One vendor's account as PartnerStack holds it: create, patch, archive, get and list, with the API's own refusals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from prm_sync.connect.emulator import Clock, Store, Table
from prm_sync_partnerstack.emulator.listing import listed
from prm_sync_partnerstack.emulator.objects import KINDS, STAGES, Kind, Row

TEST_PARTNER = "gstest"  #: the default test partner's key, documented
PORTAL_FIELDS = frozenset({"answered_at", "decline_reason", "stage", "progress_at"})  #: what the partner writes
SHOW_TEST = frozenset({"provider_key", "category_key"})  #: fields of customers and transactions, which show `test`
OWNED = frozenset({"leads", "deals", "customers"})  #: made for a partner, who must be there


class ApiError(Exception):
    """The API refuses a call: `status` and the words of the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def epoch(at: datetime) -> int:
    return int(at.timestamp() * 1000)


class Account:
    """The rows and the rules. `switches` are the values of `SWITCHES`. Thread safe by the store's lock."""

    def __init__(self, clock: Clock, store: Store, switches: Mapping[str, Any]) -> None:
        self.clock, self.store, self.switches = clock, store, switches
        self.stages: tuple[str, ...] = STAGES
        for kind in KINDS.values():
            store.add(
                kind.name, key="key", new_id=_numbered(kind.prefix), created="created_at", modified="updated_at",
                stamp=epoch, index=kind.also,
            )  # fmt: skip
        self.begin()

    def begin(self) -> None:
        """What every account has from the start: the default test partner."""
        self.load("partnerships", [{"partner_key": TEST_PARTNER, "email": "gstest@partners.example", "test": True}])

    def now_ms(self) -> int:
        return epoch(self.clock.now())

    def load(self, name: str, rows: Iterable[Mapping[str, Any]]) -> list[str]:
        """Puts rows in as they are (stamps too), with the defaults of the object; their keys. KeyError: a taken key.

        Rows of a partner get the key of the partnership, where `partner_key` names one that is there.
        """
        kind, table, partners = KINDS[name], self.store[name], self.store["partnerships"]
        keys = []
        with self.store.lock:
            for row in rows:
                owner = partners.find("partner_key", row.get("partner_key")) if name in OWNED else []
                link = {"partnership_key": owner[0]["key"]} if owner else {}
                keys.append(str(table.insert(self._complete(kind, {**link, **row}))["key"]))
        return keys

    # --- the API's verbs ------------------------------------------------------------------------------------------

    def get(self, name: str, key: str) -> Row:
        row = self._find(name, key, by_external=self.switches["path_takes_external_key"])
        if row is None or (row["archived"] and self.switches["archived_is_gone"]):
            raise ApiError(404, f"{KINDS[name].one} not found")
        return self.shown(row)

    def page(self, name: str, query: Mapping[str, str], *, test: bool) -> tuple[list[Row], bool]:
        """The page that `query` asks for, and whether there is more behind it."""
        try:
            rows, more = listed(KINDS[name], self._visible(name, test), query, self.switches)
        except LookupError:
            raise ApiError(int(self.switches["unknown_cursor_status"]), "No item with the given cursor key") from None
        except ValueError as error:
            raise ApiError(400, str(error)) from None
        return [self.shown(row) for row in rows], more

    def create(self, name: str, body: Mapping[str, Any], *, test: bool) -> Row:
        kind = KINDS[name]
        values = self._checked(kind, body)
        missing = [field for field in kind.required if values.get(field) in (None, "")]
        if missing:
            raise ApiError(400, f"{missing[0]} is required")
        with self.store.lock:
            if name == "transactions":
                return self._create_transaction(values, test=test)
            self._refuse_taken(kind, values, None)
            linked = self._linked(name, values, test=test)
            if name == "partnerships":
                partner_key = values.get("partner_key") or _slug(values["email"])
                linked |= {"joined_at": self.now_ms(), "partner_key": partner_key}
            return self.shown(self.store[name].insert(self._complete(kind, {**values, **linked, "test": test})))

    def patch(self, name: str, key: str, body: Mapping[str, Any], *, test: bool) -> Row:
        kind, values = KINDS[name], self._checked(KINDS[name], body)
        with self.store.lock:
            row = self._there(name, key)
            self._refuse_taken(kind, values, row["key"])
            linked = self._linked(name, values, test=test)
            laid = {
                field: {**(row.get(field) or {}), **value}
                for field, value in values.items()
                if isinstance(value, Mapping) and not self.switches["patch_replaces_nested"]
            }
            changed = {**values, **laid, **linked}
            if name == "leads" and changed.get("partner_key", row["partner_key"]) != row["partner_key"]:
                changed = self._reassigned(row, changed)
            return self.shown(self.store[name].update(row["key"], changed))

    def archive(self, name: str, key: str) -> Row:
        with self.store.lock:
            row = self._there(name, key)
            return self.shown(self.store[name].update(row["key"], {"archived": True}))

    def remove(self, name: str, key: str) -> None:
        """A hard delete, which no list and no field tells of."""
        self.store[name].remove(key, tombstone=False)

    # --- rules ----------------------------------------------------------------------------------------------------

    def _checked(self, kind: Kind, body: Any) -> Row:
        if not isinstance(body, Mapping):
            raise ApiError(400, "The body must be a JSON object")
        unknown = [field for field in body if field not in kind.takes]
        if unknown and self.switches["refuse_unknown_fields"]:
            raise ApiError(400, f"{unknown[0]} is not a known field")
        for field, check in kind.takes.items():
            if body.get(field) is not None and (wrong := check(body[field])):
                raise ApiError(400, f"{field} {wrong}")
        return {field: value for field, value in body.items() if field in kind.takes}

    def _refuse_taken(self, kind: Kind, values: Row, own_key: str | None) -> None:
        unique = {"partnerships": kind.also}.get(kind.name, ())
        if kind.name in {"leads", "deals"} and self.switches["unique_external_key"]:
            unique = ("external_key",)
        if kind.name == "customers" and self.switches["customer_key_unique"]:
            unique = ("customer_key",)
        for field in unique:
            others = self.store[kind.name].find(field, values[field]) if values.get(field) else []
            if any(row["key"] != own_key and not row["archived"] for row in others):
                raise ApiError(409, f"{kind.one} with this {field} already exists")

    def _linked(self, name: str, values: Row, *, test: bool) -> Row:
        """What follows from the partner and the stage that are named."""
        if name == "partnerships":
            group = values.get("group")
            return {"group": {"key": f"grup_{_slug(group)}", "name": group, "slug": _slug(group)}} if group else {}
        if name == "deals" and "stage" in values and values["stage"] not in self.stages:
            raise ApiError(400, f"stage must be one of the sales cycle: {', '.join(self.stages)}")
        if name not in OWNED or "partner_key" not in values:
            return {}
        partner = self._find("partnerships", str(values["partner_key"]))
        if partner is None or partner["archived"]:
            raise ApiError(400, "partner_key: no such partner")
        if test and not partner["test"]:
            raise ApiError(400, "partner_key: test objects must belong to a test partner")
        group = partner.get("group") or {}
        return {"partner_key": partner["partner_key"], "partnership_key": partner["key"], "group_key": group.get("key")}

    def _create_transaction(self, values: Row, *, test: bool) -> Row:
        told = [f for f in ("customer_key", "customer_external_key", "customer_email") if values.get(f)]
        if len(told) != 1:
            raise ApiError(400, "exactly one of customer_key, customer_external_key, customer_email is required")
        table = self.store["transactions"]
        if values.get("key") and (row := table.get(values["key"])) is not None:
            how = self.switches["repeated_transaction"]
            if how == "same":
                return self.shown(row)
            raise ApiError(409 if how == "conflict" else 400, "Transaction with this key already exists")
        field = {"customer_key": "key", "customer_external_key": "customer_key", "customer_email": "email"}[told[0]]
        customer = next(iter(self.store["customers"].find(field, values[told[0]])), None)
        if customer is None or customer["archived"]:
            raise ApiError(404, "Customer not found")
        if test and not customer["test"]:
            raise ApiError(400, "test transactions are for test customers only")
        seen = ("key", "customer_key", "email", "name", "partner_key", "partnership_key")
        shown = {field: customer[field] for field in seen}
        kept = {f: v for f, v in values.items() if f not in told and v is not None}
        own = {"currency": values["currency"].upper(), "customer": {**shown, "external_key": shown["customer_key"]}}
        row = table.insert(
            self._complete(KINDS["transactions"], {**kept, **own, "customer_key": customer["key"], "test": test})
        )
        return self.shown(row)

    def _reassigned(self, row: Mapping[str, Any], changed: Row) -> Row:
        if not self.switches["reassign_resets"]:
            return changed
        fields = changed.get("fields", row["fields"]) or {}
        kept = {name: value for name, value in fields.items() if name not in PORTAL_FIELDS}
        return {"approved": None, "status": "open", **changed, "fields": kept}

    # --- rows -----------------------------------------------------------------------------------------------------

    def shown(self, row: Mapping[str, Any]) -> Row:
        """The row as it goes over the wire."""
        out = dict(row)
        if self.switches["fields_as_list"] and isinstance(out.get("fields"), Mapping):
            out["field_data"] = out["fields"]
            out["fields"] = [{"name": name, "value": value} for name, value in out["fields"].items()]
        if not self.switches["rows_show_test"] and not SHOW_TEST & set(out):
            out.pop("test", None)
        return out

    def _complete(self, kind: Kind, values: Mapping[str, Any]) -> Row:
        return {**kind.empty, "archived": False, "test": False, **values}

    def _visible(self, name: str, test: bool) -> Sequence[Mapping[str, Any]]:
        both = not test and self.switches["production_lists_test_rows"]
        return self.store[name].rows(None if both else lambda row: row["test"] is test)

    def _find(self, name: str, key: str, *, by_external: bool = True) -> Mapping[str, Any] | None:
        """By key, else by another name that the path takes; of several the one that is not archived."""
        table: Table = self.store[name]
        if (row := table.get(key)) is not None:
            return row
        documented = name in {"partnerships", "deals"}
        found = [r for f in KINDS[name].also if by_external or documented for r in table.find(f, key)]
        return min(found, key=lambda r: r["archived"], default=None)

    def _there(self, name: str, key: str) -> Mapping[str, Any]:
        row = self._find(name, key, by_external=self.switches["path_takes_external_key"])
        if row is None or row["archived"]:
            raise ApiError(404, f"{KINDS[name].one} not found")
        return row


def _numbered(prefix: str) -> Any:
    return lambda n: f"{prefix}{n:06}"


def _slug(text: Any) -> str:
    return re.sub(r"[^a-z0-9]+", "-", str(text).split("@")[-1].lower()).strip("-")
