"""What the codes about passages and travel mean: rows of `node.meanings`, (means, do)."""

from collections.abc import Mapping
from typing import Final

PASSAGES: Final[Mapping[str, tuple[str, str]]] = {
    "unknown-universe": (
        "No universe of that name is known here.",
        "A passage leads from a universe that is there already; `panspermia sync` may bring more.",
    ),
    "not-together": (
        "A passage joins universes of one namespace; these two lie in two, or are not here.",
        "Fork one of them for the readers of the other, and join that fork.",
    ),
    "unknown-passage": (
        "No passage of that id is known here.",
        "`panspermia passage list` shows those that are; `panspermia sync` may bring more.",
    ),
    "ambiguous-passage": (
        "Several authors propose a passage of that id.",
        "`candidates` names them: give one in full.",
    ),
    "unknown-migration": (
        "No traveller left or is on its way under that id.",
        "`panspermia passage show` names those of a passage.",
    ),
    "ambiguous-migration": (
        "Several travellers left under that id.",
        "`candidates` names their souls, or where they are of one soul the universes that they come"
        " from: say which with `soul` or `origin`, in the shell --soul NAME or --origin UNIVERSE.",
    ),
    "cannot-travel": (
        "The gate of that universe does not sign that: the traveller is elsewhere, another device"
        " is the gate, receipts are missing, the other end answers nobody more through that"
        " passage, or a universe has no room for all that follows. Nothing changed.",
        "The detail says which. The gate of a lost device is taken over with"
        " `panspermia passage gate`, after `panspermia sync`: what a restored home lacks of its"
        " own comes from others. Where that is lost for good, `--anyway` goes on without it. Of"
        " a partner that says so and lies, `panspermia passage close` believes nothing more.",
    ),
    "passage-closed": (
        "Nobody travels through a passage that is not accepted yet, or that one owner closed.",
        "Its other owner accepts it: `panspermia passage accept`, which opens a half again that its"
        " owner closed; or create another one.",
    ),
    "passage-unstable": (
        "Nobody looked after that passage for so long that it carries nobody. Who is under way"
        " still arrives.",
        "Either owner looks after it: `panspermia passage maintain PASSAGE`.",
    ),
    "passage-accepted": (
        "Where a passage leads cannot be changed once the other owner accepted it.",
        "Close it, and propose another one.",
    ),
    "passage-exists": (
        "This author has another passage of that id, proposed or accepted.",
        "Take another id, or ask for a proposal under another one.",
    ),
    "own-passage": (
        "Who proposed a passage does not accept it: the other owner does. Your half of it is not"
        " closed.",
        "Where both universes are yours it is open already; a half that the other owner closed they"
        " open again.",
    ),
    "not-your-passage": (
        "Only an owner of one of its two universes proposes, accepts or closes a passage.",
        "`panspermia passage show` names them.",
    ),
    "not-your-universe": (
        "Who leaves a universe, who is called back to it and which device is its gate is its"
        " owner's to say.",
        "`panspermia universe show` names the owner; fork it to go on from it in one of yours.",
    ),
    "not-an-end": (
        "The passage does not lead from that universe.",
        "`panspermia passage show` names its two ends.",
    ),
    "traveller-too-large": (
        "A traveller has 1 to 8,388,608 bytes, a MigrateEntity 32,768 at most.",
        "Send what makes it itself, and leave to the other game what that can make anew.",
    ),
    "story-too-long": (
        "Where that traveller is depends on more than is read for one answer, or on what is damaged"
        " here.",
        "Let it begin anew as a traveller of the universe it is in; what is damaged comes back with"
        " a backup.",
    ),
}
