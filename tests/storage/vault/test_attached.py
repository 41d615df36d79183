"""How the vault is read beside whoever writes it."""

from pathlib import Path

from storage.vault.attached import open_vault
from storage.vault.opening import make_vault


async def test_who_reads_on_finds_what_was_unpacked_last(tmp_path: Path) -> None:
    """The neighbours of what was read lean on much the same."""
    make_vault(tmp_path / "snapshots.db")
    with open_vault(tmp_path / "snapshots.db") as vault:
        first = await vault.read_cached(lambda _, cache: cache)
        for _ in range(5):
            assert await vault.read_cached(lambda _, cache: cache) is first
