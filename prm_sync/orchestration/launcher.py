"""The run launcher: Dagster's default one, which can also tell that a run's worker is gone.

Without this a run whose worker and code server were both killed (a reboot, say) stays STARTED for ever, and its
concurrency tag keeps all later runs of the same job waiting.
"""

from __future__ import annotations

import logging

from dagster import DagsterRun
from dagster._core.launcher import DefaultRunLauncher
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S = 10
STRIKES = 2  #: a busy code server may answer late once


class MonitoredRunLauncher(DefaultRunLauncher):
    """A worker is dead once two health checks in a row did not find it."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        strikes: dict[str, int] = self.__dict__.setdefault("_strikes", {})
        missing = self._missing(run)
        if missing is None:
            strikes.pop(run.run_id, None)
            return CheckRunHealthResult(WorkerStatus.RUNNING, "")
        strikes[run.run_id] = strikes.get(run.run_id, 0) + 1
        if strikes[run.run_id] < STRIKES:
            log.warning("run worker not found, looking again", extra={"run": run.run_id})
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"{missing}; looking again")
        strikes.pop(run.run_id)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, missing)

    def _missing(self, run: DagsterRun) -> str | None:
        """Why the worker seems to be gone; None: it is there."""
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if client is None:
            return "the run has no code server"
        request = CanCancelExecutionRequest(run_id=run.run_id)
        try:
            answer = client.can_cancel_execution(request, timeout=ANSWER_TIMEOUT_S)
            found = deserialize_value(answer, CanCancelExecutionResult).can_cancel
        except Exception as error:  # noqa: BLE001 the edge: whatever the call dies of, the server did not answer
            return f"its code server does not answer ({type(error).__name__})"
        return None if found else "its code server has no worker for it"
