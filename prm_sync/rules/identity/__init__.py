"""Identity: which source records are one entity.

By keys that must be equal (`exact`), and by likeness: block keys name candidates (`blocking`), candidates are compared
(`compare`), the reasons found are weighed (`score`), what is linked is a cluster (`engine`). The engine needs numpy and
is imported by those who match; policies and exact keys are here without it.
"""

from prm_sync.rules.fold import fold
from prm_sync.rules.identity.exact import MatchKeys, clusters, compile_keys, keys_of, match_keys
from prm_sync.rules.identity.policy import (
    EntityIdentity,
    IdentityPolicy,
    Resemblance,
    identity_schema,
    load_identity,
    matching_of,
)
from prm_sync.rules.identity.reasons import REASONS, Matching, Weights

__all__ = [
    "REASONS", "EntityIdentity", "IdentityPolicy", "MatchKeys", "Matching", "Resemblance", "Weights", "clusters",
    "compile_keys", "fold", "identity_schema", "keys_of", "load_identity", "match_keys", "matching_of",
]  # fmt: skip
