"""Who may write under `/_auth` and `/_ck`: the rules of docs/protocol/statements.md, one by one."""

from dataclasses import replace

import pytest

from crdt.area import Area
from crdt.capability import (
    READ,
    WRITE,
    Capability,
    CapabilityCache,
    delegate,
    encode_capability,
    own,
)
from crdt.change import Signer, check_entry, log_of, sign_statement
from crdt.ed25519 import SigningKey
from crdt.errors import CrdtError
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from crdt.path import AUTHORITY, CHECKPOINT
from crdt.statement import Checkpoint, Frontier, Heartbeat

GROUP = SigningKey.from_seed(bytes([49]) * 32)
ALICE, BOB, PHONE = (SigningKey.from_seed(bytes([n]) * 32) for n in (1, 2, 101))
KEYS = {key.public: key for key in (GROUP, ALICE, BOB, PHONE)}
OWNED = NamespaceKey(GROUP.public)


def handed_on(first: Capability, *to: SigningKey, area: Area | None = None) -> Capability:
    for key in to:
        first = delegate(first, KEYS[first.receiver], area or first.granted_area, key.public)
    return first


def communal(key: SigningKey, mode: int = WRITE) -> Capability:
    return Capability(mode, COMMONS, AuthorKey(key.public))


def verdict(right: Capability, subspace: SigningKey, cls: str = AUTHORITY, *, at: int = 5) -> str:
    log = log_of(right.namespace, AuthorKey(subspace.public), cls)
    signer = Signer(KEYS[right.receiver], log.subspace, {cls: encode_capability(right)})
    said = Heartbeat() if cls == AUTHORITY else Checkpoint(Frontier())
    signed = sign_statement(said, log, seq=1, signer=signer, prev=None, timestamp=at)
    try:
        check_entry(signed, CapabilityCache())
    except CrdtError as error:
        return error.code
    return "taken"


MEMBER = handed_on(own(GROUP, WRITE, GROUP.public), ALICE)
MEMBERS_OWN = Area(AuthorKey(ALICE.public))


@pytest.mark.parametrize(
    ("right", "subspace", "wanted"),
    [
        (communal(ALICE), ALICE, "taken"),
        (handed_on(communal(ALICE), PHONE), ALICE, "not-the-root"),
        (handed_on(communal(ALICE), PHONE, ALICE), ALICE, "not-the-root"),
        (handed_on(communal(ALICE), ALICE), ALICE, "not-the-root"),
        (communal(ALICE, READ), ALICE, "read-only"),
        (communal(BOB), ALICE, "not-the-root"),
        (own(GROUP, WRITE, GROUP.public), GROUP, "taken"),
        (own(GROUP, WRITE, ALICE.public), ALICE, "taken"),
        (own(GROUP, WRITE, ALICE.public), GROUP, "not-the-root"),
        (handed_on(own(GROUP, WRITE, ALICE.public), GROUP), GROUP, "not-the-root"),
        (handed_on(own(GROUP, WRITE, GROUP.public), ALICE, GROUP), GROUP, "not-the-root"),
        (MEMBER, ALICE, "taken"),
        (MEMBER, GROUP, "not-the-root"),
        (MEMBER, BOB, "not-the-root"),
        (handed_on(MEMBER, BOB), BOB, "taken"),
        (handed_on(MEMBER, BOB, area=MEMBERS_OWN), BOB, "outside-area"),
        (handed_on(MEMBER, BOB, ALICE), ALICE, "not-the-root"),
        (handed_on(MEMBER, ALICE), ALICE, "not-the-root"),
        (handed_on(MEMBER, PHONE), ALICE, "not-the-root"),
        (handed_on(own(GROUP, READ, GROUP.public), ALICE), ALICE, "read-only"),
    ],
)
def test_only_a_root_speaks_in_its_own_log(
    right: Capability, subspace: SigningKey, wanted: str
) -> None:
    assert verdict(right, subspace) == wanted


@pytest.mark.parametrize(("at", "wanted"), [(4, "outside-area"), (5, "taken"), (9, "outside-area")])
def test_a_right_for_a_time_holds_under_auth_for_that_time(at: int, wanted: str) -> None:
    narrow = replace(MEMBERS_OWN, path=(b"_auth",), start=5, end=9)
    right = handed_on(own(GROUP, WRITE, GROUP.public), ALICE, area=narrow)
    assert verdict(right, ALICE, at=at) == wanted


@pytest.mark.parametrize(
    ("right", "subspace", "wanted"),
    [
        (handed_on(communal(ALICE), PHONE), ALICE, "taken"),
        (communal(ALICE), ALICE, "root-key"),
        (handed_on(communal(ALICE), BOB, PHONE), ALICE, "not-the-owners"),
        (handed_on(MEMBER, PHONE), ALICE, "taken"),
        (handed_on(MEMBER, PHONE), BOB, "not-the-owners"),
        (handed_on(MEMBER, BOB, PHONE), ALICE, "not-the-owners"),
        (handed_on(MEMBER, BOB, ALICE, PHONE), ALICE, "not-the-owners"),
        (handed_on(communal(ALICE), BOB, ALICE, PHONE), ALICE, "not-the-owners"),
    ],
)
def test_a_checkpoint_is_made_by_a_device_of_the_owner(
    right: Capability, subspace: SigningKey, wanted: str
) -> None:
    assert verdict(right, subspace, CHECKPOINT) == wanted
