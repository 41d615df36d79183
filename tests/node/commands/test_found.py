"""What `search` prints of a result."""

import click
import pytest

from node.commands.find import print_result
from node.commands.petnames import Petnames

DID = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
GENOME = "d4ef78f4e606e62a3730f006d5f6fb463b41dec1af77452c9535ecf43d652579"


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
