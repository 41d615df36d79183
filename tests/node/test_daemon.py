"""One real daemon on loopback: ready, in use, a second `up`, streams, and an end in order."""

import asyncio
import http.client
import json
import logging
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from node.commands.nodes import STOP_S
from node.daemon import tell_rescue
from node.home import Home
from storage.store import open_store
from tests.node.modules import new_module
from tests.storage.people import ALICE, NOW_US, named, project

ROOT = Path(__file__).parents[2]
STREAMS = 50


@dataclass(frozen=True)
class Daemon:
    home: Home
    process: subprocess.Popen[str]
    ready: dict[str, Any]

    @property
    def port(self) -> int:
        return int(self.ready["api"].rpartition(":")[2])

    def ask(
        self, method: str, path: str, body: object = None, *, token: str | None = None
    ) -> tuple[int, Any]:
        """The status and the JSON of one answer."""
        headers = {"content-type": "application/json"}
        if token:
            headers["authorization"] = f"Bearer {token}"
        with closing(self.connect()) as connection:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, headers)
            with connection.getresponse() as answer:
                return answer.status, json.load(answer)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    @contextmanager
    def events(self) -> Generator[http.client.HTTPResponse]:
        """A stream of events, open until left."""
        with closing(self.connect()) as connection:
            connection.request("GET", "/api/events")
            with connection.getresponse() as answer:
                yield answer

    def token(self) -> str:
        return self.home.token_file.read_text().strip()


def command(home: Path, *, is_silent: bool = True) -> list[str]:
    flags = ["--port", "0", "--listen", "127.0.0.1:0", "--json", *["--no-mdns"] * is_silent]
    return [sys.executable, str(ROOT / "cli.py"), "--home", str(home), "up", *flags]


@contextmanager
def daemon(home: Path, *, is_silent: bool = True) -> Generator[Daemon]:
    with subprocess.Popen(
        command(home, is_silent=is_silent),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            if not line:
                assert process.stderr
                pytest.fail(process.stderr.read())
            yield Daemon(Home(home), process, json.loads(line))
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(tmp_path: Path, how: signal.Signals) -> None:
    with daemon(tmp_path / "alice") as alice, ExitStack() as opened:
        assert alice.ready["event"] == "ready"
        streams = [opened.enter_context(alice.events()) for _ in range(STREAMS)]
        for stream in streams:
            assert stream.readline() == b": open\n"
        alice.process.send_signal(how)
        assert alice.process.wait(STOP_S) == 0
        for stream in streams:
            assert stream.read() == b"\n"
    assert not alice.home.node_file.exists()
    assert not alice.home.is_locked()


def test_a_life(tmp_path: Path) -> None:
    with daemon(tmp_path / "alice") as alice:
        running = alice.home.read_node_file()
        assert running
        assert (running.api, running.did) == (alice.ready["api"], alice.ready["did"])
        assert running.pid == alice.process.pid

        _, status = alice.ask("GET", "/api/status")
        assert status["home"] == str(tmp_path / "alice")
        assert status["p2p"] == alice.ready["p2p"]

        second = subprocess.run(
            command(tmp_path / "alice"), capture_output=True, text=True, check=False, timeout=60
        )
        assert second.returncode == 0, second.stderr
        assert json.loads(second.stdout)["api"] == alice.ready["api"]

        assert alice.ask("POST", "/api/shutdown", {})[0] == 401
        assert alice.ask("POST", "/api/shutdown", {}, token=alice.token())[0] == 200
        assert alice.process.wait(STOP_S) == 0


def test_a_killed_node_starts_again_as_itself(tmp_path: Path) -> None:
    with daemon(tmp_path / "alice") as first:
        did = first.ready["did"]
        first.process.kill()
        first.process.wait()
    assert first.home.node_file.exists()
    with daemon(tmp_path / "alice") as again:
        assert again.ready["did"] == did
        assert again.ask("GET", "/readyz") == (200, {"status": "ready"})
        again.process.send_signal(signal.SIGTERM)
        assert again.process.wait(STOP_S) == 0


@pytest.mark.skipif(os.name != "posix", reason="systemd")
def test_the_first_start_after_an_update_says_what_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And asks the service manager for patience, which would else kill it on the way, each time."""
    home = Home(tmp_path / "alice")
    home.make()

    async def publish() -> None:
        async with open_store(home.database, project=project, clock_us=lambda: NOW_US) as store:
            entry = ALICE.publishes("io.alice.clock", named("clock"))
            await store.receive([entry], source="alice")

    asyncio.run(publish())
    with closing(sqlite3.connect(home.database)) as database:
        database.execute("UPDATE store SET derived = 0")
        database.commit()
    address = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(address)
        manager.settimeout(20)
        with daemon(home.path) as alice:
            assert manager.recv(100) == b"EXTEND_TIMEOUT_USEC=60000000"
            assert manager.recv(100) == b"READY=1"
            alice.process.send_signal(signal.SIGTERM)
            assert alice.process.wait(STOP_S) == 0
            assert alice.process.stderr
            assert "after an update: 1 of 1" in alice.process.stderr.read()


@pytest.mark.skipif(os.name != "posix", reason="systemd")
def test_a_start_that_looks_through_the_snapshots_asks_for_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long that takes: killed on the way it would begin anew, at each start."""
    home = Home(tmp_path / "alice")
    home.make()
    (home.path / "snapshots.db.damaged").touch()
    address = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(address)
        manager.settimeout(20)
        with daemon(home.path) as alice:
            assert manager.recv(100) == b"EXTEND_TIMEOUT_USEC=60000000"
            assert manager.recv(100) == b"READY=1"
            alice.process.send_signal(signal.SIGTERM)
            assert alice.process.wait(STOP_S) == 0
            assert alice.process.stderr
            assert "snapshots.db is being looked through, 0 B" in alice.process.stderr.read()


def test_how_far_a_damaged_file_of_snapshots_is_written_anew_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = Home(tmp_path)
    home.database.with_name("snapshots.db").write_bytes(bytes(4 << 20))
    home.database.with_name("snapshots.db.new").write_bytes(bytes(1 << 20))
    with caplog.at_level(logging.INFO):
        tell_rescue(home)
    assert caplog.messages == ["snapshots.db: 1.0 MiB of 4.0 MiB written anew"]


def test_a_port_in_use_is_a_sentence(tmp_path: Path) -> None:
    with daemon(tmp_path / "alice") as alice:
        wanted = [
            sys.executable, str(ROOT / "cli.py"), "--home", str(tmp_path / "bob"), "up",
            "--port", str(alice.port), "--listen", "127.0.0.1:0", "--no-mdns",
        ]  # fmt: skip
        bob = subprocess.run(wanted, capture_output=True, text=True, check=False, timeout=60)
        assert bob.returncode == 1
        assert f"cannot listen on 127.0.0.1:{alice.port}" in bob.stderr
        assert "Traceback" not in bob.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="limits the files of a running process")
def test_a_disk_that_takes_no_more_is_said_and_stops_nobody(tmp_path: Path) -> None:
    """What is asked fails with a reason, peers are met again, and with room all is well."""

    def publish(node: Daemon, name: str) -> tuple[int, Any]:
        module = new_module(f"org.example.{name}", "1.0.0")
        return node.ask("POST", "/api/modules", module, token=node.token())

    def until(is_true: Callable[[], Any]) -> None:
        deadline_s = time.monotonic() + 30
        while not is_true():
            assert time.monotonic() < deadline_s
            time.sleep(0.1)

    with daemon(tmp_path / "alice") as alice, daemon(tmp_path / "bob") as bob:
        assert publish(bob, "bobs")[0] == 201
        log = tmp_path / "alice" / "panspermia.db-wal"
        limit_files(alice.process.pid, log.stat().st_size + 1_000)
        status, problem = publish(alice, "alices")
        assert (status, problem["code"]) == (500, "storage-failed")
        alice.ask("POST", "/api/peers", {"address": bob.ready["p2p"]}, token=alice.token())
        peers = "/api/peers"
        until(lambda: "disk I/O error" in str(alice.ask("GET", peers)[1]["discovered"]))
        assert alice.ask("GET", "/readyz")[0] == 200
        limit_files(alice.process.pid, None)
        assert publish(alice, "alices")[0] == 201
        until(lambda: len(alice.ask("GET", "/api/modules")[1]["modules"]) == 2)
        alice.process.send_signal(signal.SIGTERM)
        _, said = alice.process.communicate(timeout=STOP_S)
        assert alice.process.returncode == 0
        assert "Traceback" not in said


def limit_files(pid: int, size_bytes: int | None) -> None:
    """No file of the process grows beyond: writing there is an I/O error, as on a broken disk."""
    import resource  # Windows has none

    soft = resource.RLIM_INFINITY if size_bytes is None else size_bytes
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))


@pytest.mark.skipif(sys.platform != "linux", reason="reads the process's sockets from /proc")
@pytest.mark.parametrize("is_silent", [True, False])
def test_no_mdns_opens_no_socket_that_could_speak_to_everybody(
    tmp_path: Path, is_silent: bool
) -> None:
    home = tmp_path / "alice"
    home.mkdir(mode=0o700)
    (home / "config.toml").write_text('[p2p]\nmdns_group = "test-of-silence"\n')
    with daemon(home, is_silent=is_silent) as alice:
        deadline_s = time.monotonic() + 10
        while not (speaks := bool(datagram_sockets(alice.process.pid))) and not is_silent:
            assert time.monotonic() < deadline_s
        assert speaks is not is_silent


def datagram_sockets(pid: int) -> set[str]:
    """The inodes of the UDP sockets of a process."""
    tables = [Path(f"/proc/{pid}/net/{name}") for name in ("udp", "udp6")]
    rows = [row for table in tables if table.exists() for row in table.read_text().splitlines()[1:]]
    links: list[str] = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            links.append(os.readlink(descriptor))
    return {row.split()[9] for row in rows} & {link[len("socket:[") : -1] for link in links}
