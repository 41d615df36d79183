"""The row by which lists show a record, as one view of the data has it."""

from crdt.change import DocumentId
from storage.database import Reading
from storage.documents import newest_epoch
from storage.list_pages import COLUMNS
from storage.listings import ListedRow, listed_row


async def shown_row(view: Reading, document: DocumentId) -> ListedRow | None:
    """Of its newest epoch; None where it is deleted, or nothing that can be listed."""
    newest = await newest_epoch(view, document)
    row = await view.row(
        f"SELECT {COLUMNS} FROM listing l JOIN document d ON d.number = l.document WHERE d.id = ?",
        (newest.encode(),),
    )
    return listed_row(row) if row else None
