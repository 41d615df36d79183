import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import (
    AmbiguousName,
    InvalidName,
    RegistryError,
    UnknownModule,
    UnknownPetname,
)
from registry.names import (
    ModuleName,
    choose_author,
    parse_id,
    parse_module_name,
    parse_owner,
    parse_petname,
    parse_requirement,
)
from tests.registry.people import ALICE_DID, BOB_DID


def test_a_name_is_bare_or_of_an_author() -> None:
    bare = parse_module_name("io.univrs.user")
    assert (bare.author, bare.id) == (None, "io.univrs.user")
    full = parse_module_name(f"{ALICE_DID}/io.univrs.user")
    assert full == ModuleName(ALICE_DID, "io.univrs.user") == bare.of(ALICE_DID)
    assert str(full) == f"{ALICE_DID}/io.univrs.user"
    assert full.of(BOB_DID) == full


def test_a_petname_is_whoever_one_calls_so() -> None:
    assert parse_module_name("alice/org.example.dice", {"alice": ALICE_DID}).author == ALICE_DID
    with pytest.raises(UnknownPetname, match="panspermia name set carol") as caught:
        parse_module_name("carol/org.example.dice", {"alice": ALICE_DID})
    assert caught.value.petnames == ("carol",)


def test_an_author_is_a_key_or_a_petname() -> None:
    for text in (ALICE_DID, "alice"):
        assert parse_owner(text) == text
    for text in ("did:key:z6Mk", "did:web:example.org", "Alice", ""):
        with pytest.raises(InvalidName):
            parse_owner(text)


@pytest.mark.parametrize("text", ["a", "7", "al-ice_2", "a" * 64])
def test_an_author_may_be_called_so(text: str) -> None:
    assert parse_petname(text) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "that is nothing"),
        ("a" * 65, "65 characters"),
        ("Alice", "lower case"),
        ("alice.org", "a dot"),
        (ALICE_DID, "own key"),
        ("did:web:example.org", "own key"),
        ("älice", "may hold a-z"),
        ("\u0430lice", "may hold a-z"),  # a Cyrillic а
        ("-alice", "inside"),
        ("alice-", "inside"),
        ("al ice", "may hold"),
        ("al/ice", "may hold"),
        ("alice\n", "may hold"),
        ("\u202ealice", "may hold"),
    ],
)
def test_what_an_author_cannot_be_called_is_told_why(text: str, said: str) -> None:
    with pytest.raises(InvalidName, match=said) as caught:
        parse_petname(text)
    assert caught.value.detail.isprintable()


def test_a_requirement_is_a_name_and_a_range() -> None:
    asked = parse_requirement(f"{ALICE_DID}/org.example.dice@>=1.2 <2 || ^3")
    assert (asked.reference.owner, asked.range) == (ALICE_DID, ">=1.2 <2 || ^3")
    assert parse_requirement("org.example.dice").range == "*"
    with pytest.raises(InvalidName, match="after the @"):
        parse_requirement("org.example.dice@ ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dice", "1 part"),
        ("Org.Example.Dice", "lower case"),
        ("org..dice", "empty part"),
        ("org.example.", "empty part"),
        ("org.example.-dice", "'-dice' may hold"),
        ("org.exämple", "may hold"),
        ("a." * 16 + "a", "17 parts"),
        ("a." + "b" * 127, "129 characters"),
        ("org.example\n", "may hold"),
    ],
)
def test_what_is_no_id_is_told_why(text: str, said: str) -> None:
    with pytest.raises(InvalidName, match=said):
        parse_id(text)


@pytest.mark.parametrize(
    "text",
    ["did:key:z6Mk/org.example.dice", "did:web:example.org/a.b", "../a.b", "/a.b", "a/b/c.d"],
)
def test_what_is_no_owner_is_refused(text: str) -> None:
    with pytest.raises(InvalidName):
        parse_module_name(text, {"a": ALICE_DID})


def test_a_bare_name_is_whoever_alone_publishes_it() -> None:
    dice = ModuleName(None, "org.example.dice")
    assert choose_author(dice, [BOB_DID, BOB_DID]) == dice.of(BOB_DID)
    assert choose_author(dice.of(ALICE_DID), []) == dice.of(ALICE_DID)
    with pytest.raises(UnknownModule, match=r"org\.example\.dice"):
        choose_author(dice, [])


def test_an_ambiguous_name_lists_whose_it_may_be() -> None:
    with pytest.raises(AmbiguousName) as caught:
        choose_author(ModuleName(None, "org.example.dice"), [BOB_DID, ALICE_DID])
    candidates = sorted(f"{did}/org.example.dice" for did in (ALICE_DID, BOB_DID))
    assert list(caught.value.candidates) == candidates
    assert all(candidate in caught.value.detail for candidate in candidates)


def test_a_petname_chooses_nobody_but_is_shown() -> None:
    with pytest.raises(AmbiguousName) as caught:
        choose_author(
            ModuleName(None, "org.example.dice"),
            [BOB_DID, ALICE_DID],
            {"bobby": BOB_DID, "bob": BOB_DID, "carol": "did:key:z"},
        )
    assert f"{BOB_DID}/org.example.dice (bob/org.example.dice)" in caught.value.detail
    assert caught.value.detail.count("(") == 1
    assert f"{BOB_DID}/org.example.dice" in caught.value.candidates


@given(st.one_of(st.text(max_size=300), st.text(alphabet="ab./:@^1-_ ", max_size=40)))
def test_any_text_is_a_requirement_or_our_error(text: str) -> None:
    try:
        parse_requirement(text)
    except RegistryError as error:
        assert error.detail  # noqa: PT017 - the text may as well be a requirement
