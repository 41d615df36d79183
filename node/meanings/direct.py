"""Codes of direct paths by WebRTC."""

from collections.abc import Mapping
from typing import Final

_RELAYED = "Nothing: what is to be sent goes through a relay until there is a direct path."

# Code -> what it means, what to do.
DIRECT: Final[Mapping[str, tuple[str, str]]] = {
    "signal-bytes": ("What a relay passed on is no signal for this node.", "Nothing."),
    "signal-version": ("A signal is of another version.", "Update the older of the two nodes."),
    "signal-target": ("A signal is for another node.", "Nothing."),
    "signal-time": (
        "A signal has expired, or comes from ahead.",
        "Compare the clocks of both machines; they may differ by five minutes.",
    ),
    "signal-signature": ("A signal was not signed by whom it names.", "Nothing: it was dropped."),
    "signal-key": ("The peer's card names a key that is none.", "Only the peer can mend it."),
    "turn": (
        "A TURN server is not written as it has to be.",
        "Write turn:USER:SECRET@HOST:PORT, with ?transport=tcp where it is.",
    ),
    "webrtc-busy": ("A call by WebRTC is under way already.", "Wait for it: it takes seconds."),
    "webrtc-crossed": ("Both sides called at once; the other's call goes on.", "Nothing."),
    "webrtc-message": ("The peer broke a rule of the data channel, which was closed.", _RELAYED),
    "webrtc-no-path": ("No direct path between the two machines was found.", _RELAYED),
    "webrtc-off": ("WebRTC is off on this node.", "panspermia config set p2p.webrtc true"),
    "webrtc-packet": ("The peer broke a rule of SCTP; its channel was closed.", _RELAYED),
    "webrtc-sdp": ("A description for WebRTC cannot be used.", "The detail says why."),
}
