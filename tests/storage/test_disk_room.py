"""What is said of a disk that has no room for all of a blob."""

import re

import pytest

from storage.disk_room import MIB, refusal, refusal_of_all

LAST_PART = refusal(15 * MIB, 10 * MIB)


@pytest.mark.parametrize(
    ("size", "came", "said"),
    [
        (67 * MIB, 52 * MIB, "no room for 67 MiB (less"),
        (66 * MIB + 1, 66 * MIB, "no room for 67 MiB (less"),
        (None, 52 * MIB, "no room for 52 MiB, and more may follow (less"),
    ],
)
def test_the_room_that_all_of_it_takes_is_told_and_what_came(
    size: int | None, came: int, said: str
) -> None:
    told = str(refusal_of_all(LAST_PART, size, came, 50 * MIB))
    assert said in told
    assert "blobs may take 50 MiB" in told
    assert f"{came // MIB} MiB of it had come, and are not kept. What is here stays" in told
    assert told.endswith(" and try again.")
    assert "more: " not in told
    assert re.search("15|10", told) is None, "what the last part lacked"


def test_where_there_was_room_for_all_of_it_the_reason_stays_as_it_is() -> None:
    """As others took it meanwhile."""
    for size, came in ((20 * MIB, 16 * MIB), (None, 16 * MIB)):
        told = str(refusal_of_all(LAST_PART, size, came, 50 * MIB))
        assert told == f"{LAST_PART} 16 MiB of it had come, and are not kept."
    small = str(refusal_of_all(LAST_PART, 30_000, 30_000, 0))
    assert small == str(LAST_PART), "of less than a MiB no numbers tell more"
    moment = str(refusal_of_all(LAST_PART, 20 * MIB, 16 * MIB, 50 * MIB, 40 * MIB))
    assert "no room for 20 MiB (" in moment
    assert "), and up to 40 MiB more for a moment, while it comes: blobs may take 50 MiB" in moment
    whole = str(refusal_of_all(LAST_PART, 67 * MIB, 67 * MIB, 50 * MIB))
    assert "had come" not in whole
