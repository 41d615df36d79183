"""Devices that broke the rules of the protocol, kept over a restart: a restart does not forgive."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from crdt.keys import DeviceKey
from storage.part import Part, in_bounds

COLUMNS = (
    "device", "host", "strikes", "level", "times", "code", "sentence", "at_us", "until_us",
)  # fmt: skip
OFFENDERS_MAX = 4_096  # as many as a running node remembers; the least recent go


@dataclass(frozen=True, slots=True)
class OffenderRow:
    """As `p2p.protocol.offences.Offender`, with times in µs."""

    device: DeviceKey
    host: str
    strikes: float
    level: int
    times: int
    code: str
    sentence: str
    at_us: int
    until_us: int
    codes: Mapping[str, float]


class OffenderList(Part):
    async def offenders(self, limit: int = OFFENDERS_MAX) -> list[OffenderRow]:
        """The latest offender first."""
        rows = await self._database.rows(
            f"SELECT {', '.join(COLUMNS)}, codes FROM offender ORDER BY at_us DESC LIMIT ?",
            (in_bounds(limit, OFFENDERS_MAX),),
        )
        return [
            OffenderRow(**dict(zip(COLUMNS, row[:-1], strict=True)), codes=_counts(row[-1]))
            for row in rows
        ]

    async def write_offenders(
        self, kept: Sequence[OffenderRow], forgotten: Sequence[DeviceKey]
    ) -> None:
        """Adds `kept` or brings them up to date, and forgets the others."""
        if not kept and not forgotten:
            return
        async with self._database.transaction() as write:
            await write.run_many(
                "DELETE FROM offender WHERE device = ?", ((device,) for device in forgotten)
            )
            await write.run_many(
                "INSERT OR REPLACE INTO offender VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        one.device,
                        one.host,
                        one.strikes,
                        one.level,
                        one.times,
                        one.code,
                        one.sentence.encode("utf-8", "backslashreplace").decode(),
                        one.at_us,
                        one.until_us,
                        msgspec.json.encode(one.codes).decode(),
                    )
                    for one in kept
                ),
            )
            await write.run(
                "DELETE FROM offender WHERE device IN ("
                "SELECT device FROM offender ORDER BY at_us DESC LIMIT -1 OFFSET ?)",
                (OFFENDERS_MAX,),
            )


def _counts(codes: str) -> dict[str, float]:
    return msgspec.json.decode(codes, type=dict[str, float])
