"""What `search` prints of a result."""

import click
import pytest

from node.commands.find import print_result
from node.commands.petnames import Petnames

DID = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
GENOME = "d4ef78f4e606e62a3730f006d5f6fb463b41dec1af77452c9535ecf43d652579"


@pytest.mark.parametrize("word", ["z6mk", "doK", "did", "d4ef", "5", "Summ"])
@pytest.mark.parametrize("id", [GENOME, "org.example.add"])
def test_a_word_is_shown_where_it_was_found_unless_whole_words_say_it_already(
    word: str, id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key and a digest have any few letters somewhere."""
    result = {
        "id": f"{DID}/{id}", "kind": "module", "name": "add", "description": "Summing up: 25",
        "snippet": f"… the <b>{word}</b>", "author": DID,
    }  # fmt: skip
    with click.Context(click.Command("search"), obj={}):
        print_result(result, Petnames({"bob": DID}), "")
    assert f"    … the {word}" in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("id", "description", "word", "is_told"),
    [
        ("org.example.add", "of_sums", "sums", False), ("org.example.add", "", "ADD", False),
        ("org.example.add", "It is a sum.", "sum", False), (GENOME, "", "glider", False),
        ("org.example.add", "a tool", "Glider", True), (GENOME, "神经网络", "网络", False),
    ],
)  # fmt: skip
def test_what_is_shown_of_a_result_already_is_not_told_again(
    id: str, description: str, word: str, is_told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    result = {
        "id": f"{DID}/{id}", "kind": "module", "name": "A glider", "description": description,
        "snippet": f"it says <b>{word}</b>", "author": DID,
    }  # fmt: skip
    with click.Context(click.Command("search"), obj={}):
        print_result(result, Petnames({"bob": DID}), "")
    assert (f"it says {word}" in capsys.readouterr().out) == is_told


@pytest.mark.parametrize(
    ("result", "lines"),
    [
        (
            {"id": f"{DID}/org.example.add", "kind": "module", "name": "add", "version": "1.2.0"},
            ["org.example.add 1.2.0  module by bob"],
        ),
        (
            {"id": f"{DID}/{GENOME}", "kind": "genome", "name": "Gosper glider gun"},
            ["Gosper glider gun  genome by bob", f"    {GENOME}"],
        ),
        (
            {
                "id": f"{DID}/org.example.add", "kind": "module", "name": "add", "version": "1.2.0",
                "description": "Sums <two> numbers",
                "snippet": "… of\n\n<b>sub</b>s &lt;b&gt; &amp; \x1b[2J",
            },
            [
                "org.example.add 1.2.0  module by bob", "    Sums <two> numbers",
                "    … of subs <b> & \\u{1b}[2J",
            ],
        ),
        (
            {
                "id": f"{DID}/org.example.add", "kind": "module", "name": "add", "version": "1.2.0",
                "description": "Sums <two> numbers", "snippet": "…&lt;two&gt; <b>numbers</b>",
            },
            ["org.example.add 1.2.0  module by bob", "    Sums <two> numbers"],
        ),
        (
            {
                "id": f"{DID}/{GENOME}", "kind": "genome", "name": "Breeder",
                "description": "long " * 50 + "a Gosper gun", "snippet": "… a <b>Gosper</b> gun",
            },
            [
                "Breeder  genome by bob", f"    {GENOME}", f"    {('long ' * 40).strip()}…",
                "    … a Gosper gun",
            ],
        ),
    ],
)  # fmt: skip
def test_a_result_is_called_as_people_call_it_and_can_be_named(
    result: dict[str, str], lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with click.Context(click.Command("search"), obj={}):
        print_result({**result, "author": DID}, Petnames({"bob": DID}), "")
    said = capsys.readouterr().out.splitlines()
    assert [said[0].partition(" (")[0], *said[1:]] == lines
