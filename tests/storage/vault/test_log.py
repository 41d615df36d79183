"""One bit of the log: what was acknowledged after it is here yet, and both files are kept."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from storage.errors import Corrupt
from storage.vault.opening import PAGE_BYTES
from storage.vault.starting import start_vault
from tests.storage.test_rescued import files
from tests.storage.vault.test_starting import KEYS, ROOT, readable, write_all_and_die

FRAME_BYTES = 24 + PAGE_BYTES
FIRST = 32


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """The file and its log, which alone has what was written."""
    path = tmp_path_factory.mktemp("base") / "snapshots.db"
    write_all_and_die(path)
    return path.read_bytes(), path.with_name("snapshots.db-wal").read_bytes()


def laid(path: Path, file: bytes, log: bytes) -> None:
    path.write_bytes(file)
    path.with_name("snapshots.db-wal").write_bytes(log)


def flipped(log: bytes, at: int) -> bytes:
    return log[:at] + bytes([log[at] ^ 1]) + log[at + 1 :]


SPOTS = {
    "how the log is summed": 3,
    "the size of its pages": 10,
    "the log's own number": 13,
    "the log's salt": 17,
    "the log's sum": 27,
    "the number of a page": FIRST + 40 * FRAME_BYTES + 3,
    "a huge number": FIRST + 40 * FRAME_BYTES,
    "the number of pages": FIRST + 40 * FRAME_BYTES + 4,
    "the salt of a page": FIRST + 40 * FRAME_BYTES + 9,
    "the sum of a page": FIRST + 40 * FRAME_BYTES + 17,
    "a page": FIRST + 40 * FRAME_BYTES + 24 + 900,
}


@pytest.mark.parametrize("at", SPOTS.values(), ids=SPOTS)
def test_what_lies_behind_one_bit_of_it_is_read(
    base: tuple[bytes, bytes], tmp_path: Path, at: int
) -> None:
    file, log = base
    path = tmp_path / "snapshots.db"
    log = flipped(log, at)
    laid(path, file, log)
    done = start_vault(path)
    assert done
    assert "snapshots.db.old, snapshots.db.old-wal" in done.kept
    assert (tmp_path / "snapshots.db.old").read_bytes() == file
    assert (tmp_path / "snapshots.db.old-wal").read_bytes() == log
    assert len(KEYS) - 2 <= readable(path)
    assert not start_vault(path)


def test_a_write_that_the_power_ended_is_no_rot(base: tuple[bytes, bytes], tmp_path: Path) -> None:
    file, log = base
    path = tmp_path / "snapshots.db"
    laid(path, file, flipped(log, len(log) - 2 * FRAME_BYTES + 900))
    assert not start_vault(path)
    assert len(KEYS) - 1 <= readable(path) < len(KEYS)
    assert files(tmp_path) == {"snapshots.db"}


def test_what_lies_there_from_before_it_was_begun_anew_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    code = (
        "import os, sys; from pathlib import Path\n"
        "from tests.storage.vault.worlds import open_vault\n"
        "with open_vault(Path(sys.argv[1])) as vault:\n"
        "    for id in range(1, 90): vault.execute('INSERT INTO vault.whole VALUES (?, x\\'00\\')',"
        " (id,))\n"
        "    vault.execute('PRAGMA vault.wal_checkpoint(RESTART)').fetchall()\n"
        "    vault.execute('DELETE FROM vault.whole WHERE id > 50')\n"
        "    os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, cwd=ROOT)
    assert path.with_name("snapshots.db-wal").stat().st_size > 50 * FRAME_BYTES
    assert not start_vault(path)
    assert files(tmp_path) == {"snapshots.db"}
    with closing(sqlite3.connect(path)) as vault:
        assert vault.execute("SELECT count(*) FROM whole").fetchone() == (50,)


def test_where_they_cannot_be_kept_they_stay_as_they_are(
    base: tuple[bytes, bytes], tmp_path: Path
) -> None:
    file, log = base
    path = tmp_path / "snapshots.db"
    log = flipped(log, SPOTS["a page"])
    laid(path, file, log)
    (tmp_path / "snapshots.db.old.part").mkdir()  # as a full disk: nothing can be made there
    with pytest.raises(Corrupt, match="then start the node again"):
        start_vault(path)
    assert path.read_bytes() == file
    assert (tmp_path / "snapshots.db-wal").read_bytes() == log
    (tmp_path / "snapshots.db.old.part").rmdir()
    assert start_vault(path)
