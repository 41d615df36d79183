"""The text that Prometheus reads."""

import re

from node.metrics import HELP, exposed, relay_metrics
from storage.relayed import RelayHeld
from tests.p2p.protocol.relay.clients import ALICE, Office

SAMPLE = re.compile(r'panspermia_([a-z_]+)(?:\{[a-z]+="[^"\n]+"\})? [0-9.]+')


def test_each_metric_says_what_it_counts_and_its_type() -> None:
    office = Office.made()
    office.come(ALICE)
    values = relay_metrics(office.relay, 7, RelayHeld(cards=1, letters=2, letter_bytes=3, posts=4))
    page = exposed({"entries": 12} | values, {"module": 1, "game": 2, 'a"b': 3})
    described: dict[str, str] = {}
    for line in page.splitlines():
        if line.startswith("# HELP panspermia_"):
            name, text = line.removeprefix("# HELP panspermia_").split(" ", 1)
            assert HELP[name] == text
        elif line.startswith("# TYPE panspermia_"):
            name, described[name] = line.removeprefix("# TYPE panspermia_").split(" ")
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            assert sample[1] in described, "it comes after its type"
    assert described["relay_registered"] == "gauge"
    assert described["relay_circuit_bytes_total"] == "counter"
    lines = page.splitlines()
    for each in (
        "panspermia_entries 12",
        "panspermia_relay_registered 1",
        "panspermia_relay_circuit_bytes_total 7",
        "panspermia_relay_letter_bytes 3",
        'panspermia_records{kind="game"} 2',
    ):
        assert each in lines
    assert page.count("# TYPE panspermia_records ") == 1
    assert 'a"b' not in page, "no kind of a stranger's breaks a line"
