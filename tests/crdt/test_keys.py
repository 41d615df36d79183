from blake3 import blake3

from crdt.keys import COMMONS, KEY_BYTES, is_communal


def test_the_commons_is_the_same_communal_namespace_on_every_node() -> None:
    digest = blake3(b"panspermia commons").digest()

    assert len(COMMONS) == KEY_BYTES
    assert COMMONS[:-1] == digest[:-1]
    assert COMMONS[-1] == digest[-1] & ~1
    assert is_communal(COMMONS)


def test_the_lowest_bit_of_the_last_byte_says_owned() -> None:
    assert is_communal(b"\xff" * 31 + b"\xfe")
    assert not is_communal(bytes(31) + b"\x01")
