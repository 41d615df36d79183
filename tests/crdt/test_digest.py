import json
from pathlib import Path

from crdt.digest import DIGEST_BYTES, payload_digest, payload_digest_of


def test_the_35_public_cases_of_blake3(vectors: Path) -> None:
    cases = json.loads((vectors / "blake3" / "test_vectors.json").read_text())["cases"]

    assert len(cases) == 35
    for case in cases:
        data = bytes(i % 251 for i in range(case["input_len"]))
        assert payload_digest(data).hex() == case["hash"][: 2 * DIGEST_BYTES]


def test_pieces_have_the_digest_of_the_whole() -> None:
    assert payload_digest_of([b"ab", b"", b"c"]) == payload_digest(b"abc")
    assert payload_digest_of([]) == payload_digest(b"")
