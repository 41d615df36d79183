"""An answer that is known is given again, until anything was written."""

from node.api.known_answers import (
    AGE_S_MAX,
    ANSWER_BYTES_MAX,
    BYTES_MAX,
    KnownAnswer,
    KnownAnswers,
)
from registry.content import TEXT_BYTES_MAX
from tests.node.modules import NOTHING, new_module
from tests.node.parts import Alice


async def test_a_list_asked_for_twice_shows_what_came_between(alice: Alice) -> None:
    for path in ("/api/search?kind=module", "/api/modules?limit=5", "/api/search?q=adds"):
        first = await alice.client.get(path)
        again = await alice.client.get(path)
        assert (first.content, first.headers["etag"]) == (again.content, again.headers["etag"])
        known = await alice.client.get(path, headers={"if-none-match": first.headers["etag"]})
        assert (known.status_code, known.content) == (304, b"")
        id = f"org.example.n{len(path)}"
        await alice.client.post("/api/modules", json=new_module(id=id, text=NOTHING))
        assert id in (await alice.client.get(path)).text


async def test_bad_queries_are_told_each_time(alice: Alice) -> None:
    for _ in range(2):
        assert (await alice.client.get("/api/search?limit=0")).status_code == 400


def test_what_is_old_or_of_another_state_is_not_known() -> None:
    answers, answer = KnownAnswers(), KnownAnswer(b"{}", '"tag"', 100.0)
    answers.keep(b"/a?", (1, 1), answer)
    assert answers.get(b"/a?", (1, 1), now_s=100.0) == answer
    assert answers.get(b"/b?", (1, 1), now_s=100.0) is None
    for state in ((2, 1), (1, 2)):
        assert answers.get(b"/a?", state, now_s=100.0) is None
    assert answers.get(b"/a?", (1, 1), now_s=100.1 + AGE_S_MAX) is None
    assert answers.get(b"/a?", (1, 1), now_s=99.0) is None, "a clock that was put back"
    answers.keep(b"/b?", (2, 1), answer)
    assert answers.get(b"/a?", (2, 1), now_s=100.0) is None


def test_they_take_no_more_than_their_room() -> None:
    answers, state = KnownAnswers(), (1, 1)
    size = ANSWER_BYTES_MAX
    asked = [b"%d" % number for number in range(2 * BYTES_MAX // size)]
    for one in asked:
        answers.keep(one, state, KnownAnswer(bytes(size), "", 0.0))
    known = [one for one in asked if answers.get(one, state, now_s=0.0)]
    assert known == asked[-len(known) :]
    assert (len(known) + 1) * size >= BYTES_MAX >= len(known) * size
    answers.keep(b"long", state, KnownAnswer(bytes(ANSWER_BYTES_MAX + 1), '"long"', 0.0))
    long = answers.get(b"long", state, now_s=0.0)
    assert long == KnownAnswer(None, '"long"', 0.0), "whoever has it is told so"
    assert answers.get(asked[-1], state, now_s=0.0), "and it takes no room"


async def test_who_has_a_long_list_is_told_so_until_it_changes(alice: Alice) -> None:
    for number in range(80):
        genotype = f"{number:03}" + "a" * (TEXT_BYTES_MAX - 3)
        await alice.client.post("/api/registry/genomes", json={"genotype": genotype})
    path = "/api/registry/genomes"
    first = await alice.client.get(path)
    assert len(first.content) > ANSWER_BYTES_MAX
    known = {"if-none-match": first.headers["etag"]}
    for _ in range(2):
        assert (await alice.client.get(path, headers=known)).status_code == 304
        assert (await alice.client.get(path)).content == first.content
    await alice.client.post(path, json={"genotype": "ab"})
    assert (await alice.client.get(path, headers=known)).status_code == 200
