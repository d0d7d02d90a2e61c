"""A headless Chromium, driven through chromedriver by means of the standard library."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

START_LIMIT_S = 60

WAIT_FOR_PAGE = """
const done = arguments[arguments.length - 1];
if (document.readyState === "complete") done(); else addEventListener("load", () => done());
"""

ARGUMENTS = (
    "--headless",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
)


def missing_program() -> str | None:
    """The first program that is not installed, or None."""
    if shutil.which("chromedriver") is None:
        return "chromedriver"
    return None if find_browser() else "chromium"


def find_browser() -> str | None:
    return next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )


class Browser:
    """A window of a browser."""

    def __init__(self, session_url: str) -> None:
        self._url = session_url

    def send(self, method: str, command: str, data: dict[str, Any] | None = None) -> Any:
        return call(method, f"{self._url}/{command}", data)

    def open(self, page: Path) -> None:
        """Open a page afresh, though it may be the one that is shown, and wait for all of it."""
        self.send("POST", "url", {"url": "about:blank"})
        self.send("POST", "url", {"url": page.resolve().as_uri()})
        self.run_async(WAIT_FOR_PAGE)

    def run(self, script: str, *arguments: object) -> Any:
        """Run the body of a JavaScript function in the page; returns what it returns."""
        return self.send("POST", "execute/sync", {"script": script, "args": list(arguments)})

    def run_async(self, script: str, *arguments: object) -> Any:
        """The same for a script that calls its last argument when it is done."""
        return self.send("POST", "execute/async", {"script": script, "args": list(arguments)})

    def click(self, selector: str) -> None:
        self.send("POST", f"element/{self._find(selector)}/click", {})

    def type(self, selector: str, text: str) -> None:
        element = self._find(selector)
        self.send("POST", f"element/{element}/clear", {})
        self.send("POST", f"element/{element}/value", {"text": text})

    def _find(self, selector: str) -> str:
        found = self.send("POST", "element", {"using": "css selector", "value": selector})
        return next(iter(found.values()))

    def console(self) -> list[dict[str, Any]]:
        """What the console has had to say since the last call."""
        return self.send("POST", "se/log", {"type": "browser"})

    def devtools(self, command: str, **parameters: Any) -> Any:
        data = {"cmd": command, "params": parameters}
        return self.send("POST", "goog/cdp/execute", data)

    def show_as(self, width: int, height: int, scheme: str) -> None:
        """Emulate a screen of a size, and a taste for light or dark."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.devtools("Emulation.setScrollbarsHidden", hidden=True)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.devtools("Emulation.setEmulatedMedia", features=[feature])

    def screenshot(self, path: Path) -> None:
        """Take a picture of the whole page."""
        found = self.devtools("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))


def call(method: str, url: str, data: dict[str, Any] | None = None) -> Any:
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=START_LIMIT_S) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise RuntimeError(json.load(error)["value"]["message"]) from None


@contextmanager
def open_browser(folder: Path) -> Iterator[Browser]:
    """Start a browser that keeps its files in a folder of its own, and end it."""
    log = folder / "chromedriver.log"
    with log.open("w") as output:
        driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=output, stderr=subprocess.STDOUT
        )
        try:
            session = start_session(f"http://127.0.0.1:{wait_for_port(driver, log)}", folder)
            try:
                yield Browser(session)
            finally:
                call("DELETE", session)
        finally:
            driver.terminate()
            driver.wait()


def wait_for_port(driver: subprocess.Popen, log: Path) -> int:
    """The port that chromedriver chose, as soon as it has said so."""
    limit = time.monotonic() + START_LIMIT_S
    while time.monotonic() < limit and driver.poll() is None:
        words = log.read_text().split("started successfully on port ")
        if len(words) > 1 and "." in words[1]:
            return int(words[1].split(".")[0])
        time.sleep(0.05)
    raise RuntimeError(f"chromedriver did not start: {log.read_text()}")


def start_session(server: str, folder: Path) -> str:
    arguments = [*ARGUMENTS, f"--user-data-dir={folder / 'profile'}"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # Chromium's sandbox refuses to work for root
    capabilities = {
        "browserName": "chrome",
        "goog:chromeOptions": {"binary": find_browser(), "args": arguments},
        "goog:loggingPrefs": {"browser": "ALL"},
    }
    data = {"capabilities": {"alwaysMatch": capabilities}}
    return f"{server}/session/{call('POST', f'{server}/session', data)['sessionId']}"
