"""What storage may answer instead of a result.

StorageError
├── NewerSchema   the file was written by a newer version; nothing in it was changed
├── Corrupt       the file is no whole database of ours
│   └── Rotted    entries of one record in it are damaged
├── OverQuota     a declared bound would be passed
├── RecordFull    a record holds as much as one can: only what makes it smaller is written
├── NotHeld       what was asked for is not here
├── Mismatch      bytes do not have the hash they were announced with
├── BadCursor     a page cursor that this node did not give out
├── NameTaken     a name that means something else here
├── DeviceForked  this device wrote two things under one number: its home was put back, or copied
├── LetGo         a record whose bytes may go: nothing is written there again
├── BrokenIndex   the search index cannot be written, nor made anew
├── Unreadable    a database of another program cannot be read as what it is said to be
└── BadKeyFile    a key file is damaged, open to others, or sealed by another passphrase
"""

CLOSED = "The store was closed while this was asked of it."


class StorageError(Exception):
    """The store could not do it."""


class NewerSchema(StorageError):
    """This data was written by a newer version of panspermia."""


class Corrupt(StorageError):
    """The database is damaged."""


class Rotted(Corrupt):
    """Entries of one record are damaged in the database."""


class OverQuota(StorageError):
    """There is no room left for this."""


class RecordFull(StorageError):
    """The record is full."""


class NotHeld(StorageError):
    """This node does not hold it."""


class Mismatch(StorageError):
    """The bytes are not the ones that were named."""


class BadCursor(StorageError):
    """This is no cursor of this list."""


class NameTaken(StorageError):
    """The name means something else here."""


class DeviceForked(StorageError):
    """What this device wrote to the record does not count any more."""


class LetGo(StorageError):
    """The record was let go for good."""


class BrokenIndex(StorageError):
    """The search index cannot be written."""


class Unreadable(StorageError):
    """The file cannot be read."""


class BadKeyFile(StorageError):
    """The key file cannot be used."""
