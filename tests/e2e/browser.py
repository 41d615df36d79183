"""A page in a real browser, driven as a person would: looked at, typed into, clicked.

Chromium's own protocol over its WebSocket (https://chromedevtools.github.io/devtools-protocol).
"""

import json
import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
from websockets.sync.client import ClientConnection, connect

from node.commands.nodes import wait_for
from node.failure import Failure, Json

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
BROWSE_S = 60.0
PORT_FILE = "DevToolsActivePort"
CONTRAST = Path(__file__).with_name("contrast.js")


def browser_flags(profile: Path) -> list[str]:
    flags = ["--headless", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}"]
    if os.geteuid() == 0:  # it refuses its own sandbox to root
        flags.append("--no-sandbox")
    return flags


class Page:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = count(1)

    def do(self, method: str, **parameters: object) -> Json:
        """Raises `AssertionError` with what the browser says."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.recv(BROWSE_S))).get("id") != number:
            pass
        assert "error" not in answer, answer
        result: Json = answer["result"]
        return result

    def value(self, expression: str) -> Any:  # noqa: ANN401 - whatever the script gives
        """What a script gives, awaited. Raises `AssertionError` where it throws."""
        answer = self.do(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, what: str, expression: str) -> Any:  # noqa: ANN401 - as `value`
        """What a script gives, as soon as that is true; until the page is there it may throw."""

        def look() -> Any:  # noqa: ANN401 - as above
            with suppress(AssertionError):
                return self.value(expression) or None
            return None

        try:
            return wait_for(what, BROWSE_S, look)
        except Failure as error:
            raise AssertionError(f"{what}: {self.value('document.body.innerText')}") from error

    def text(self, selector: str) -> str:
        """What a person reads there."""
        return str(self.value(f"document.querySelector({json.dumps(selector)}).innerText"))

    def type(self, text: str) -> None:
        """Where the focus is."""
        self.do("Input.insertText", text=text)

    def press(self, key: str) -> None:
        """`Tab`, `Enter`."""
        codes = {"Tab": (9, ""), "Enter": (13, "\r"), "Space": (32, " "), "/": (191, "/")}
        codes |= {"PageUp": (33, ""), "Home": (36, ""), "ArrowLeft": (37, "")}
        code, text = codes[key]
        about: dict[str, object] = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        if key == "Space":
            about["key"] = " "
        self.do("Input.dispatchKeyEvent", type="keyDown", text=text, **about)
        self.do("Input.dispatchKeyEvent", type="keyUp", **about)

    def tab_to(self, id: str) -> None:
        """By the keyboard alone. Raises `AssertionError` where the element cannot be reached."""
        for _ in range(100):
            if self.value("document.activeElement.id") == id:
                return
            self.press("Tab")
        raise AssertionError(f"Tab never reaches {id}")

    def nameless(self) -> list[str]:
        """Roles of what can be used or looked at, and has no name for who cannot see it."""
        tree = self.do("Accessibility.getFullAXTree")["nodes"]
        named = {"button", "textbox", "searchbox", "combobox", "link", "image", "img", "heading"}
        named |= {"progressbar", "ProgressIndicator", "region"}
        return [
            one["role"]["value"]
            for one in tree
            if not one["ignored"] and one["role"]["value"] in named
            if not one.get("name", {}).get("value", "").strip()
        ]

    def illegible(self) -> list[str]:
        """Text that stands out too little, as the page is now, in light colours and in dark."""
        found: list[str] = []
        for scheme in ("light", "dark"):
            self.colours(scheme)
            found += [f"{scheme}: {one}" for one in self.value(CONTRAST.read_text())]
        self.colours("")
        return found

    def colours(self, scheme: str) -> None:
        """What the person prefers: `light`, `dark`, or what the system says."""
        preferred = {"name": "prefers-color-scheme", "value": scheme}
        self.do("Emulation.setEmulatedMedia", features=[preferred])


@contextmanager
def opened(url: str, profile: Path) -> Generator[Page]:
    """A browser of its own, with one tab on `url`."""
    flags = [*browser_flags(profile), "--remote-debugging-port=0"]
    profile.mkdir(parents=True, exist_ok=True)
    (profile / PORT_FILE).unlink(missing_ok=True)
    with (profile.parent / f"{profile.name}.log").open("ab") as log:
        process = subprocess.Popen([BROWSER, *flags, "about:blank"], stdout=log, stderr=log)
        try:
            port = wait_for("the browser", BROWSE_S, lambda: port_in(profile / PORT_FILE))
            where = wait_for("a tab", BROWSE_S, lambda: tab_at(port))
            with connect(where, max_size=1 << 26) as socket:
                page = Page(socket)
                page.do("Page.navigate", url=url)
                page.wait(url, "document.readyState == 'complete' && location.protocol != 'about:'")
                yield page
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def port_in(file: Path) -> int | None:
    """Once it is whole."""
    lines = file.read_text().split("\n") if file.exists() else []
    return int(lines[0]) if len(lines) > 1 else None


def tab_at(port: int) -> str | None:
    tabs = httpx2.get(f"http://127.0.0.1:{port}/json/list", timeout=BROWSE_S).json()
    return next((one["webSocketDebuggerUrl"] for one in tabs if one["type"] == "page"), None)
