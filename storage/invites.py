"""Invites that this node made: kept until they are used, expired, cancelled or guessed at.

    open ──claim──▸ claimed ──finish──▸ used
      │  └──too many wrong guesses──▸ dead        what is claimed ends as used, also when its
      ├──cancel──▸ cancelled                      time is over
      └──its time is over──▸ expired

What is secret of an invite (`key`, `seed`, `given`) is overwritten with zeros in the transaction in
which it ends. What has ended is kept for a while without it, so that it can be listed, and so that
whoever comes too late is told why.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from crdt.keys import AuthorKey, DeviceKey
from storage.database import Reading, Writing
from storage.errors import OverQuota
from storage.part import Part

InviteState: TypeAlias = Literal["open", "claimed", "used", "expired", "cancelled", "dead"]
LIVE: Final = ("open", "claimed")

INVITES_OPEN_MAX = 32
"""At one time: each is announced, and posted to relays."""
INVITES_KEPT_MAX = 200
"""That have ended; those that ended longest ago are forgotten."""
SET_BACK_US: Final = 60_000_000
"""By which a clock may be set back while an invite is open; it lasts so much longer at most."""


@dataclass(frozen=True, slots=True)
class Invite:
    """One row. `key`, `seed` and `given` are None where they are gone, or not there yet."""

    id: bytes
    tag: bytes
    key: bytes | None = dataclasses.field(repr=False)
    seed: bytes | None = dataclasses.field(repr=False)
    terms: bytes = dataclasses.field(repr=False)
    state: InviteState
    wrong: int
    made_us: int
    expires_us: int
    ended_us: int | None = None
    author: AuthorKey | None = None
    device: DeviceKey | None = None
    given: bytes | None = dataclasses.field(default=None, repr=False)
    called: str = ""
    """How whoever took it calls themselves; empty where they did not say."""

    @property
    def is_live(self) -> bool:
        return self.state in LIVE

    def is_over(self, now_us: int) -> bool:
        """Whether its time is: also where the clock was set back, so that nobody can tell."""
        return self.expires_us <= now_us or self.made_us > now_us + SET_BACK_US


_COLUMNS: Final = ", ".join(one.name for one in dataclasses.fields(Invite))


class Invites(Part):
    """Every change is one transaction: of two who come at once, one is first."""

    async def add_invite(self, invite: Invite) -> None:
        """Raises `OverQuota` where too many are open."""
        async with self._database.transaction() as write:
            count = await write.number(
                "SELECT count(*) FROM invite WHERE state IN ('open','claimed')"
            )
            if count >= INVITES_OPEN_MAX:
                raise OverQuota(f"{INVITES_OPEN_MAX} invites are open: cancel one first.")
            marks = ", ".join("?" * len(dataclasses.fields(Invite)))
            values = [getattr(invite, one.name) for one in dataclasses.fields(Invite)]
            await write.run(f"INSERT INTO invite ({_COLUMNS}) VALUES ({marks})", values)
            await write.run(
                "DELETE FROM invite WHERE id IN (SELECT id FROM invite"
                " WHERE state NOT IN ('open', 'claimed') ORDER BY ended_us DESC LIMIT -1 OFFSET ?)",
                (INVITES_KEPT_MAX,),
            )

    async def invites(self) -> Sequence[Invite]:
        """The newest first."""
        rows = await self._database.rows(f"SELECT {_COLUMNS} FROM invite ORDER BY made_us DESC, id")
        return [Invite(*row) for row in rows]

    async def invite_tagged(self, tag: bytes) -> Invite | None:
        """The one that somebody names who knows its secret."""
        row = await self._database.row(f"SELECT {_COLUMNS} FROM invite WHERE tag = ?", (tag,))
        return Invite(*row) if row else None

    async def claim_invite(
        self, id: bytes, author: AuthorKey, device: DeviceKey, given: bytes, called: str = ""
    ) -> Invite | None:
        """It is theirs from now on, if nobody else was first; None where it is not.

        Whoever claimed it before, and is the same author, gets what they were given then: the line
        may have broken before it reached them.
        """
        async with self._database.transaction() as write:
            invite = await _find(write, id)
            now_us = self._clock_us()
            if invite is None or not invite.is_live or invite.is_over(now_us):
                return None
            if invite.state == "claimed":
                return invite if invite.author == author else None
            await write.run(
                "UPDATE invite SET state = 'claimed', author = ?, device = ?, given = ?,"
                " called = ? WHERE id = ?",
                (author, device, given, called, id),
            )
            return replace(
                invite, state="claimed", author=author, device=device, given=given, called=called
            )

    async def finish_invite(self, id: bytes) -> Invite | None:
        """Who claimed it has what was given. None where nobody had."""
        async with self._database.transaction() as write:
            invite = await _find(write, id)
            if invite is None or invite.state != "claimed":
                return None
            return await self._end(write, invite, "used")

    async def cancel_invite(self, id: bytes) -> Invite | None:
        """As it was before; None where there is none. Only an open one is cancelled by it."""
        async with self._database.transaction() as write:
            invite = await _find(write, id)
            if invite is not None and invite.state == "open":
                await self._end(write, invite, "cancelled")
            return invite

    async def forget_invite(self, id: bytes) -> None:
        """Nothing of it is left, whatever it was."""
        async with self._database.transaction() as write:
            await write.rows("PRAGMA secure_delete = ON")
            await write.run("DELETE FROM invite WHERE id = ?", (id,))
            await write.rows("PRAGMA secure_delete = OFF")

    async def guessed_wrong(self, id: bytes, wrong_max: int) -> Invite | None:
        """Counts a wrong guess; with the last that is allowed an open invite is dead."""
        async with self._database.transaction() as write:
            await write.run("UPDATE invite SET wrong = wrong + 1 WHERE id = ?", (id,))
            invite = await _find(write, id)
            if invite is not None and invite.state == "open" and invite.wrong >= wrong_max:
                return await self._end(write, invite, "dead")
            return invite

    async def expire_invites(self) -> Sequence[Invite]:
        """Ends those whose time is over; gives them."""
        async with self._database.transaction() as write:
            rows = await write.rows(
                f"SELECT {_COLUMNS} FROM invite WHERE state IN ('open', 'claimed')"
                " AND (expires_us <= ?1 OR made_us > ?1 + ?2)",
                (self._clock_us(), SET_BACK_US),
            )
            return [
                await self._end(write, one, "used" if one.state == "claimed" else "expired")
                for one in (Invite(*row) for row in rows)
            ]

    async def _end(self, write: Writing, invite: Invite, state: InviteState) -> Invite:
        """Of what is overwritten nothing is left in the file once the log is written back to it."""
        await write.rows("PRAGMA secure_delete = ON")
        await write.run(
            "UPDATE invite SET state = ?, ended_us = ?, key = NULL, seed = NULL, given = NULL"
            " WHERE id = ?",
            (state, self._clock_us(), invite.id),
        )
        await write.rows("PRAGMA secure_delete = OFF")
        return replace(
            invite, state=state, ended_us=self._clock_us(), key=None, seed=None, given=None
        )


async def _find(view: Reading, id: bytes) -> Invite | None:
    row = await view.row(f"SELECT {_COLUMNS} FROM invite WHERE id = ?", (id,))
    return Invite(*row) if row else None
