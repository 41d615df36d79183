"""The log of a file of snapshots, as a process that was killed or a power cut leaves it."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("frame", [40, -2], ids=["in its middle", "in its last write"])
def test_it_is_read_up_to_what_a_power_cut_left_out(
    base: tuple[bytes, bytes], tmp_path: Path, frame: int
) -> None:
    """Any of its last pages may be missing, so none behind the first is believed."""
    file, log = base
    path = tmp_path / "snapshots.db"
    at = (FIRST + frame * FRAME_BYTES) % len(log)
    laid(path, file, log[:at] + bytes(FRAME_BYTES) + log[at + FRAME_BYTES :])
    assert not start_vault(path)
    assert 0 < readable(path) < len(KEYS)
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
