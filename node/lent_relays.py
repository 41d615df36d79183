"""Private relays that this node was invited through, with the tokens it was lent: relays.json.

Without them whoever is reached only there would be out of reach after a restart. The settings come
first; docs/decisions/0055.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec
from msgspec import Struct

from node.errors import BadHome
from node.home import Home, read_small, write_private
from p2p.protocol.errors import LocalProtocolError
from p2p.transport.place import DirectPlace
from p2p.transport.relay.url import RelayUrl

LOG = logging.getLogger(__name__)
LENT_MAX: Final = 16
"""As many relays as a node uses; the one lent first goes."""


class LentFile(Struct, frozen=True):
    """relays.json: URLs with their tokens."""

    relays: tuple[str, ...]


class LentRelays:
    """By their places; `open_lent` reads what was kept."""

    def __init__(self, home: Home, kept: Sequence[RelayUrl] = ()) -> None:
        self._home = home
        self._at: dict[DirectPlace, RelayUrl] = {one.place: one for one in kept}

    def url_at(self, url: RelayUrl) -> RelayUrl:
        """With the token and the key that were lent for this place, where it has no token."""
        return url if url.token else self._at.get(url.place, url)

    async def keep(self, texts: Sequence[str]) -> None:
        """Those with a token, of an invite that was taken. A disk that fails is told in the log."""
        lent = [one for one in _parsed(texts) if one.token]
        if all(self._at.get(one.place) == one for one in lent):
            return
        for one in lent:
            self._at.pop(one.place, None)
            self._at[one.place] = one
        while len(self._at) > LENT_MAX:
            del self._at[next(iter(self._at))]
        file = LentFile(tuple(one.secret_text for one in self._at.values()))
        try:
            await asyncio.to_thread(
                write_private, self._home.lent_relays, msgspec.json.encode(file)
            )
        except BadHome as error:
            LOG.warning("relays of an invite are not known after a restart: %s", error)


async def open_lent(home: Home) -> LentRelays:
    """A file that is damaged is as none: whoever invited can do so again."""
    return LentRelays(home, await asyncio.to_thread(_read, home))


def _read(home: Home) -> Sequence[RelayUrl]:
    try:
        file = msgspec.json.decode(read_small(home.lent_relays), type=LentFile)
    except FileNotFoundError:
        return ()
    except BadHome as error:
        LOG.warning("%s is left out: %s", home.lent_relays, error)
        return ()
    except msgspec.DecodeError:  # what it says of the file might hold a token
        LOG.warning("%s is left out: it is damaged", home.lent_relays)
        return ()
    return _parsed(file.relays[:LENT_MAX])


def _parsed(texts: Sequence[str]) -> list[RelayUrl]:
    found: list[RelayUrl] = []
    for text in texts:
        with suppress(LocalProtocolError):
            found.append(RelayUrl.parse(text))
    return found
