from datetime import UTC, datetime

import pytest

from registry.fields import TIME_US_MAX
from registry.listed import rfc3339


@pytest.mark.parametrize(
    ("unix_us", "shown"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_767_268_800_000_000, "2026-01-01T12:00:00Z"),
        (1_767_268_800_000_006, "2026-01-01T12:00:00.000006Z"),
        (TIME_US_MAX, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_a_time_is_shown_to_the_microsecond(unix_us: int, shown: str) -> None:
    assert rfc3339(unix_us) == shown
    assert datetime.fromisoformat(shown).tzinfo == UTC
