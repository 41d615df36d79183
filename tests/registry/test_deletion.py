"""A deleted record is shown to nobody, and comes back as it was."""

from registry.deletion import delete, is_deleted, undelete
from registry.listings import project
from tests.registry.people import NOON_US, Record, dice_document


def test_what_is_deleted_is_not_listed_until_it_is_back() -> None:
    record = Record(dice_document())
    record.publish("1.0.0")
    before = project(record.id, record.value)
    record.edit(delete(now_us=NOON_US))
    assert is_deleted(record.value)
    assert project(record.id, record.value) is None
    record.edit(undelete())
    assert project(record.id, record.value) == before
