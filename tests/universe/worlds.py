"""A universe of alice's, and states of it."""

from dataclasses import replace
from typing import Final

from blake3 import blake3

from crdt.blob import BlobId
from tests.registry.people import ALICE_DID, NOON_US
from universe.snapshot import Decay, Snapshot

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
