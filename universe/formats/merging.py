"""States of one universe that were found in several places, as one."""

from collections.abc import Sequence
from dataclasses import replace

from universe.formats.imported import About, ImportedSnapshot, ImportedUniverse, Report
from universe.parts import SNAPSHOTS_MAX
from universe.snapshot import KINDS, goes_by_itself, kind_of


def once(found: Sequence[ImportedSnapshot], report: Report) -> tuple[ImportedSnapshot, ...]:
    """Each content once, the canonical one before others; in the order in which they were taken.

    But of what is noted each that was kept for another reason, or at another tick.
    """
    kept: dict[tuple[object, ...], ImportedSnapshot] = {}
    for one in sorted(found, key=lambda one: (not one.is_noted, _rank(one), *taken(one))):
        alike = _known_by(one)
        if one.is_noted:  # what its bytes alone say is known by it too
            kept.setdefault(alike[:2], one)
        if (same := kept.setdefault(alike, one)) is not one:
            reason = f"the same bytes as {same.source.path}, which says tick {same.tick}"
            report.tell(About.DUPLICATE, one.source.path, f"tick {one.tick}: {reason}")
    wanted = [*dict.fromkeys(kept.values())]
    if len(wanted) > SNAPSHOTS_MAX:
        wanted.sort(key=lambda one: (_rank(one), -one.at_us, -one.tick))
        reason = f"{len(wanted):,} snapshots, and a universe has {SNAPSHOTS_MAX:,} at most"
        last = wanted[SNAPSHOTS_MAX].source.path
        why = "canonical ones are taken, then those by hand, then the newest"
        report.tell(About.TOO_MUCH, last, f"{reason}: {why}; this one and others are left out")
    return tuple(sorted(wanted[:SNAPSHOTS_MAX], key=taken))


def _known_by(one: ImportedSnapshot) -> tuple[object, ...]:
    """What a fork began with stays beside the same bytes that it kept itself."""
    by_bytes = (one.content.checksum, one.is_inherited)
    if not one.is_noted:
        return by_bytes
    goes = goes_by_itself(one.decay, is_wrapped=one.is_wrapped)
    return (*by_bytes, one.tick, kind_of(one.kind), one.event, one.decay, goes)


def _rank(one: ImportedSnapshot) -> int:
    """The canonical ones, then those by hand."""
    return -KINDS.index(kind_of(one.kind))


def taken(one: ImportedSnapshot) -> tuple[int, int, str]:
    """When, for the order; of the same moment by what it claims."""
    return one.at_us, one.tick, one.source.path


def merged(found: Sequence[ImportedUniverse], report: Report) -> list[ImportedUniverse]:
    """Those of one id as one universe: what is said of it is what the last of its states says."""
    by_id: dict[str, list[ImportedUniverse]] = {}
    for one in found:
        by_id.setdefault(one.id, []).append(one)
    return [_as_one(same, report) for same in by_id.values()]


def _as_one(same: Sequence[ImportedUniverse], report: Report) -> ImportedUniverse:
    if len(same) == 1:
        return same[0]
    last = max(same, key=lambda one: max(map(taken, one.snapshots), default=(0, 0, "")))
    created = [one.created_us for one in same if one.created_us]
    return replace(
        last,
        snapshots=once([each for one in same for each in one.snapshots], report),
        events=tuple(dict.fromkeys(each for one in same for each in one.events)),
        created_us=min(created, default=0),
    )
