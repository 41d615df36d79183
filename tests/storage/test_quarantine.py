"""What was refused can be listed, and cannot fill the disk."""

from storage import quarantine
from storage.quarantine import Earlier, Refusal
from storage.store import Store


async def test_a_repeated_refusal_only_counts(store: Store) -> None:
    for _ in range(3):
        await store.refuse("peer a", "an entry", "bad-signature", "no", b"x")
    await store.refuse("peer b", "an entry", "bad-signature", "no \ud800", b"x" * 10)
    rows = await store.refused()
    assert [(row.refusal.source, row.count) for row in rows] == [("peer b", 1), ("peer a", 3)]
    assert (await store.counts()).refused == 4
    assert [row.id for row in await store.refused(cursor=rows[0].id)] == [rows[1].id]


async def test_what_comes_again_is_listed_first(store: Store) -> None:
    for source in ("a", "b", "a", "c", "a"):
        await store.refuse(source, "an entry", "bad-signature", "no", b"x")
    rows = await store.refused()
    assert [(row.refusal.source, row.count) for row in rows] == [("a", 3), ("c", 1), ("b", 1)]
    older = [row.refusal.source for row in await store.refused(cursor=rows[0].id)]
    assert older == ["c", "b"]
    await store.refuse_earlier([Earlier(rows[2].refusal, rows[2].at_us - 1, 1)])
    assert [row.refusal.source for row in await store.refused()] == ["a", "c", "b"]


async def test_quarantine_is_bounded_by_rows_and_bytes(store: Store) -> None:
    big = quarantine.DATA_BYTES_MAX
    many = quarantine.BYTES_MAX // big + 10
    for number in range(many):
        await store.refuse("peer", "x", "too-long", "", number.to_bytes(4, "big") * (big // 4))
    assert (await store.counts()).refused < many
    (newest,) = await store.refused(limit=1)
    assert newest.refusal.data.startswith((many - 1).to_bytes(4, "big"))


async def test_what_is_told_late_does_not_set_back_when_it_came_last(store: Store) -> None:
    refusal = Refusal("command line", "panspermia search", "usage", "no", b"no")
    await store.refuse_all([(refusal, 1)])
    (now,) = await store.refused()
    await store.refuse_earlier([Earlier(refusal, now.at_us - 1_000_000, 2)])
    (row,) = await store.refused()
    assert (row.at_us, row.count) == (now.at_us, 3)
