"""A headless Chromium, driven over its DevTools protocol: as much as the tests of the web UI need."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """One tab. Every wait is bounded."""

    def __init__(self, profile: Path) -> None:
        assert PROGRAM is not None
        command = [
            PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
            "--window-size=1600,1000", "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank",
        ]  # fmt: skip
        self._stack = ExitStack()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._stack.callback(process.wait, 20)
        self._stack.callback(process.terminate)
        port_file = profile / "DevToolsActivePort"
        self._until(lambda: port_file.exists() and "\n" in port_file.read_text(), 60, "the browser to start")
        port = port_file.read_text().splitlines()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=10) as answer:
            tab = next(t for t in json.load(answer) if t["type"] == "page")
        self._socket = self._stack.enter_context(connect(tab["webSocketDebuggerUrl"], max_size=None, open_timeout=20))
        self._id = 0

    def close(self) -> None:
        self._stack.close()

    def open(self, url: str) -> None:
        self._do("Page.navigate", url=url)

    def text(self) -> str:
        return str(self.js("document.body.innerText"))

    def js(self, expression: str) -> Any:
        return self._do("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def click(self, text: str, *, after: str | None = None, shows: tuple[str, ...] = ()) -> None:
        """The first element whose own text this is (`after` one with that text), until these words stand on the page.

        A page that is being drawn anew loses a click.
        """
        way = f"//*[text()={text!r}]" if after is None else f"//*[text()={after!r}]/following::*[text()={text!r}][1]"
        for tries_left in range(11, -1, -1):
            self.js(f"document.evaluate({json.dumps(way)}, document).iterateNext().click()")
            try:
                self.wait_for(*shows, within_s=5)
            except AssertionError:
                if not tries_left:
                    raise
            else:
                return

    def wait_for(self, *words: str, within_s: float = 60) -> str:
        """The page's text, once all of these words stand in it."""
        try:
            self._until(lambda: all(w in self.text() for w in words), within_s, f"{words}")
        except AssertionError as late:
            missing = [w for w in words if w not in self.text()]
            raise AssertionError(f"not on the page: {missing}; there is: {self.text()[:2000]}") from late
        return self.text()

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._do("Page.captureScreenshot", format="png")["data"]))

    def _do(self, method: str, **params: Any) -> Any:
        self._id += 1
        self._socket.send(json.dumps({"id": self._id, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=30))
            if message.get("id") == self._id:
                assert "error" not in message, message
                return message["result"]

    @staticmethod
    def _until(true: Any, within_s: float, what: str) -> None:
        deadline = time.monotonic() + within_s
        while not true():
            assert time.monotonic() < deadline, f"waited {within_s} s for {what}"
            time.sleep(0.25)
