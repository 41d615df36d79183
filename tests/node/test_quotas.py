"""Sizes and areas as people write them."""

import pytest

from crdt.did import encode_did_key
from crdt.keys import COMMONS
from node.config import QuotaConfig, check_setting, load_config
from node.errors import BadSetting
from node.quotas import area_of, quota_of, size_of
from storage.quota import (
    AUTHOR_BYTES,
    MEMBER_BYTES,
    NAMESPACE_BYTES,
    PEER_BYTES,
    SHARE_BYTES,
    STRANGERS_BYTES,
)
from tests.storage.people import ALICE


def test_what_is_written_is_what_the_store_has_as_default() -> None:
    quota = quota_of(QuotaConfig(), ALICE.signer.author)
    assert quota.strangers_bytes == STRANGERS_BYTES
    assert (quota.author_bytes, quota.peer_bytes) == (AUTHOR_BYTES, PEER_BYTES)
    assert quota.share_bytes == SHARE_BYTES
    assert (quota.namespace_bytes, quota.member_bytes) == (NAMESPACE_BYTES, MEMBER_BYTES)
    assert quota.own == {ALICE.root.public}


@pytest.mark.parametrize(
    ("text", "size"),
    [("1KiB", 1_024), ("1.5 GiB", 3 << 29), ("0MiB", 0), ("2TiB", 2 << 40), ("64MiB", 64 << 20)],
)
def test_sizes(text: str, size: int) -> None:
    assert check_setting("quota.strangers", text) == text
    assert size_of(text) == size


@pytest.mark.parametrize("text", ["many", "1GB", "-1MiB", "1e9KiB", "", "12345678KiB", "1"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(BadSetting, match="is not a size, as 64MiB"):
        check_setting("quota.strangers", text)


def test_areas() -> None:
    one = area_of(f"commons/{ALICE.did}/pub/mod/io.x=2MiB")
    assert (one.limit_bytes, one.namespace, one.author) == (2 << 20, COMMONS, ALICE.root.public)
    assert (one.cls, one.kind, one.record) == ("pub", "mod", b"io.x")
    rates = area_of("commons/*/rate=1GiB")
    assert (rates.author, rates.cls, rates.kind, rates.record) == (None, "rate", None, None)
    whole = area_of(f"commons/*/rate/mod/{encode_did_key(ALICE.root.public)}/io.x=1KiB")
    assert whole.record == f"{ALICE.did}/io.x".encode()
    group = area_of(f"{ALICE.did}/*/pub=1MiB")
    assert (group.namespace, group.author, group.cls) == (ALICE.root.public, None, "pub")
    text = '[quota]\nareas = ["commons=1GiB", "commons/*/rate=1MiB"]'
    assert len(quota_of(load_config({}, {}, text).config.quota, ALICE.signer.author).areas) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nowhere/*=1MiB", "no namespace"),
        ("*/*/pub=1MiB", "no namespace"),
        ("commons/alice/pub=1MiB", "no author"),
        ("commons/*/public=1MiB", "no class"),
    ],
)
def test_areas_that_are_none(text: str, told: str) -> None:
    with pytest.raises(BadSetting, match=told):
        area_of(text)
    with pytest.raises(BadSetting, match="an area and a size"):
        check_setting("quota.areas", "commons/*/rate")
