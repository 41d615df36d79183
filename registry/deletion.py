"""Deleting a record: a mark in its document, judged and merged like any other change.

What is marked is on no list and found by no search. It is held all the same: another change takes
the mark away, and a revocation of whoever made it does too. Bytes go only where the root key of
its owner says so as well (`crdt.statement.Drop`).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from crdt.document import Editor
from crdt.marks import DELETED

MARK: Final = DELETED


def delete(*, now_us: int) -> Callable[[Editor], None]:
    """Mark the record as deleted."""

    def edit(editor: Editor) -> None:
        if editor.get((MARK,)) is None:
            editor.put((MARK,), now_us)

    return edit


def undelete() -> Callable[[Editor], None]:
    """Take the mark away, where there is one."""

    def edit(editor: Editor) -> None:
        if editor.get((MARK,)) is not None:
            editor.delete((MARK,))

    return edit


def is_deleted(value: Mapping[str, Any]) -> bool:
    """Whether the record is to be shown to nobody. Whatever stands there is a mark, but null."""
    return value.get(MARK) is not None
