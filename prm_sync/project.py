"""`prm_sync.yaml`: which systems are connected, when they are synced, and whom to believe first.

Secrets never stand in the file: a value is `{env: NAME}` or `{file: path}`, looked up when the connection is opened.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, field_validator, model_validator

from prm_sync.errors import ConfigError
from prm_sync.yamlfile import Place, YamlFile, did_you_mean, read, validated

ConnectionName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
_CRON = re.compile(r"^(?:[0-9A-Za-z*/,-]+ ){4}[0-9A-Za-z*/,-]+$|^@(hourly|daily|weekly|monthly)$")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(_Part):
    """The blast radius of a push: a plan beyond any of these is held until a person approves it; and of bad records."""

    max_create: int = Field(default=5000, ge=0, description="Most records that one plan may create")
    max_update_share: float = Field(
        default=0.5, ge=0, le=1, description="Most of the known records that one plan may change"
    )
    max_delete: int = Field(default=100, ge=0, description="Most records that one plan may delete")
    max_quarantine_share: float = Field(
        default=0.2, ge=0, le=1, description="Most of a stream's records in quarantine; more stops what comes after"
    )
    max_blank_share: float = Field(
        default=0.2, ge=0, le=1, description="Most of the known records in which one plan may empty the same field"
    )
    max_gone_share: float = Field(
        default=0.2, ge=0, le=1, description="Most of a stream's records that one read may find gone"
    )


class LimitsForStream(_Part):
    """What one stream has instead of its connection's limits."""

    max_create: int | None = Field(default=None, ge=0)
    max_update_share: float | None = Field(default=None, ge=0, le=1)
    max_delete: int | None = Field(default=None, ge=0)
    max_quarantine_share: float | None = Field(default=None, ge=0, le=1)
    max_blank_share: float | None = Field(default=None, ge=0, le=1)
    max_gone_share: float | None = Field(default=None, ge=0, le=1)


class Quota(_Part):
    """What the connection may make of one of its connector's limits, instead of the connector's own figures."""

    permits: int | None = Field(default=None, ge=1, description="Calls in the limit's window that the account has")
    share: float | None = Field(default=None, gt=0, le=1, description="Part of them that prm-sync may use")
    reserve: float | None = Field(
        default=None, ge=0, lt=1, description="Part of that share which reading leaves to writing back (long windows)"
    )


class Connection(_Part):
    """One configured connector: one CRM org, one PRM account, one folder of files."""

    connector: str = Field(description="The connector's name, as `prm-sync connectors` lists it")
    kind: Literal["crm", "prm"] | None = Field(
        default=None, description="What a folder of files stands for, where it is more than files: a partner portal "
        "(prm), so that sharing policies and logs of disclosure apply. Every other connector has a kind of its own",
    )
    config: dict[str, Any] = Field(default_factory=dict, description="What the connector asks for")
    streams: tuple[str, ...] | None = Field(
        default=None, description="Streams to pull and to write to; those with a mapping by default"
    )
    limits: Limits = Field(default_factory=Limits)
    stream_limits: dict[str, LimitsForStream] = Field(default_factory=dict)
    look_before_write: bool = Field(
        default=True,
        description="Whether a record is looked at before it is changed, so that nothing is overwritten that was not "
        "read yet; it costs a call for each record, or for each batch where the vendor can",
    )
    quotas: dict[str, Quota] = Field(
        default_factory=dict, description="By the limit's name (daily, burst, calls): what the account really has"
    )

    @property
    def dialect(self) -> str:
        """The folder of its mappings: a folder of files that stands for a PRM has others than a list of leads."""
        return f"{self.connector}_{self.kind}" if self.kind else self.connector

    def limits_of(self, stream: str) -> Limits:
        """The connection's limits with those of the stream on top."""
        own = self.stream_limits.get(stream)
        return self.limits.model_copy(update=own.model_dump(exclude_none=True)) if own else self.limits


class Schedules(_Part):
    """Cron expressions, UTC; null switches one off."""

    pull: str | None = Field(default="0 * * * *", description="When every connection is pulled and synced")
    measure: str | None = Field(default="30 5 * * *", description="When the marts are measured")

    reconcile: str | None = Field(
        default="20 2 * * 0", description="When every stream is read in full and compared with the warehouse"
    )
    reconcile_repairs: bool = Field(default=True, description="Whether that mends what differs; false: it only tells")

    @field_validator("pull", "measure", "reconcile")
    @classmethod
    def _is_cron(cls, value: str | None) -> str | None:
        if value is not None and not _CRON.match(value):
            raise ValueError('a schedule is five cron fields, such as "0 * * * *" for every hour')
        return value


class Project(_Part):
    """A whole `prm_sync.yaml`."""

    connections: dict[ConnectionName, Connection] = Field(default_factory=dict)
    trust: tuple[str, ...] = Field(default=(), description="Connections, the most trusted first (survivorship)")
    schedules: Schedules = Field(default_factory=Schedules)
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="Of reports; ISO 4217")] = "EUR"
    mappings: tuple[str, ...] = Field(default=(), description="Folders of mapping files; the shipped ones where absent")
    policies: tuple[str, ...] = Field(default=(), description="Folders of policy files; the shipped ones where absent")

    @field_validator("mappings", "policies", mode="before")
    @classmethod
    def _one_or_more(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _trust_names_connections(self) -> Project:
        for name in self.trust:
            if name not in self.connections:
                raise ValueError(f'trust names "{name}", which is no connection{did_you_mean(name, self.connections)}')
        if len(set(self.trust)) < len(self.trust):
            raise ValueError("trust names a connection twice")
        return self

    @property
    def trusted(self) -> tuple[str, ...]:
        """All connections, the most trusted first: those of `trust`, then the rest as they stand in the file."""
        return (*self.trust, *(name for name in self.connections if name not in self.trust))


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """A read `prm_sync.yaml`: its values, and where each stands."""

    project: Project
    file: YamlFile

    @property
    def root(self) -> Path:
        return self.file.path.parent

    def error(self, message: str, *place: str | int) -> ConfigError:
        return self.file.error(message, *place)

    def check_connectors(self, known: Collection[str]) -> None:
        """Raises ConfigError for a connection whose connector is not among the installed ones."""
        for name, connection in self.project.connections.items():
            if connection.connector not in known:
                hint = did_you_mean(connection.connector, known)
                raise self.error(
                    f'connection "{name}": no connector "{connection.connector}" is installed{hint}',
                    "connections", name, "connector",
                )  # fmt: skip

    def folders(self, kind: str) -> tuple[Path, ...]:
        """The folders of "mappings" or "policies", relative ones beside the file; () means: those shipped with us."""
        named: tuple[str, ...] = getattr(self.project, kind)
        found = tuple((self.root / Path(folder).expanduser()).resolve() for folder in named)
        for n, folder in enumerate(found):
            if not folder.is_dir():
                raise self.error(f"{kind}: {folder} is no folder; make it, or leave the key out", kind, n)
        return found


def shipped(kind: str) -> Path:
    """The folder of the mappings or policies that come with prm-sync: in the package, or in the checkout."""
    package = Path(__file__).parent
    inside = package / "data" / kind
    return inside if inside.is_dir() else package.parent / kind


def read_project(path: Path) -> ProjectFile:
    """Raises ConfigError where the file is missing or wrong: every mistake, with its line."""
    if not path.is_file():
        raise ConfigError("there is no project here; run `prm-sync init`, or set PRM_SYNC_PROJECT", file=path)
    file = read(path)
    if file.data is not None and not isinstance(file.data, dict):
        raise file.error("the file must be a mapping with `connections:`")
    return ProjectFile(validated(Project, file), file)


# --- connection configs and their secrets ------------------------------------------------------------------------


class _Looked(str):
    """A value that a reference was resolved to. Anything else that lands in a secret field stood in the file."""

    __slots__ = ()


@dataclass(slots=True)
class _Lookup:
    source: ProjectFile
    connection: str
    env: Mapping[str, str]
    literals: dict[Place, str] = field(default_factory=dict)

    def resolved(self, value: Any, place: Place, expected: Any) -> Any:
        """`value` with its references looked up; `expected`: the type that belongs there (Any: not known)."""
        if isinstance(value, dict):
            if value.keys() in ({"env"}, {"file"}) and not _is_table(expected):
                return self._looked_up(value, place)
            return {key: self.resolved(item, (*place, key), _below(expected, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.resolved(item, (*place, n), _below(expected, n)) for n, item in enumerate(value)]
        if isinstance(value, str):
            self.literals[place] = value
        return value

    def _looked_up(self, reference: dict[str, Any], place: Place) -> _Looked:
        ((kind, name),) = reference.items()
        at = ".".join(map(str, place[2:]))
        if not isinstance(name, str) or not name:
            raise self.source.error(f"{at}: `{{{kind}: ...}}` needs a name", *place)
        if kind == "env":
            if not self.env.get(name):
                message = f'connection "{self.connection}": environment variable {name} is not set, needed for {at}'
                raise self.source.error(message, *place)
            return _Looked(self.env[name])
        path = self.source.root / Path(name).expanduser()
        try:
            return _Looked(path.read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError) as e:
            message = f'connection "{self.connection}": {at}: file {path} cannot be read ({type(e).__name__})'
            raise self.source.error(message, *place) from None


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """The members of a union; an annotation that is none is its own only one."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return tuple(a for member in get_args(annotation) for a in _alternatives(member))
    return (annotation,)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _is_table(annotation: Any) -> bool:
    """Whether a mapping belongs there, so that {file: ...} is a setting of that name and no reference."""
    return any(_is_model(a) or (get_origin(a) or a) in (dict, Mapping) for a in _alternatives(annotation))


def _below(annotation: Any, key: str | int) -> Any:
    """The type that belongs at a key of a table, or in a list; Any where it is not known."""
    for a in _alternatives(annotation):
        if _is_model(a) and key in a.model_fields:
            return a.model_fields[key].annotation
        if (get_origin(a) or a) in (dict, Mapping, list, tuple) and get_args(a):
            return get_args(a)[1 if get_origin(a) in (dict, Mapping) else 0]
    return Any


def connection_config(source: ProjectFile, name: str, model: type[BaseModel], env: Mapping[str, str]) -> BaseModel:
    """The config of connection `name` as its connector's `model`, with all references looked up.

    Raises ConfigError with file:line: a variable that is not set, a value that does not fit, a secret in plain sight.
    """
    place: Place = ("connections", name, "config")
    lookup = _Lookup(source, name, env)
    raw = lookup.resolved(source.project.connections[name].config, place, model)
    config = _rooted(validated(model, source.file, raw, at=place), source.root)
    secrets = _secrets_in(config, place)
    for at, literal in lookup.literals.items():
        if at in secrets and literal:
            raise source.error(
                f'connection "{name}": {at[-1]} is a secret and may not stand in the file; write '
                f"`{at[-1]}: {{env: NAME}}` or `{{file: path}}`", *at,
            )  # fmt: skip
    return config


def _rooted(config: BaseModel, root: Path) -> BaseModel:
    """Relative paths stand for files beside `prm_sync.yaml`, from wherever prm-sync is started."""
    given = {name: getattr(config, name) for name in type(config).model_fields}
    paths = {name: root / v for name, v in given.items() if isinstance(v, Path) and not v.expanduser().is_absolute()}
    return config.model_copy(update=paths) if paths else config


def _secrets_in(value: Any, place: Place) -> set[Place]:
    """Where in a config SecretStr values are."""
    if isinstance(value, SecretStr):
        return {place}
    if isinstance(value, BaseModel):
        fields = type(value).model_fields.items()
        below = [((*place, key), getattr(value, name)) for name, f in fields for key in {name, f.alias or name}]
    elif isinstance(value, Mapping):
        below = [((*place, str(key)), item) for key, item in value.items()]
    elif isinstance(value, list | tuple):
        below = [((*place, n), item) for n, item in enumerate(value)]
    else:
        below = []
    return {found for at, item in below for found in _secrets_in(item, at)}


# --- the JSON Schema that editors complete and check by ----------------------------------------------------------

_REFERENCE = {
    "description": "Looked up when the connection is opened; never stored",
    "oneOf": [
        {"type": "object", "properties": {key: {"type": "string", "minLength": 1}}, "required": [key],
         "additionalProperties": False}
        for key in ("env", "file")
    ],
}  # fmt: skip


def project_schema(configs: Mapping[str, type[BaseModel]] | None = None) -> dict[str, Any]:
    """JSON Schema of `prm_sync.yaml`; `configs` are the installed connectors' config models by name."""
    schema = Project.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "prm_sync.yaml"
    for folders in ("mappings", "policies"):
        schema["properties"][folders]["anyOf"] = [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
        for key in ("type", "items"):
            schema["properties"][folders].pop(key)
    defs = schema["$defs"]
    defs["Reference"] = _REFERENCE
    cases = []
    for name, model in sorted((configs or {}).items()):
        config = model.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
        defs.update({f"{name}.{key}": _with_references(part) for key, part in config.pop("$defs", {}).items()})
        defs[f"{name}.config"] = _with_references(config)
        cases.append(
            {"if": {"properties": {"connector": {"const": name}}, "required": ["connector"]},
             "then": {"properties": {"config": {"$ref": f"#/$defs/{name}.config"}}}}
        )  # fmt: skip
    if cases:
        defs["Connection"]["allOf"] = cases
        defs["Connection"]["properties"]["connector"]["examples"] = sorted(configs or {})
    return schema


def _with_references(schema: dict[str, Any]) -> dict[str, Any]:
    """An object schema in which each plain value may be a reference, and each secret must be one."""
    if "properties" not in schema:
        return schema
    reference = {"$ref": "#/$defs/Reference"}
    properties: dict[str, Any] = {}
    for name, part in schema["properties"].items():
        options = part.get("anyOf", [part])
        if any(option.get("format") == "password" for option in options):
            rest = {key: part[key] for key in ("title", "description") if key in part}
            properties[name] = {**rest, "anyOf": [reference, *(o for o in options if o.get("type") == "null")]}
        elif part.get("type") in ("string", "integer", "number", "boolean"):
            rest = {key: part[key] for key in ("title", "description", "default") if key in part}
            properties[name] = {**rest, "anyOf": [{k: v for k, v in part.items() if k not in rest}, reference]}
        else:
            properties[name] = part
    return {**schema, "properties": properties}
