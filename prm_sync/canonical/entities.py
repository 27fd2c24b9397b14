"""The field table: every canonical entity and field. Tables, comments, docs, schemas and mappings are made from it.

To add an entity: one entry here, a mapping that fills it, and a migration (`prm-sync db revision`). Nothing else.
The ids in the last column are the requirements of docs/requirements.md.
"""

from __future__ import annotations

from prm_sync.canonical.model import Entity, Field, Kind, Merge, Pii

LEAD_STATUSES = ("new", "qualified", "offered", "accepted", "working", "converted", "disqualified", "recycled")
OPPORTUNITY_STAGES = ("prospect", "qualified", "solution", "proposal", "commit", "won", "lost")
PARTNER_STATUSES = ("prospect", "applied", "approved", "onboarding", "active", "suspended", "rejected", "terminated")
PARTNER_TYPES = (
    "reseller", "distributor", "agent", "referral", "consultant", "integrator", "service", "supplier", "manufacturer",
    "contractor", "broker", "market_maker", "marketer", "technology", "other",
)  # fmt: skip
CASE_STATUSES = ("new", "assigned", "accepted", "in_progress", "waiting", "resolved", "closed", "reopened")
CASE_PRIORITIES = ("low", "medium", "high", "critical")
USUAL_PRIORITY = "medium"  #: what a case without a priority counts as
REGISTRATION_STATUSES = (
    "draft", "submitted", "under_review", "pending_approval", "approved", "rejected", "duplicate", "incomplete",
    "cancelled", "converted", "won", "lost", "expired",
)  # fmt: skip
ORDER_STATUSES = ("placed", "confirmed", "picked", "shipped", "delivered", "delayed", "cancelled")
AGREEMENT_STATUSES = ("draft", "sent", "signed", "active", "expiring", "expired", "terminated", "renewed")
CERTIFICATION_STATUSES = ("requested", "granted", "expiring", "lapsed", "revoked")
CREDITS = ("sourced", "influenced", "fulfilled", "none")
INCENTIVE_KINDS = ("spiff", "rebate", "referral_fee", "bonus", "mdf", "other")
CLAIM_STATUSES = (
    "accrued", "submitted", "held", "approved", "scheduled", "paid", "declined", "reversed", "expired",
)  # fmt: skip
MEASURES = ("leads", "won", "orders", "cases")
METRICS = ("revenue", "leads", "deals", "certifications")

_PERSON = Pii.PERSONAL
_COMPANY = Pii.COMPANY


def _text(name: str, doc: str, req: str = "", pii: Pii = Pii.NONE, merge: Merge = Merge.LATEST) -> Field:
    return Field(name, Kind.TEXT, doc, req, pii, merge)


def _choice(name: str, doc: str, choices: tuple[str, ...], req: str = "", merge: Merge = Merge.LATEST) -> Field:
    return Field(name, Kind.CHOICE, doc, req, merge=merge, choices=choices)


def _ref(name: str, entity: str, doc: str, req: str = "") -> Field:
    return Field(name, Kind.REFERENCE, doc, req, entity=entity)


def _money(name: str, doc: str, req: str = "") -> Field:
    return Field(name, Kind.MONEY, f"{doc}, in minor units of `currency`", req, given="currency")


_COUNTRY = Field("country", Kind.COUNTRY, "Country, ISO 3166-1 alpha-2", "R046", _COMPANY)
_CURRENCY = Field("currency", Kind.CURRENCY, "Currency of the amounts, ISO 4217", "R007")
_IS_TEST = Field("is_test", Kind.BOOLEAN, "True for a test record: kept, never routed, never counted", "R128")
_CREATED = Field("created_at", Kind.INSTANT, "When the record was made in its source", merge=Merge.OLDEST)
_ADDRESS = (
    _text("street", "Street and number, as written", "R004", _PERSON, Merge.TRUSTED),
    _text("city", "City, in its own script", "R046", _COMPANY, Merge.TRUSTED),
    _text("region", "State, province or region, as written", "R046", _COMPANY, Merge.TRUSTED),
    _text("postcode", "Postal code, as written", "R046", _COMPANY, Merge.TRUSTED),
    _COUNTRY,
)
_PHONE = Field(
    "phone", Kind.PHONE, "Telephone number, E.164", "R005", _PERSON, Merge.TRUSTED, given="country"
)
_MOBILE = Field("mobile", Kind.PHONE, "Mobile number, E.164", "R005", _PERSON, Merge.TRUSTED, given="country")
_EMAIL = Field("email", Kind.EMAIL, "E-mail address, lower case", "R005", _PERSON, Merge.TRUSTED)
_PERSON_NAME = (
    _text("first_name", "Given name, in its own script", "R004", _PERSON, Merge.TRUSTED),
    _text("last_name", "Family name, in its own script", "R004", _PERSON, Merge.TRUSTED),
)
_WANTS = (
    Field("no_email", Kind.BOOLEAN, "True: the person does not want e-mail", "R024", merge=Merge.ANY),
    Field("no_call", Kind.BOOLEAN, "True: the person does not want calls", "R024", merge=Merge.ANY),
)
_SHARING = (
    Field("do_not_share", Kind.BOOLEAN, "True: nothing of the record may leave for partners", "R024", merge=Merge.ANY),
    _text("consent_evidence", "Where the person's consent to sharing is written down: form, ticket, contract", "R024",
          _PERSON),
)  # fmt: skip
_SHARED_KEY = _text(
    "shared_key", "The copy that a partner sees, '<id>:<partner id>', as this system gave it to the source", "R024"
)
_INDUSTRY = _text("industry", "Industry, in the words of the routing policy", "R045", _COMPANY)
_DOMAIN = Field("domain", Kind.DOMAIN, "Internet domain of the company", "R004", _COMPANY, Merge.TRUSTED)

ACCOUNT = Entity(
    "account", "A customer: a company or a private person that buys, or may buy.", req="R004",
    exact_keys=(("domain", "name"), ("account_number",)),
    fields=(
        _text("name", "Name, in its own script", "R004", _COMPANY, Merge.TRUSTED),
        _choice("kind", "Whether the account is a company or a person", ("company", "person"), "R006"),
        _text("tax_id", "Tax number", "R049", _COMPANY),
        _text("account_number", "The seller's own number of the customer", "R004"),
        _DOMAIN, _PHONE, *_ADDRESS, _INDUSTRY,
        Field("employees", Kind.INTEGER, "Number of employees", "R011", _COMPANY),
        _money("annual_revenue", "Yearly revenue", "R011"), _CURRENCY,
        _choice("channel", "Who sells to the account", ("direct", "channel", "shared"), "R049"),
        _ref("partner_ref", "partner", "The partner through whom the account is served", "R051"),
        _ref("parent_ref", "account", "The account above this one", "R061"),
        _text("owner", "The seller's own person in charge, as the source names them", "R017"), _CREATED, _IS_TEST,
    ),
)  # fmt: skip

CONTACT = Entity(
    "contact", "A person at an account.", req="R004",
    any_of=(("email", "phone", "mobile", "last_name"),),
    exact_keys=(("email",), ("mobile", "last_name"), ("phone", "last_name", "first_name")),
    fields=(
        *_PERSON_NAME, _text("title", "Job title", "R004", _PERSON), _EMAIL, _PHONE, _MOBILE,
        _ref("account_ref", "account", "The account the person works for", "R004"), *_ADDRESS,
        Field("language", Kind.LANGUAGE, "Language the person is addressed in, ISO 639-1", "R134", _PERSON),
        *_WANTS, *_SHARING,
        _CREATED, _IS_TEST,
    ),
)  # fmt: skip

LEAD = Entity(
    "lead", "Somebody who may buy, before there is an opportunity; what is routed to partners.", req="R044",
    any_of=(("email", "phone", "mobile", "offer_key"),),  # a PRM's copy of an offered lead may be without contact data
    exact_keys=(("email",), ("mobile", "last_name"), ("phone", "last_name", "first_name")),
    fields=(
        *_PERSON_NAME, _text("title", "Job title", "R044", _PERSON),
        _text("company", "Company, as written", "R044", _COMPANY, Merge.TRUSTED), _EMAIL, _PHONE, _MOBILE, _DOMAIN,
        *_ADDRESS, _INDUSTRY,
        _text("product", "Product the lead is interested in", "R045"),
        _text("segment", "Size class of the company", "R046"),
        Field("language", Kind.LANGUAGE, "Language the person is addressed in, ISO 639-1", "R134", _PERSON),
        Field("employees", Kind.INTEGER, "Number of employees of the company", "R011", _COMPANY),
        _money("annual_revenue", "Yearly revenue of the company", "R011"),
        _money("budget", "What the lead means to spend", "R044"), _CURRENCY,
        _text("need", "What the lead asks for, in their words", "R082", _PERSON),
        _text("source", "Where the lead came from", "R059"),
        _choice("status", "State of the lead", LEAD_STATUSES, "R044", Merge.TRUSTED),
        _choice("rating", "How promising the lead is", ("hot", "warm", "cold"), "R044"),
        Field("score", Kind.NUMBER, "Score of the source, 0 to 100", "R093"),
        _text("required_certification", "Certificate that a partner needs to serve this lead", "R029"),
        _text("owner", "The seller's own person in charge, as the source names them", "R017"),
        *_WANTS, *_SHARING,
        _ref("account_ref", "account", "The account the lead belongs to, where the source knows", "R044"),
        _ref("converted_opportunity_ref", "opportunity", "The opportunity the lead became", "R055"),
        _ref("partner_ref", "partner", "The partner whose record this is (records of a PRM only)", "R044"),
        _text("prm_lead_id", "The lead's id here, as this system gave it to the source", "R121"),
        _text("offer_key", "The offer that the record answers, as this system gave it to the source", "R045"),
        _choice("answer", "What the partner said to the offer", ("accepted", "declined"), "R045"),
        Field("answered_at", Kind.INSTANT, "When the partner answered", "R045"),
        _text("decline_reason", "Why the partner declined, in the PRM's words", "R054"),
        _choice("partner_stage", "How far the partner is with the lead", ("open", "working", "won", "lost"), "R047"),
        _money("won_amount", "What the partner sold", "R034"), _CREATED, _IS_TEST,
    ),
)  # fmt: skip

OPPORTUNITY = Entity(
    "opportunity", "A deal in the CRM.", req="R059",
    fields=(
        _text("name", "Name of the deal", "R059", _COMPANY), _ref("account_ref", "account", "Who buys", "R059"),
        _choice("stage", "Stage of the deal", OPPORTUNITY_STAGES, "R052"),
        _money("amount", "Amount", "R059"), _CURRENCY,
        Field("close_date", Kind.DATE, "Day the deal closed, or is expected to", "R058"),
        Field("closed_at", Kind.INSTANT, "When the deal was won or lost", "R058"),
        Field("probability", Kind.NUMBER, "Chance of winning in percent", "R058"),
        _text("type", "New or existing business", "R059"), _text("lost_reason", "Why the deal was lost", "R054"),
        _text("competitor", "Who else is in the deal", "R043"), _text("product", "Product of the deal", "R114"),
        _choice("channel", "Who sells", ("direct", "channel", "shared"), "R049"),
        _ref("partner_ref", "partner", "The partner with the primary credit", "R050"),
        _choice("credit", "What the partner is credited with", CREDITS, "R050"),
        _ref("lead_ref", "lead", "The lead the deal came from", "R055"),
        _text("prm_registration_id", "The deal registration behind it, as this system gave it to the source", "R048"),
        _text("owner", "The seller's own person in charge, as the source names them", "R017"),
        Field("first_activity_at", Kind.INSTANT, "First activity of the seller's own people", "R048"),
        _CREATED, _IS_TEST,
    ),
)  # fmt: skip

ORDER = Entity(
    "order", "What was bought, and its delivery.", req="R007",
    fields=(
        _text("number", "Order number", "R007"), _ref("account_ref", "account", "Who bought", "R007"),
        _ref("partner_ref", "partner", "The partner who sold or delivers", "R098"),
        _ref("opportunity_ref", "opportunity", "The deal behind the order", "R055"),
        _choice("status", "State of the order", ORDER_STATUSES, "R098"), _money("amount", "Amount", "R007"), _CURRENCY,
        Field("ordered_at", Kind.INSTANT, "When it was ordered", "R007"),
        Field("promised_date", Kind.DATE, "Promised day of delivery", "R098"),
        Field("shipped_at", Kind.INSTANT, "When it was sent", "R098"),
        Field("delivered_at", Kind.INSTANT, "When it arrived", "R098"),
        _text("carrier", "Who carries it", "R098"), _text("tracking", "The carrier's number", "R098"),
        _text("product", "What was bought", "R069"),
        _text("city", "City it goes to, in its own script", "R071", _COMPANY),
        _text("region", "State, province or region it goes to, as written", "R071", _COMPANY),
        _text("postcode", "Postal code it goes to, as written", "R071", _COMPANY), _COUNTRY,
        _text("delivery_preference", "How and when the customer wants it delivered", "R071", _PERSON), _SHARED_KEY,
        _CREATED, _IS_TEST,
    ),
)  # fmt: skip

CASE = Entity(
    "case", "A request for service.", req="R070",
    fields=(
        _text("number", "Number of the case", "R070"), _text("subject", "What it is about", "R070", _PERSON),
        _text("description", "What the customer wrote", "R070", _PERSON),
        _ref("account_ref", "account", "Whose case it is", "R070"), _ref("contact_ref", "contact", "Who asks", "R070"),
        _ref("partner_ref", "partner", "The partner who serves", "R070"), _text("product", "Product concerned", "R070"),
        _choice("status", "State of the case", CASE_STATUSES, "R070"),
        _choice("priority", "How urgent it is", CASE_PRIORITIES, "R086"), _COUNTRY,
        Field("language", Kind.LANGUAGE, "Language of the person who asks, ISO 639-1; else the contact's", "R134",
              _PERSON),
        _text("required_certification", "Certificate that a partner needs to serve this case", "R029"),
        Field("opened_at", Kind.INSTANT, "When the customer asked", "R083"),
        Field("first_response_at", Kind.INSTANT, "First answer", "R083"),
        Field("resolved_at", Kind.INSTANT, "When it was solved", "R083"), *_SHARING,
        _text("offer_key", "The offer that the record answers, as this system gave it to the source", "R070"),
        _choice("answer", "What the partner said to the offer", ("accepted", "declined"), "R070"),
        Field("answered_at", Kind.INSTANT, "When the partner answered", "R070"),
        _text("decline_reason", "Why the partner declined, in the PRM's words", "R070"),
        _choice("partner_stage", "How far the partner is with the case", ("open", "in_progress", "resolved"), "R070"),
        _text("resolution", "What the partner did, in its words", "R086", _PERSON), _SHARED_KEY, _CREATED, _IS_TEST,
    ),
)  # fmt: skip

PARTNER = Entity(
    "partner", "An independent organisation that sells, serves or supplies with us.", req="R001",
    exact_keys=(("partner_key",), ("domain",), ("tax_id",), ("prm_partner_id",)),
    fields=(
        _text("name", "Name, in its own script", "R001", _COMPANY, Merge.TRUSTED),
        _text("partner_key", "The partner's key in the PRM", "R001"), _DOMAIN,
        Field("email", Kind.EMAIL, "E-mail address of the organisation, lower case", "R001", _COMPANY, Merge.TRUSTED),
        _PHONE, *_ADDRESS, _text("tax_id", "Tax number", "R001", _COMPANY),
        _choice("type", "What kind of partner", PARTNER_TYPES, "R001"),
        _choice("status", "State of the partnership", PARTNER_STATUSES, "R001", Merge.TRUSTED),
        _text("tier", "Level in the programme", "R010"), _text("group_name", "Programme or group in the PRM", "R010"),
        Field("territories", Kind.TEXTS, "Where the partner sells: countries (DE) or regions (DE-BY)", "R046"),
        Field("products", Kind.TEXTS, "Products the partner sells; empty: all", "R045"),
        Field("industries", Kind.TEXTS, "Industries the partner serves; empty: all", "R045"),
        Field("languages", Kind.TEXTS, "Languages the partner speaks, ISO 639-1; empty: not known", "R134"),
        Field("certifications", Kind.TEXTS, "Certificates in force, as the PRM lists them", "R029"),
        Field("weekly_capacity", Kind.INTEGER, "Most leads offered in a week; empty: the policy's", "R045"),
        _text("time_zone", "IANA time zone", "R134"), _text("manager", "Channel manager in charge", "R002"),
        Field("joined_at", Kind.INSTANT, "When the partner joined", "R027"),
        _ref("parent_ref", "partner", "The partner above this one", "R061"),
        _text("prm_partner_id", "The partner's id here, as this system gave it to the source", "R121"),
        _CREATED, _IS_TEST,
    ),
)  # fmt: skip

PARTNER_USER = Entity(
    "partner_user", "A person who works for a partner.", req="R002", exact_keys=(("email",),),
    fields=(
        _ref("partner_ref", "partner", "Whom the person works for", "R002"), *_PERSON_NAME, _EMAIL, _PHONE, _COUNTRY,
        _text("role", "Role in the PRM", "R002"),
        _choice("status", "State of the user", ("invited", "active", "inactive", "removed"), "R002"),
        Field("language", Kind.LANGUAGE, "Language the person is addressed in, ISO 639-1", "R134", _PERSON),
        Field("last_login_at", Kind.INSTANT, "Last visit to the portal", "R020", _PERSON), _CREATED, _IS_TEST,
    ),
)  # fmt: skip

DEAL_REGISTRATION = Entity(
    "deal_registration", "A partner's claim to a deal.", req="R048",
    fields=(
        _text("number", "Number or key in the PRM", "R048"), _ref("partner_ref", "partner", "Who registers", "R048"),
        _text("account_name", "The customer, as the partner names it", "R048", _COMPANY), _DOMAIN, _COUNTRY,
        _text("tax_id", "The customer's tax number", "R048", _COMPANY),
        Field("contact_email", Kind.EMAIL, "The customer's person", "R048", _PERSON),
        _text("contact_first_name", "Given name of the customer's person", "R048", _PERSON),
        _text("contact_last_name", "Family name of the customer's person", "R048", _PERSON),
        _choice("status", "State of the registration", REGISTRATION_STATUSES, "R048"),
        _text("stage", "Sales stage, in the PRM's words", "R052"),
        _choice("origin", "Who brought the deal", ("partner", "vendor"), "R048"),
        _money("amount", "Amount", "R048"), _CURRENCY,
        Field("close_date", Kind.DATE, "Expected day of closing", "R048"),
        _text("product", "Product of the deal", "R048"),
        _text("competitor", "Who else is in the deal", "R043"), _text("lost_reason", "Why it was lost", "R054"),
        Field("submitted_at", Kind.INSTANT, "When the partner registered it", "R048"),
        Field("decided_at", Kind.INSTANT, "When it was approved or rejected", "R048"),
        Field("protected_until", Kind.INSTANT, "End of the protection", "R048"),
        _ref("opportunity_ref", "opportunity", "The opportunity it became", "R048"), _CREATED, _IS_TEST,
    ),
)  # fmt: skip

TARGET = Entity(
    "target", "What a partner agreed to reach in a period.", req="R035",
    fields=(
        _ref("partner_ref", "partner", "Whose target", "R035"),
        _text("partner_key", "Whose target, by the partner's key in the PRM", "R035"),
        _choice("metric", "What is counted", METRICS, "R035"),
        _money("amount", "Target, for revenue", "R035"), _CURRENCY,
        Field("quantity", Kind.NUMBER, "Target, for everything that is counted", "R035"),
        Field("period_start", Kind.DATE, "First day", "R035"), Field("period_end", Kind.DATE, "Last day", "R035"),
        _choice("status", "State of the target", ("draft", "agreed", "closed"), "R035"), _CREATED, _IS_TEST,
    ),
)  # fmt: skip

CERTIFICATION = Entity(
    "certification", "A certificate that a partner, or one of its people, holds.", req="R029",
    fields=(
        _ref("partner_ref", "partner", "Who holds it", "R029"),
        _ref("user_ref", "partner_user", "Which person", "R029"),
        _text("partner_key", "Who holds it, by the partner's key in the PRM", "R029"),
        _text("name", "Name of the certificate", "R029"), _text("level", "Level", "R029"),
        _choice("status", "State of the certificate", CERTIFICATION_STATUSES, "R029"),
        Field("issued_on", Kind.DATE, "First day it is valid", "R029"),
        Field("expires_on", Kind.DATE, "Last day it is valid", "R029"), _CREATED, _IS_TEST,
    ),
)  # fmt: skip

AGREEMENT = Entity(
    "agreement", "A contract with a partner.", req="R008",
    fields=(
        _ref("partner_ref", "partner", "With whom", "R008"),
        _text("partner_key", "With whom, by the key in the PRM", "R008"),
        _text("kind", "What kind of contract", "R008"), _text("number", "Number", "R008"),
        _choice("status", "State of the contract", AGREEMENT_STATUSES, "R008"),
        Field("signed_at", Kind.INSTANT, "When it was signed", "R008"),
        Field("effective_on", Kind.DATE, "First day in force", "R008"),
        Field("expires_on", Kind.DATE, "Last day in force", "R008"),
        _text("document", "Where the document is", "R122"), _CREATED, _IS_TEST,
    ),
)  # fmt: skip

INCENTIVE_CLAIM = Entity(
    "incentive_claim", "What a partner asks for, or is to get, under an incentive programme.", req="R094",
    fields=(
        _ref("partner_ref", "partner", "Who is to get it", "R094"),
        _text("partner_key", "Who is to get it, by the partner's key in the PRM", "R094"),
        _text("number", "Number or key in the PRM", "R094"),
        _text("programme", "Programme, as policies/incentives.yaml names it; empty: not told", "R094"),
        _choice("kind", "What kind of incentive", INCENTIVE_KINDS, "R094"),
        _ref("order_ref", "order", "The order it is for", "R094"),
        _text("order_number", "The order it is for, by its number", "R094"),
        _text("deal_number", "The deal it is for, by the number of its registration in the PRM", "R094"),
        _money("amount", "Claimed amount", "R094"), _CURRENCY,
        _choice("status", "State of the claim", CLAIM_STATUSES, "R094"),
        Field("claimed_at", Kind.INSTANT, "When it was claimed", "R094"),
        Field("decided_at", Kind.INSTANT, "When it was approved or declined", "R094"),
        Field("paid_at", Kind.INSTANT, "When it was paid", "R094"), _CREATED, _IS_TEST,
    ),
)  # fmt: skip

ACTIVITY = Entity(
    "activity", "Something that was done: a call, a mail, a visit, a log-in.", req="R018",
    fields=(
        _choice("type", "What was done", ("call", "email", "meeting", "visit", "portal", "task", "other"), "R018"),
        _choice("direction", "From whom", ("in", "out"), "R018"),
        _text("subject", "What it was about", "R018", _PERSON),
        _text("outcome", "What came of it", "R019"), _text("channel", "Online or offline channel", "R078"),
        Field("at", Kind.INSTANT, "When", "R018"), Field("duration_s", Kind.INTEGER, "How long, in seconds", "R019"),
        _ref("partner_ref", "partner", "With which partner", "R017"),
        _ref("account_ref", "account", "With which account", "R018"),
        _ref("lead_ref", "lead", "About which lead", "R018"), _CREATED, _IS_TEST,
    ),
)  # fmt: skip

FEEDBACK = Entity(
    "feedback", "What customers and partners say.", req="R075",
    fields=(
        _choice("subject", "About what", ("customer", "partner", "product", "service", "market"), "R075"),
        _choice("instrument", "How it was asked", ("csat", "nps", "free"), "R085"),
        Field("score", Kind.NUMBER, "The answer as a number", "R085"),
        Field("scale", Kind.NUMBER, "Best possible score", "R085"),
        _text("text", "The answer in words", "R075", _PERSON), _text("theme", "What it is about", "R077"),
        _text("product", "Product it is about", "R077"), _COUNTRY,
        _ref("partner_ref", "partner", "By or about which partner", "R033"),
        _text("partner_key", "By or about which partner, by its key in the PRM", "R033"),
        _ref("account_ref", "account", "By which account", "R085"),
        _text("account_number", "By or about which account, by the seller's own number of it", "R075"),
        _ref("contact_ref", "contact", "By which person", "R077"),
        Field("at", Kind.INSTANT, "When", "R085"), *_SHARING, _SHARED_KEY, _CREATED, _IS_TEST,
    ),
)  # fmt: skip

SIGNAL = Entity(
    "signal", "A change of demand in a region, in numbers in which nobody can be found. Measured here.", req="R074",
    fields=(
        _choice("measure", "What was counted", MEASURES, "R068"),
        Field("period", Kind.DATE, "First day of the month", "R068"),
        Field("country", Kind.COUNTRY, "Country, ISO 3166-1 alpha-2", "R068"),
        _text("region", "Region, ISO 3166-2; empty: the whole country", "R068"),
        _text("product", "Product", "R069"),
        _choice("direction", "Whether there was more of it than before, or less", ("rise", "fall"), "R074"),
        Field("count", Kind.INTEGER, "How many in the month, rounded as policies/signals.yaml says", "R068"),
        Field("lift", Kind.NUMBER, "The month divided by the mean of the months before, to one place", "R074"),
        _SHARED_KEY,
    ),
)  # fmt: skip

RECOMMENDATION = Entity(
    "recommendation", "A customer who buys much or may buy, told to the partner who serves it. Scored here.",
    req="R072",
    fields=(
        _ref("account_ref", "account", "The customer", "R072"),
        _text("name", "Name of the customer, in its own script", "R072", _COMPANY),
        _text("city", "City of the customer, in its own script", "R072", _COMPANY), _COUNTRY, _INDUSTRY,
        Field("score", Kind.INTEGER, "Score, 0 to 100, rounded down as policies/recommendations.yaml says", "R072",
              _COMPANY),
        _text("why", "The reasons in words, the weightiest first", "R072", _COMPANY),
        _text("product", "Product that suits: asked for last, else bought last, and sold by the partner", "R072",
              _COMPANY),
        Field("as_of", Kind.DATE, "Since when it says so", "R072"), _SHARED_KEY,
    ),
)  # fmt: skip

ENTITIES: dict[str, Entity] = {
    e.name: e
    for e in (
        ACCOUNT, CONTACT, PARTNER, PARTNER_USER, LEAD, OPPORTUNITY, ORDER, CASE, DEAL_REGISTRATION, TARGET,
        CERTIFICATION, AGREEMENT, INCENTIVE_CLAIM, ACTIVITY, FEEDBACK, SIGNAL, RECOMMENDATION,
    )
}  # fmt: skip
"""Every entity by its name, in the order in which they are refined."""
