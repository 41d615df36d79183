"""Codes of relays, circuits and letters: code: (means, do)."""

from collections.abc import Mapping
from typing import Final

_LIES = "Nothing was taken. Use another relay, and tell its operator."

RELAYS: Final[Mapping[str, tuple[str, str]]] = {
    "another-relay": (
        "The relay has another key than it is named with.", "Ask its operator for its URL."
    ),
    "card-device": (
        "A device gave another device's card as its own. It was not kept.",
        "Only whoever runs that device can mend it.",
    ),
    "card-of-another": ("A relay gave a card of somebody else than was asked for.", _LIES),
    "closed": ("The circuit has ended.", "Nothing: it is opened again when it is needed."),
    "draining": ("The relay is about to stop.", "Nothing: this node looks for it again."),
    "join": ("Somebody joined a circuit and did not say which.", "Nothing."),
    "lapsed": ("A registration at the relay was not renewed in time.", "Nothing: it comes again."),
    "letter-author": ("A letter names an author who gave its writer no right.", "Nothing."),
    "letter-bytes": ("A letter cannot be read.", "Nothing: only its writer can mend it."),
    "letter-for-another": ("A letter was written for another device.", "Nothing: it was dropped."),
    "letter-length": ("A letter is empty, or too long.", "Send it in parts, or a record of yours."),
    "letter-sealed": (
        "A letter is sealed for another key, or was altered on the way.",
        "Nothing; perhaps it was written before this home was restored from a backup.",
    ),
    "letter-signature": ("A letter is not signed by whom it names.", "Nothing: it was dropped."),
    "letter-version": ("A letter is of another version.", "Update the older of the two nodes."),
    "mailbox-full": ("The relay holds too many letters for them.", "Wait until they were online."),
    "not-joined": ("The other end did not join the circuit.", "Try again when they are online."),
    "no-circuit": ("There is no such circuit, or no more.", "Nothing: it is asked for anew."),
    "no-relay": (
        "This node has no relay.", "Start it with one: panspermia up --relay relay://HOST:PORT"
    ),
    "not-here": ("That device is not registered at the relay now.", "Wait until it is online."),
    "not-known-here": (
        "No device of theirs registered at the relay of late.",
        "Ask them through which relay they can be reached, and name it: --relay URL",
    ),
    "not-reading": (
        "That device does not read what it is sent fast enough.", "Nothing: it is tried again."
    ),
    "not-stored": ("The relay could not keep it.", "Try another relay; its operator can mend it."),
    "relay-away": ("The relay is not connected.", "`panspermia peers` says why."),
    "relay-full": ("The relay has no room for more.", "Try again later, or another relay."),
    "relay-lies": ("A relay said what it cannot say.", _LIES),
    "relay-silent": ("The relay did not answer in time.", "Try again later."),
    "relay-url": (
        "That is no relay's URL.", "Write it as relay://HOST:PORT, ws://… or wss://HOST/PATH."
    ),
    "replaced": (
        "The same device registered at the relay by a newer connection.",
        "If this goes on, two nodes have one device key: panspermia doctor",
    ),
    "said-goodbye": ("A client of this relay said goodbye.", "Nothing."),
    "tag-taken": ("Something else lies at the relay under that tag.", "Make a new invite."),
    "too-many-circuits": ("One of the two has too many circuits.", "Nothing: it is tried again."),
    "too-many-letters": (
        "Too many letters of this device wait at the relay.", "Wait until some were collected."
    ),
    "too-many-posts": ("Too many posts of this device lie at the relay.", "Cancel some invites."),
    "too-many-questions": ("The relay has not answered earlier questions yet.", "Try again later."),
    "too-many-relays": ("This node uses many relays already.", "Leave one: p2p.relays"),
    "unknown-letter": ("There is no letter of that number.", "panspermia letter list"),
    "wrong-token": (
        "The relay is private, and the token is not the one it takes.",
        "Ask its operator, and write it into the URL: relay://HOST:PORT?token=…",
    ),
}  # fmt: skip
