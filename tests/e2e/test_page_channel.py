"""A page in a real browser opens a data channel to a running node, which speaks as to any peer.

The page is of a site that has the node's token, and hands its offer on. Chromium tells this test
what came of it.
"""

import json
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue

import httpx2
import pytest

from node.commands.nodes import LocalNode, start_node, stop_all
from node.failure import Json
from tests.e2e.browser import BROWSE_S, BROWSER, browser_flags
from tests.e2e.test_page import browser

__all__ = ["browser"]

pytestmark = [pytest.mark.nodes, pytest.mark.usefixtures("browser")]

# Noise XX: the first message is an ephemeral key in the clear, so any 32 bytes are one; the answer
# is 32 + 48 + the payload of about 120 + 16 bytes behind its length.
PAGE = """<!doctype html><script>
const tell = (what) => fetch("/told", {method: "POST", body: JSON.stringify(what)});
(async () => {
  const pc = new RTCPeerConnection();
  const channel = pc.createDataChannel("panspermia", {negotiated: true, id: 0});
  channel.binaryType = "arraybuffer";
  const heard = [];
  channel.onopen = () => {
    const key = crypto.getRandomValues(new Uint8Array(34));
    key[0] = 0; key[1] = 32;
    channel.send(key);
  };
  channel.onmessage = (event) => {
    heard.push(...new Uint8Array(event.data));
    const size = heard.length > 1 ? heard[0] * 256 + heard[1] : Infinity;
    if (heard.length == 2 + size) {
      const rubbish = crypto.getRandomValues(new Uint8Array(2 + 200));
      rubbish[0] = 0; rubbish[1] = 200;
      tell({event: "answer", size}).then(() => channel.send(rubbish));
    }
  };
  channel.onclose = () => tell({event: "closed"});
  await pc.setLocalDescription();
  await new Promise((done) => {
    if (pc.iceGatheringState == "complete") done();
    pc.onicegatheringstatechange = () => pc.iceGatheringState == "complete" && done();
  });
  const offer = JSON.stringify({sdp: pc.localDescription.sdp});
  const answer = await fetch("/offer", {method: "POST", body: offer});
  const said = await answer.json();
  await tell({event: "answered", status: answer.status, sdp: said.sdp || said.detail});
  await pc.setRemoteDescription({type: "answer", sdp: said.sdp});
})().catch((error) => tell({event: "failed", why: String(error)}));
</script>"""


class Site(ThreadingHTTPServer):
    """Serves the page and hears what it tells."""

    node: LocalNode
    told: "Queue[Json]" = Queue()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._say(200, "text/html", PAGE.encode())

    def do_POST(self) -> None:
        size = int(self.headers["content-length"])
        said = json.loads(self.rfile.read(size))
        if self.path == "/offer":
            answer = offer(self._site.node, said)
            self._say(answer.status_code, "application/json", answer.content)
        else:
            self._site.told.put(said)
            self._say(204, "text/plain", b"")

    @property
    def _site(self) -> Site:
        assert isinstance(self.server, Site)
        return self.server

    def _say(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


def offer(node: LocalNode, said: Json, *, token: str | None = None) -> httpx2.Response:
    """As whoever has the node's token, or another one."""
    headers = {"authorization": f"Bearer {node.client.token if token is None else token}"}
    return httpx2.post(f"{node.client.url}/api/webrtc", json=said, headers=headers, timeout=30)


@contextmanager
def site() -> Generator[Site]:
    made = Site(("127.0.0.1", 0), Answers)
    made.told = Queue()
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        made.shutdown()
        thread.join()
        made.server_close()


@contextmanager
def browsing(url: str, profile: Path) -> Generator[None]:
    # Where there is no other network, WebRTC is to use this one.
    flags = [*browser_flags(profile), "--allow-loopback-in-peer-connection"]
    with (profile.parent / "browser.log").open("wb") as log:
        process = subprocess.Popen([BROWSER, *flags, url], stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def test_a_page_opens_a_data_channel_and_the_node_answers_as_to_any_peer(tmp_path: Path) -> None:
    with site() as made:
        node = made.node = start_node("alice", tmp_path, "--no-mdns")
        try:
            with browsing(made.origin, tmp_path / "profile"):
                answered = made.told.get(timeout=BROWSE_S)
                assert answered["event"] == "answered", answered
                assert answered["status"] == 200, answered
                assert "a=setup:active" in answered["sdp"]
                answer = made.told.get(timeout=BROWSE_S)
                assert answer["event"] == "answer", answer
                # The node's ephemeral key, and its static key and payload under it.
                assert 32 + 48 + 100 < answer["size"] < 400
                # What is no third message ends it, and nothing of it is left.
                assert made.told.get(timeout=BROWSE_S) == {"event": "closed"}
            assert node.client.get("/api/peers")["peers"] == []
        finally:
            stop_all([node])


def test_only_whoever_has_the_token_opens_one(tmp_path: Path) -> None:
    node = start_node("alice", tmp_path, "--no-mdns")
    try:
        assert offer(node, {"sdp": "v=0"}, token="somebody").status_code == 401
        wrong = offer(node, {"sdp": "v=0"})
        assert wrong.status_code == 422
        assert wrong.json()["code"] == "webrtc-sdp"
        assert offer(node, {"sdp": "x" * 10_000}).status_code == 422
    finally:
        stop_all([node])
