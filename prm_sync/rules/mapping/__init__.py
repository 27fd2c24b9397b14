"""From a remote record to a canonical row and back, as a mapping file says."""

from prm_sync.rules.mapping.back import Back, compile_back
from prm_sync.rules.mapping.cases import CaseResult, cases_file, run_cases
from prm_sync.rules.mapping.compile import Compiled, compile_mapping
from prm_sync.rules.mapping.faults import Fault, FaultCode
from prm_sync.rules.mapping.schema import mapping_schema
from prm_sync.rules.mapping.spec import MappingSpec, load_all, load_mapping, load_mappings

__all__ = [
    "Back",
    "CaseResult",
    "Compiled",
    "Fault",
    "FaultCode",
    "MappingSpec",
    "cases_file",
    "compile_back",
    "compile_mapping",
    "load_all",
    "load_mapping",
    "load_mappings",
    "mapping_schema",
    "run_cases",
]
