"""A database for Primordium: what is written into it is read out of it again."""

from pathlib import Path

import pytest

from storage.foreign_worlds import open_foreign_worlds
from storage.world_table import new_world_table


def test_states_go_in_by_pieces_and_come_out(tmp_path: Path) -> None:
    path = tmp_path / "world.db"
    with new_world_table(path) as table:
        for tick, pieces in ((7, [b"ab", b"cd"]), (3, [b"x" * 100_000])):
            with table.state(tick, sum(map(len, pieces))) as blob:
                for piece in pieces:
                    blob.write(piece)
    with open_foreign_worlds(path) as worlds:
        assert [one.tick for one in worlds.rows()] == [3, 7]
        assert b"".join(worlds.state(7)[1]) == b"abcd"
        assert b"".join(worlds.state(3)[1]) == b"x" * 100_000


def test_a_file_that_is_there_is_not_written_into(tmp_path: Path) -> None:
    path = tmp_path / "world.db"
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError), new_world_table(path):
        pass
    assert path.read_bytes() == b"mine"


def test_a_tick_has_one_state(tmp_path: Path) -> None:
    def write() -> None:
        with new_world_table(tmp_path / "a.db") as table:
            for _ in range(2):
                table.state(1, 5).close()

    with pytest.raises(OSError, match="cannot be written"):
        write()
