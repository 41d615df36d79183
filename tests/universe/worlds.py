"""A universe of alice's, and states of it."""

from dataclasses import replace
from typing import Final

from blake3 import blake3

from crdt.blob import BlobId
from crdt.change import DocumentId
from crdt.keys import COMMONS, AuthorKey
from registry.head import Words
from tests.registry.people import ALICE, ALICE_DID, ALICE_LAPTOP, NOON_US, Record
from universe.event import Event, encode_event
from universe.record import CLASS, KIND, Facts, add_snapshot, create_universe, fork_universe
from universe.snapshot import Decay, Snapshot, sign_snapshot

MAIN: Final = "universe:main"
STATE: Final = b'{"creatures":[]}'

PLAIN: Final = Snapshot(
    universe=f"{ALICE_DID}/{MAIN}",
    tick=1_000,
    kind="auto",
    blob=BlobId(bytes([7]) * 32),
    size=len(STATE),
    checksum=blake3(STATE).digest(),
    media="application/json",
    at_us=NOON_US,
)
FULL: Final = replace(
    PLAIN,
    kind="canonical",
    day=3,
    parent=bytes([1]) * 32,
    event=bytes([2]) * 16,
    wrapped=True,
    decay=Decay(after=500, is_never=True, reason="The first union."),
)


MAIN_ID: Final = DocumentId(COMMONS, AuthorKey(ALICE.public), CLASS, KIND, MAIN.encode())
FORK_ID: Final = replace(MAIN_ID, record=b"universe:fork")
WORDS: Final = Words("Main", "A quiet ocean.", "MIT", "# Main", ("ocean",))
FACTS: Final = Facts(
    owner="player:alice", visibility="public", config='{"timeScale":2}', retention="{}"
)
UNION: Final = encode_event(Event(1_000, NOON_US, "union", "Two by two", entities=("ann", "bob")))


def world() -> Record:
    """With two snapshots and an event."""
    record = Record(MAIN_ID)
    record.edit(create_universe(WORDS, FACTS, now_us=NOON_US))
    for one in (PLAIN, FULL):
        record.edit(add_snapshot(sign_snapshot(one, ALICE_LAPTOP), UNION, now_us=NOON_US))
    return record


def fork() -> Record:
    record = Record(FORK_ID)
    origin = sign_snapshot(PLAIN, ALICE_LAPTOP)
    record.edit(
        fork_universe(Words("Fork"), Facts(), f"{ALICE_DID}/{MAIN}", origin, now_us=NOON_US)
    )
    return record
