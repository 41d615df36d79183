"""What the codes about advisories, scanners and options mean, and what to do: code: (means, do)."""

from collections.abc import Mapping
from typing import Final

ADVISORIES: Final[Mapping[str, tuple[str, str]]] = {
    "invalid-advisory": (
        "That cannot be said of a module.",
        "The detail names the text, the range or the name.",
    ),
    "unknown-advisory": (
        "This node's author says no such thing of any module, or not any more.",
        "`panspermia advisory list --author` with your own did:key shows what you say.",
    ),
    "malicious": (
        "Somebody who counts (the author, you, or whom you follow) calls that version malicious;"
        " nothing was installed.",
        "Take another version, or, if you know better, say --accept-risk with the advisory's id,"
        " which is remembered for these bytes of that version, from that namespace.",
    ),
    "ambiguous-advisory": (
        "Several advisories begin so.",
        "`candidates` are their ids: give more digits.",
    ),
    "no-such-option": (
        "Nothing that was asked for has such an optional dependency.",
        "The detail lists them.",
    ),
    "scanner-denied": (
        "The scanner that you set (`install.scanner`) denies it; nothing was installed.",
        "`errors` are its reasons.",
    ),
    "scanner-failed": (
        "The scanner that you set (`install.scanner`) gave no verdict; nothing was installed.",
        "Mend it, or take the setting away: the detail says what it did.",
    ),
}
