"""Alice's author key makes her laptop's device; exported, it makes another."""

import itertools
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from crdt.boxes import open_sealed, seal_to
from crdt.capability import CapabilityCache
from crdt.did import encode_did_key
from crdt.ed25519 import SigningKey
from node.errors import BadIdentity
from node.home import Home
from node.identity import (
    export_author,
    import_author,
    load,
    load_or_create,
    make_namespace_key,
    open_author,
    seal_author,
)
from storage.keyfiles import is_sealed, read_key, write_key


def counting(start: int = 0) -> Callable[[int], bytes]:
    numbers = itertools.count(start)
    return lambda size: next(numbers).to_bytes(size, "big")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "alice")
    home.make()
    return home


def test_made_once_then_loaded(home: Home) -> None:
    made = load_or_create(home, counting(1))
    again = load_or_create(home, counting(100))
    assert (again.did, again.device, again.token_seed) == (made.did, made.device, made.token_seed)
    assert again.sealing_private == made.sealing_private
    assert open_sealed(again.sealing_private, seal_to(made.sealing_key, b"hello")) == b"hello"
    keys = (home.author_key, home.device_key, home.sealing_key, home.token_key)
    for file in (*keys, home.device_file):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert made.author != made.device.public
    assert not made.is_sealed


def test_the_author_delegates_to_the_device(home: Home) -> None:
    identity = load_or_create(home, counting(1))
    assert set(identity.capabilities) == {"pub", "rate", "_ck"}
    cache = CapabilityCache()
    for encoded in identity.capabilities.values():
        assert cache.get(encoded).receiver == identity.device.public


def test_an_export_makes_another_device_of_the_same_author(home: Home, tmp_path: Path) -> None:
    laptop = load_or_create(home, counting(1))
    exported = export_author(home, "correct horse", counting(50))
    other = Home(tmp_path / "desktop")
    desktop = import_author(other, exported, "correct horse", counting(60))
    assert desktop.did == laptop.did
    assert desktop.device_did != laptop.device_did
    assert desktop.sealing_key != laptop.sealing_key
    assert desktop.is_sealed
    with pytest.raises(BadIdentity, match="already"):
        import_author(other, exported, "correct horse", counting(70))


def test_a_wrong_passphrase(home: Home, tmp_path: Path) -> None:
    load_or_create(home, counting(1))
    exported = export_author(home, "correct horse", counting(50))
    with pytest.raises(BadIdentity) as caught:
        import_author(Home(tmp_path / "mallory"), exported, "battery", counting(60))
    assert caught.value.reason == "wrong-passphrase"
    with pytest.raises(BadIdentity):
        import_author(Home(tmp_path / "mallory"), b"garbage", "battery", counting(60))
    assert not (tmp_path / "mallory").exists()


def test_a_sealed_author_key_is_not_needed_to_run(home: Home) -> None:
    made = load_or_create(home, counting(1))
    seal_author(home, "correct horse")
    loaded = load_or_create(home, counting(60))
    assert loaded.did == made.did
    assert loaded.is_sealed
    with pytest.raises(BadIdentity) as caught:
        export_author(home, "other", counting(70))
    assert caught.value.reason == "sealed"


def test_damage_is_told(home: Home) -> None:
    with pytest.raises(BadIdentity, match="panspermia up"):
        load(home)
    load_or_create(home, counting(1))
    write_key(home.token_key, b"short")
    with pytest.raises(BadIdentity, match="5 bytes"):
        load(home)
    home.token_key.write_bytes(b"garbage")
    with pytest.raises(BadIdentity, match="damaged"):
        load(home)
    write_key(home.device_key, bytes(31) + b"\7")
    with pytest.raises(BadIdentity, match="not the key"):
        load(home)
    home.device_file.write_text('{"author": "did:key:zNo"}')
    with pytest.raises(BadIdentity, match="damaged"):
        load(home)


def test_a_home_from_before_there_were_sealing_keys_gets_one(home: Home) -> None:
    made = load_or_create(home, counting(1))
    home.sealing_key.unlink()
    again = load_or_create(home, counting(60))
    assert again.device == made.device
    assert again.sealing_key != made.sealing_key


def test_nothing_secret_is_shown(home: Home) -> None:
    identity = load_or_create(home, counting(1))
    shown = repr(identity)
    assert identity.device.seed.hex() not in shown
    assert repr(identity.device.seed) not in shown
    assert identity.sealing_private.hex() not in shown
    assert encode_did_key(identity.author) in shown
    assert len(identity.fingerprint.split()) == 10


def test_sealing_takes_the_keys_of_namespaces_along(home: Home) -> None:
    author = load_or_create(home, os.urandom).author
    made = make_namespace_key(home, os.urandom)
    (file,) = home.namespaces.iterdir()
    seal_author(home, "correct horse")
    assert is_sealed(file)
    seal_author(home, "battery staple", current="correct horse")
    assert SigningKey.from_seed(read_key(file, "battery staple")).public == made.public
    assert open_author(home, "battery staple").public == author
    with pytest.raises(BadIdentity) as caught:
        seal_author(home, "another one", current="correct horse")
    assert caught.value.reason == "wrong-passphrase"


def test_an_import_that_was_broken_off_is_done_again(home: Home, tmp_path: Path) -> None:
    author = load_or_create(home, os.urandom).author
    exported = export_author(home, "correct horse", os.urandom)
    other = Home(tmp_path / "desktop")
    import_author(other, exported, "correct horse", os.urandom)
    other.device_file.unlink()
    assert import_author(other, exported, "correct horse", os.urandom).author == author


def test_an_import_does_not_replace_the_key_of_somebody_else(home: Home, tmp_path: Path) -> None:
    load_or_create(home, os.urandom)
    exported = export_author(home, "correct horse", os.urandom)
    other = Home(tmp_path / "bob")
    load_or_create(other, os.urandom)
    other.device_file.unlink()  # the power went while it was made
    key = other.author_key.read_bytes()
    with pytest.raises(BadIdentity, match="already"):
        import_author(other, exported, "correct horse", os.urandom)
    assert other.author_key.read_bytes() == key
