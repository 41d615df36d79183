"""Why what is to be kept is not here yet, for people."""

from typing import Final

NOBODY: Final = "nobody gives it"
LIES: Final = "it is larger than its record says"
SLOW: Final = "it did not come in time"
DISK: Final = "the disk is full"
UNSTORED: Final = "this node could not store it"
NO_PEER: Final = "no peer is connected"
NOT_YET: Final = "not asked for yet"
TOO_MANY: Final = "there are too many to look at"
