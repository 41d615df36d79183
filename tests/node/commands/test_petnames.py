"""How authors read on a terminal, with a name of one's own and without."""

from node.commands.petnames import Petnames

BOB = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
CAROL = "did:key:z6MkpTHR8VNsBxYAAWHut2Geadd9jSwuBV8xRoAnwWsdvktH"
NAMES = Petnames({"bob": BOB, "bobby": BOB})


def test_an_author_goes_by_the_first_name_and_the_key_stays_in_sight() -> None:
    assert NAMES.author(BOB) == "bob (z6Mkha…ta2doK)"
    assert NAMES.author(CAROL) == "z6MkpT…sdvktH"
    assert NAMES.of(BOB) == ("bob", "bobby")


def test_a_module_reads_as_it_may_be_typed() -> None:
    assert NAMES.module(f"{BOB}/io.test.a") == "bob/io.test.a"
    assert NAMES.module(f"{CAROL}/io.test.a").endswith(f"{CAROL[-6:]}/io.test.a")
    assert NAMES.module("io.test.a") == "io.test.a"
