"""Which statements stand, and which revocations are in force: a function of the set that is held.

    stands(s)   = no revocation in force of a lower level hits s's chain, unless s is under its
                  frontier
    in_force(r) = stands(r) ∧ no standing `unrevoke` of r's issuer, of no greater level, names r
    level(s)    = how many keys s's right came through

A right is passed on down a chain, so whoever may take one back stands at a lower level than whoever
got it; and since only lower levels decide a level, the definition has no circle in it, however
people delegate to one another. Two at one level cannot undo each other's statements: of two who
revoke each other, both revocations hold. An issuer who has several rights uses the shortest.
Checkpoints take nothing back, so all revocations in force judge them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations

from crdt.area import Area
from crdt.keys import AuthorKey
from crdt.statement import Checkpoint, Revoke, Statement, Unrevoke, class_of, log_path


@dataclass(frozen=True, slots=True)
class Stated:
    """A statement that is held.

    `key`: the entry's id. `issuer`: the key of its subspace. `log`: its document, encoded.
    `before`: the digest of the statement that it follows. `kept`: of a revocation, the digests that
    its frontier names, by log.
    """

    key: bytes
    issuer: bytes
    chain: tuple[bytes, ...]
    log: bytes
    digest: bytes
    before: bytes | None
    statement: Statement
    kept: Mapping[bytes, frozenset[bytes]] = field(default_factory=dict[bytes, frozenset[bytes]])

    @property
    def level(self) -> int:
        return len(self.chain)

    @property
    def place(self) -> Area:
        """Where its log lies."""
        return Area(AuthorKey(self.issuer), log_path(class_of(self.statement)))


@dataclass(frozen=True, slots=True)
class InForce:
    """The verdict, in keys of the statements given."""

    standing: frozenset[bytes]
    revocations: frozenset[bytes]
    """Of those that stand, the revocations that nobody took back."""


def in_force(stated: Iterable[Stated]) -> InForce:
    """Judges the statements of one namespace, each level by those before it."""
    everything = list(stated)
    levels: dict[int, list[Stated]] = defaultdict(list)
    for one in everything:
        if not isinstance(one.statement, Checkpoint):
            levels[one.level].append(one)
    cuts = _Cuts(everything)
    standing: set[bytes] = set()
    revocations: set[bytes] = set()
    taken_back: set[tuple[bytes, bytes]] = set()  # issuer, digest of the revocation
    for level in sorted(levels):
        stand = [one for one in levels[level] if not cuts.fell(one)]
        standing |= {one.key for one in stand}
        taken_back |= {
            (one.issuer, one.statement.revocation)
            for one in stand
            if isinstance(one.statement, Unrevoke)
        }
        for one in stand:
            if isinstance(one.statement, Revoke) and (one.issuer, one.digest) not in taken_back:
                revocations.add(one.key)
                cuts.add(one, one.statement)
    standing |= {
        one.key
        for one in everything
        if isinstance(one.statement, Checkpoint) and not cuts.fell(one)
    }
    return InForce(frozenset(standing), frozenset(revocations))


class _Cuts:
    """The revocations in force so far, by whom they cut off: (issuer, key)."""

    def __init__(self, stated: Iterable[Stated]) -> None:
        self._cuts: dict[tuple[bytes, bytes], list[tuple[Stated, Area]]] = defaultdict(list)
        self._kept: dict[tuple[bytes, bytes, bytes], frozenset[bytes] | None] = {}
        self._befores: dict[bytes, bytes | None] = {}
        for one in stated:
            self._befores[one.digest] = one.before

    def add(self, one: Stated, revoke: Revoke) -> None:
        """From the next level on, this one cuts too."""
        self._cuts[one.issuer, revoke.key].append((one, revoke.area))
        self._kept.clear()

    def fell(self, one: Stated) -> bool:
        """Whether some revocation hits this statement, which is not under its frontier."""
        return any(
            (kept := self._kept_by(issuer, key, one)) is not None and one.digest not in kept
            for issuer, key in combinations(one.chain, 2)
            if (issuer, key) in self._cuts
        )

    def _kept_by(self, issuer: bytes, key: bytes, one: Stated) -> frozenset[bytes] | None:
        """What all these revocations leave of a log; None where none of them reaches there."""
        name = (issuer, key, one.log)
        if name not in self._kept:
            cuts = {
                cut.kept.get(one.log, frozenset[bytes]())
                for cut, area in self._cuts[issuer, key]
                if area.includes(one.place)
            }
            self._kept[name] = self._under_all(cuts) if cuts else None
        return self._kept[name]

    def _under_all(self, cuts: set[frozenset[bytes]]) -> frozenset[bytes]:
        """The statements in or before each of these heads, as far as they are held."""
        under: dict[bytes, int] = {}  # a bit for each cut
        followers = Counter[bytes | None]()
        for place, heads in enumerate(cuts):
            for head in heads & self._befores.keys():
                at: bytes | None = head
                while at in self._befores and at not in under:
                    under[at], at = 0, self._befores[at]
                    followers[at] += 1
                under[head] |= 1 << place
        ready = [digest for digest in under if not followers[digest]]
        while ready:
            digest = ready.pop()
            before = self._befores[digest]
            if before in under:
                under[before] |= under[digest]
                followers[before] -= 1
                if not followers[before]:
                    ready.append(before)
        every = (1 << len(cuts)) - 1
        return frozenset(digest for digest, mask in under.items() if mask == every)
