"""Web pages that were turned away, told in the log: a browser hides from the game why.

Each origin once, as far as `TOLD_MAX`, with the command that lets it in where there is one. What
comes in a header may be anything: only what the setting takes stands in a command.
"""

import re
import shlex
from collections.abc import Iterable
from typing import Final

from node.api.cross_origin import as_browsers_say
from node.errors import BadSetting
from node.logs import without_secrets
from node.settings import check_setting
from node.text import printable

SETTING: Final = "api.allowed_origins"
TOLD_MAX: Final = 32
"""More pages than anybody works on: the rest is a page that tries, or a program."""
SHOWN_CHARACTERS_MAX: Final = 100
USER: Final = re.compile(r"//[^/]*@")
"""No browser says whom a page was asked for by; with a password it is a secret."""
OPAQUE: Final = "null"
"""What a browser sends for a page of no origin: the HTML standard's opaque one."""


class RefusedOrigins:
    """`allowed`: pages that may call already, as browsers say them; `home_flag`: `--home … `."""

    def __init__(self, allowed: Iterable[str] = (), home_flag: str = "") -> None:
        self._allowed = tuple(sorted(allowed))
        self._home_flag = home_flag
        self._told: set[str] = set()

    def line(self, origin: str) -> str | None:
        """What the log is to say of this one; None where it was said."""
        shown = origin if len(origin) <= SHOWN_CHARACTERS_MAX else _cut(origin)
        if shown in self._told or len(self._told) >= TOLD_MAX:
            return None
        self._told.add(shown)
        end = ""
        if len(self._told) == TOLD_MAX:
            end = f". These are {TOLD_MAX} pages: of others nothing is said until the next start"
        return f"refused a web page of {_safe(shown)}: {self._way_in(origin)}{end}"

    def _way_in(self, origin: str) -> str:
        if origin == OPAQUE:
            return (
                "it was opened from a file or in a closed frame, and cannot be let in; served by"
                " http://localhost:PORT it can"
            )
        if not _is_allowable(origin):
            return "no setting lets that in, only http:// and https:// pages as browsers name them"
        # The setting holds all of them: those that are allowed stay.
        value = shlex.quote(",".join((*self._allowed, origin)))
        command = f"panspermia {self._home_flag}config set {SETTING} {value}"
        return f"if you trust it, `{command}`, and start the node anew"


def _is_allowable(origin: str) -> bool:
    # The pattern of the setting overlooks a line's end.
    if not origin.isprintable() or origin != as_browsers_say(origin):
        return False
    try:
        check_setting(SETTING, [origin])
    except BadSetting:
        return False
    return True


def _cut(origin: str) -> str:
    return f"{without_secrets(origin[: 2 * SHOWN_CHARACTERS_MAX])[:SHOWN_CHARACTERS_MAX]}…"


def _safe(text: str) -> str:
    return printable(USER.sub("//", without_secrets(text))) or "no name"
