"""Announcing what the peer lacks, no faster than it takes: ids against credit.

    jobs  ──(a range too long is split)──>  Have frames  ──(the peer settles them)──>  Credit

The peer grants 4,096 ids at first and more as it settles them, so neither side ever holds a list as
long as the difference. Live news goes the same way; where it exceeds its bound it is forgotten, and
a new reconciliation finds it.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeAlias

from crdt.area import Area
from crdt.change import SignedEntry
from crdt.keys import NamespaceKey
from crdt.order import ITEM_ID_BYTES, Bounds
from p2p.protocol import limits
from p2p.protocol.effects import FindEntries, ListIds, Split
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import Have, Listed
from p2p.protocol.grants import FULL, Claim
from p2p.protocol.outbox import Outbox, Steps
from p2p.protocol.reconcile import Offer

FAMILIAR_MAX = 2 * limits.HAVE_CREDIT_IDS  # ids the peer is known to hold; 16 bytes each
NEWS_IDS_MAX = limits.HAVE_CREDIT_IDS  # announced later, when credit returns; then reconciled
BACKLOG_JOBS_MAX = limits.RANGE_ITEMS_MAX  # above it, no further ranges are answered
PART_IDS = limits.HAVE_IDS_MAX // 2  # aimed at when a range is split: parts come out unequal


@dataclass(frozen=True, slots=True)
class _ListRange:
    namespace: NamespaceKey
    area: Area
    offer: Offer
    is_urgent: bool


@dataclass(frozen=True, slots=True)
class _SendIds:
    namespace: NamespaceKey
    ids: tuple[bytes, ...]
    is_urgent: bool


_Job: TypeAlias = _ListRange | _SendIds | Listed


class Offers:
    """What is still to be announced to one peer, in order; one question to the store at a time."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._credit = limits.HAVE_CREDIT_IDS
        self._jobs: deque[_Job] = deque()
        self._is_asking = False
        self._news_waiting = 0
        self._familiar: OrderedDict[bytes, None] = OrderedDict()
        self.oldest_s: float | None = None  # since when the peer owes us credit
        self.has_overflowed = False  # news was forgotten: reconcile again, then clear this

    @property
    def is_backlogged(self) -> bool:
        return len(self._jobs) > BACKLOG_JOBS_MAX

    @property
    def untaken(self) -> int:
        """How many ids were announced and not settled, or are to be announced; about."""
        waiting = sum(_size(job) for job in islice(self._jobs, BACKLOG_JOBS_MAX))
        return limits.HAVE_CREDIT_IDS - self._credit + waiting

    @property
    def is_idle(self) -> bool:
        return not self._jobs and not self._is_asking

    def credit(self, ids: int) -> None:
        """The peer takes so many more. Raises `RemoteProtocolError` where it never had them."""
        self._credit += ids
        if self._credit > limits.HAVE_CREDIT_IDS:
            raise RemoteProtocolError("credit", "the peer returned more credit than was used")
        self.oldest_s = None
        self._pump()

    def offer(
        self, namespace: NamespaceKey, area: Area, offers: Iterable[Offer], *, is_urgent: bool
    ) -> None:
        """Announces what a reconciliation found the peer to lack."""
        jobs = [_ListRange(namespace, area, offer, is_urgent) for offer in offers]
        self._put(jobs, is_urgent=is_urgent)

    def finish(self, number: int, *, is_urgent: bool) -> None:
        """Says `Listed`, after everything that was offered before."""
        self._put([Listed(number)], is_urgent=is_urgent)

    def learn(self, ids: Iterable[bytes]) -> None:
        """The peer holds these: no news to it."""
        for id in ids:
            self._familiar[id] = None
            self._familiar.move_to_end(id)
        while len(self._familiar) > FAMILIAR_MAX:
            self._familiar.popitem(last=False)

    def announce(
        self, namespace: NamespaceKey, ids: Sequence[bytes], areas: Sequence[Claim]
    ) -> None:
        """Live push: these were just appended here; those inside `areas` are news to the peer."""
        own_areas = [area for of, area in areas if of == namespace]
        news = [id for one in ids if (id := one[:ITEM_ID_BYTES]) not in self._familiar]
        if not own_areas or not news:
            return
        if self._news_waiting + len(news) > NEWS_IDS_MAX:
            self.has_overflowed = True
            return
        self._news_waiting += len(news)
        if FULL in own_areas:
            self._send_news(namespace, news)
        else:
            self._outbox.run(self._choose(namespace, news, own_areas))

    def _choose(
        self, namespace: NamespaceKey, news: Sequence[bytes], areas: Sequence[Area]
    ) -> Steps[None]:
        entries: Sequence[SignedEntry] = yield FindEntries(namespace, tuple(news))
        chosen = [
            signed.id[:ITEM_ID_BYTES]
            for signed in entries
            if any(area.includes_entry(signed.entry) for area in areas)
        ]
        self._news_waiting -= len(news) - len(chosen)
        self._send_news(namespace, chosen)

    def _send_news(self, namespace: NamespaceKey, news: Sequence[bytes]) -> None:
        size = limits.HAVE_IDS_MAX
        parts = [tuple(news[at : at + size]) for at in range(0, len(news), size)]
        self._put([_SendIds(namespace, part, False) for part in parts], is_urgent=False)

    def _put(self, jobs: Sequence[_Job], *, is_urgent: bool) -> None:
        """Urgent jobs go before all others, in their own order."""
        if is_urgent:
            waiting = sum(_is_urgent(job) for job in self._jobs)
            for position, job in enumerate(jobs):
                self._jobs.insert(waiting + position, job)
        else:
            self._jobs.extend(jobs)
        self._pump()

    def _pump(self) -> None:
        while self._jobs and not self._is_asking:
            match self._jobs[0]:
                case Listed() as listed:
                    self._outbox.send(listed)
                case _SendIds(ids=news) as job:  # the peer may have told of some meanwhile
                    ids = [id for id in news if id not in self._familiar]
                    if not self._has_credit(len(ids)):
                        return
                    self._news_waiting -= len(news)
                    self._have(job.namespace, ids, is_urgent=False)
                case _ListRange(offer=offer) as job:
                    if not self._has_credit(min(offer.count, limits.HAVE_IDS_MAX)):
                        return
                    self._is_asking = True
                    if offer.count > limits.HAVE_IDS_MAX:
                        self._jobs.popleft()
                        self._outbox.run(self._split(job))
                    else:
                        self._outbox.run(self._list(job, self._take_batch(job)))
                    continue
            self._jobs.popleft()

    def _has_credit(self, ids: int) -> bool:
        if self._credit < ids and self.oldest_s is None:
            self.oldest_s = self._outbox.now_s
        return self._credit >= ids

    def _take_batch(self, first: _ListRange) -> list[Offer]:
        """The short ranges at the front that fit one frame together: one question, one Have."""
        batch: list[Offer] = []
        room = min(self._credit, limits.HAVE_IDS_MAX)
        while self._jobs:
            job = self._jobs[0]
            if not isinstance(job, _ListRange) or replace(job, offer=first.offer) != first:
                break
            room -= job.offer.count
            if room < 0:
                break
            batch.append(job.offer)
            self._jobs.popleft()
        return batch

    def _split(self, job: _ListRange) -> Steps[None]:
        """Replaces a long range by its parts, which come next."""
        offer = job.offer
        parts = -(-offer.count // PART_IDS)
        covers: Sequence[Sequence[Bounds]] = yield Split(
            job.namespace, job.area, (offer.bounds,), parts
        )
        smaller = [Offer(part, limits.HAVE_IDS_MAX, offer.besides) for part in covers[0]]
        self._jobs.extendleft(replace(job, offer=part) for part in reversed(smaller))
        self._is_asking = False
        self._pump()

    def _list(self, job: _ListRange, offers: Sequence[Offer]) -> Steps[None]:
        """Announces what is in short ranges, but for what the peer listed itself."""
        lists: Sequence[Sequence[bytes]] = yield ListIds(
            job.namespace,
            job.area,
            tuple(offer.bounds for offer in offers),
            limits.HAVE_IDS_MAX,
        )
        ids = [
            id
            for offer, held in zip(offers, lists, strict=True)
            for id in held
            if id not in offer.besides
        ]
        room = min(self._credit, limits.HAVE_IDS_MAX)  # a range may have grown meanwhile
        self._have(job.namespace, ids[:room], is_urgent=job.is_urgent)
        self._is_asking = False
        self._pump()

    def _have(self, namespace: NamespaceKey, ids: Sequence[bytes], *, is_urgent: bool) -> None:
        if ids:
            self._credit -= len(ids)
            self.learn(ids)
            self._outbox.send(Have(namespace, b"".join(ids), is_urgent))


def _size(job: _Job) -> int:
    match job:
        case Listed():
            return 0
        case _SendIds(ids=ids):
            return len(ids)
        case _ListRange(offer=offer):
            return max(0, offer.count - len(offer.besides))


def _is_urgent(job: _Job) -> bool:
    match job:
        case Listed():
            return False
        case _ListRange(is_urgent=is_urgent) | _SendIds(is_urgent=is_urgent):
            return is_urgent
