"""Revocations of revokers: one verdict for one set, and no circle in it."""

import time
from collections.abc import Iterable
from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from crdt.area import Area
from crdt.in_force import InForce, Stated, in_force
from crdt.keys import AuthorKey
from crdt.statement import Checkpoint, Frontier, Heartbeat, Revoke, Statement, Unrevoke

NAMESPACE, ADMIN, OTHER, MEMBER = (name * 32 for name in (b"N", b"A", b"O", b"M"))


class Group:
    """What the people of one namespace stated, each in their own log."""

    def __init__(self) -> None:
        self.stated: list[Stated] = []

    def says(
        self,
        chain: tuple[bytes, ...],
        statement: Statement,
        *,
        kept: dict[bytes, frozenset[bytes]] | None = None,
        issuer: bytes | None = None,
    ) -> Stated:
        """The last key of `chain` states something, in its own log or in that of `issuer`."""
        issuer = issuer or chain[-1]
        before = [one for one in self.stated if one.issuer == issuer]
        number = len(self.stated).to_bytes(32, "big")
        one = Stated(
            key=b"k" + number,
            issuer=issuer,
            chain=chain,
            log=b"log of " + issuer,
            digest=number,
            before=before[-1].digest if before else None,
            statement=statement,
            kept=kept or {},
        )
        self.stated.append(one)
        return one

    def verdict(self, order: Iterable[Stated] | None = None) -> InForce:
        return in_force(self.stated if order is None else order)


def test_a_revocation_holds_until_its_issuer_takes_it_back() -> None:
    group = Group()
    revoked = group.says((NAMESPACE,), Revoke(ADMIN))
    assert group.verdict().revocations == {revoked.key}
    group.says((NAMESPACE, ADMIN), Unrevoke(revoked.digest))
    assert group.verdict().revocations == {revoked.key}, "somebody else took it back"
    group.says((NAMESPACE,), Unrevoke(revoked.digest))
    assert group.verdict().revocations == set()


def test_what_a_revoked_admin_says_later_does_not_stand() -> None:
    group = Group()
    early = group.says((NAMESPACE, ADMIN), Revoke(MEMBER))
    cut = group.says((NAMESPACE,), Revoke(ADMIN), kept={early.log: frozenset({early.digest})})
    late = group.says((NAMESPACE, ADMIN), Unrevoke(early.digest))
    verdict = group.verdict()
    assert verdict.revocations == {early.key, cut.key}
    assert late.key not in verdict.standing


def test_a_frontier_keeps_all_that_came_before_its_heads() -> None:
    group = Group()
    says = [group.says((NAMESPACE, ADMIN), Heartbeat()) for _ in range(5)]
    kept = {says[0].log: frozenset({says[2].digest})}
    group.says((NAMESPACE,), Revoke(ADMIN), kept=kept)
    assert [one.key in group.verdict().standing for one in says] == [True] * 3 + [False] * 2


def test_of_several_revocations_the_strictest_cuts() -> None:
    group = Group()
    says = [group.says((NAMESPACE, ADMIN), Heartbeat()) for _ in range(3)]
    for head in (says[2], says[0]):
        kept = {head.log: frozenset({head.digest})}
        group.says((NAMESPACE,), Revoke(ADMIN), kept=kept)
    assert [one.key in group.verdict().standing for one in says] == [True, False, False]


def test_two_who_revoke_each_other_are_both_revoked() -> None:
    """Both at one level, each through the other: neither undoes what the other said."""
    group = Group()
    first = group.says((NAMESPACE, ADMIN, OTHER), Revoke(ADMIN))
    second = group.says((NAMESPACE, OTHER, ADMIN), Revoke(OTHER))
    assert group.verdict().revocations == {first.key, second.key}


def test_an_issuer_takes_nothing_back_by_a_longer_way_round() -> None:
    """Else whether it is taken back would depend on revocations that depend on this one."""
    group = Group()
    revoked = group.says((NAMESPACE, ADMIN), Revoke(OTHER))
    group.says((NAMESPACE, OTHER, ADMIN), Unrevoke(revoked.digest))
    assert revoked.key in group.verdict().revocations


def test_a_revocation_of_a_part_leaves_the_log_alone() -> None:
    group = Group()
    says = group.says((NAMESPACE, ADMIN), Heartbeat())
    group.says((NAMESPACE,), Revoke(ADMIN, area=Area(AuthorKey(OTHER))))
    group.says((NAMESPACE,), Revoke(ADMIN, area=Area(None, (b"pub",))))
    assert says.key in group.verdict().standing
    group.says((NAMESPACE,), Revoke(ADMIN, area=Area(AuthorKey(ADMIN))))
    assert says.key not in group.verdict().standing


def test_of_two_that_follow_one_statement_both_count() -> None:
    group = Group()
    first = group.says((NAMESPACE,), Heartbeat())
    group.says((NAMESPACE,), Revoke(ADMIN))
    twin = replace(group.says((NAMESPACE,), Revoke(MEMBER)), before=first.digest)
    assert len(group.verdict([*group.stated[:-1], twin]).revocations) == 2


def test_a_checkpoint_stands_unless_something_hits_its_device() -> None:
    laptop = b"L" * 32
    group = Group()
    checkpoint = group.says((NAMESPACE, MEMBER, laptop), Checkpoint(Frontier()), issuer=MEMBER)
    group.says((NAMESPACE,), Revoke(ADMIN))
    assert checkpoint.key in group.verdict().standing
    group.says((NAMESPACE, MEMBER), Revoke(laptop, area=Area(AuthorKey(MEMBER), (b"pub",))))
    assert checkpoint.key in group.verdict().standing
    group.says((NAMESPACE, MEMBER), Revoke(laptop))
    assert checkpoint.key not in group.verdict().standing


PEOPLE = [bytes([n]) * 32 for n in range(1, 6)]


@st.composite
def groups(draw: st.DrawFn) -> Group:
    """Anybody delegates to anybody and says anything of anybody."""
    group = Group()
    for _ in range(draw(st.integers(1, 14))):
        chain = (NAMESPACE, *draw(st.permutations(PEOPLE))[: draw(st.integers(0, 3))])
        is_undone = draw(st.booleans())
        earlier = [one for one in group.stated if isinstance(one.statement, Revoke)]
        if earlier and is_undone:
            group.says(chain, Unrevoke(draw(st.sampled_from(earlier)).digest))
        else:
            kept = {one.log: frozenset({one.digest}) for one in group.stated[::2]}
            group.says(chain, Revoke(draw(st.sampled_from(PEOPLE))), kept=kept)
    return group


@given(groups(), st.randoms(use_true_random=False))
def test_the_order_does_not_matter(group: Group, random: Random) -> None:
    shuffled = list(group.stated)
    random.shuffle(shuffled)
    assert group.verdict(shuffled) == group.verdict()


@given(groups())
def test_the_verdict_is_what_the_definition_says(group: Group) -> None:
    """Checked against itself: every statement stands exactly if no lower revocation hits it."""
    verdict = group.verdict()
    by_key = {one.key: one for one in group.stated}
    befores = {one.digest: one.before for one in group.stated}

    def under(head: bytes | None, digest: bytes) -> bool:
        while head is not None and head != digest:
            head = befores[head]
        return head is not None

    def cuts(revocation: Stated, one: Stated) -> bool:
        assert isinstance(revocation.statement, Revoke)
        places = {key: place for place, key in enumerate(one.chain)}
        issuer, key = places.get(revocation.issuer), places.get(revocation.statement.key)
        is_hit = issuer is not None and key is not None and issuer < key
        heads = revocation.kept.get(one.log, ())
        return is_hit and not any(under(head, one.digest) for head in heads)

    for one in group.stated:
        lower = [by_key[key] for key in verdict.revocations if by_key[key].level < one.level]
        assert (one.key in verdict.standing) == (not any(cuts(cut, one) for cut in lower))
        if isinstance(one.statement, Revoke):
            undone = any(
                other.key in verdict.standing
                and other.issuer == one.issuer
                and other.level <= one.level
                and other.statement == Unrevoke(one.digest)
                for other in group.stated
            )
            stands = one.key in verdict.standing
            assert (one.key in verdict.revocations) == (stands and not undone)


def test_thousands_of_revocations_do_not_multiply_with_a_long_log() -> None:
    """Each of their frontiers was walked by itself: it took 2 s, with the interpreter lock held."""
    group = Group()
    chain = (NAMESPACE, MEMBER)
    said: list[Stated] = []
    for seq in range(1, 9_001):
        digest = b"m" + seq.to_bytes(31, "big")
        before = said[-1].digest if said else None
        said.append(Stated(digest, MEMBER, chain, b"log of members", digest, before, Heartbeat()))
    revoked = [
        Stated(
            b"r" + one.digest,
            NAMESPACE,
            (NAMESPACE,),
            b"log of it",
            b"r" + one.digest,
            None,
            Revoke(MEMBER),
            {one.log: frozenset({one.digest})},
        )
        for one in said[1_000:]
    ]
    start = time.process_time()
    verdict = group.verdict([*said, *revoked])
    assert time.process_time() - start < 1, "seconds, of which it takes a tenth"
    assert verdict.standing == {one.key for one in [*said[:1_001], *revoked]}, "the strictest cut"
