"""The file of refusals that wait for a node: durable, bounded, and nothing in it can hurt."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest

from node import spool
from node.refusals import take_in
from node.spool import Spooled
from tests.node.parts import open_alice


def slip(number: int = 0, at_us: int = 1, count: int = 1) -> Spooled:
    return Spooled("panspermia search", "usage", f"{number} is wrong", at_us, count)


def test_repeats_are_counted_and_move_to_the_end(tmp_path: Path) -> None:
    home = str(tmp_path)
    for number, at_us in ((1, 10), (2, 20), (1, 30)):
        spool.put(home, slip(number, at_us))
    assert spool.read(home) == [slip(2, 20), slip(1, 30, 2)]
    assert (tmp_path / spool.FILE).stat().st_mode & 0o777 == 0o600
    assert os.listdir(home) == [spool.FILE]


def test_the_oldest_make_room(tmp_path: Path) -> None:
    home, more = str(tmp_path), 7
    lines = [json.dumps(asdict(slip(number))) for number in range(spool.RECORDS_MAX)]
    (tmp_path / spool.FILE).write_text("\n".join(lines) + "\n")
    for number in range(more):
        spool.put(home, slip(1_000 + number))
    kept = spool.read(home)
    assert len(kept) == spool.RECORDS_MAX
    assert (kept[0], kept[-1]) == (slip(more), slip(1_000 + more - 1))


def test_many_at_once_lose_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "LOCK_S", 60.0)  # all of them on a busy disk may take a second
    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(spool.put, str(tmp_path), slip()) for _ in range(40)]
    assert [one.exception() for one in done] == [None] * 40
    assert [one.count for one in spool.read(str(tmp_path))] == [40]


@pytest.mark.parametrize(
    "line",
    [
        b"", b"{", b"[]", b"7", b"\xff\xfe", b"[" * 100_000, b'"text"',
        b'{"where": 1, "code": "usage", "detail": "", "at_us": 1, "count": 1}',
        b'{"where": "x", "code": "usage", "detail": "", "at_us": -1, "count": 1}',
        b'{"where": "x", "code": "usage", "detail": "", "at_us": 1, "count": 1e99}',
        b'{"where": "x", "code": "usage", "detail": "", "at_us": true, "count": 1}',
        b'{"where": "x", "code": "usage", "detail": "", "at_us": 1, "count": 99999999999999999999}',
    ],
)  # fmt: skip
def test_what_is_no_record_is_passed_over(line: bytes, tmp_path: Path) -> None:
    good = json.dumps(asdict(slip())).encode()
    (tmp_path / spool.FILE).write_bytes(b"\n".join([good, line, good, b""]))
    assert spool.read(str(tmp_path)) == [slip(), slip()]


def test_of_a_huge_file_only_the_end_is_read(tmp_path: Path) -> None:
    with (tmp_path / spool.FILE).open("wb") as file:
        file.truncate(1 << 40)
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + json.dumps(asdict(slip())).encode() + b"\n")
    assert spool.read(str(tmp_path)) == [slip()]


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / spool.FILE)
    for use in (lambda: spool.read(str(tmp_path)), lambda: spool.put(str(tmp_path), slip())):
        with pytest.raises(OSError, match="seek"):
            use()


def test_what_lies_in_its_place_is_neither_followed_nor_written_to(tmp_path: Path) -> None:
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir()
    for link in (os.link, os.symlink):
        for name in (spool.FILE, f"{spool.FILE}.part"):
            other.write_text("precious")
            link(other, home / name)
            spool.put(str(home), slip())
            assert other.read_text() == "precious"
            assert spool.read(str(home)) == [slip()]
            spool.clear(str(home))


def test_a_folder_in_its_place_costs_no_descriptor(tmp_path: Path) -> None:
    (tmp_path / spool.FILE).mkdir()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with pytest.raises(IsADirectoryError):
            spool.read(str(tmp_path))
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_lock_that_stays_taken_is_given_up(tmp_path: Path) -> None:
    with spool.locked(str(tmp_path)), pytest.raises(TimeoutError):
        spool.put(str(tmp_path), slip())
    spool.put(str(tmp_path), slip())


async def test_a_node_takes_it_in_with_its_own_times_and_counts(tmp_path: Path) -> None:
    spool.put(str(tmp_path), slip(1, at_us=1_000_000, count=3))
    async with open_alice(tmp_path) as alice:
        for _ in range(2):
            (one,) = (await alice.client.get("/api/refused")).json()["refused"]
            assert (one["at"], one["count"]) == ("1970-01-01T00:00:01Z", 3)
        assert spool.is_empty(str(tmp_path))
        note = {"where": "panspermia search", "code": "usage", "detail": "1 is wrong"}
        posted = await alice.client.post("/api/refused", json={**note, "source": "command line"})
        assert posted.status_code == 201
        (one,) = (await alice.client.get("/api/refused")).json()["refused"]
        assert one["count"] == 4
        assert (await alice.client.post("/api/refused", json={**note, "source": "peer"})).is_error


async def test_a_node_takes_in_whatever_text_stands_in_it(tmp_path: Path) -> None:
    fields = {**asdict(slip()), "where": "\ud800", "detail": "\udfff" + "x" * 100_000}
    (tmp_path / spool.FILE).write_text(json.dumps(fields) + "\n")
    async with open_alice(tmp_path) as alice:
        (one,) = (await alice.client.get("/api/refused")).json()["refused"]
        assert one["where"] == "\\ud800"
        assert len(one["detail"]) < 10_000


async def test_it_stays_where_it_cannot_be_taken_in(tmp_path: Path) -> None:
    async with open_alice(tmp_path) as alice:
        spool.put(str(tmp_path), slip())
        with spool.locked(str(tmp_path)):
            await take_in(alice.node.store, str(tmp_path))
    assert spool.read(str(tmp_path)) == [slip()]
