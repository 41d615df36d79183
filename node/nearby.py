"""Who is on this network, as mDNS tells: hints, and among them the signs of open invites."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Final

from p2p.discovery.mdns import Announcement, Mdns
from p2p.protocol.hint import Hint
from p2p.protocol.invites.keys import SIGN_BYTES

NEARBY_MAX: Final = 256
"""As many as the dialler knows at once: forged announcements are free."""


class Nearby:
    """Nodes on this network, by what they announced last; `mdns` is None where it is off."""

    def __init__(
        self,
        tell: Callable[[Hint], None],
        own: Announcement | None,
        addresses: Callable[[], tuple[str, ...]],
    ) -> None:
        """`tell`: who hears of everybody, as a dialler does; `own`: announced, if it is there.

        `addresses`: those to announce, as of each time.
        """
        self.mdns: Mdns | None = None
        self._tell = tell
        self._own = own
        self._addresses = addresses
        self._hints: OrderedDict[str, Hint] = OrderedDict()
        self._listeners: list[Callable[[Hint], None]] = []

    def look_around(self, issued_us: Callable[[], int], tasks: asyncio.TaskGroup) -> None:
        """From now on, in `tasks`, if at all; `issued_us`: of this device's card, which is told."""
        if self._own is not None:
            self.mdns = Mdns(self._own, self.note, addresses=self._addresses, issued_us=issued_us)
            tasks.create_task(self.mdns.run(), name="mdns")

    @property
    def is_looking(self) -> bool:
        return self.mdns is not None

    def show(self, signs: tuple[bytes, ...]) -> None:
        """What this node announces beside itself: the signs of its open invites."""
        if self.mdns is not None:
            self.mdns.show(signs)

    def note(self, hint: Hint) -> None:
        """mDNS tells of somebody."""
        self._hints[hint.device_did] = hint
        self._hints.move_to_end(hint.device_did)
        if len(self._hints) > NEARBY_MAX:
            self._hints.popitem(last=False)
        for listener in tuple(self._listeners):
            listener(hint)
        self._tell(hint)

    @asynccontextmanager
    async def showing(self, sign: bytes, found: Callable[[Hint], None]) -> AsyncGenerator[None]:
        """`found` hears of all who show `sign`, now or until the block is left."""

        def look(hint: Hint) -> None:
            shown = hint.invites
            if sign in (shown[at : at + SIGN_BYTES] for at in range(0, len(shown), SIGN_BYTES)):
                found(hint)

        for hint in tuple(self._hints.values()):
            look(hint)
        self._listeners.append(look)
        try:
            yield
        finally:
            self._listeners.remove(look)
