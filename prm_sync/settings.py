"""What one installation is told by its environment: where it lives, which server it uses, whom it alerts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from prm_sync.errors import ConfigError

PROJECT_FILE = "prm_sync.yaml"
SHORTEST_KEY = 16  #: characters

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class Settings(BaseModel):
    """Read from `PRM_SYNC_*` only; what is synced stands in the project file, not here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: Path = Field(description="PRM_SYNC_PROJECT: the folder of prm_sync.yaml; found upward from the cwd")
    home: Path = Field(description="PRM_SYNC_HOME: where the embedded server lives; .prm_sync beside prm_sync.yaml")
    database_url: SecretStr | None = Field(
        default=None, description="PRM_SYNC_DATABASE_URL: a PostgreSQL server to use"
    )
    dagster_database: str = Field(
        default="dagster",
        min_length=1,
        max_length=63,
        description="PRM_SYNC_DAGSTER_DATABASE: Dagster's own database there",
    )
    alert_url: SecretStr | None = Field(
        default=None, description="PRM_SYNC_ALERT_URL: a webhook that failures are posted to"
    )
    hash_key: SecretStr | None = Field(
        default=None, description="PRM_SYNC_HASH_KEY: what hashed fields and forgotten persons are keyed by; keep it"
    )
    log_level: LogLevel = Field(default="INFO", description="PRM_SYNC_LOG_LEVEL")

    @property
    def project_file(self) -> Path:
        return self.project / PROJECT_FILE

    @classmethod
    def from_env(cls, env: Mapping[str, str], cwd: Path | None = None) -> Settings:
        """An empty variable is an unset one. Raises ConfigError naming the variable."""
        given = {name: value for name, value in env.items() if name.startswith("PRM_SYNC_") and value.strip()}
        here = (cwd or Path.cwd()).resolve()
        named = given.get("PRM_SYNC_PROJECT")
        project = (here / Path(named).expanduser()).resolve() if named else found_project(here)
        if project.name == PROJECT_FILE:
            project = project.parent
        if named and not project.is_dir():
            raise ConfigError(f"PRM_SYNC_PROJECT: {project} is no folder; name the folder of {PROJECT_FILE}")
        home = Path(given.get("PRM_SYNC_HOME", project / ".prm_sync")).expanduser()
        for name in ("PRM_SYNC_DATABASE_URL", "PRM_SYNC_ALERT_URL"):
            scheme = given.get(name, "").partition("://")[0].partition("+")[0]
            allowed = ("postgres", "postgresql") if name == "PRM_SYNC_DATABASE_URL" else ("https", "http")
            if name in given and scheme not in allowed:  # the value holds a password: never show it
                raise ConfigError(f"{name}: must begin with {allowed[-1]}://; prm-sync knows no other kind")
        try:
            return cls(
                project=project,
                home=(here / home).resolve(),
                database_url=_secret(given.get("PRM_SYNC_DATABASE_URL")),
                dagster_database=given.get("PRM_SYNC_DAGSTER_DATABASE", "dagster"),
                alert_url=_secret(given.get("PRM_SYNC_ALERT_URL")),
                hash_key=_key(given.get("PRM_SYNC_HASH_KEY")),
                log_level=given.get("PRM_SYNC_LOG_LEVEL", "INFO").upper(),  # type: ignore[arg-type]
            )
        except ValidationError as e:
            first = e.errors(include_input=False, include_url=False)[0]
            raise ConfigError(f"PRM_SYNC_{str(first['loc'][0]).upper()}: {first['msg']}") from None


def found_project(start: Path) -> Path:
    """The nearest folder from `start` upward that holds a project file; `start` itself where there is none yet."""
    return next((folder for folder in (start, *start.parents) if (folder / PROJECT_FILE).is_file()), start)


def _key(value: str | None) -> SecretStr | None:
    if value is not None and len(value.strip()) < SHORTEST_KEY:
        raise ConfigError(f"PRM_SYNC_HASH_KEY: too short to be a secret; use {SHORTEST_KEY} characters or more")
    return _secret(value)


def _secret(value: str | None) -> SecretStr | None:
    return SecretStr(value.strip()) if value else None
