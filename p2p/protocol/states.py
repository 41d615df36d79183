"""The states of a session, and which frame is allowed in which: the table that the session obeys.

Whatever is not in the table ends the session. `diagram` draws it for docs/protocol/session.md.
"""

from collections.abc import Mapping
from enum import Enum

from p2p.protocol.frames import (
    FRAMES,
    Bye,
    Frame,
    Hello,
    Interests,
    Ping,
    Pong,
    Present,
)


class State(Enum):
    """What this side waits for."""

    GREETING = "greeting"  # the peer's Hello
    PRESENTING = "presenting"  # the peer's Present
    AGREEING = "agreeing"  # the peer's Interests
    OPEN = "open"  # anything but a second Hello
    CLOSED = "closed"  # nothing: frames that still arrive are dropped


OPEN_FRAMES: Mapping[type[Frame], State] = {Bye: State.CLOSED}

TRANSITIONS: Mapping[State, Mapping[type[Frame], State]] = {
    State.GREETING: {Hello: State.PRESENTING, Bye: State.CLOSED},
    State.PRESENTING: {
        Present: State.AGREEING,
        Ping: State.PRESENTING,
        Pong: State.PRESENTING,
        Bye: State.CLOSED,
    },
    State.AGREEING: {
        Interests: State.OPEN,
        Ping: State.AGREEING,
        Pong: State.AGREEING,
        Bye: State.CLOSED,
    },
    State.OPEN: {kind: OPEN_FRAMES.get(kind, State.OPEN) for kind in FRAMES if kind is not Hello},
    State.CLOSED: {},
}


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> greeting: we send Hello"]
    for state, allowed in TRANSITIONS.items():
        for target in State:
            names = [kind.__name__ for kind, to in allowed.items() if to is target]
            if names:
                lines.append(f"    {state.value} --> {target.value}: {', '.join(names)}")
        if state is not State.CLOSED:
            lines.append(f"    {state.value} --> closed: any other frame · silence")
    return "\n".join([*lines, "    closed --> [*]"])
