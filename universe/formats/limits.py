"""How much of a stranger's world is read at all; what is beyond is refused, with its reason."""

from typing import Final

FILES_MAX: Final = 200_000
"""In one directory that is imported: years of autosaves of some hundred universes."""
PATH_CHARACTERS_MAX: Final = 1_024
INDEX_BYTES_MAX: Final = 64 << 20
"""Of a timeline.json: some 200,000 entries."""
PART_BYTES_MAX: Final = 1 << 20
"""Of a small file, and of a part of a SaveFile that is taken apart: all but its universes."""
SAVE_BYTES_MAX: Final = 256 << 20
"""Of a SaveFile or save.json, unpacked; it is held in memory while it is looked through."""
ALL_SAVES_BYTES_MAX: Final = 4 << 30
"""Of all of these of one import, beside `ALL_SAVES_TIMES_MAX`: some 4 minutes of work."""
ALL_SAVES_TIMES_MAX: Final = 32
"""As many times as they have as they lie: worlds as JSON shrink 10 to 30 times."""
STEP_BYTES: Final = 16
"""So many of the largest one, and of all of them, to each value that holds others which hold others
again: what is flatter is gone over with what it is in. A world has one in 20 to 40 bytes."""
PARTS_BYTES_MAX: Final = 4 << 20
"""Of all parts of one of these that are taken apart: as objects they are 30 times as much."""
ALL_PARTS_BYTES_MAX: Final = 64 << 20
"""Of all of these of one import. What they say of each universe stays in memory."""
UNPACKED_BYTES_MAX: Final = 4 << 30
"""Of one snapshot in a .gz, which goes through in pieces."""
UNPACKED_TIMES_MAX: Final = 200
"""Worlds as JSON shrink 10 to 30 times; what shrinks more, beyond `BOMB_BYTES`, is a bomb."""
BOMB_BYTES: Final = 256 << 20
CHECKED_BYTES_MAX: Final = 16 << 20
"""Of a part whose SHA-256 is claimed: it has to be taken apart to be checked."""
ALL_CHECKED_BYTES_MAX: Final = 256 << 20
"""The same of all parts in one import: at 2 MB/s."""
DEPTH_MAX: Final = 256
"""Brackets in brackets; worlds have some 20."""
MEMBERS_MAX: Final = 10_000
"""Of an object that is looked into, and universes in one SaveFile."""
KEY_BYTES_MAX: Final = 1_024
LOG_BYTES_MAX: Final = 1 << 30
"""Of a live.jsonl or legends.json, which is read line by line."""
LISTED_MAX: Final = 10_000
"""Snapshots, and events, of one universe by our own index or notes: twice what a record holds."""
ALL_LISTED_MAX: Final = FILES_MAX
"""By all of these of one import together: nothing is said twice of a file. As many universes in all
SaveFiles."""
ALL_INDEXES_BYTES_MAX: Final = 256 << 20
"""Of all of these together, unpacked: of some fifty universes that are full. They are in memory. As
much of all timelines and small files of a server: some 800,000 entries."""
EVENTS_MAX: Final = 1_000
"""Of one universe, in one import: the most important ones."""
CONFIG_BYTES_MAX: Final = 16 << 10
"""As much as the record of a universe takes."""
PROBLEMS_MAX: Final = 1_000
"""That are told one by one; the others are counted."""
