"""Which snapshots of a universe are dropped, and why: a function of what is there and when it is.

```
                      auto, where it is thinned             manual     canonical
 the last hour        all                                   all        all, for ever
 the last day         the last of each hour
 the last 30 days     the last of each day
 before               the last of each week (from Monday)
```
Who sets no rule keeps all that a universe has room for: only of more than `AUTOS_MAX` autosaves so
many go as are too many, of those that thinning would take the oldest, then the oldest. So a world
that is saved for years never ends to be. Never dropped, whatever a rule says: canonical ones, the
newest by tick and the newest by time, those pinned (forks and passages need them), and those whose
author said `never`. A snapshot with a decay of its own obeys that and no rule.

Applied twice it drops nothing more, and what `thin`, ages and counts drop now they would drop later
too, where nothing is dated ahead of now. The world's tick, by which ages in ticks go, is that of
what was kept last by its time: after an older save was loaded it is a lower one.

What a clock dated that was ahead goes by itself until its time comes: of it and of the others the
newest stay, and it says nothing of the world's tick. Then it is the one kept last, if nothing came
since, and ages in ticks are counted from it: they may drop more, or less, than before.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from registry.errors import InvalidRecord, Problem
from registry.head import refuse
from universe.parts import SNAPSHOTS_MAX
from universe.room import VALUES_MAX
from universe.snapshot import TICK_MAX, Decay
from universe.taken import Taken

HOUR_US: Final = 3_600_000_000
DAY_US: Final = 24 * HOUR_US
MONTH_US: Final = 30 * DAY_US
POLICY_BYTES_MAX: Final = 2 * 1024
SECONDS_MAX: Final = 1_000 * 365 * 24 * 3_600
COUNT_MAX: Final = 1_000_000
AUTOS_MAX: Final = 2_000
"""Kept without a rule: with one each five minutes, a week of playing day and night."""
ROOM_MAX: Final = SNAPSHOTS_MAX - 100
"""Of all kinds: beyond, autosaves make room for what comes."""
ROOM_VALUES_MAX: Final = VALUES_MAX - 100
"""The same of snapshots with events and what a gate keeps beside them: see `universe.room`."""
_MONDAY: Final = 3  # 1 January 1970 was a Thursday


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Of one kind. What any of them drops is dropped; one that says nothing keeps all."""

    thin: bool = False
    """All of the last hour, then hourly, daily, weekly: see the module."""
    thin_over: int | None = None
    """The same of the oldest, and only while there are more than so many, or no room."""
    newest: int | None = None
    """At most so many."""
    older_than_s: int | None = None
    """None that is older than so many seconds."""
    older_than_ticks: int | None = None
    """None that is so many ticks behind the one that was kept last."""


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an owner wants kept."""

    auto: Rule = Rule(thin_over=AUTOS_MAX)
    manual: Rule = Rule()


KEEP_ALL: Final = Policy(auto=Rule())


@dataclass(frozen=True, slots=True)
class Dropped:
    """`why`: what people read, after "dropped: "."""

    snapshot: Taken
    why: str


def parse_policy(text: str) -> Policy:
    """As JSON: `{"auto": {"thin": true, "newest": 500}, "manual": {"older_than_s": 31536000}}`.

    `{"decayAfterTicks": N}` and `{"neverDecay": true}` are understood as games of ai_village mean
    them. Raises `InvalidRecord`.
    """
    if len(text.encode(errors="replace")) > POLICY_BYTES_MAX:
        refuse([Problem("/retention", f"more than {POLICY_BYTES_MAX} bytes")])
    try:
        if "decayAfterTicks" in text or "neverDecay" in text:
            return _of_decay(msgspec.json.decode(text, type=_Decay))
        policy = msgspec.json.decode(text, type=Policy)
    except (msgspec.MsgspecError, UnicodeEncodeError) as error:
        raise InvalidRecord((Problem("/retention", str(error)),)) from error
    refuse([*_rule_problems("auto", policy.auto), *_rule_problems("manual", policy.manual)])
    return policy


def write_policy(policy: Policy) -> str:
    """What `parse_policy` reads; one text for one policy."""
    return msgspec.json.encode(policy, order="deterministic").decode()


def policy_words(policy: Policy) -> tuple[str, ...]:
    """A line for each kind."""
    return (
        f"auto: {_rule_words(policy.auto)}",
        f"manual: {_rule_words(policy.manual)}",
        "canonical: all are kept",
    )


def to_drop(
    snapshots: Iterable[Taken],
    policy: Policy,
    *,
    now_us: int,
    newest_tick: int | None = None,
    pinned: Collection[bytes] = frozenset(),
    beside: int = 0,
) -> tuple[Dropped, ...]:
    """By tick. `now_us` in µs since 1970; `newest_tick`: of the world, else of what was kept last
    and is not dated ahead (where all are, of the last of them).

    `pinned`: ids of what forks and passages need; `beside`: events and receipts in its document.
    """
    held = _oldest_first({one.id: one for one in snapshots}.values(), now_us)
    if not held:
        return ()
    last = max(held, key=lambda one: one.order)
    latest = max(held, key=_by_time)
    # A world may be set back: what it kept since is not old for what it had reached before.
    tick = held[-1].tick if newest_tick is None else newest_tick
    kept = {last.id, latest.id, held[-1].id, *pinned}
    kept |= {one.id for one in held if one.kind == "canonical" or one.is_inherited}
    why: dict[bytes, str] = {}
    for one in held:
        decay = one.decay or one.word
        if decay is not None and (reason := _decayed(one.tick, decay, tick)):
            why[one.id] = reason
    for kind, rule in (("auto", policy.auto), ("manual", policy.manual)):
        ruled = [one for one in held if one.kind == kind and one.decay is None]
        why |= _ruled_out(ruled, rule, now_us, tick)
        if rule.thin_over is not None:
            stays = [one for one in held if one.id in kept or one.id not in why]
            left = [one for one in stays if not one.is_inherited]
            why |= _too_many(left, kind, kept, rule.thin_over, now_us, beside)
    gone = [Dropped(one, why[one.id]) for one in held if one.id in why and one.id not in kept]
    return tuple(sorted(gone, key=lambda one: one.snapshot.order))


def keeps_all(policy: Policy, count: int, beside: int = 0) -> bool:
    """Whether of so many without a decay of their own none goes, whatever they are.

    `beside`: as in `to_drop`.
    """
    most = policy.auto.thin_over
    says_no_more = policy == Policy(auto=Rule(thin_over=most))
    return says_no_more and (
        most is None or (count <= min(most, ROOM_MAX) and count + beside <= ROOM_VALUES_MAX)
    )


def _oldest_first(snapshots: Iterable[Taken], now_us: int) -> list[Taken]:
    """By when they were taken; before them what says that it comes yet. A clock that was ahead
    dated that, and for hours or years it would be newer than all that is."""
    return sorted(snapshots, key=lambda one: (one.at_us <= now_us, *_by_time(one)))


def _by_time(one: Taken) -> tuple[int, int, bytes]:
    return one.at_us, one.tick, one.id


def _decayed(tick: int, decay: Decay, newest_tick: int) -> str | None:
    behind = newest_tick - tick
    if not decay.goes or decay.after is None or behind <= decay.after:
        return None
    return f"{behind:,} ticks old, and its author keeps it for {decay.after:,}"


def _ruled_out(ruled: list[Taken], rule: Rule, now_us: int, newest_tick: int) -> dict[bytes, str]:
    """Why, by id. `ruled`: of one kind, oldest first."""
    why: dict[bytes, str] = {}
    oldest_us = None if rule.older_than_s is None else now_us - rule.older_than_s * 1_000_000
    fewer = len(ruled) if rule.newest is None else rule.newest
    ahead = sum(one.at_us > now_us for one in ruled)  # they come first, and go by themselves
    for place, one in enumerate(ruled):
        behind = newest_tick - one.tick
        if place < ahead - fewer or ahead <= place < len(ruled) - fewer:
            why[one.id] = f"{fewer:,} newer ones are kept"
        elif oldest_us is not None and one.at_us < oldest_us:
            why[one.id] = f"older than {_span(rule.older_than_s or 0)}"
        elif rule.older_than_ticks is not None and behind > rule.older_than_ticks:
            why[one.id] = f"{behind:,} ticks old, more than {rule.older_than_ticks:,}"
    if rule.thin:
        why |= _thinned([one for one in ruled if one.id not in why], now_us)
    return why


def _thinned(ruled: list[Taken], now_us: int) -> dict[bytes, str]:
    """The last of each span stays. Spans lie within one another, so it also is the last of its
    hour when days are looked at: what stays does not depend on how often this is done."""
    last: dict[tuple[str, int], bytes] = {}
    for one in ruled:  # oldest first: the last one stays in the map
        for span in ("hour", "day", "week"):
            last[span, _place(one.at_us, span)] = one.id
    why: dict[bytes, str] = {}
    for one in ruled:
        age_us = now_us - one.at_us
        if age_us <= HOUR_US:
            continue
        span = "hour" if age_us <= DAY_US else "day" if age_us <= MONTH_US else "week"
        if last[span, _place(one.at_us, span)] != one.id:
            why[one.id] = f"a later one of that {span} is kept"
    return why


def _too_many(
    held: list[Taken], kind: str, kept: set[bytes], most: int, now_us: int, beside: int
) -> dict[bytes, str]:
    """As many as are too many: what would be thinned first, the oldest of it first.

    `held`: of all kinds, oldest first.
    """
    ruled = [one for one in held if one.kind == kind and one.decay is None]
    room = min(ROOM_MAX, ROOM_VALUES_MAX - beside)
    ahead = sum(one.at_us > now_us for one in ruled)  # they come first, and go by themselves
    over = [max(len(some) - most, 0) for some in (ruled[:ahead], ruled[ahead:])]
    if not any(over) and len(held) <= room:
        return {}
    thinned = _thinned(ruled, now_us)
    why = f"the oldest of more than {most if any(over) else max(room, 0):,}"
    if not any(over) and room < ROOM_MAX:
        why += f", which have room beside {beside:,} events and receipts"
    free = [one for one in ruled if one.id not in kept]
    free.sort(key=lambda one: one.id not in thinned)  # stable: both parts oldest first
    gone = [one for one in free if one.at_us > now_us][: over[0]]
    gone += [one for one in free if one.at_us <= now_us][: over[1]]
    picked = {one.id for one in gone}
    no_room = max(len(held) - room - len(gone), 0)
    gone += [one for one in free if one.id not in picked][:no_room]
    return {one.id: thinned.get(one.id, why) for one in gone}


def _place(at_us: int, span: str) -> int:
    if span == "hour":
        return at_us // HOUR_US
    day = at_us // DAY_US
    return day if span == "day" else (day + _MONDAY) // 7


class _Decay(msgspec.Struct, frozen=True):
    """Whatever else it says."""

    decay_after_ticks: int | None = msgspec.field(default=None, name="decayAfterTicks")
    never_decay: bool | None = msgspec.field(default=None, name="neverDecay")


def _of_decay(decay: _Decay) -> Policy:
    if decay.never_decay:
        return KEEP_ALL
    rule = Rule(older_than_ticks=decay.decay_after_ticks)
    refuse(_rule_problems("decayAfterTicks", rule))
    auto = Rule(thin_over=AUTOS_MAX, older_than_ticks=rule.older_than_ticks)
    return Policy(auto=auto, manual=rule)


def _rule_problems(kind: str, rule: Rule) -> list[Problem]:
    bounds = (
        ("newest", rule.newest, 1, COUNT_MAX),
        ("thin_over", rule.thin_over, 1, ROOM_MAX),
        ("older_than_s", rule.older_than_s, 1, SECONDS_MAX),
        ("older_than_ticks", rule.older_than_ticks, 1, TICK_MAX),
    )
    return [
        Problem(f"/retention/{kind}/{key}", f"is {value}, not {least} to {most}")
        for key, value, least, most in bounds
        if value is not None and not least <= value <= most
    ]


def _rule_words(rule: Rule) -> str:
    said: list[str] = []
    if rule.thin:
        said.append("all of the last hour, then the last of each hour, day, week")
    if rule.thin_over is not None:
        said.append(
            f"up to {rule.thin_over:,} are kept; of more, the oldest are thinned to the last of"
            " each hour, day, week"
        )
    if rule.newest is not None:
        said.append(f"the newest {rule.newest:,}")
    if rule.older_than_s is not None:
        said.append(f"none older than {_span(rule.older_than_s)}")
    if rule.older_than_ticks is not None:
        said.append(f"none {rule.older_than_ticks:,} ticks behind")
    return "; ".join(said) or "all are kept"


def _span(seconds: int) -> str:
    for name, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length and seconds % length == 0:
            count = seconds // length
            return f"{count:,} {name}{'' if count == 1 else 's'}"
    return f"{seconds:,} seconds"
