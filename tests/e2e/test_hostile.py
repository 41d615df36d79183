"""Strangers at both doors, and mistakes at the shell: a clear error, and the node goes on."""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from node.commands.nodes import LocalNode, wait_for
from tests.e2e.story import Shell, StartNode, answering, make_module, wait_until_met

pytestmark = pytest.mark.nodes

Publish = Callable[[LocalNode], list[str]]

ANSWER_S = 20.0


def ask(at: LocalNode, request: bytes) -> int:
    """The status of the node's answer to these bytes; 0 where it just closes."""
    host, _, port = at.ready["api"].removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=ANSWER_S) as connection:
        try:
            connection.sendall(request)
            if b"Connection: close" not in request:  # nothing else tells the node to give up
                connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(1 << 16)
        except (BrokenPipeError, ConnectionResetError):
            return 0
    return int(answer.split(b" ")[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def request(at: LocalNode, line: str, *headers: str, body: bytes = b"", host: str = "") -> bytes:
    authority = host or at.ready["api"].removeprefix("http://")
    head = [f"{line} HTTP/1.1", f"Host: {authority}", "Connection: close", *headers]
    if body:
        head += [f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, "", ""]).encode() + body


def sources(at: LocalNode) -> set[str]:
    return {one["source"] for one in at.client.get("/api/refused")["refused"]}


def test_hostile_http(node: StartNode) -> None:
    alice = node("alice")
    token = f"Authorization: Bearer {(alice.home / 'token').read_text().strip()}"
    json = "Content-Type: application/json"
    cases = [
        (request(alice, "GET /api/status", host="evil.example"), {421}),
        (request(alice, "GET /api/status", host="127.0.0.1.evil.example:80"), {421}),
        (request(alice, "GET /api/status", "Origin: http://evil.example"), {403}),
        (request(alice, "POST /api/shutdown"), {401}),
        (request(alice, "POST /api/shutdown", "Authorization: Bearer nonsense"), {401}),
        (request(alice, "POST /api/install", json, body=b"{}"), {401}),
        (request(alice, "POST /api/install", token, json, body=b"{"), {400, 422}),
        (request(alice, "POST /api/install", token, json, body=b"[" * 100_000), {400, 422}),
        (request(alice, "POST /api/modules", token, json, body=b'{"manifest": 7}'), {400, 422}),
        (request(alice, "POST /api/modules", token, body=b"{}"), {400, 415, 422}),
        (request(alice, "GET /api/search?limit=1000000"), {400}),
        (request(alice, "GET /api/search?cursor=nonsense"), {400, 404}),
        (request(alice, "GET /api/modules/%00%ff%2e%2e%2f"), {400, 404, 422}),
        (request(alice, "GET /api/modules/../../etc/passwd"), {400, 404}),
        (request(alice, "GET /api/blobs/zz"), {400, 404, 422}),
        (request(alice, "DELETE /api/status", token), {405}),
        (request(alice, "GET /" + "a" * 200_000), {0, 400, 404, 414, 431}),
        (request(alice, "GET /api/status", "X: " + "a" * 200_000), {0, 400, 431}),
        (b"\x00\xff" * 5_000, {0, 400}),
        (b"GET / HTTP/1.1\r\n\r\n", {0, 400, 421}),
        (b"", {0}),
    ]
    for sent, expected in cases:
        assert ask(alice, sent) in expected, sent[:200]
    assert alice.client.get("/api/status")["state"] == "ready"
    assert alice.process.poll() is None


def test_a_body_beyond_the_limit_is_not_read(node: StartNode) -> None:
    alice = node("alice")
    token = f"Authorization: Bearer {(alice.home / 'token').read_text().strip()}"
    declared = "Content-Length: 99999999999"
    sent = request(alice, "POST /api/modules", token, "Content-Type: application/json", declared)
    assert ask(alice, sent + b"x" * 1000) in {0, 400, 413}
    assert alice.client.get("/healthz") == {"status": "ok"}


def test_a_head_that_never_ends(node: StartNode) -> None:
    alice = node("alice")
    host, _, port = alice.ready["api"].removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=ANSWER_S) as endless:
        endless.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            endless.sendall(b"a" * (64 << 20))
    assert alice.client.get("/healthz") == {"status": "ok"}


@pytest.mark.parametrize("seed", range(3))
def test_noise_at_the_peers_door(seed: int, node: StartNode) -> None:
    alice = node("alice")
    host, _, port = alice.ready["p2p"].rpartition(":")
    random = Random(seed)
    for size in (0, 1, 3, 32, 65_535, 300_000):
        stranger = socket.create_connection((host, int(port)), timeout=ANSWER_S)
        with stranger, suppress(BrokenPipeError, ConnectionResetError):
            stranger.sendall(random.randbytes(size))
    with socket.create_connection((host, int(port)), timeout=ANSWER_S):
        assert alice.client.get("/api/status")["state"] == "ready"
    wait_for("the noise to be listed", ANSWER_S, lambda: sources(alice) == {host} or None)
    assert alice.client.get("/api/peers")["peers"] == []


@pytest.mark.parametrize(
    ("wasm", "manifest", "code"),
    [
        (b"", "", 1),
        (b"\0asm\1\0\0\0"[:6], "", 1),
        (b"MZ" + b"\0" * 100, "", 1),
        (answering(1)[:-3], "", 1),
        (answering(1), "[dependencies]\n\"io.test.x\" = \"not a range\"\n", 1),
        (answering(1), "[capabilities]\nimports = [7]\n", 1),
        (answering(1), "[module\n", 1),
        (answering(1), "[surprise]\nx = 1\n", 1),
    ],
)  # fmt: skip
def test_a_module_that_cannot_be_taken(
    wasm: bytes, manifest: str, code: int, node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    alice = node("alice")
    folder = make_module(tmp_path / "m", "io.test.bad", "1.0.0", wasm, manifest)
    ran = shell(alice, "publish", str(folder))
    assert ran.code in (code, 7), ran
    assert ran.answer["detail"].startswith(str(folder))
    assert alice.client.get("/api/modules")["modules"] == []
    (listed,) = shell(alice, "refused").answer["refused"]
    assert listed["code"] == ran.answer["code"]
    looked = shell(alice, "verify", str(folder))
    assert looked.code == 7
    assert looked.answer["detail"].startswith(str(folder))


def test_a_publish_reads_nothing_outside_of_its_folder(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    alice = node("alice")
    (tmp_path / "secret.wasm").write_bytes(answering(1))
    folder = make_module(tmp_path / "m", "io.test.bad", "1.0.0", answering(1))
    text = (folder / "gen.toml").read_text()

    def publish_with(wasm: str) -> str:
        (folder / "gen.toml").write_text(text.replace("m.wasm", wasm))
        ran = shell(alice, "publish", str(folder))
        assert ran.code != 0
        return str(ran.answer["code"])

    assert publish_with("../secret.wasm") == "unsafe-file"
    assert publish_with(str(tmp_path / "secret.wasm")) == "unsafe-file"
    os.symlink(tmp_path / "secret.wasm", folder / "link.wasm")
    assert publish_with("link.wasm") == "unsafe-file"
    assert publish_with("missing.wasm") == "file-missing"
    with (folder / "huge.wasm").open("wb") as file:
        file.truncate(11 << 20)
    assert publish_with("huge.wasm") == "unsafe-file"
    os.mkfifo(folder / "pipe.wasm")
    assert publish_with("pipe.wasm") == "file-missing"


def test_exit_codes(node: StartNode, shell: Shell, publish_demo: Publish, tmp_path: Path) -> None:
    alice = node("alice")
    publish_demo(alice)
    folder = make_module(tmp_path / "m", "io.test.answer", "1.0.0", answering(1))
    assert shell(alice, "publish", str(folder), "--dry-run").answer["dry_run"] is True
    assert shell(alice, "info", "io.test.answer").code == 5
    assert shell(alice, "publish", str(folder)).code == 0
    make_module(folder, "io.test.answer", "1.0.0", answering(2))
    assert shell(alice, "publish", str(folder)).code == 6
    assert shell(alice, "install", "io.nobody.knows", "--yes").code == 5
    unsolvable = shell(alice, "install", "io.test.answer@^9", "--yes")
    assert unsolvable.code == 6
    assert "io.test.answer" in unsolvable.answer["detail"]
    assert shell(alice, "run", "io.test.answer", "answer").code in (5, 6)
    assert shell(alice, "connect", "127.0.0.1:1").code == 8
    page = alice.ready["api"].removeprefix("http://")
    no_node = shell(alice, "connect", page)
    assert (no_node.code, no_node.answer["code"]) == (8, "no-node-there")
    assert page in no_node.answer["detail"]
    assert shell(alice, "install", "--frozen", "io.test.answer").code == 5
    assert shell(alice, "search", "--limit", "0").code == 2
    assert shell(alice, "sync", "--wait", "--timeout", "0.2").code == 8


def test_two_authors_of_one_name(node: StartNode, shell: Shell, tmp_path: Path) -> None:
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    folder = make_module(tmp_path / "m", "io.test.answer", "1.0.0", answering(1))
    for at in (alice, bob):
        assert shell(at, "publish", str(folder)).code == 0
    wait_until_met(bob, alice)
    assert shell(bob, "sync", "--wait").code == 0
    ambiguous = shell(bob, "install", "io.test.answer", "--yes")
    assert ambiguous.code == 6
    named = {f"{at.did}/io.test.answer" for at in (alice, bob)}
    assert set(ambiguous.answer["candidates"]) == named
    assert shell(bob, "install", f"{alice.did}/io.test.answer", "--yes").code == 0
