"""`fetch` of what no thing is called."""

from pathlib import Path

import pytest

from node.commands.verify import check_is_name, fetch_command
from node.failure import Failure


@pytest.mark.parametrize("text", ["../../etc/passwd", "..", "/etc/passwd/x", "a/b/c@1.0.0"])
def test_a_path_is_no_id_and_the_node_is_not_asked(text: str) -> None:
    with pytest.raises(Failure) as failed:
        fetch_command.main([text, "-o", "out"], standalone_mode=False)
    assert failed.value.problem["code"] == "invalid-name"
    assert "is no id (64 hex digits) and no module" in failed.value.problem["detail"]


def test_a_file_that_is_there_stays_and_the_node_is_not_asked(tmp_path: Path) -> None:
    there = tmp_path / "world.bin"
    there.write_bytes(b"before")
    with pytest.raises(Failure) as failed:
        fetch_command.main(["ab" * 32, "-o", str(there)], standalone_mode=False)
    assert failed.value.problem["code"] == "file-exists"
    assert "--force" in failed.value.problem["detail"]
    assert there.read_bytes() == b"before"


def test_names_and_ids_pass() -> None:
    for text in ("ab" * 32, "0123abcd", "io.x@1.0.0", "did:key:z6Mk/io.x@1.0.0", "bob/io.x"):
        check_is_name(text)
