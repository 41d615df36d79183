"""Whether a gate is behind: others answered what it does not hold of its own universe.

```
restored from an old backup, or a second device before it synchronised
    ─▸ it lacks receipts of its own ─▸ what it signs says other things under their numbers
                                       ─▸ who left by one of them would leave again
```
An answer names what it answers. So an answer to this universe of what is not held is proof that
receipts are missing, and the gate signs nothing until they came. Where they are lost for good, the
owner says so with a hand-over: what was answered up to then is given up. Of what nobody answered,
or whose answer is not here yet, there is no proof: who restores synchronises first.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from registry.errors import CannotTravel
from universe.lines import Lines
from universe.receipts import Checked, Receipt

SOULS_SHOWN: Final = 3
"""In the message: who they are tells a person what is missing."""


def place_in_chain(receipt: Receipt) -> int:
    """Epoch · 2³² + number: it grows along the chain of a universe."""
    return (receipt.epoch << 32) | receipt.seq


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
    by = ", ".join(sorted({one.receipt.universe for one in missing}))
    souls = sorted({one.receipt.traveller.who.soul for one in missing})
    shown = ", ".join(souls[:SOULS_SHOWN]) + (" …" if len(souls) > SOULS_SHOWN else "")
    detail = (
        f"this device is behind: {by} answered {len(missing)} receipts of {universe} that are not"
        f" here, about {shown}. `panspermia sync` brings them from a node that holds them; if they"
        f" are lost for good, `panspermia passage gate {universe} --anyway` goes on without them"
    )
    raise CannotTravel(detail, "gate-behind")
