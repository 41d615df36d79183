"""What is read of a gate's document, again and again."""

from dataclasses import replace

import pytest

from crdt.change import DocumentId
from crdt.did import decode_did_key
from crdt.document import Document
from crdt.keys import COMMONS, AuthorKey
from registry.errors import CannotTravel
from tests.universe.passengers import FOX, GATES, KEYS, MEADOW, REEF, answered, key_of, sent
from universe import gatebook
from universe.gatebook import READ_MAX, ROOT, SMALL_BYTES_MAX, gatebook_of, put_receipts, votes_of
from universe.gates import sign_hand_over
from universe.receipts import (
    Checked,
    Signed,
    Traveller,
    Who,
    check_receipt,
    encode_signed,
    sign_receipt,
)

COUNT = READ_MAX + 20
"""Short ones: more than are remembered of long ones."""


def document_of(universe: str) -> DocumentId:
    did, _, record = universe.partition("/")
    return DocumentId(COMMONS, AuthorKey(decode_did_key(did)), "dat", "uni", record.encode())


def test_who_reads_a_long_line_again_verifies_none_of_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, fields = sent(FOX, MEADOW, REEF).receipt, dict[str, object]()
    for seq in range(1, COUNT + 1):
        prev = bytes(32) if seq == 1 else seq.to_bytes(32)
        data = encode_signed(sign_receipt(replace(first, seq=seq, prev=prev), KEYS[MEADOW]))
        assert len(data) <= SMALL_BYTES_MAX
        fields[f"{seq:08x}-{'0' * 16}"] = data
    verified: list[Signed] = []

    def noted(signed: Signed) -> Checked:
        verified.append(signed)
        return check_receipt(signed)

    monkeypatch.setattr(gatebook, "check_receipt", noted)
    for _ in range(3):
        assert len(gatebook_of(document_of(MEADOW), {ROOT: dict(fields)}).receipts) == COUNT
    assert len(verified) == COUNT


def test_of_who_has_a_vote_one_answer_of_a_gate_is_kept_however_many_there_are() -> None:
    left = sent(FOX, MEADOW, REEF)
    ((arrived,), other) = answered(REEF, left), sent(FOX, MEADOW, REEF, migration=2)
    (gate,) = (one.hand_over for one in GATES if one.hand_over.universe == REEF)
    fields: dict[str, object] = {"e": encode_signed(sign_hand_over(gate, KEYS[REEF]))}
    for seq in range(40):
        key = KEYS[REEF] if seq >= 20 else key_of(77)
        said = replace(arrived.receipt, seq=seq + 1, gate=key.public, prev=bytes([seq]) * 32)
        said = said if seq else replace(said, prev=bytes(32))
        fields[f"{seq:08x}"] = encode_signed(sign_receipt(said, key))
    book, looked_into = votes_of(document_of(REEF), {ROOT: fields}, {left.id})
    (kept,) = book.receipts
    assert (kept.receipt.gate, kept.receipt.answers) == (KEYS[REEF].public, left.id)
    assert (len(book.hand_overs), looked_into) == (1, 41)
    assert not votes_of(document_of(REEF), {ROOT: fields}, {other.id})[0].receipts


def test_a_number_is_given_to_one_receipt_only() -> None:
    hen = Traveller.of(Who(MEADOW, "hen"), b"{}", "json")
    first, other = (sent(who, MEADOW, REEF).receipt for who in (FOX, hen))
    assert (first.seq, other.seq) == (1, 1)
    draft = Document.open("pub", "uni", KEYS[MEADOW].public)
    fox_leaves, hen_leaves = (
        put_receipts([sign_receipt(one, KEYS[MEADOW])], now_us=1) for one in (first, other)
    )
    assert draft.change(fox_leaves) is not None
    with pytest.raises(CannotTravel, match="the number 1 was given to another") as taken:
        draft.change(hen_leaves)
    assert taken.value.why == "number-taken"
    assert draft.change(fox_leaves) is None  # the same one again says nothing new
