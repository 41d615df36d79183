"""Flag > PANSPERMIA_* > config.toml > default, and errors that name the place."""

import pytest

from node.errors import BadSetting
from node.settings import check_setting, load_config, setting_names, variable_of

FILE = """
[api]
port = 4000
allowed_hosts = ["node.lan"]
[p2p]
mdns = false
"""


def test_defaults() -> None:
    loaded = load_config({}, {}, "")
    assert loaded.config.api.port == 3000
    assert loaded.config.p2p.listen == "0.0.0.0:4747"
    assert set(loaded.origins.values()) == {"default"}


def test_each_source_wins_over_the_one_below() -> None:
    environment = {"PANSPERMIA_API_PORT": "5000"}
    assert load_config({}, {}, FILE).config.api.port == 4000
    assert load_config({}, environment, FILE).config.api.port == 5000
    loaded = load_config({"api.port": 0, "p2p.mdns": None}, environment, FILE)
    assert loaded.config.api.port == 0
    assert not loaded.config.p2p.mdns
    origins = {one.name: one.origin for one in loaded.settings()}
    assert origins["api.port"] == "flag"
    assert origins["p2p.mdns"] == "config.toml"
    assert origins["log.level"] == "default"


def test_a_variable_may_hold_a_list_or_a_truth() -> None:
    environment = {
        "PANSPERMIA_P2P_PEERS": "alice.lan:4747, 10.0.0.7:4747",
        "PANSPERMIA_P2P_MDNS": "false",
    }
    config = load_config({}, environment, "").config
    assert config.p2p.peers == ("alice.lan:4747", "10.0.0.7:4747")
    assert not config.p2p.mdns


@pytest.mark.parametrize(
    ("flags", "environment", "text", "told"),
    [
        ({"api.port": 70_000}, {}, "", "api.port (from flag)"),
        ({"api.compat": True}, {}, '[api]\nhost = "0.0.0.0"', "for loopback only"),
        ({"api.compat": True}, {}, '[api]\nallowed_hosts = ["a.org"]', "for loopback only"),
        ({}, {"PANSPERMIA_API_PORT": "many"}, "", "PANSPERMIA_API_PORT"),
        ({}, {"PANSPERMIA_P2P_LISTEN": "nowhere"}, "", "p2p.listen"),
        ({}, {}, "[api]\nprot = 1", "did you mean api.port?"),
        ({}, {}, "[apy]\nport = 1", "did you mean api?"),
        ({}, {}, "api = 1", "[api]"),
        ({}, {}, "[api]\nport = '1'", "config.toml"),
        ({}, {}, "[api\n", "line 1"),
        ({}, {}, "[log]\nformat = 'xml'", "log.format"),
    ],
)
def test_what_is_wrong_is_named(
    flags: dict[str, object], environment: dict[str, str], text: str, told: str
) -> None:
    with pytest.raises(BadSetting) as caught:
        load_config(flags, environment, text)
    assert told in caught.value.detail


def test_config_set_checks_like_a_start() -> None:
    assert check_setting("api.port", "8080") == 8080
    assert check_setting("p2p.peers", "a:1,b:2") == ("a:1", "b:2")
    with pytest.raises(BadSetting, match=r"did you mean api\.port"):
        check_setting("api.prot", "1")
    assert variable_of("modules.wasm_bytes_max") == "PANSPERMIA_MODULES_WASM_BYTES_MAX"
    assert "api.port" in setting_names()


def test_reads_are_open_on_loopback_alone() -> None:
    for host, is_open in (("127.0.0.1", True), ("::1", True), ("localhost", True)):
        assert load_config({"api.host": host}, {}, "").config.api.is_loopback is is_open
    assert not load_config({"api.host": "0.0.0.0"}, {}, "").config.api.is_loopback
    assert not load_config({"api.host": "node.lan"}, {}, "").config.api.is_loopback


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("p2p.listen", "banana", "'banana' is not HOST:PORT"),
        (
            "p2p.peers",
            "a:1,b",
            "['a:1', 'b'] is not HOST:PORT, ws://…, wss://…, circuit:…@… or webrtc:…@…",
        ),
        ("api.allowed_origins", "x", "['x'] is not http(s)://HOST:PORT"),
        ("api.port", "x", "Expected `int`, got `str`"),
        ("p2p.dht", "maybe", "'maybe' is not off or on"),
        ("log.level", "loud", "'loud' is not debug or info or warning or error"),
    ],
)
def test_what_a_setting_must_be_is_said_in_words(name: str, text: str, why: str) -> None:
    variable = variable_of(name)
    with pytest.raises(BadSetting) as failed:
        load_config({}, {variable: text}, "")
    assert str(failed.value) == f"{name} (from {variable}): {why}"


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("p2p.dht_bootstrap", "127.0.0.1:99999", "a port is 1 to 65,535"),
        ("p2p.dht_bootstrap", "127.0.0.1:0", "a port is 1 to 65,535"),
        ("p2p.listen", "0.0.0.0:65536", "a port is 1 to 65,535"),
        ("p2p.stun", "a:3478,b:99999", "'b:99999' is not host:port: a port is"),
        ("p2p.peers", "127.0.0.1:1,127.0.0.1:99999", "'127.0.0.1:99999' is not host:port, ws://"),
        ("p2p.peers", "127.0.0.1:0", "a port is 1 to 65,535"),
        ("p2p.peers", "circuit:zz@127.0.0.1:1", "'circuit:zz@127.0.0.1:1' is not"),
        ("p2p.relays", "relay://a.example:99999", "99999"),
        ("p2p.proxies", "::::", "'::::' is no IP address"),
    ],
)
def test_where_nobody_can_be_called_is_refused_at_the_start_and_by_config_set(
    name: str, text: str, why: str
) -> None:
    """Their patterns alone let these through."""
    with pytest.raises(BadSetting) as at_start:
        load_config({}, {variable_of(name): text}, "")
    with pytest.raises(BadSetting) as by_set:
        check_setting(name, text)
    for failed in (at_start, by_set):
        assert str(failed.value).startswith(f"{name} (from ")
        assert why in str(failed.value)
    assert check_setting("p2p.listen", "[::1]:0") == "[::1]:0"


def test_the_secret_of_a_turn_server_is_not_shown() -> None:
    text = "turn:alice:s3:cr?et@turn.example:3478"
    loaded = load_config({}, {"PANSPERMIA_P2P_TURN": text}, "")
    assert loaded.config.p2p.turn == (text,)
    (shown,) = [one.value for one in loaded.settings() if one.name == "p2p.turn"]
    assert shown == ("turn:alice:…@turn.example:3478",)
    for wrong in ("turn:alice:s3cret", "turn:alice:s3cret@", "alice:s3cret@turn.example"):
        with pytest.raises(BadSetting) as told:
            load_config({}, {"PANSPERMIA_P2P_TURN": wrong}, "")
        assert "s3cret" not in str(told.value)


def test_a_token_is_shown_nowhere() -> None:
    environment = {
        "PANSPERMIA_RELAY_TOKEN": "only-friends",
        "PANSPERMIA_P2P_RELAYS": "relay://a.example:1?token=only-friends,wss://b.example/r",
    }
    loaded = load_config({}, environment, "")
    assert loaded.config.relay.token == "only-friends"
    shown = {one.name: one.value for one in loaded.settings()}
    assert shown["relay.token"] == "…"
    assert shown["p2p.relays"] == ("relay://a.example:1?token=…", "wss://b.example/r")
    with pytest.raises(BadSetting) as failed:
        load_config({"p2p.relays": ("relay://a b?token=only-friends",)}, {}, "")
    assert "only-friends" not in str(failed.value)
