"""Why no set of versions fits, in sentences a person can act on.

The solver proves it by a tree: leaves are facts (somebody asks for a range, nothing is
there), inner nodes follow from two others. The sentences are what the person asked for, the facts
in the order of the proof, each with the range as its author wrote it, what follows in between where
the proof is long, and one closing sentence. A circle of dependencies is named as such.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nab_resolver.root import ROOT
from nab_resolver.types import Incompatibility, IncompatibilityCause, Term

from crdt.did import short_did
from registry.circles import told_circles
from registry.ranges import parse_range
from registry.version_sets import VersionSet
from registry.versions import Place, Version

SENTENCES_MAX = 40  # a screen; beyond it people stop reading
LEFT_OUT_MAX = 3  # versions named of those that were yanked or broken
# A proof from so few facts is plain from the facts alone.
PLAIN_FACTS_MAX = 4
# Each is held against each for the closing sentence; a clash lies near the proof's beginning.
WISHES_COMPARED_MAX = 300
OPENING_WORDS = frozenset({"you", "every", "no", "there"})
EVERY = "every version of "
ANY = parse_range("*")

Node = Incompatibility[Any, Any]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the resolver knows beyond the proof."""

    spelled: Mapping[tuple[str, VersionSet], str]
    """Ranges as written, by the package they are about."""
    known: Callable[[str], Mapping[Place, Version]]
    """The versions that could be chosen, ascending."""
    left_out: Callable[[str], Mapping[Version, str]]
    """The versions that could not, with the reason."""


@dataclass(frozen=True, slots=True)
class Wish:
    """`asker` (None: the person) needs `package` in the range `text`."""

    asker: str | None
    asking: VersionSet | None
    package: str
    accepts: VersionSet
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The sentences, and the packages of which nothing is known."""

    sentences: tuple[str, ...]
    missing: tuple[str, ...]

    @classmethod
    def of(cls, proof: Node, facts: Facts) -> "Explanation":
        return _Writer(proof, facts).explanation()

    def __str__(self) -> str:
        return "\n".join(self.sentences)


class _Writer:
    def __init__(self, proof: Node, facts: Facts) -> None:
        self._facts = facts
        self._proof = proof
        self._nodes = list(_causes_first(proof))
        self._turns = _turns(self._nodes)
        self._names = _short_names(
            term.package for node in self._nodes for term in node.terms if term.package is not ROOT
        )
        self._wishes = [wish for node in self._nodes if (wish := self._wish(node))]

    def explanation(self) -> Explanation:
        sentences: dict[str, None] = {}  # ordered, each once
        for sentence in self._all_told():
            if len(sentences) == SENTENCES_MAX:
                sentences["… and more steps of the same sort."] = None
                break
            sentences[_capital(sentence)] = None
        missing = tuple(package for package in self._without_version() if self._is_unknown(package))
        return Explanation((*sentences, *self._circles(), self._closing(missing)), missing)

    def _all_told(self) -> Iterator[str]:
        yield from sorted(self._asks(wish) for wish in self._wishes if wish.asker is None)
        for node in self._nodes:
            yield from self._told(node)

    def _told(self, node: Node) -> Iterator[str]:
        match node.cause:
            case IncompatibilityCause.NO_VERSIONS:
                yield from (s for term in node.terms for s in self._nothing(term.package))
            case IncompatibilityCause.DERIVED:
                if id(node) in self._turns and len(self._wishes) > PLAIN_FACTS_MAX:
                    yield self._follows(node)
            case _:
                if wish := self._wish(node):
                    yield self._asks(wish)

    # ── facts ────────────────────────────────────────────────────────────────────────────────────

    def _wish(self, node: Node) -> Wish | None:
        terms = [term for term in node.terms if term.package is not ROOT]
        match node.cause, terms:
            case IncompatibilityCause.ROOT, [needed]:
                return self._wished(None, needed)
            case IncompatibilityCause.DEPENDENCY, [asker, needed]:
                return self._wished(asker, needed)
            case _:
                return None

    def _wished(self, asker: Term[Any, Any] | None, needed: Term[Any, Any]) -> Wish:
        accepts = _set_of(needed)
        text = self._facts.spelled.get((needed.package, accepts), str(accepts))
        if asker is None:
            return Wish(None, None, needed.package, accepts, text)
        return Wish(asker.package, _set_of(asker), needed.package, accepts, text)

    def _asks(self, wish: Wish) -> str:
        verb = "ask for" if wish.asker is None else "needs"
        return f"{self._asker(wish)} {verb} {self._wanted(wish)}."

    def _asker(self, wish: Wish) -> str:
        if wish.asker is None or wish.asking is None:
            return "you"
        return self._some(wish.asker, wish.asking)

    def _wanted(self, wish: Wish) -> str:
        name = self._names[wish.package]
        if wish.accepts.is_empty:
            return f"{name} {wish.text}, which no version can be"
        return f"{name} in any version" if wish.accepts == ANY else f"{name} {wish.text}"

    def _nothing(self, package: str) -> Iterator[str]:
        """Why a package gives nothing: unknown here, or somebody's range holds no version of it.

        The very range of the proof's own node is often a gap between versions, which says nothing
        to anybody; where two ranges have nothing in common, the closing sentence says so.
        """
        askers = [wish for wish in self._wishes if wish.package == package]
        if self._is_unknown(package):
            shown = dict.fromkeys(f"{self._asker(wish)} ({wish.text})" for wish in askers)
            asked = f"; {_listed(shown)} asked for it" if shown else ""
            yield f"no module {self._names[package]} is known here{asked}."
            return
        for wish in askers:
            if not self._usable(package, wish.accepts):
                yield self._none_in(wish)

    def _none_in(self, wish: Wish) -> str:
        name = self._names[wish.package]
        known = self._facts.known(wish.package)
        within = f"{name} in {wish.text}" if wish.accepts != ANY else name
        if reasons := self._left_out(wish.package, wish.accepts):
            return f"no version of {within} may be used: {reasons}."
        if not known:
            return f"no version of {name} may be used."
        releases = [version for version in known.values() if version.prerelease is None]
        only = "" if releases else ", only pre-releases"
        if early := self._newest_early(wish):
            return f"there is no release of {within}{only}; ^{early} would take {early}."
        newest = (releases or list(known.values()))[-1]
        return f"there is no {within}; the newest here is {newest}."

    def _newest_early(self, wish: Wish) -> Version | None:
        """The newest pre-release of a release that the range would take, were it there."""
        known = self._facts.known(wish.package).values()
        early = [
            one for one in known if one.prerelease and wish.accepts.allows(one.finalize_version())
        ]
        return early[-1] if early else None

    def _left_out(self, package: str, versions: VersionSet) -> str:
        reasons = [
            f"{version} {reason}"
            for version, reason in self._facts.left_out(package).items()
            if versions.allows(version)
        ]
        more = f" and {len(reasons) - LEFT_OUT_MAX} more" if len(reasons) > LEFT_OUT_MAX else ""
        return ", ".join(reasons[-LEFT_OUT_MAX:]) + more

    def _usable(self, package: str, versions: VersionSet) -> bool:
        return any(place in versions for place in self._facts.known(package))

    def _is_unknown(self, package: str) -> bool:
        return not self._facts.known(package) and not self._facts.left_out(package)

    def _without_version(self) -> list[str]:
        empty = (n for n in self._nodes if n.cause is IncompatibilityCause.NO_VERSIONS)
        return list(dict.fromkeys(term.package for node in empty for term in node.terms))

    # ── what follows ─────────────────────────────────────────────────────────────────────────────

    def _follows(self, node: Node) -> str:
        terms = [term for term in node.terms if term.package is not ROOT]
        chosen = [self._some(term.package, _set_of(term)) for term in terms if term.is_positive()]
        needed = [
            f"{self._names[term.package]} {_set_of(term)}"
            for term in terms
            if not term.is_positive()
        ]
        if chosen and needed:
            return f"So {_listed(chosen)} can only be used with {_listed(needed)}."
        if len(chosen) == 1:
            name = chosen[0].removeprefix(EVERY)
            return (
                f"So no version of {name} can be used."
                if name != chosen[0]
                else (f"So {chosen[0]} cannot be used.")
            )
        if chosen:
            return f"So {_listed(chosen)} cannot be used together."
        return f"So {_listed(needed)} is needed." if needed else ""

    def _closing(self, missing: tuple[str, ...]) -> str:
        if missing:
            names = _listed(self._names[package] for package in missing)
            return f"So nothing fits until {names} {'is' if len(missing) == 1 else 'are'} here."
        wishes = self._wishes[:WISHES_COMPARED_MAX]
        for at, left in enumerate(wishes):
            for right in wishes[at + 1 :]:
                if self._clashes(left, right):
                    return self._clash(left, right)
        return "So no set of versions fits all of this."

    def _clashes(self, left: Wish, right: Wish) -> bool:
        """Whether both can be wished at once, and each has a version, but none in common."""
        return (
            left.package == right.package
            and left.asker != right.asker
            and self._usable(left.package, left.accepts)
            and self._usable(right.package, right.accepts)
            and not self._usable(left.package, left.accepts & right.accepts)
        )

    def _clash(self, left: Wish, right: Wish) -> str:
        both = left.accepts & right.accepts
        reasons = self._left_out(left.package, both)
        return (
            f"So no set of versions fits: no {self._names[left.package]} is both"
            f" {left.text} (for {self._asker(left)}) and {right.text} (for {self._asker(right)})"
            f"{f'; {reasons}' if reasons else ''}."
        )

    def _circles(self) -> Iterator[str]:
        """Packages that need one another in a circle."""
        needs: dict[str, set[str]] = {}
        for wish in self._wishes:
            if wish.asker is not None:
                needs.setdefault(wish.asker, set()).add(wish.package)
        for circle in told_circles(needs, self._names):
            yield f"These need one another in a circle: {circle}."

    def _some(self, package: str, versions: VersionSet) -> str:
        """`every a`, `a 1.0.0`, or `a 1.0.0 to 1.4.0` for the known versions of a set."""
        known = self._facts.known(package)
        inside = [version for place, version in known.items() if place in versions]
        name = self._names[package]
        if not inside:
            return f"{name} {versions}"
        if len(inside) == 1:
            return f"{name} {inside[0]}"
        if len(inside) == len(known):
            return f"{EVERY}{name}"
        at = [number for number, place in enumerate(known) if place in versions]
        if at[-1] - at[0] + 1 == len(at):
            return f"{name} {inside[0]} to {inside[-1]}"
        return f"{name} {versions}"


def _set_of(term: Term[Any, Any]) -> VersionSet:
    assert isinstance(term.constraint, VersionSet)
    return term.constraint


def _causes_first(proof: Node) -> Iterator[Node]:
    """Each node of the proof once, after what it follows from. Proofs are deep: no recursion."""
    seen: set[int] = set()
    stack: list[tuple[Node, bool]] = [(proof, False)]
    while stack:
        node, is_expanded = stack.pop()
        if is_expanded:
            yield node
            continue
        if id(node) in seen:
            continue
        seen.add(id(node))
        stack.append((node, True))
        stack += [(each, False) for each in (node.cause_right, node.cause_left) if each is not None]


def _turns(nodes: Iterable[Node]) -> frozenset[int]:
    """The conclusions worth a sentence, by `id`: two that are drawn together, or one used again.

    Between them a proof adds one fact at a time, and the facts speak for themselves; so does what
    follows from one fact and from gaps between versions.
    """
    plain: set[int] = set()
    used: Counter[int] = Counter()
    for node in nodes:
        causes = [each for each in (node.cause_left, node.cause_right) if each is not None]
        drawn = [id(each) for each in causes if id(each) not in plain]
        has_gap = any(each.cause is IncompatibilityCause.NO_VERSIONS for each in causes)
        if not causes or (has_gap and not drawn):
            plain.add(id(node))
        used.update(drawn * len(drawn))
    return frozenset(each for each, count in used.items() if count > 1)


def _short_names(packages: Iterable[str]) -> dict[str, str]:
    """The bare id, or with a short author where two authors' modules of one id are meant."""
    every = dict.fromkeys(packages)
    ids = [package.rpartition("/")[2] for package in every]
    names: dict[str, str] = {}
    for package, id in zip(every, ids, strict=True):
        author = package.rpartition("/")[0]
        is_unique = ids.count(id) == 1 or not author
        names[package] = id if is_unique else f"{short_did(author)}/{id}"
    return names


def _capital(sentence: str) -> str:
    """Only where a word of ours begins it: `io.univrs.user` stays as it is."""
    word = sentence.partition(" ")[0]
    return sentence[:1].upper() + sentence[1:] if word in OPENING_WORDS else sentence


def _listed(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
