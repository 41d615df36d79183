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
    "invite-name": (
        "Whoever used an invite proposed a name that nobody can have.",
        "Nothing: they were refused, and the invite is still open.",
    ),
    "invite-not-found": (
        "Nobody who made that invite was found: not on this network, by no relay, at no place that"
        " a link names.",
        "The detail says what was tried. The node that made it has to run; its link says where.",
    ),
    "invite-used": (
        "The invite was used by somebody: each is of use once.",
        "If that was not you, tell who made it: `panspermia invite --list` shows them by whom.",
    ),
    "invite-expired": ("The time of the invite is over.", "Ask for another one."),
    "invite-cancelled": ("Who made the invite took it back.", "Ask for another one."),
    "invite-dead": (
        "The secret of the invite was guessed wrong too often, so it is of no use any more.",
        "Ask for another one. Somebody on your network may have tried.",
    ),
    "invite-slow": (
        "Too many wrong codes were tried there a moment ago.",
        "Wait as long as it says.",
    ),
    "invite-proof": ("The secret is not that of the invite.", "Look at the code again."),
    "invite-over": (
        "The invite is used, expired or cancelled already.",
        "There is nothing to cancel.",
    ),
    "no-such-invite": ("That node has made no such invite.", "Look at the code again."),
    "own-invite": (
        "The invite is of the author that this node is of.",
        "Give it to somebody else; a machine of yours takes that of `invite --device`.",
    ),
    "offer-changed": (
        "Something else is offered now than you were shown.",
        "Look again: panspermia accept",
    ),
    "unknown-invite": ("No invite of that id is known here.", "See: panspermia invite --list"),
    "invite-order": (
        "A frame came out of its turn while an invite was redeemed.",
        "Try again; if it happens again, one of the two needs an update.",
    ),
    "invite-impostor": (
        "A node that answers for the invite does not know its secret.",
        "Somebody may be pretending: on this network only who made the invite can know it.",
    ),
    "invite-card": ("A node showed the card of another.", "Nothing was taken."),
    "invite-terms": ("Another offer was confirmed than was made.", "Nothing was given."),
}
