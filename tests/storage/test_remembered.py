"""What was read is remembered until something is written."""

from pathlib import Path

from storage.database import Database, open_database
from storage.remembered import Remembered


async def test_it_holds_until_the_next_write(tmp_path: Path) -> None:
    async with open_database(tmp_path / "a.db") as database:
        remembered = Remembered[str, int](database, 2)
        reads: list[str] = []

        async def read() -> int:
            reads.append("read")
            return len(reads)

        assert [await remembered.read("a", read) for _ in range(3)] == [1, 1, 1]
        async with database.transaction() as write:
            await write.run("CREATE TABLE t (a)")
        assert await remembered.read("a", read) == 2
        await database.lazily(lambda connection: connection.execute("DROP TABLE t"))
        assert await remembered.read("a", read) == 3


async def test_what_was_read_before_a_write_is_not_kept_after_it(tmp_path: Path) -> None:
    async with open_database(tmp_path / "a.db") as database:
        remembered = Remembered[str, int](database, 2)

        async def read_while_written() -> int:
            await _write(database)
            return 1

        assert await remembered.read("a", read_while_written) == 1
        assert remembered.get("a") is None


async def test_it_keeps_no_more_than_it_may(tmp_path: Path) -> None:
    async with open_database(tmp_path / "a.db") as database:
        remembered = Remembered[int, int](database, 2)
        for number in range(5):
            remembered.keep({number: number}, written=database.written)
        assert [number for number in range(5) if remembered.get(number) is not None] == [3, 4]
        assert remembered.known([2, 3, 4, 5]) == {3: 3, 4: 4}
        await _write(database)
        assert remembered.known([3, 4]) == {}


async def _write(database: Database) -> None:
    async with database.transaction() as write:
        await write.run("CREATE TABLE t (a)")
