"""What may be said yet where a device signed two branches, and that no more is kept in doubt."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest

from crdt import authority
from crdt.blob import BlobId
from crdt.capability import CapabilityCache
from crdt.change import check_entry, sign_change
from crdt.document import Document, Editor
from crdt.held import Held, Revocation
from node.projection import project
from registry.plain import as_map
from storage.documents import raw_of
from storage.epoch_says import Epoch, epoch_of, is_cut, keys_of, mentioned, uncontested, unrevoked
from storage.listing import Listing
from storage.materialise import Authority, Work, build, judge, load
from tests.storage.people import ALICE, Person, person
from tests.storage.test_snapshots import MAIN, created, keeps, taken
from universe.record import drop_snapshots

PEOPLE = (ALICE, *(person(1, device=number) for number in (7, 8, 9)))
TWICE = (1, 2)
"""Devices that are put back from a backup."""


@dataclass
class Home:
    """A device, or a copy of it."""

    who: Person
    entries: list[bytes] = field(default_factory=list[bytes])
    """Ids of what it has, parents first."""


@dataclass
class Story:
    """Of one universe: who keeps states in it and lets them go."""

    random: Random
    held: dict[bytes, Held] = field(default_factory=dict[bytes, Held])
    raws: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    kept: list[bytes] = field(default_factory=list[bytes])
    """Keys of snapshots."""
    homes: list[Home] = field(default_factory=list[Home])

    def act(self, home: Home) -> None:
        """It keeps a state, or lets some go that it knows."""
        held = as_map(document_of(home, self.raws).to_py().get("snapshots", {}))
        known = sorted(bytes.fromhex(key) for key in held or ())
        if known and self.random.random() < 0.5:
            self.let_go(home, *self.random.sample(known, self.random.randint(1, len(known))))
        else:
            self.keep(home)

    def keep(self, home: Home) -> bytes:
        """The key of another state."""
        one = taken(len(self.kept), BlobId(self.random.randbytes(32)), who=home.who)
        self.kept.append(one.id)
        self.sign(home, keeps(one))
        return one.id

    def let_go(self, home: Home, *states: bytes) -> None:
        self.sign(home, drop_snapshots(states, now_us=1))

    def sign(self, home: Home, edit: Callable[[Editor], None]) -> None:
        raw = document_of(home, self.raws).change(edit)
        assert raw is not None
        before = next(iter(self.said(home)[::-1]), None)
        signed = sign_change(
            raw, MAIN, signer=home.who.signer, prev=before, auth_heads=(), timestamp=2_000
        )
        checked = check_entry(signed, CapabilityCache())
        self.held[signed.id] = Held.of(checked)
        self.raws[signed.id] = raw_of(signed.payload)
        home.entries.append(signed.id)

    def said(self, home: Home) -> list[bytes]:
        """What it, or a copy of it, signed of what it has."""
        device = home.who.signer.device.public
        return [one for one in home.entries if self.held[one].device == device]

    def hear(self, home: Home, other: Home) -> None:
        """All that the other has, unless that is of both branches of somebody."""
        both = [*home.entries, *(one for one in other.entries if one not in {*home.entries})]
        slots = [(self.held[one].device, self.held[one].seq) for one in both]
        if len({*slots}) == len(slots):
            home.entries = both

    def guest(self) -> Home:
        """A device of which nobody has heard."""
        self.homes.append(Home(person(1, device=20 + len(self.homes))))
        return self.homes[-1]

    def vote(self, *homes: Home) -> bytes:
        """By somebody new, who keeps another state beside what these have: its key."""
        guest = self.guest()
        for home in homes:
            self.hear(guest, home)
        return self.keep(guest)

    def copied(self, home: Home) -> Home:
        copy = Home(home.who, [*home.entries])
        self.homes.append(copy)
        return copy

    def epoch(self, entries: set[bytes], *revoked: Home) -> Epoch:
        """As it is where these are held, and these are revoked."""
        held = {one: self.held[one] for one in entries}
        work = Work(MAIN, 1, held, {one: self.raws[one] for one in entries})
        devices = [one.who.signer.device.public for one in revoked]
        cuts = tuple(Revocation(ALICE.root.public, device) for device in devices)
        work.authority = Authority(revocations=cuts)
        judged = [(work, judge(work))]
        judged += [unrevoked(work)] if is_cut(*judged[0]) else []
        beside, count = uncontested(judged), len(judged)
        built = [build(*one, load(*one), project) for one in (*judged, *beside)]
        return epoch_of(judged, built[:count], built[count:])


def document_of(home: Home, raws: dict[bytes, bytes]) -> Document:
    made = Document.open(MAIN.cls, MAIN.kind, home.who.signer.device.public)
    if home.entries:
        made.receive([raws[one] for one in home.entries])
    return made


def told(seed: int) -> Story:
    story = Story(Random(seed))
    story.homes = [Home(who) for who in PEOPLE]
    first = story.homes[0]
    story.sign(first, created())
    for home in story.homes[1:]:
        story.hear(home, first)
    return story


def steps(story: Story, count: int) -> None:
    for _ in range(count):
        home, other = story.random.sample(story.homes, 2)
        if story.random.random() < 0.5:
            story.hear(home, other)
        story.act(home)


def is_told(story: Story, device: int, known: set[bytes]) -> bool:
    """Whether it never parted from itself, or that shows in what is known."""
    homes = [one for one in story.homes if one.who is PEOPLE[device]]
    tails = [{*story.said(one)} for one in homes]
    common = set[bytes].intersection(*tails)
    if any(tail == common for tail in tails):
        return True
    slots = [{story.held[one].seq for one in (tail - common) & known} for tail in tails]
    return bool(set[int].intersection(*slots))


def said(epoch: Epoch) -> frozenset[bytes]:
    assert isinstance(epoch.now, Listing)
    return keys_of(epoch.now)


@pytest.mark.parametrize("seed", range(50))
def test_whichever_branch_wins_what_is_said_then_could_have_been_told(seed: int) -> None:
    story = told(seed)
    steps(story, 2)
    for device in TWICE:
        story.copied(story.homes[device])
    steps(story, 24)
    known = {*story.held}
    if story.random.random() < 0.5:  # some wait
        known -= {*story.random.sample(sorted(known), 2)}
    before = story.epoch(known)
    if not all(is_told(story, device, known) for device in TWICE):
        pytest.skip("nothing is known of a branch")
    for _ in range(6):
        guest = story.guest()
        story.hear(guest, story.random.choice(story.homes[:-1]))
        story.act(guest)
    after, kept = story.epoch({*story.held}), frozenset(story.kept)
    new = mentioned([raw for one, raw in story.raws.items() if one not in known], kept)
    assert said(after) <= before.says_of(kept) | new


@pytest.mark.parametrize("is_whole", [True, False])
def test_what_one_branch_let_go_is_back_once_the_other_wins(is_whole: bool) -> None:
    """Of which at first only the end may be here."""
    story = told(1)
    laptop, phone, *_ = story.homes
    state = story.keep(laptop)
    story.hear(phone, laptop)
    old = story.copied(phone)
    story.let_go(phone, state)
    story.keep(phone)
    story.vote(phone)
    known = {*story.held}
    story.keep(old)
    known |= {*story.held} if is_whole else set()
    story.keep(old)
    known |= {old.entries[-1]}
    before = story.epoch(known)
    assert state not in said(before)
    assert state in before.says_of(frozenset({state}))
    for _ in range(2):
        story.vote(old)
    assert state in said(story.epoch({*story.held}))


@pytest.mark.parametrize("is_kept_before", [True, False])
def test_what_was_built_on_a_branch_that_lost_contests_others_once_that_wins(
    is_kept_before: bool,
) -> None:
    """The phone and the tablet both were put back. What one let go, as the other has it not: both
    branches that lost have to win for it to be back, or one of them."""
    story = told(1)
    laptop, phone, tablet, _ = story.homes
    old_phone, old_tablet = story.copied(phone), story.copied(tablet)
    for _ in range(2):  # what is built on more is settled later
        story.keep(laptop)
    story.hear(tablet, laptop)
    keeper = laptop if is_kept_before else tablet
    state = story.keep(keeper)
    story.hear(tablet, laptop)
    story.hear(phone, keeper)
    if is_kept_before:
        story.let_go(tablet, state)
        story.keep(phone)
    else:
        story.let_go(phone, state)
    for _ in range(3):
        story.vote(phone, tablet)
    story.keep(old_phone)
    story.hear(old_tablet, old_phone)
    story.keep(old_tablet)
    before = story.epoch({*story.held})
    assert before.contested
    assert state not in said(before)
    for _ in range(5):
        story.vote(old_tablet if is_kept_before else old_phone)
    after = story.epoch({*story.held})
    assert state in said(after)
    assert state in before.says_of(frozenset({state}))


def test_what_a_revoked_device_let_go_of_a_branch_that_lost_is_in_doubt() -> None:
    """By what it and another one signed, that would win if they were not revoked; as it may yet."""
    story = told(1)
    _, phone, tablet, watch = story.homes
    old = story.copied(phone)
    story.keep(phone)
    story.vote(phone)
    state = story.keep(old)
    for home in (tablet, watch):
        story.hear(home, old)
        story.let_go(home, state)
    before = story.epoch({*story.held}, tablet, watch)
    assert state in before.says_of(frozenset({state}))
    for _ in range(2):
        story.vote(old)
    assert state in said(story.epoch({*story.held}, tablet, watch))


def test_where_not_all_fits_into_one_document_all_is_in_doubt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A longer branch that wins leaves no room for what was let go beside it."""
    monkeypatch.setattr(authority, "CHANGES_MAX", 10)
    story = told(1)
    laptop, phone, tablet, _ = story.homes
    state = story.keep(laptop)
    for home in (phone, tablet):
        story.hear(home, laptop)
    old = story.copied(phone)
    for _ in range(5):
        story.keep(tablet)
    story.let_go(tablet, state)
    story.keep(phone)
    story.vote(phone)
    for _ in range(5):
        story.keep(old)
    before = story.epoch({*story.held})
    assert state not in said(before)
    assert state in before.says_of(frozenset({state}))
    for _ in range(2):
        story.vote(old)
    assert state in said(story.epoch({*story.held}))


def test_what_stands_beside_both_branches_is_no_doubt() -> None:
    """Nor what came and went on one of them."""
    story = told(1)
    laptop, phone, *_ = story.homes
    old = story.copied(phone)
    beside = story.keep(laptop)
    story.let_go(laptop, beside)
    mine = story.keep(phone)
    story.let_go(phone, mine)
    voted, theirs = story.vote(phone), story.keep(old)
    assert story.epoch({*story.held}).says_of(frozenset(story.kept)) == {voted, theirs}
