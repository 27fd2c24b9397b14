"""The objects and fields of the emulated org, and what `describe` says of them.

One line per field: `Name type flags`. Types: `string(80)` and its kin with their length, `picklist{a|b}`,
`reference>User,Group` and the plain ones. Flags: required, readonly, external (external id), unique, restricted
(a picklist that takes no other values), idlookup, system (kept by the server), default=value, relation=Name.
The standard fields are those of the Object Reference, the custom ones those of the connector's README.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

NUMBERS: Final = frozenset(["double", "currency", "percent", "int"])
SOAP: Final = {
    "int": "xsd:int", "double": "xsd:double", "currency": "xsd:double", "percent": "xsd:double",
    "boolean": "xsd:boolean", "date": "xsd:date", "datetime": "xsd:dateTime", "id": "tns:ID",
    "reference": "tns:ID", "address": "urn:address",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """One field of an object."""

    name: str
    type: str
    length: int = 0
    choices: tuple[str, ...] = ()
    refers_to: tuple[str, ...] = ()
    relation: str | None = None
    required: bool = False
    readonly: bool = False
    external: bool = False
    unique: bool = False
    restricted: bool = False
    idlookup: bool = False
    default: Any = None
    parts: tuple[str, ...] = ()  #: of a compound field: the fields it is made of

    @property
    def custom(self) -> bool:
        return self.name.endswith("__c")

    @property
    def in_bulk(self) -> bool:
        return self.type not in ("address", "location", "base64")

    def described(self) -> dict[str, Any]:
        number = self.type in ("double", "currency", "percent")
        return {
            "name": self.name,
            "label": re.sub(r"(?<=[a-z])(?=[A-Z])", " ", self.name.removesuffix("__c").replace("_", " ")),
            "type": self.type,
            "soapType": SOAP.get(self.type, "xsd:string"),
            "length": self.length,
            "byteLength": self.length * 3,
            "precision": 18 if number else 0,
            "scale": 2 if number else 0,
            "digits": 9 if self.type == "int" else 0,
            "nillable": not self.required and self.type not in ("boolean", "id"),
            "defaultedOnCreate": self.default is not None or self.type == "boolean",
            "createable": not self.readonly,
            "updateable": not self.readonly,
            "filterable": self.type not in ("textarea", "address", "base64") or self.length == 255,
            "sortable": self.type not in ("textarea", "address", "base64", "multipicklist"),
            "groupable": self.type in ("string", "picklist", "reference", "boolean", "int", "date", "id"),
            "calculated": False,
            "calculatedFormula": None,
            "autoNumber": False,
            "externalId": self.external,
            "idLookup": self.external or self.idlookup or self.type == "id",
            "unique": self.unique,
            "caseSensitive": False,
            "custom": self.custom,
            "referenceTo": list(self.refers_to),
            "relationshipName": self.relation,
            "polymorphicForeignKey": len(self.refers_to) > 1,
            "picklistValues": [
                {"active": True, "defaultValue": c == self.default, "label": c, "validFor": None, "value": c}
                for c in self.choices
            ],
            "restrictedPicklist": self.restricted,
            "dependentPicklist": False,
            "controllerName": None,
            "compoundFieldName": None,
            "inlineHelpText": None,
        }


@dataclass(frozen=True, slots=True)
class SObject:
    """One object: its fields by name and by lower-case name (SOQL does not mind the case)."""

    name: str
    plural: str
    prefix: str
    columns: dict[str, Column]
    writable: bool = True
    mergeable: bool = False
    by_lower: dict[str, Column] = field(init=False, repr=False)
    by_relation: dict[str, Column] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_lower", {n.lower(): c for n, c in self.columns.items()})
        relations = {c.relation.lower(): c for c in self.columns.values() if c.relation}
        object.__setattr__(self, "by_relation", relations)

    def listed(self, version: str) -> dict[str, Any]:
        """The entry of `GET /sobjects`."""
        base = f"/services/data/v{version}/sobjects/{self.name}"
        able = dict.fromkeys(("createable", "updateable", "deletable", "undeletable"), self.writable)
        return {
            "name": self.name, "label": self.name, "labelPlural": self.plural, "keyPrefix": self.prefix,
            "queryable": True, "replicateable": True, "retrieveable": True, "searchable": True, "triggerable": True,
            "mergeable": self.mergeable, "custom": False, "customSetting": False, "deprecatedAndHidden": False, **able,
            "urls": {"sobject": base, "describe": f"{base}/describe", "rowTemplate": f"{base}/{{ID}}"},
        }  # fmt: skip

    def described(self, version: str, hidden: frozenset[str] = frozenset()) -> dict[str, Any]:
        """The answer of `GET /sobjects/<name>/describe` without the `hidden` fields, which security keeps back."""
        fields = [c.described() for c in self.columns.values() if c.name not in hidden]
        master = {
            "recordTypeId": "012000000000000AAA", "developerName": "Master", "name": "Master", "available": True,
            "defaultRecordTypeMapping": True, "master": True, "active": True,
        }  # fmt: skip
        return {**self.listed(version), "fields": fields, "childRelationships": [], "recordTypeInfos": [master]}


_INDUSTRIES = (
    "Agriculture|Banking|Construction|Education|Energy|Engineering|Finance|Healthcare|Manufacturing|Retail|Technology|"
    "Transportation|Other"
)
_SOURCES = "Web|Phone Inquiry|Partner Referral|Purchased List|Other"
_LEAD_STATUSES = "Open - Not Contacted|Working - Contacted|Closed - Converted|Closed - Not Converted"
_STAGES = (
    "Prospecting|Qualification|Needs Analysis|Value Proposition|Id. Decision Makers|Perception Analysis|"
    "Proposal/Price Quote|Negotiation/Review|Closed Won|Closed Lost"
)
_ACCOUNT_TYPES = (
    "Prospect|Customer - Direct|Customer - Channel|Channel Partner / Reseller|Installation Partner|Technology Partner|"
    "Partner|Other"
)
_CURRENCIES = "USD|EUR|GBP|CHF|SEK|DKK|NOK|PLN|CZK|CAD|BRL|CNY|JPY|KRW|INR|SGD|VND|AUD|AED|SAR|TRY|ZAR"
_DEALS = "Existing Customer - Upgrade|Existing Customer - Replacement|Existing Customer - Downgrade|New Customer"

_SYSTEM = """
Id id readonly
IsDeleted boolean readonly
MasterRecordId reference>{self} readonly
OwnerId reference>{owners} relation=Owner
CreatedDate datetime readonly
CreatedById reference>User readonly relation=CreatedBy
LastModifiedDate datetime readonly
LastModifiedById reference>User readonly relation=LastModifiedBy
SystemModstamp datetime readonly
"""

_ADDRESS = """
{p}Street textarea(255)
{p}City string(40)
{p}State string(80)
{p}PostalCode string(20)
{p}Country string(80)
{p}Address address
"""

_LEAD = f"""
LastName string(80) required
FirstName string(40)
Salutation picklist{{Mr.|Ms.|Mrs.|Dr.|Prof.|Mx.}}
Name string(121) readonly
Title string(128)
Company string(255) required
{_ADDRESS.format(p="")}
Phone phone(40)
MobilePhone phone(40)
Email email(80) idlookup
Website url(255)
Description textarea(32000)
LeadSource picklist{{{_SOURCES}}}
Status picklist{{{_LEAD_STATUSES}}} required default=Open - Not Contacted
Industry picklist{{{_INDUSTRIES}}}
Rating picklist{{Hot|Warm|Cold}}
AnnualRevenue currency
CurrencyIsoCode picklist{{{_CURRENCIES}}} default=USD
NumberOfEmployees int
HasOptedOutOfEmail boolean
DoNotCall boolean
Do_Not_Share__c boolean
Consent_Evidence__c string(255)
IsConverted boolean readonly
ConvertedDate date readonly
ConvertedAccountId reference>Account readonly relation=ConvertedAccount
ConvertedContactId reference>Contact readonly relation=ConvertedContact
ConvertedOpportunityId reference>Opportunity readonly relation=ConvertedOpportunity
PartnerAccountId reference>Account readonly relation=PartnerAccount
Prm_Lead_Id__c string(40) external
Prm_Partner__c string(255)
Prm_Partner_Key__c string(80)
Prm_Offer_Status__c picklist{{pending|accepted|declined|expired|withdrawn}} restricted
Prm_Offered_At__c datetime
Prm_Answered_At__c datetime
Prm_Decline_Reason__c string(255)
Prm_Partner_Stage__c picklist{{open|working|won|lost}} restricted
Product_Interest__c string(80)
Budget__c currency
Required_Certification__c string(80)
"""

_ACCOUNT = f"""
Name string(255) required
Type picklist{{{_ACCOUNT_TYPES}}}
ParentId reference>Account relation=Parent
{_ADDRESS.format(p="Billing")}
{_ADDRESS.format(p="Shipping")}
Phone phone(40)
Fax phone(40)
AccountNumber string(40)
Website url(255)
Industry picklist{{{_INDUSTRIES}}}
AnnualRevenue currency
CurrencyIsoCode picklist{{{_CURRENCIES}}} default=USD
NumberOfEmployees int
Description textarea(32000)
Rating picklist{{Hot|Warm|Cold}}
AccountSource picklist{{{_SOURCES}}}
IsPartner boolean
Prm_Partner_Id__c string(40) external
Erp_Number__c string(40) external unique
Prm_Partner_Key__c string(80) external
Prm_Period__c string(7)
Prm_Leads_Offered__c double
Prm_Leads_Accepted__c double
Prm_Leads_Declined__c double
Prm_Leads_Expired__c double
Prm_Acceptance_Rate__c double
Prm_Response_Hours__c double
Prm_Win_Rate__c double
Prm_Sourced_Revenue__c currency
Prm_Attainment__c double
Prm_Served_By__c string(255)
Prm_Served_By_Key__c string(80)
Prm_Served_Since__c datetime
Prm_Partner_Score__c double
Prm_Last_Action__c string(80)
Prm_Last_Action_At__c datetime
Prm_Agreement__c picklist{{in_force|expiring|expired|unsigned|none}} restricted
Prm_Agreement_Until__c date
Prm_Certificates__c textarea(4000)
Prm_Certificates_Until__c date
Prm_Feedback__c textarea(4000)
Prm_Feedback_Theme__c string(80)
Prm_Feedback_Score__c double
Prm_Feedback_At__c datetime
Prm_Updated_At__c datetime
"""

_CONTACT = f"""
AccountId reference>Account relation=Account
LastName string(80) required
FirstName string(40)
Salutation picklist{{Mr.|Ms.|Mrs.|Dr.|Prof.|Mx.}}
Name string(121) readonly
{_ADDRESS.format(p="Mailing")}
Phone phone(40)
MobilePhone phone(40)
Email email(80) idlookup
Title string(128)
Department string(80)
LeadSource picklist{{{_SOURCES}}}
Description textarea(32000)
HasOptedOutOfEmail boolean
DoNotCall boolean
Do_Not_Share__c boolean
Consent_Evidence__c string(255)
ReportsToId reference>Contact relation=ReportsTo
"""

_OPPORTUNITY = f"""
AccountId reference>Account relation=Account
Name string(120) required
Description textarea(32000)
StageName picklist{{{_STAGES}}} required
Amount currency
CurrencyIsoCode picklist{{{_CURRENCIES}}} default=USD
Probability percent
ExpectedRevenue currency readonly
CloseDate date required
Type picklist{{{_DEALS}}}
LeadSource picklist{{{_SOURCES}}}
NextStep string(255)
Product_Interest__c string(80)
IsClosed boolean readonly
IsWon boolean readonly
ForecastCategoryName picklist{{Omitted|Pipeline|Best Case|Commit|Closed}}
ContactId reference>Contact relation=Contact
PartnerAccountId reference>Account readonly relation=PartnerAccount
Prm_Partner__c reference>Account relation=Prm_Partner__r
Prm_Credit__c picklist{{sourced|influenced|fulfilled|none}} restricted
Prm_Lead__c reference>Lead relation=Prm_Lead__r
Prm_Served_By__c string(255)
Prm_Served_By_Key__c string(80)
Prm_Served_Since__c datetime
Prm_Partner_Score__c double
Prm_Last_Action__c string(80)
Prm_Last_Action_At__c datetime
Prm_Response_Hours__c double
Prm_Primary_Credit__c picklist{{sourced|direct}} restricted
Prm_Credited_Partner__c string(255)
Prm_Credited_Amount__c currency
Prm_Influenced_By__c textarea(4000)
Prm_Registration_Id__c string(40) external unique
Prm_Partner_Key__c string(80)
Prm_Protected_Until__c datetime
"""

_CASE = """
CaseNumber string(30) readonly
ContactId reference>Contact relation=Contact
AccountId reference>Account relation=Account
ParentId reference>Case relation=Parent
SuppliedEmail email(80)
Type picklist{Mechanical|Electrical|Electronic|Structural|Other}
Status picklist{New|Working|Escalated|Waiting on Customer|Closed} default=New
Reason picklist{Installation|Equipment Complexity|Performance|Breakdown|Other}
Origin picklist{Phone|Email|Web}
Subject string(255)
Priority picklist{Critical|High|Medium|Low} default=Medium
Description textarea(32000)
IsClosed boolean readonly
ClosedDate datetime readonly
IsEscalated boolean
Product__c string(80)
Required_Certification__c string(80)
Prm_Partner__c string(255)
Prm_Partner_Key__c string(80)
Prm_Status__c picklist{pending|accepted|in_progress|resolved|closed|reopened|declined|expired|withdrawn} restricted
Prm_Assigned_At__c datetime
Prm_Resolve_By__c datetime
Prm_Answered_At__c datetime
Prm_First_Response_At__c datetime
Prm_Resolved_At__c datetime
Prm_Decline_Reason__c string(255)
Prm_Resolution__c textarea(32000)
"""

_ORDER = f"""
AccountId reference>Account required relation=Account
OpportunityId reference>Opportunity relation=Opportunity
OrderNumber string(30) readonly
Status picklist{{Draft|Activated|Picked|Shipped|Delivered|Delayed|Cancelled}} required default=Draft
EffectiveDate date required
EndDate date
Type string(40)
Description textarea(32000)
PoNumber string(80)
TotalAmount currency readonly
CurrencyIsoCode picklist{{{_CURRENCIES}}} default=USD
{_ADDRESS.format(p="Billing")}
{_ADDRESS.format(p="Shipping")}
ActivatedDate datetime readonly
Prm_Partner__c reference>Account relation=Prm_Partner__r
Product__c string(80)
Promised_Date__c date
Shipped_At__c datetime
Delivered_At__c datetime
Carrier__c string(80)
Tracking_Number__c string(80)
Delivery_Preference__c string(255)
"""

_FEEDBACK = """
Name string(80) readonly
Account__c reference>Account relation=Account__r
Contact__c reference>Contact relation=Contact__r
Partner__c reference>Account relation=Partner__r
Subject__c picklist{Customer|Product|Service|Partner|Market} default=Product
Instrument__c picklist{CSAT|NPS|Free text} default=Free text
Score__c double
Scale__c double
Theme__c string(80)
Product__c string(80)
Text__c textarea(32000)
Country__c string(80)
Given_At__c datetime
Do_Not_Share__c boolean
Consent_Evidence__c string(255)
"""

_USER = """
Username string(80) required
LastName string(80) required
FirstName string(40)
Name string(121) readonly
Email email(128) required
Alias string(8)
IsActive boolean
UserType picklist{Standard|PowerPartner|Guest}
AccountId reference>Account readonly relation=Account
ContactId reference>Contact relation=Contact
TimeZoneSidKey picklist{Europe/Berlin|America/New_York|Asia/Shanghai}
"""

_ORGANIZATION = """
Name string(80) required
OrganizationType string(40)
IsSandbox boolean readonly
InstanceName string(5) readonly
DefaultLocaleSidKey string(40)
"""

_LINE = re.compile(
    r"(?P<name>\w+) (?P<type>[a-z]+)(?:\((?P<length>\d+)\))?(?:\{(?P<choices>[^}]*)\})?"
    r"(?:>(?P<refers>[\w,]+))?(?P<flags>.*)"
)
_DEFAULT_LENGTH: Final = {"id": 18, "reference": 18, "picklist": 255, "multipicklist": 4099}


def _column(line: str) -> Column:
    found = _LINE.fullmatch(line)
    if found is None:
        raise ValueError(f"not a field: {line!r}")
    kind, flags = found["type"], found["flags"].strip()
    default = flags.partition("default=")[2] or None
    words = set(flags.partition("default=")[0].split())
    relation = next((w.removeprefix("relation=") for w in words if w.startswith("relation=")), None)
    return Column(
        found["name"], kind, int(found["length"] or _DEFAULT_LENGTH.get(kind, 0)),
        choices=tuple((found["choices"] or "").split("|")) if found["choices"] else (),
        refers_to=tuple((found["refers"] or "").split(",")) if found["refers"] else (), relation=relation,
        required="required" in words, readonly="readonly" in words or kind == "address", external="external" in words,
        unique="unique" in words, restricted="restricted" in words, idlookup="idlookup" in words,
        default=False if kind == "boolean" else default,
    )  # fmt: skip


def _object(name: str, plural: str, prefix: str, text: str, *, owned: bool = True, **more: Any) -> SObject:
    owners = "User,Group" if name in ("Lead", "Case") else "User"
    system = _SYSTEM.format(self=name, owners=owners).strip().splitlines()
    if not owned:
        system = [line for line in system if not line.startswith(("OwnerId", "MasterRecordId", "IsDeleted"))]
    if name not in ("Lead", "Account", "Contact", "Case"):
        system = [line for line in system if not line.startswith("MasterRecordId")]
    lines = [*system, *(line for line in text.splitlines() if line)]
    columns = {c.name: c for c in map(_column, lines)}
    for compound in [c for c in columns.values() if c.type == "address"]:
        stem = compound.name.removesuffix("Address")
        parts = tuple(f"{stem}{p}" for p in ("Street", "City", "State", "PostalCode", "Country"))
        columns[compound.name] = Column(compound.name, "address", readonly=True, parts=parts)
    return SObject(name, plural, prefix, columns, **more)


OBJECTS: Final[dict[str, SObject]] = {
    o.name: o
    for o in (
        _object("Lead", "Leads", "00Q", _LEAD, mergeable=True),
        _object("Account", "Accounts", "001", _ACCOUNT, mergeable=True),
        _object("Contact", "Contacts", "003", _CONTACT, mergeable=True),
        _object("Opportunity", "Opportunities", "006", _OPPORTUNITY),
        _object("Case", "Cases", "500", _CASE, mergeable=True),
        _object("Order", "Orders", "801", _ORDER),
        _object("Feedback__c", "Feedback", "a0F", _FEEDBACK),
        _object("User", "Users", "005", _USER, owned=False),
        _object("Organization", "Organizations", "00D", _ORGANIZATION, owned=False, writable=False),
    )
}
