"""Alice's node in this process, for every test that asks for `alice`; passphrases cost little."""

import unicodedata
from collections.abc import AsyncGenerator
from functools import lru_cache
from pathlib import Path

import pytest
import pytest_asyncio
from nacl.bindings import (
    crypto_pwhash_alg,
    crypto_pwhash_ALG_ARGON2ID13,
    crypto_pwhash_argon2id_MEMLIMIT_MIN,
    crypto_pwhash_argon2id_OPSLIMIT_MIN,
)

from crdt import sealing
from tests.node.parts import Alice, open_alice


@lru_cache(maxsize=64)
def cheap_key(passphrase: str, salt: bytes) -> bytes:
    """As `sealing.derive_key`, at the least that argon2id can cost."""
    typed = unicodedata.normalize("NFKC", passphrase).encode()
    return crypto_pwhash_alg(
        32, typed, salt, crypto_pwhash_argon2id_OPSLIMIT_MIN, crypto_pwhash_argon2id_MEMLIMIT_MIN,
        crypto_pwhash_ALG_ARGON2ID13,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def cheap_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a passphrase costs is told by tests/crdt/test_sealing.py and by real nodes; each key
    that is sealed here has a salt of its own, and would cost 0.3 s and 256 MiB."""
    monkeypatch.setattr(sealing, "derive_key", cheap_key)


@pytest_asyncio.fixture
async def alice(tmp_path: Path) -> AsyncGenerator[Alice]:
    async with open_alice(tmp_path / "alice") as alice:
        yield alice
