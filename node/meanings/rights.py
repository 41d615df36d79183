"""What the codes about rights mean, and what to do: rows of `node.meanings`, code: (means, do)."""

from collections.abc import Mapping
from typing import Final

RIGHTS: Final[Mapping[str, tuple[str, str]]] = {
    "ambiguous-id": (
        "Several things begin with those digits.", "Give more of them: the detail says of what."
    ),
    "bad-grant": (
        "That is no right that can be given there, or to them.", "The detail says what can be."
    ),
    "expired": ("The right's time is over.", "Ask whoever gave it for a new one."),
    "not-a-revocation": (
        "The statement of that id takes nothing back.", "`panspermia cap list` shows those that do."
    ),
    "not-in-force": (
        "The revocation is not in force: it was taken back already, or its issuer lost the right.",
        "Nothing is left to do.",
    ),
    "no-equivocation": (
        "Nothing that is held contradicts that entry, or the two entries do not contradict each"
        " other.",
        "Nothing: the key signed one thing with that number.",
    ),
    "not-a-proof": (
        "The bytes are no proof that a key was used in two places.", "Name another file."
    ),
    "proof-fails": (
        "The file says that a key was used in two places, and does not prove it.",
        "Ask for it again; if it is as it was made, somebody accuses the key's owner falsely.",
    ),
    "record-mismatch": (
        "The manifest is of another module than the one named.", "Name the record of its id."
    ),
    "receiver-revoked": (
        "Whoever it is for was cut off there, so what they are given counts nowhere.",
        "Take that back first: panspermia cap unrevoke, with the id that the detail names.",
    ),
    "revoked-sender": (
        "Whoever brought the entry is who wrote it, or another device of theirs, and their right to"
        " write it was taken back.",
        "Nothing. If they should write again: panspermia cap unrevoke",
    ),
    "too-many-revoked": (
        "So much is held already of what that key wrote after its right was taken back that no more"
        " of it is kept. Of a peer that only passed it on: it is nobody's fault, and the peer is"
        " asked more slowly.",
        "Nothing. `panspermia cap list` shows the revocation; after `panspermia cap unrevoke` a"
        " sync brings the rest.",
    ),
    "unknown-capability": (
        "No capability that begins so is held here.", "See: panspermia cap list --held"
    ),
    "unknown-record": (
        "Nothing is held of that record.",
        "Name it as WHOSE/class/kind/record; a sync may bring it: panspermia sync",
    ),
    "unknown-entry": (
        "No entry whose id begins so is held here.",
        "Give eight hex digits of it or more; a sync may bring it: panspermia sync",
    ),
    "unknown-statement": (
        "No statement whose id begins so is held here.", "See: panspermia cap list"
    ),
    "would-not-count": (
        "What was asked for would be said, and decide nothing.", "The detail says why."
    ),
}  # fmt: skip
