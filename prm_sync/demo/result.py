"""What a demo came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prm_sync.demo.scenes import Scene


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What `--json` prints."""

    pulled: int  #: records read in the first round
    quarantined: int  #: records and fields that could not be used
    entities: int  #: golden records
    offers: int
    delivered: int  #: offers written to the PRM
    answered: int
    written_back: int  #: records of the CRM that were written: leads and partners
    refused: int  #: writes that a system refused
    third_run_writes: int  #: calls that write, and rows written to the partners' folder
    third_run_reads: int
    first_run_reads: int
    third_run_records: int  #: records that the third round read again
    seconds: float
    pulled_by: Mapping[str, int]
    quarantined_by: Mapping[str, int]
    entities_by: Mapping[str, int]
    offers_by: Mapping[str, int]
    bad: Mapping[str, int]  #: leads that were made to fail, by what is wrong with them
    duplicates: int  #: leads that were made to repeat another
    explained: tuple[str, ...]  #: the lead's id, then its decision in words
    scenes: tuple[Scene, ...]  #: what people decided meanwhile
    notices: int  #: rows written to the partners' folder: shipping notices, signals of demand
    offered_again: Scene  #: a lead whose first offer ran out
    masked: Scene  #: a lead of which a partner sees a field masked
    notice: Scene  #: an order that was shipped meanwhile
    case: Scene  #: a service case that a partner solved meanwhile
    what_if: Scene  #: a changed routing policy over the same leads
    project: str
