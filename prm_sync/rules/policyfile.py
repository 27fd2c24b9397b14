"""What all files under `policies/` have in common: how one is read, its version, and its JSON Schema."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from prm_sync.errors import ConfigError
from prm_sync.yamlfile import Place, YamlFile, read, validated

P = TypeVar("P", bound="Policy")


class Part(BaseModel):
    """A piece of a policy: unknown keys are mistakes, nothing changes after reading."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Policy(Part):
    """A whole policy file."""

    @cached_property
    def version(self) -> str:
        """Hash of what the policy says, comments and defaults left unsaid aside: 12 hex digits."""
        return hashlib.blake2b(self.model_dump_json().encode(), digest_size=6).hexdigest()

    def mistakes(self) -> Iterable[tuple[Place, str]]:
        """What is wrong although each value by itself is right: where it stands, and what it is."""
        return ()


def load(model: type[P], source: Path | YamlFile) -> P:
    """Raises ConfigError with the file:line of every mistake."""
    file = read(source) if isinstance(source, Path) else source
    if file.data is not None and not isinstance(file.data, dict):
        raise file.error("a policy is a mapping of names to values")
    policy = validated(model, file)
    error = refused(file, policy.mistakes())
    if error is not None:
        raise error
    return policy


def refused(file: YamlFile, mistakes: Iterable[tuple[Place, str]]) -> ConfigError | None:
    """The error that says each of these with its file:line; None: there is none."""
    found = [file.error(f"{'.'.join(map(str, place))}: {what}", *place) for place, what in mistakes]
    if not found:
        return None
    rest = "".join(f"\n{m}" for m in found[1:])
    first = str(found[0]).removeprefix(f"{file.path}:{found[0].line}: ")
    return ConfigError(first + rest, file=file.path, line=found[0].line)


def schema_of(model: type[Policy], name: str) -> dict[str, Any]:
    """The JSON Schema that editors complete and check `policies/<name>.yaml` by."""
    schema = model.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = f"policies/{name}.yaml"
    return schema
