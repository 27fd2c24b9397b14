"""The declaration of the files connector."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prm_sync.connect import Connector, Context, Session
from prm_sync_files.config import FilesConfig


@contextmanager
def _open(config: FilesConfig, context: Context) -> Iterator[Session]:
    from prm_sync_files.session import FilesSession

    yield FilesSession(config, context)


CONNECTOR = Connector(
    name="files",
    title="Files (CSV, TSV, XLSX, Parquet)",
    kind="files",
    config=FilesConfig,
    open=_open,
)
