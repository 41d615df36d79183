"""Codes by which the node's page may act: shown by `panspermia open`, typed into the page.

No other way brings a secret from a terminal into a browser unseen: what stands in the address of a
page, everybody on the machine can read in the browser's arguments. See docs/decisions/0058.
"""

import secrets
from collections.abc import Callable
from typing import Final

from node.errors import NotAllowed
from p2p.protocol.invites.code import ALPHABET

CODE_CHARACTERS: Final = 8  # 40 bits, for `WRONG_MAX` guesses
LIFE_S: Final = 600.0
WRONG_MAX: Final = 5
"""Guesses; then the code is dead, and whoever has the token asks for another."""
TEXT_CHARACTERS_MAX: Final = 64

_READ_AS: Final = str.maketrans("OIL", "011", " -\t\r\n")


class PageCodes:
    """One code at a time; the newest alone counts. Of use once."""

    def __init__(
        self,
        clock_s: Callable[[], float],
        choose: Callable[[str], str] = secrets.choice,
    ) -> None:
        """`clock_s` is Unix time; `choose` takes one character of an alphabet, unguessably."""
        self._clock_s = clock_s
        self._choose = choose
        self._code = ""
        self._until_s = 0.0
        self._wrong = 0

    def make(self) -> tuple[str, float]:
        """A code such as `K7QX-2M9P`, and until when it is of use."""
        self._code = "".join(self._choose(ALPHABET) for _ in range(CODE_CHARACTERS))
        self._until_s, self._wrong = self._clock_s() + LIFE_S, 0
        half = CODE_CHARACTERS // 2
        return f"{self._code[:half]}-{self._code[half:]}", self._until_s

    def take(self, text: str) -> None:
        """Raises `NotAllowed` for all but the code, which is of no use any more then."""
        typed = text.upper().translate(_READ_AS)
        if not self._code or self._clock_s() >= self._until_s:
            self._code = ""
            raise _refused("there is no code just now")
        if not secrets.compare_digest(typed.encode(errors="replace"), self._code.encode()):
            self._wrong += 1
            if self._wrong >= WRONG_MAX:
                self._code = ""
                raise _refused("it was mistyped too often, and is of no use any more")
            raise NotAllowed("that is not the code: look at it again", code="page-code")
        self._code = ""


def _refused(why: str) -> NotAllowed:
    return NotAllowed(f"{why}; for another: panspermia open", code="page-code")
