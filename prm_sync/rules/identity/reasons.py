"""The words of matching: what fields may say, what may name a candidate, which reasons there are and what they weigh.

No numpy here: policies are read without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

Block: TypeAlias = tuple[str, ...]

#: What a field may say about who somebody is. Policies name them; `rows.derived` says what is made of each.
ROLES = (
    "given", "family", "mail", "mobile", "phone", "company", "domain", "street", "city", "postal_code",
    "birth", "number",
)  # fmt: skip
#: Parts that stand for one another in a key: either name (they get swapped), either domain.
EITHER = {
    "name": ("family_sound", "given_sound"),
    "domain": ("domain", "mail_domain"),
    "telephone": ("phone", "mobile"),
}

#: Parts of a record that a block key can be made of.
PARTS = (*ROLES, *EITHER, "mail_local", "mail_domain", "family_sound", "given_sound", "given_root")

#: Block keys where a policy names none: narrow ones, since a pair that shares only a name is no candidate.
BLOCKS: tuple[Block, ...] = (
    ("mail",), ("mobile",), ("number",), ("phone", "name"), ("company", "name"), ("domain", "name"),
    ("postal_code", "name"), ("birth", "name"),
)  # fmt: skip

#: Reason -> what it says to a reviewer. The order is the order of columns.
REASONS = {
    "family_same": "same family name",
    "family_sounds": "family names read alike",
    "family_near": "family names nearly the same",
    "family_script": "family names in scripts that cannot be compared",
    "family_other": "different family names",
    "given_same": "same given name",
    "given_short": "given name and its short form, or its initial",
    "given_near": "given names nearly the same",
    "given_script": "given names in scripts that cannot be compared",
    "given_other": "different given names",
    "names_swapped": "given and family name exchanged",
    "mail_same": "same e-mail address",
    "mail_near": "e-mail addresses nearly the same",
    "mail_person": "same name in both e-mail addresses",
    "mail_other": "different e-mail addresses",
    "mobile_same": "same mobile number",
    "mobile_near": "mobile numbers differ in one digit",
    "mobile_other": "different mobile numbers",
    "phone_same": "same telephone number",
    "phone_crossed": "one's telephone is the other's mobile",
    "phone_other": "different telephone numbers",
    "company_same": "same company",
    "company_near": "company names nearly the same",
    "company_other": "different companies",
    "domain_same": "same internet domain",
    "domain_other": "different internet domains",
    "street_same": "same street and number",
    "street_near": "streets nearly the same",
    "street_other": "different streets",
    "place_same": "same postal code",
    "place_near": "same town, or postal codes nearly the same",
    "place_other": "different places",
    "birth_same": "same date of birth",
    "birth_near": "dates of birth differ in one digit",
    "birth_other": "different dates of birth",
    "number_same": "same identifying number",
    "number_near": "identifying numbers differ in one digit",
    "number_other": "different identifying numbers",
    "names_alike": "given and family name both agree",
    "names_differ": "given and family name both differ",
    "contact_agrees": "name agrees, and e-mail or mobile",
    "work_agrees": "name agrees, and company or domain",
    "home_agrees": "name agrees, and the address",
    "only_work": "a company or place agrees, a name differs, and nothing personal agrees",
}
NAMES = tuple(REASONS)


@dataclass(frozen=True, slots=True)
class Weights:
    """Log-odds: `base` before anything is known, and what each reason adds or takes."""

    base: float
    of: Mapping[str, float]


#: What the reasons weigh where no decisions were made yet: odds of a record pair that shares a block key. Set by hand;
#: what says the same thing twice (company, domain, address, switchboard of one employer) weighs little each time.
HAND_SET = Weights(
    -4.5,
    {
        "family_same": 2.0, "family_sounds": 1.2, "family_near": 1.2, "family_other": -2.5,
        "given_same": 1.5, "given_short": 1.0, "given_near": 0.8, "given_other": -2.0, "names_swapped": 3.0,
        "mail_same": 6.0, "mail_near": 1.5, "mail_person": 0.5, "mail_other": -0.5,
        "mobile_same": 4.5, "mobile_near": 1.0, "mobile_other": -1.0,
        "phone_same": 1.0, "phone_crossed": 3.0, "phone_other": -1.5,
        "company_same": 0.7, "company_near": 0.4, "company_other": -0.5, "domain_same": 0.5, "domain_other": -0.5,
        "street_same": 1.0, "street_near": 0.7, "street_other": -1.0,
        "place_same": 1.0, "place_near": 0.5, "place_other": -1.0,
        "birth_same": 4.0, "birth_near": 2.0, "birth_other": -2.0,
        "number_same": 7.0, "number_near": 4.0, "number_other": -1.5,
        "names_alike": 1.5, "names_differ": -1.0,
        "contact_agrees": 1.0, "work_agrees": 1.0, "home_agrees": 0.5, "only_work": -2.5,
    },
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Matching:
    """How the records of one entity are matched, as its policy says."""

    roles: Mapping[str, str]  #: role -> field
    blocks: tuple[Block, ...]
    merge: float  #: from this probability on, two records are one
    review: float  #: from this on, a person decides
    most_rows: int = 50  #: a block key of more rows names no candidates
    weights: Weights = HAND_SET
