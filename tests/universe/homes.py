"""What one author's node holds of gates, and three honest authors beside mallory."""

from dataclasses import dataclass, field

from crdt.ed25519 import SigningKey
from tests.registry.attested import CAROL_DID
from tests.universe.passengers import MEADOW, REEF, VOID, key_of
from universe.behind import missing_of
from universe.gates import CheckedHandOver, HandOver, check_hand_over, sign_hand_over
from universe.lines import Lines
from universe.receipts import Checked, Receipt, Traveller, Who, check_receipt, sign_receipt

CAVE = f"{CAROL_DID}/universe:cave"
HONEST = (MEADOW, REEF, CAVE)
EVERYWHERE = (*HONEST, VOID)
TRAVELLERS = tuple(
    Traveller.of(Who(home, soul), soul.encode(), "json")
    for home, soul in ((MEADOW, "fox"), (MEADOW, "hen"), (REEF, "eel"), (CAVE, "bat"))
)


@dataclass
class Node:
    """What one author's node holds, written down before anybody sees it."""

    universe: str
    key: SigningKey
    receipts: dict[bytes, Checked] = field(default_factory=dict[bytes, Checked])
    gates: dict[bytes, CheckedHandOver] = field(default_factory=dict[bytes, CheckedHandOver])
    recalled: set[bytes] = field(default_factory=set[bytes])
    given_up: dict[str, int] = field(default_factory=dict[str, int])

    def copied(self) -> "Node":
        """Its home, as a copy of the disk has it."""
        held = (dict(self.receipts), dict(self.gates), set(self.recalled), dict(self.given_up))
        return Node(self.universe, self.key, *held)

    def missing(self) -> list[Checked]:
        """What honest others answered, and it does not hold: what mallory says may stop a gate."""
        lines, known = self.lines, self.receipts.keys()
        return [
            one
            for other in HONEST
            for one in missing_of(self.universe, other, lines, known=known, given_up=self.given_up)
        ]

    @property
    def lines(self) -> Lines:
        return Lines(self.receipts.values(), self.gates.values())

    def write(self, receipt: Receipt) -> Checked:
        one = check_receipt(sign_receipt(receipt, self.key))
        self.receipts[one.id] = one
        return one


def carols_gate() -> CheckedHandOver:
    key = key_of(104)
    return check_hand_over(sign_hand_over(HandOver(CAVE, 1, key.public, key.public), key))
