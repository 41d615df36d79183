"""What is told of blobs that are being fetched."""

import msgspec
import pytest
from msgspec import to_builtins

from crdt.blob import BlobId
from node.api.transfer import Transfer
from node.commands.status import transfer_text
from node.errors import BadSetting
from node.events import Event, Events
from node.settings import load_config
from node.transfers import ENDED_MAX, ENDED_S, BlobTeller, rate_of, show_transfers
from p2p.protocol.effects import BlobFailed, BlobFetched, BlobProgress

BLOB = BlobId(bytes(32))


def progress(size: int, came_s: float = 0.0, waits_for: str = "") -> BlobProgress:
    return BlobProgress(BLOB, size // 10, 10, size, 100, 2, 5.4, True, came_s, waits_for)


async def told(events: Events) -> list[dict[str, object]]:
    found: list[Event] = []
    async for event in events.follow(0):
        found.append(event)
        if event.id == events.last:
            break
    return [msgspec.json.decode(event.data) for event in found if event.type == "blob"]


async def test_progress_is_told_once_a_second_and_the_end_at_once() -> None:
    events, now_s = Events(), 0.0
    teller = BlobTeller(events, lambda: now_s)
    for size in (10, 20, 30):
        teller.tell(progress(size))
    now_s = 1.5
    teller.tell(progress(90))
    teller.tell(BlobFetched(BLOB, 100))
    assert [one["size"] for one in await told(events)] == [10, 90, 100]
    assert [one["state"] for one in await told(events)] == ["fetching", "fetching", "fetched"]


async def test_why_one_failed_is_told() -> None:
    events = Events()
    BlobTeller(events, lambda: 0.0).tell(BlobFailed(BLOB, "not-held", "no peer is connected"))
    assert [one["reason"] for one in await told(events)] == ["no peer is connected"]


def test_what_is_being_fetched() -> None:
    assert show_transfers({BLOB: None}, 7.0) == [Transfer("00" * 32)]
    (shown,) = show_transfers({BLOB: progress(40, came_s=7.0)}, 8.0)
    assert shown == Transfer("00" * 32, 40, 100, 4, 10, 2, 5, "fetching", True, "", 1.0)


def test_where_nothing_comes_no_rate_and_no_end_is_shown() -> None:
    (shown,) = show_transfers({BLOB: progress(20, came_s=7.0)}, 49.0)
    assert (shown.bytes_per_s, shown.limited, shown.quiet_s) == (0, False, 42.0)
    line = transfer_text(to_builtins(shown))
    assert line == "fetching 0000000000000000, 20% of 100 B, 2 peers, nothing came for 42 s"
    (waits,) = show_transfers({BLOB: progress(20, waits_for="no peer is connected\x1b")}, 1.0)
    line = transfer_text(to_builtins(waits))
    assert line == (
        "fetching 0000000000000000, 20% of 100 B, no peer is connected\\u{1b}:"
        " it waits for one that has it"
    )


async def test_that_one_waits_is_told_without_delay() -> None:
    events = Events()
    teller = BlobTeller(events, lambda: 0.0)
    teller.tell(progress(10))
    teller.tell(progress(20))
    teller.tell(progress(20, waits_for="no peer is connected"))
    assert [one["reason"] for one in await told(events)] == ["", "no peer is connected"]


def test_what_is_being_fetched_fits_a_line() -> None:
    half = Transfer("ab" * 32, 40 << 20, 80 << 20, 4, 10, 1, 5 << 20, "fetching")
    assert transfer_text(to_builtins(half)) == (
        "fetching abababababababab, 50% of 80.0 MiB, 5.0 MiB/s, 1 peer, 8 s to go"
    )
    asking = transfer_text(to_builtins(Transfer("ab" * 32)))
    assert asking == "fetching abababababababab, asking for it"


def test_how_one_ended_is_known_for_a_minute_unless_it_runs_again() -> None:
    now_s = 0.0
    teller = BlobTeller(Events(), lambda: now_s)
    teller.tell(BlobFailed(BLOB, "not-held", "no peer is connected"))
    failed = Transfer("00" * 32, state="failed", reason="no peer is connected")
    assert teller.ended(()) == [failed]
    assert teller.ended({BLOB}) == []
    teller.tell(BlobFetched(BLOB, 100))
    assert teller.ended(()) == [Transfer("00" * 32, 100, 100, state="fetched")]
    for number in range(1, 3 * ENDED_MAX):
        teller.tell(BlobFetched(BlobId(number.to_bytes(32)), number))
    newest = [one.size for one in teller.ended(())]
    assert newest == list(range(3 * ENDED_MAX - 1, 2 * ENDED_MAX - 1, -1))
    now_s = ENDED_S + 1
    assert teller.ended(()) == []


def test_limits_of_bandwidth_are_settings() -> None:
    config = load_config({}, {}, '[p2p]\nupload = "1.5MiB"\n').config
    assert rate_of(config.p2p.upload) == 1.5 * 1024 * 1024
    assert rate_of(config.p2p.download_peer) == 0.0
    with pytest.raises(BadSetting, match=r"p2p.download.*is not none, or bytes a second"):
        load_config({}, {"PANSPERMIA_P2P_DOWNLOAD": "fast"}, "")
