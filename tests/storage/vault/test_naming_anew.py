"""What is named by its bytes when a file is written anew keeps nobody from coming back."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from crdt import delta
from crdt.digest import payload_digest
from storage.vault.ids import next_id
from storage.vault.lost import lose, note_back
from storage.vault.opening import make_vault
from storage.vault.reading import read
from storage.vault.rescue import Rescue, note_damage, rescue
from storage.vault.rows import encode, put
from storage.vault.unpacking import PLAIN, PlainCache
from tests.storage.vault.test_lost import drop_all_damaged, leans, look
from tests.storage.vault.test_salvage import rescued, without
from tests.storage.vault.worlds import collect_without, open_vault

BASE, OTHER = Random(1).randbytes(4_000), Random(2).randbytes(4_000)
START, NEAR = BASE[:2_000], BASE + b"another end"
FAR = NEAR + b"and further"
OBJECTS = {payload_digest(data): data for data in (BASE, START, NEAR, FAR, OTHER)}
BASE_KEY, START_KEY, NEAR_KEY, FAR_KEY, OTHER_KEY = OBJECTS
ROTTEN = BASE[:3_000] + bytes(10) + BASE[3_010:]


def filled(path: Path, rot: Callable[[sqlite3.Connection], object]) -> None:
    """Its ids are 1 to 5; 2 and 3 lean on 1, and 4 on 3. Then it rots, is found to be damaged
    elsewhere too, and is written anew."""
    with open_vault(path) as vault:
        put(vault, encode(OBJECTS.items()))
        leans(vault, 2, START, 1, BASE)
        leans(vault, 3, NEAR, 1, BASE)
        leans(vault, 4, FAR, 3, NEAR)
        rot(vault)
        vault.execute("PRAGMA vault.wal_checkpoint(TRUNCATE)").fetchall()
    assert rescued(without(path.read_bytes(), path.parent, "todo"), path)


def found(vault: sqlite3.Connection) -> dict[bytes, bytes]:
    return read(vault, [*OBJECTS], PlainCache()).objects


def base_rots(vault: sqlite3.Connection) -> None:
    vault.execute("UPDATE vault.whole SET data = ? WHERE id = 1", (PLAIN + ROTTEN,))


def near_rots(vault: sqlite3.Connection) -> None:
    rotten = delta.encode(ROTTEN + NEAR[4_000:], BASE)
    vault.execute("UPDATE vault.delta SET data = ? WHERE id = 3", (rotten,))


@pytest.mark.parametrize(
    ("rot", "key"), [(base_rots, BASE_KEY), (near_rots, NEAR_KEY)], ids=["whole", "delta"]
)
def test_once_the_right_bytes_are_back_what_leans_on_them_can_be_read(
    tmp_path: Path, rot: Callable[[sqlite3.Connection], object], key: bytes
) -> None:
    path = tmp_path / "snapshots.db"
    filled(path, rot)
    with open_vault(path) as vault:
        before = found(vault)
        assert key not in before
        assert START_KEY in before, "it has nothing of what rotted"
        assert key in drop_all_damaged(vault)
        put(vault, encode([(key, OBJECTS[key])]))
        assert note_back(vault)
        look(vault)
        assert found(vault) == OBJECTS


def test_what_could_be_read_can_be_read_though_another_was_said_to_lie_there(
    tmp_path: Path,
) -> None:
    """It is the name that rotted, and not the bytes; and the right name is lost."""

    def rot(vault: sqlite3.Connection) -> None:
        vault.execute("DELETE FROM vault.name WHERE id = 1")
        vault.execute("UPDATE vault.name SET id = 1 WHERE id = 5")
        vault.execute("DELETE FROM vault.whole WHERE id = 5")

    path = tmp_path / "snapshots.db"
    filled(path, rot)
    with open_vault(path) as vault:
        others = OBJECTS.keys() - {OTHER_KEY}
        assert found(vault).keys() == others
        assert drop_all_damaged(vault) == [OTHER_KEY]
        put(vault, encode([(OTHER_KEY, OTHER)]))
        assert found(vault) == OBJECTS


def test_what_is_lost_and_leans_on_a_copy_is_read_again_when_its_base_is_back(
    tmp_path: Path,
) -> None:
    """Who read that older state dropped it, and nobody has read its base yet. What leans on both
    has nothing of what rotted, and can be read all the time."""
    far = NEAR[:2_000] + b"and further"
    far_key = payload_digest(far)

    def rot(vault: sqlite3.Connection) -> None:
        put(vault, encode([(far_key, far)]))
        leans(vault, 6, far, 3, NEAR)
        base_rots(vault)
        lose(vault, [NEAR_KEY, FAR_KEY])

    path = tmp_path / "snapshots.db"
    filled(path, rot)
    with open_vault(path) as vault:
        assert far_key in read(vault, [far_key], PlainCache()).objects
        assert BASE_KEY in drop_all_damaged(vault)
        put(vault, encode([(BASE_KEY, BASE)]))
        assert note_back(vault)
        look(vault)
        assert found(vault) == OBJECTS
        assert far_key in read(vault, [far_key], PlainCache()).objects


def test_a_copy_that_a_lost_page_may_name_is_not_collected(tmp_path: Path) -> None:
    page = bytes(32)

    def rot(vault: sqlite3.Connection) -> None:
        lose(vault, [page])
        vault.execute("UPDATE vault.name SET key = randomblob(32) WHERE id IN (1, 5)")

    path = tmp_path / "snapshots.db"
    filled(path, rot)
    with open_vault(path) as vault:
        collect_without(vault, page)
        assert found(vault) == OBJECTS


@pytest.mark.parametrize("rot", [base_rots, near_rots])
def test_a_file_with_copies_is_sound(
    tmp_path: Path, rot: Callable[[sqlite3.Connection], object]
) -> None:
    path = tmp_path / "snapshots.db"
    filled(path, rot)
    before = path.read_bytes()
    note_damage(path)
    assert rescue(path, make_vault) == Rescue()
    assert path.read_bytes() == before
    with open_vault(path) as vault:
        assert vault.execute("SELECT max(id) FROM vault.name").fetchone() == (next_id(vault) - 1,)
