"""A headless Chromium that tests drive over its DevTools protocol, through two pipes: no port, no network."""

import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

EXECUTABLE = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # a root of a container has none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--remote-debugging-pipe",
)
_KEYS = {"Tab": 9, "Enter": 13, "Space": 32, "ArrowDown": 40, "ArrowUp": 38}
_PATIENCE = 60.0  # seconds without a word from a browser that hangs
# The protocol is spoken on descriptors 3 and 4.
_LAUNCH = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(word), fcntl.F_DUPFD, 10) for word in sys.argv[1:3]]
for end, number in zip(ends, (3, 4)):
    os.dup2(end, number)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Tab:
    """One tab of the browser."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write = read, write
        self._buffer = b""
        self._number = 0
        self._url = ""
        self._session: str | None = None
        self.complaints: list[str] = []  # what the console and the page's policy said, and requests that were made
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def open(self, path: Path, fragment: str = "", *, width: int = 1280, dark: bool = False) -> None:
        """Opens a file and waits until it is loaded; the list of complaints begins anew."""
        self.complaints.clear()
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        self._call("Page.navigate", url="about:blank")
        self._url = path.as_uri() + fragment
        self._call("Page.navigate", url=self._url)
        self.run(
            "new Promise(done => document.readyState === 'complete' ? done() : addEventListener('load', () => done()))"
        )

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page, awaited if it is a promise."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def press(self, *keys: str) -> None:
        """Presses keys: names such as Tab, or text that is typed."""
        for key in keys:
            if key in _KEYS:
                text = {"Enter": "\r", "Space": " "}.get(key, "")
                sent = {"key": " " if key == "Space" else key, "code": key, "windowsVirtualKeyCode": _KEYS[key]}
                self._call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **sent)
                self._call("Input.dispatchKeyEvent", type="keyUp", **sent)
            else:
                self._call("Input.insertText", text=key)

    def _call(self, method: str, /, **parameters: Any) -> Any:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        rest = json.dumps(message).encode() + b"\0"
        while rest:
            rest = rest[os.write(self._write, rest) :]
        while (answer := self._receive()).get("id") != self._number:
            self._note(answer)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]

    def _receive(self) -> Any:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], _PATIENCE)
            chunk = os.read(self._read, 1 << 16) if ready else b""
            if not chunk:
                raise AssertionError("the browser has gone" if ready else "the browser does not answer")
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        name, parameters = event.get("method"), event.get("params", {})
        if name == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.complaints.append(str(parameters["args"]))
        elif name == "Runtime.exceptionThrown":
            self.complaints.append(str(parameters["exceptionDetails"]))
        elif name == "Log.entryAdded":
            self.complaints.append(parameters["entry"]["text"])
        elif name == "Network.requestWillBeSent":
            url = parameters["request"]["url"]
            if url not in ("about:blank", "data:,") and url.partition("#")[0] != self._url.partition("#")[0]:
                self.complaints.append(f"requested {url}")


@contextmanager
def open_browser(profile: Path) -> Iterator[Tab]:
    """Starts a browser with one tab.

    Args:
        profile: a folder for its files.
    """
    assert EXECUTABLE is not None
    their_read, our_write = os.pipe()
    our_read, their_write = os.pipe()
    command = [EXECUTABLE, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(
        [sys.executable, "-c", _LAUNCH, str(their_read), str(their_write), *command],
        pass_fds=(their_read, their_write),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(their_read)
    os.close(their_write)
    try:
        yield Tab(our_read, our_write)
    finally:
        os.close(our_write)  # a browser without anyone to talk to leaves
        try:
            process.wait(_PATIENCE)
        finally:
            process.kill()
            process.wait()
            os.close(our_read)
