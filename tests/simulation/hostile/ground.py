"""The network of a hostile world: peers may say other things than their sessions do.

An honest node has its guard (`p2p.protocol.offences`), as in production; each node calls from a
host of its own. A hostile one has a `Mask`: what its store shows to whom, and what goes over the
wire in place of what a session says.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from crdt.change import SignedEntry
from crdt.keys import DeviceKey
from crdt.order import ITEM_ID_BYTES
from p2p.protocol import effects as ask
from p2p.protocol.effects import EntriesRefused, PeerFault, SessionEvent
from p2p.protocol.frames import Frame, Want, encode_frame, split_ids
from p2p.protocol.offences import Offences
from p2p.transport.answers import answer
from storage.store import Received
from tests.simulation.memory_store import MemoryStore
from tests.simulation.network import End, Network, Node

NOBODYS_FAULT = frozenset({"over-quota", "blocked", "too-many-revoked"})


class Mask(Protocol):
    """What a hostile node shows in place of its store and its sessions."""

    store: MemoryStore

    def shows(self, signed: SignedEntry, peer: DeviceKey) -> bool: ...
    def says(self, end: End, frame: Frame) -> Sequence[bytes]: ...
    def hears(self, end: End, frame: Frame) -> None: ...


class Ground(Network):
    """Guards, masks, and what went between whom."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.guards: dict[Node, Offences] = {}
        self.masks: dict[Node, Mask] = {}
        self.refused: dict[Node, Counter[str]] = {}
        self.twisted = Counter[type[Mask]]()  # how often something else was said
        self._shown_of: dict[tuple[Mask, DeviceKey], tuple[int, MemoryStore]] = {}
        self.on_event: Callable[[End, SessionEvent], None] = lambda end, event: None
        self.on_said: Callable[[End, Frame], None] = lambda end, frame: None

    def said(self, end: End, frame: Frame) -> Sequence[bytes]:
        mask = self.masks.get(end.node)
        said = (encode_frame(frame),) if mask is None else mask.says(end, frame)
        if mask is not None:
            self.twisted[type(mask)] += tuple(said) != (encode_frame(frame),)
        else:
            self.on_said(end, frame)
            if end.other is not None and (listener := self.masks.get(end.other.node)):
                listener.hears(end.other, frame)
        return said

    def heard(self, end: End, event: SessionEvent) -> None:
        guard, host = self.guards.get(end.node), self._host(end)
        if guard is None:
            return
        match event:
            case PeerFault(code, sentence):
                guard.fault(end.peer, host, code, sentence, now_s=self.now_s)
            case EntriesRefused(codes):
                guard.refuse_entries(end.peer, host, codes, now_s=self.now_s)
            case _:
                pass
        self.on_event(end, event)

    def may_meet(self, source: Node, target: Node) -> bool:
        for node, other in ((source, target), (target, source)):
            guard = self.guards.get(node)
            if guard and guard.refused(other.person.device_key, now_s=self.now_s):
                return False
        guard = self.guards.get(target)
        return guard is None or guard.admits(self._host_of(source), now_s=self.now_s)

    def strikes(self, node: Node, peer: DeviceKey) -> int:
        guard = self.guards.get(node)
        return guard.strikes(peer, now_s=self.now_s) if guard else 0

    async def answer(self, end: End, question: ask.Question) -> object:
        mask = self.masks.get(end.node)
        if mask is not None and not isinstance(question, ask.Receive):
            shown = mask.store if isinstance(question, ask.Holds) else self._shown(mask, end.peer)
            return await answer(shown, question, source=end.peer.hex())
        if isinstance(question, ask.Receive) and end.other and end.other.node in self.masks:
            wants = [frame for frame in end.frames if isinstance(frame, Want)]
            asked = {id for frame in wants for id in split_ids(frame.ids)}
            taken = {one.id[:ITEM_ID_BYTES] for one in question.entries}
            assert taken <= asked, "entries are taken that nobody asked for"
        given = await super().answer(end, question)
        if isinstance(given, Received) and isinstance(question, ask.Receive):
            told = len(given.added) + given.known + len(given.refused)
            assert told >= len({one.id for one in question.entries}), "an entry went without a word"
            self.refused.setdefault(end.node, Counter()).update(
                f"{end.peer.hex()} {one.code}" for one in given.refused
            )
        return given

    def _shown(self, mask: Mask, peer: DeviceKey) -> MemoryStore:
        """Made again when it holds more: what it decided to show of an entry does not change."""
        held = sum(map(len, mask.store.held.values()))
        of, shown = self._shown_of.get((mask, peer), (0, MemoryStore()))
        if of != held:
            shown = MemoryStore()
            for namespace, entries in mask.store.held.items():
                shown.held[namespace] = {
                    id: signed for id, signed in entries.items() if mask.shows(signed, peer)
                }
            self._shown_of[mask, peer] = held, shown
        return shown

    def _host(self, end: End) -> str:
        return self._host_of(end.other.node) if end.other else ""

    def _host_of(self, node: Node) -> str:
        return f"host {self.nodes.index(node)}"
