"""What it means for the others that a blob that is to be kept did not come."""

from functools import partial

from node.keeping.patience import Patience
from node.keeping.plan import Wanted
from node.keeping.room import FullDisk
from node.keeping.waiting import DISK, LIES, NOBODY, SLOW, UNSTORED
from p2p.protocol.errors import NoRoom, NotStored, SyncError
from p2p.transport.fetching import LargerThanWanted
from storage.errors import OverQuota, StorageError


def note_failure(
    one: Wanted,
    error: Exception,
    patience: Patience,
    full: FullDisk,
    *,
    is_coming: bool,
    now_s: float,
) -> bool:
    """When it is tried again, and what else is not tried until then; gives whether it is for want
    of room on the disk."""
    fail = partial(patience.fail, one.blob, one.whose)
    match error:
        case NoRoom() | OverQuota():  # perhaps there is for what is smaller
            full.note(one.size, now_s=now_s)
            patience.put_off(one.blob, DISK, now_s=now_s)
            return True
        case NotStored() | StorageError():
            patience.put_off(one.blob, UNSTORED, now_s=now_s)
        case LargerThanWanted():
            fail(LIES, now_s=now_s)
        case SyncError():
            fail(NOBODY, is_coming=is_coming, now_s=now_s)
        case TimeoutError():
            fail(SLOW, is_coming=is_coming, now_s=now_s)
        case _:
            fail("this node could not go on", now_s=now_s)
    return False
