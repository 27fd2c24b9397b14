"""Starting an emulator: in a thread for tests, or as a process of its own for people and for crash tests."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from prm_sync.connect.emulator.app import HANG_UP
from prm_sync.connect.emulator.declare import Emulator

HOST: Final = "127.0.0.1"
START_S: Final = 10.0  #: longest wait for a server thread to begin or end


class Running:
    """An app that is served in a daemon thread, at `url`, until `stop` (or the end of the `with`)."""

    def __init__(self, server: uvicorn.Server, listening: socket.socket) -> None:
        self.url = _url_of(listening)
        self._server, self._socket = server, listening
        self._thread = threading.Thread(target=server.run, args=([listening],), name=f"serve {self.url}", daemon=True)
        self._thread.start()
        give_up = time.monotonic() + START_S
        while not server.started:
            if not self._thread.is_alive() or time.monotonic() > give_up:
                raise RuntimeError(f"the emulator did not start at {self.url}")
            time.sleep(0.002)

    def stop(self) -> None:
        """Closes at once; answers that are still being held back are dropped. Harmless the second time."""
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(START_S)
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()


def serve(app: ASGIApp, port: int = 0) -> Running:
    """Serves the app on this machine only, in a thread. Port 0: any free one. Raises OSError where it is taken."""
    return Running(_Server(app), _listening(port))


def run_forever(
    emulator: Emulator,
    port: int = 0,
    on_ready: Callable[[str], None] | None = None,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Serves the emulator in this process until SIGINT or SIGTERM; `on_ready` gets the URL once calls are answered."""
    listening = _listening(port)
    server = _Server(emulator.build(options or {}), lambda: on_ready(_url_of(listening)) if on_ready else None)
    try:
        server.run([listening])
    except KeyboardInterrupt:  # uvicorn raises the captured signal again once it has closed in good order
        return
    finally:
        listening.close()


class _Server(uvicorn.Server):
    """uvicorn without its own Date header (an emulator sends its own clock's), which says when it is ready."""

    def __init__(self, app: ASGIApp, on_ready: Callable[[], None] = lambda: None) -> None:
        async def with_hang_up(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, HANG_UP: lambda: self._hang_up(scope.get("client"))}, receive, send)

        # Critical only: a connection that a fault cuts is no error here.
        config = uvicorn.Config(
            with_hang_up,
            http=H11Protocol,
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            date_header=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):  # else who waits for an answer waits on
            connection.transport.abort()

    def _hang_up(self, client: tuple[str, int] | None) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, H11Protocol) and connection.client == client:
                connection.transport.close()


def _listening(port: int) -> socket.socket:
    # The protocol is named, or asyncio does not set TCP_NODELAY and each answer waits 40 ms for an acknowledgement.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening


def _url_of(listening: socket.socket) -> str:
    return f"http://{HOST}:{listening.getsockname()[1]}"
