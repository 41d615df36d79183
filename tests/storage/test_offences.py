"""Who broke the rules is written down, brought up to date, and forgotten when it is told to be."""

from dataclasses import replace

from crdt.keys import DeviceKey
from storage.offences import OFFENDERS_MAX, OffenderRow
from storage.store import Store

MALLORY = OffenderRow(
    device=DeviceKey(b"m" * 32),
    host="192.0.2.7",
    strikes=151.5,
    level=3,
    times=7,
    code="flood",
    sentence="too much \ud800",
    at_us=1_700_000_000_000_000,
    until_us=1_700_000_080_000_000,
    codes={"flood": 1.5, "bad-signature": 1.0},
)
READ = replace(MALLORY, sentence="too much \\ud800")


async def test_an_offender_is_kept_replaced_and_forgotten(store: Store) -> None:
    await store.write_offenders([MALLORY], [])
    assert await store.offenders() == [READ]
    worse = replace(READ, level=4, until_us=READ.until_us + 1)
    await store.write_offenders([worse], [])
    assert await store.offenders() == [worse]
    await store.write_offenders([], [worse.device, DeviceKey(b"x" * 32)])
    assert await store.offenders() == []
    await store.write_offenders([], [])


async def test_the_least_recent_go_where_there_are_too_many(store: Store) -> None:
    many = [
        replace(READ, device=DeviceKey(number.to_bytes(32, "big")), at_us=number)
        for number in range(OFFENDERS_MAX + 5)
    ]
    await store.write_offenders(many, [])
    kept = await store.offenders()
    assert [kept[0], kept[-1]] == [many[-1], many[5]]
    assert len(kept) == OFFENDERS_MAX
