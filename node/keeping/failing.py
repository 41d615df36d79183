"""What it means for the others that a blob that is to be kept did not come."""

from functools import partial

from node.keeping.patience import Patience
from node.keeping.plan import Wanted
from node.keeping.room import FullDisk
from node.keeping.runs import Runs
from node.keeping.waiting import DISK, LIES, NOBODY, SLOW, UNSTORED
from p2p.protocol.errors import NoRoom, NotStored, SyncError
from p2p.transport.fetching import LargerThanWanted
from storage.errors import OverQuota, StorageError


def note_failure(
    one: Wanted,
    error: Exception,
    patience: Patience,
    full: FullDisk,
    runs: Runs,
    *,
    is_coming: bool,
    now_s: float,
) -> None:
    """When it is tried again, what else is not tried until then, and what is waited for."""
    if not is_coming:
        runs.in_vain(one)
    fail = partial(patience.fail, one.blob, one.whose)
    match error:
        case NoRoom() | OverQuota():  # perhaps there is for what is smaller
            full.note(one.size, now_s=now_s)
            patience.put_off(one.blob, DISK, now_s=now_s)
            runs.hurry()
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
