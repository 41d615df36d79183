"""Whether a gate is behind: others answered what it does not hold of its own universe.

```
restored from an old backup, or a second device before it synchronised
    ─▸ it lacks receipts of its own ─▸ what it signs says other things under their numbers
                                       ─▸ who left by one of them would leave again
```
An answer names what it answers. So an answer to this universe of what is not held says that
receipts are missing, and the gate signs nothing until they came. Where they are lost for good, the
owner says so with a hand-over: what was answered up to then is given up. Of what nobody answered,
or whose answer is not here yet, nothing tells: who restores synchronises first.

It is the word of the other gate alone, since what would prove it is just what is not here. So it
counts from universes to which an owner has a passage that both agreed to. That the passage was
closed says nothing of what was signed before, so it counts all the same, until the owner gave up
answers so often that somebody must be lying: from then on a closed passage is believed no more.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from shlex import quote
from typing import Final

from registry.errors import CannotTravel
from universe.lines import Lines
from universe.names import parse_full_name
from universe.passage import Passage
from universe.receipts import Checked, Receipt

NAMES_SHOWN: Final = 3
"""Souls and passages in the message: they tell a person what is missing, and by whose word."""
EPOCHS_GIVEN_UP_MAX: Final = 128
"""With so many a gate gives up no answers any more: whoever lies about them is not to use up the
epochs that are for devices which are lost. From then on who closes a passage believes its other end
no more."""


def place_in_chain(receipt: Receipt) -> int:
    """Epoch · 2³² + number: it grows along the chain of a universe."""
    return (receipt.epoch << 32) | receipt.seq


def believed(
    universe: str, passages: Iterable[Passage], *, epoch: int
) -> dict[str, tuple[str, ...]]:
    """Other universe → names of the passages by which it is believed what it says was lost.

    Both owners agreed to each. `epoch`: of the gate of `universe`, 0 where it has none; from
    `EPOCHS_GIVEN_UP_MAX` on its owner need only close a passage.
    """
    author = parse_full_name(universe)[0]
    found: dict[str, tuple[str, ...]] = {}
    for one in sorted(passages, key=lambda one: one.name):
        half, ends = one.half_of(author), one.proposed.ends[:2]
        if universe not in ends or half is None or one.accepted is None:
            continue
        if not half.is_closed or epoch < EPOCHS_GIVEN_UP_MAX:
            other = ends[1] if universe == ends[0] else ends[0]
            found[other] = (*found.get(other, ()), one.name)
    return found


def missing_of(
    universe: str,
    other: str,
    lines: Lines,
    *,
    known: Collection[bytes],
    given_up: Mapping[str, int],
) -> list[Checked]:
    """What the gate of `other` answered to receipts of `universe` that are not `known`.

    Counted there or not: it was signed. `given_up`: other universe → place in its chain up to which
    its answers are known to be to what is lost.
    """
    line, gone = lines[other], given_up.get(other, -1)
    return [
        one
        for one in (*line.receipts, *line.apart)
        if one.receipt.other == universe
        and one.receipt.answers is not None
        and one.receipt.answers not in known
        and place_in_chain(one.receipt) > gone
    ]


def given_up_with(missing: Iterable[Checked], before: Mapping[str, int]) -> dict[str, int]:
    """The marks of who goes on without what these answer."""
    marks = dict(before)
    for one in missing:
        name = one.receipt.universe
        marks[name] = max(marks.get(name, 0), place_in_chain(one.receipt))
    return marks


def check_none_missing(universe: str, missing: Collection[Checked]) -> None:
    """Raises `CannotTravel` (`gate-behind`) that says what is missing, from whom, what to do."""
    if not missing:
        return
    by, souls = _told(missing)
    detail = (
        f"this device is behind: {by} answered {len(missing)} receipts of {universe} that are not"
        f" here, about {souls}. `panspermia sync` brings them from a node that holds them; if they"
        " are lost for good, or were never signed,"
        f" `panspermia passage gate {quote(universe)} --anyway` goes on without them"
    )
    raise CannotTravel(detail, "gate-behind")


def check_may_give_up(
    universe: str, epoch: int, missing: Collection[Checked], passages: Sequence[str]
) -> None:
    """Raises `CannotTravel` (`too-many-gates`) where answers were given up too often.

    `epoch`: of the gate until now. `passages`: those by which who signed them is `believed`.
    """
    if not missing or epoch < EPOCHS_GIVEN_UP_MAX:
        return
    by, souls = _told(missing)
    close = _some([f"`panspermia passage close {quote(one)}`" for one in passages])
    detail = (
        f"the gate of {universe} was handed over {epoch} times, and gives up no more answers:"
        f" {by} answered {len(missing)} receipts that are not here, about {souls}."
        f" to believe them no more costs nothing: {close}"
    )
    raise CannotTravel(detail, "too-many-gates")


def _told(missing: Collection[Checked]) -> tuple[str, str]:
    """Whose word it is, and of whom."""
    by = ", ".join(sorted({one.receipt.universe for one in missing}))
    return by, _some(sorted({one.receipt.traveller.who.soul for one in missing}))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMES_SHOWN]) + (" …" if len(names) > NAMES_SHOWN else "")
