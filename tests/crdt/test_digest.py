import json
from pathlib import Path

from crdt.digest import DIGEST_BYTES, payload_digest


def test_the_35_public_cases_of_blake3(vectors: Path) -> None:
    cases = json.loads((vectors / "blake3" / "test_vectors.json").read_text())["cases"]

    assert len(cases) == 35
    for case in cases:
        data = bytes(i % 251 for i in range(case["input_len"]))
        assert payload_digest(data).hex() == case["hash"][: 2 * DIGEST_BYTES]
