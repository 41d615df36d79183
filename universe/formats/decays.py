"""How long a snapshot was to be kept, as ai_village writes it: in and out.

```
decayPolicy = {decayAfterTicks?, neverDecay?, preservationReason?}       ticks of its own world
```
"""

from typing import Any, Final

from universe.formats.claims import Claims
from universe.snapshot import REASON_CHARACTERS_MAX, Decay

AFTER_MAX: Final = 1 << 53
"""JavaScript has no larger whole numbers."""


def decay_of(told: Claims) -> Decay | None:
    """None where it says nothing that can be."""
    never = told.fields.get("neverDecay")
    if never is not None and not isinstance(never, bool):
        told.doubt("neverDecay", "is neither true nor false")
    reason = told.exact("preservationReason", REASON_CHARACTERS_MAX)
    decay = Decay(told.whole("decayAfterTicks", AFTER_MAX), never is True, reason)
    return None if decay == Decay() else decay


def decay_json(decay: Decay) -> dict[str, Any]:
    """What is not said is left out."""
    found: dict[str, Any] = {
        "decayAfterTicks": decay.after,
        "neverDecay": decay.is_never or None,
        "preservationReason": decay.reason or None,
    }
    return {key: value for key, value in found.items() if value is not None}
