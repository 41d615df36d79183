"""What is read of a gate's document, again and again."""

from dataclasses import replace

import pytest

from crdt.change import DocumentId
from crdt.did import decode_did_key
from crdt.document import Document
from crdt.keys import COMMONS, AuthorKey
from registry.errors import CannotTravel
from tests.universe.passengers import FOX, KEYS, MEADOW, REEF, sent
from universe import gatebook
from universe.gatebook import READ_MAX, ROOT, SMALL_BYTES_MAX, gatebook_of, put_receipts
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
    did, _, record = MEADOW.partition("/")
    document = DocumentId(COMMONS, AuthorKey(decode_did_key(did)), "dat", "uni", record.encode())
    for _ in range(3):
        assert len(gatebook_of(document, {ROOT: dict(fields)}).receipts) == COUNT
    assert len(verified) == COUNT


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
