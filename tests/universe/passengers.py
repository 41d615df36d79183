"""Three universes of three people with a gate each, and what they sign."""

from collections.abc import Iterable
from typing import Final

from crdt.ed25519 import SigningKey
from tests.registry.attested import MALLORY_DID
from tests.registry.people import ALICE_DID, BOB_DID, NOON_US
from universe.gate import Now, Verdict, Wish, due, hand_over, send
from universe.gates import CheckedHandOver, check_hand_over, sign_hand_over
from universe.lines import Lines
from universe.receipts import Checked, Receipt, Traveller, Who, check_receipt, sign_receipt

MEADOW: Final = f"{ALICE_DID}/universe:meadow"
REEF: Final = f"{BOB_DID}/universe:reef"
VOID: Final = f"{MALLORY_DID}/universe:void"
PASSAGE: Final = f"{ALICE_DID}/passage:1"
NOW: Final = Now(100, NOON_US)
ACCEPT: Final = Verdict("accept")
NO_ROOM: Final = Verdict("refuse", "no room")


def key_of(number: int) -> SigningKey:
    return SigningKey.from_seed(bytes([number]) * 32)


KEYS: Final = {MEADOW: key_of(101), REEF: key_of(102), VOID: key_of(103)}
FOX: Final = Traveller.of(Who(MEADOW, "fox"), b'{"legs":4}', "json")
EEL: Final = Traveller.of(Who(REEF, "eel"), b'{"legs":0}', "json")


def first_gate(universe: str) -> CheckedHandOver:
    return handed(universe, KEYS[universe], Lines([], []))


def handed(
    universe: str, key: SigningKey, lines: Lines, *, anyway: bool = False
) -> CheckedHandOver:
    said = hand_over(universe, key.public, key.public, lines, NOON_US, anyway=anyway)
    return check_hand_over(sign_hand_over(said, key))


GATES: Final = tuple(first_gate(name) for name in KEYS)


def signed(receipt: Receipt, key: SigningKey | None = None) -> Checked:
    return check_receipt(sign_receipt(receipt, key or KEYS[receipt.universe]))


def lines_of(*receipts: Checked, gates: Iterable[CheckedHandOver] = GATES) -> Lines:
    return Lines(receipts, gates)


def wish_of(traveller: Traveller, target: str, migration: int = 1) -> Wish:
    return Wish(bytes([migration]) * 16, PASSAGE, target, traveller)


def sent(
    traveller: Traveller, source: str, target: str, *held: Checked, migration: int = 1
) -> Checked:
    said = send(
        source, KEYS[source].public, wish_of(traveller, target, migration), lines_of(*held), NOW
    )
    return signed(said) if isinstance(said, Receipt) else said


def answered(
    universe: str, *held: Checked, verdict: Verdict = ACCEPT, now: Now = NOW
) -> list[Checked]:
    key = KEYS[universe].public
    found = due(universe, key, lines_of(*held), now, judge=lambda one: verdict)
    return [signed(one) for one in found]
