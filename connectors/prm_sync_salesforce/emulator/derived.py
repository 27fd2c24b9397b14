"""Fields that Salesforce computes: names, the state of a stage, numbers of cases, the partner of an owner."""

from __future__ import annotations

from typing import Any, Final, Protocol

STAGES: Final[dict[str, tuple[float, bool, bool, str]]] = {  #: name -> probability, closed, won, forecast category
    "Prospecting": (10.0, False, False, "Pipeline"),
    "Qualification": (10.0, False, False, "Pipeline"),
    "Needs Analysis": (20.0, False, False, "Pipeline"),
    "Value Proposition": (50.0, False, False, "Pipeline"),
    "Id. Decision Makers": (60.0, False, False, "Pipeline"),
    "Perception Analysis": (70.0, False, False, "Pipeline"),
    "Proposal/Price Quote": (75.0, False, False, "Pipeline"),
    "Negotiation/Review": (90.0, False, False, "Pipeline"),
    "Closed Won": (100.0, True, True, "Closed"),
    "Closed Lost": (0.0, True, False, "Omitted"),
}


class _Tables(Protocol):
    @property
    def tables(self) -> Any: ...


def derive(org: _Tables, name: str, row: dict[str, Any]) -> None:
    """Set the computed fields of `row`, an `name`, in place."""
    match name:
        case "Lead" | "Contact" | "User":
            row["Name"] = " ".join(p for p in (row.get("FirstName"), row.get("LastName")) if p) or None
        case "Opportunity":
            probability, closed, won, forecast = STAGES.get(str(row.get("StageName")), (10.0, False, False, "Pipeline"))
            row["IsClosed"], row["IsWon"], row["ForecastCategoryName"] = closed, won, forecast
            if row.get("Probability") is None or closed:
                row["Probability"] = probability
            amount = row.get("Amount")
            row["ExpectedRevenue"] = None if amount is None else amount * row["Probability"] / 100
        case "Case":
            closed = row.get("Status") == "Closed"
            if closed and not row.get("ClosedDate"):
                row["ClosedDate"] = row.get("LastModifiedDate") or row["SystemModstamp"]
            row["IsClosed"], row["ClosedDate"] = closed, row.get("ClosedDate") if closed else None
            row.setdefault("CaseNumber", _number(row))
        case "Order":
            row.setdefault("OrderNumber", _number(row))
            if row.get("Status") != "Draft" and not row.get("ActivatedDate"):
                row["ActivatedDate"] = row.get("LastModifiedDate") or row["SystemModstamp"]
        case "Feedback__c":
            row.setdefault("Name", f"F-{_number(row)}")
    if name in ("Lead", "Opportunity"):
        # The account of the partner user who owns the record; read-only. Known from practice, not from the docs.
        owner = org.tables["User"].rows.get(row.get("OwnerId"))
        row["PartnerAccountId"] = owner.get("AccountId") if owner and owner.get("UserType") == "PowerPartner" else None


def _number(row: dict[str, Any]) -> str:
    """An auto number: that of the id."""
    return f"{int(row['Id'][5:15]):08d}" if row["Id"][5:15].isdigit() else "00000000"
