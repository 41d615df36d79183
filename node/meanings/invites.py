"""Codes of live invites: short codes, links, and what may come of them."""

from collections.abc import Mapping
from typing import Final

INVITES: Final[Mapping[str, tuple[str, str]]] = {
    "invite-code": (
        "That is no short code: it has too few characters, or too many.",
        "A short code has four groups of four letters and digits, as K7QX-2M9P-D4TV-8HNE.",
    ),
    "invite-mistyped": (
        "A group of the short code is mistyped; the detail says which.",
        "Look at it again. O and 0 are the same, so are I, L and 1.",
    ),
    "invite-link": (
        "The link of an invite is damaged, cut off, or of another version.",
        "Copy it whole, or scan it again; the short code does as well.",
    ),
    "invite-whereabouts": (
        "What a relay keeps for this invite was not put there by who made it.",
        "Nothing: it is left aside. The link of the invite says where to call.",
    ),
}
