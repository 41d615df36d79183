"""The settings: flag > PANSPERMIA_* > config.toml > default, read once into one frozen `Config`.

    setting             environment                     config.toml
    api.port            PANSPERMIA_API_PORT             [api] port = 3000
    p2p.peers           PANSPERMIA_P2P_PEERS=a:1,b:2    [p2p] peers = ["a:1", "b:2"]

Nothing below the command line reads the environment: it is an argument, and so is the file.
"""

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Any, Final, Literal, TypeAlias, cast, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from node.errors import BadSetting
from p2p.protocol.relay import limits

PREFIX: Final = "PANSPERMIA_"
HIDDEN: Final = "…"
TOKEN: Final = re.compile(r"(?i)(token=).*")
SECRET: Final = re.compile(r"(turn:[^:@\s]+:)[^@\s]+(@[^@\s]+)")

Port: TypeAlias = Annotated[int, Meta(ge=0, le=65_535)]
# Where a pattern does not fit, its title says to people what is wanted.
Address: TypeAlias = Annotated[
    str,
    Meta(pattern=r"^(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]/@]+):[0-9]{1,5}$", title="HOST:PORT"),
]
# `p2p.transport.place` reads it, and says more exactly what is wrong.
PeerPlace: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^((\[[0-9A-Fa-f:.]+\]|[^\s:\[\]/@]+):[0-9]{1,5}|wss?://\S+|(circuit|webrtc):\S+@\S+)$",
        max_length=256,
        title="HOST:PORT, ws://…, wss://…, circuit:…@… or webrtc:…@…",
    ),
]
# `p2p.transport.relay.url` reads it, and says more exactly what is wrong.
RelayText: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^(relay|wss?)://[^\s?#]+(\?token=[^\s&#]*)?$",
        max_length=1_024,
        title="relay://HOST:PORT, ws://… or wss://HOST/PATH, perhaps with ?token=…",
    ),
]
Rate: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^(none|[0-9]{1,6}(\.[0-9]{1,3})? ?[KMGT]iB)$",
        title="none, or bytes a second, as 10MiB",
    ),
]
TurnText: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^turn:[^:@\s]+:[^@\s]+@[^@?\s]+(\?transport=(udp|tcp))?$",
        max_length=1_024,
        title="turn:USER:SECRET@HOST:PORT, perhaps with ?transport=tcp",
    ),
]
HostName: TypeAlias = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9.:-]{1,253}$", title="a host's name")
]
IpText: TypeAlias = Annotated[
    str, Meta(pattern=r"^[0-9A-Fa-f:.]{2,45}$", max_length=45, title="an IP address")
]
Origin: TypeAlias = Annotated[
    str, Meta(pattern=r"^https?://[A-Za-z0-9.:\[\]-]{1,260}$", title="http(s)://HOST:PORT")
]
Size: TypeAlias = Annotated[
    str, Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,3})? ?[KMGT]iB$", title="a size, as 64MiB or 1.5GiB")
]
AreaSize: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[^\s=]+=[0-9]{1,6}(\.[0-9]{1,3})? ?[KMGT]iB$",
        title="an area and a size, as commons/*/rate=64MiB",
    ),
]
Origins: TypeAlias = Mapping[str, str]
"""Setting -> "flag", the variable's name, the file's name, or "default"."""


class ApiConfig(Struct, frozen=True, forbid_unknown_fields=True):
    host: HostName = "127.0.0.1"
    port: Port = 3000
    """0 picks a free one."""
    allowed_hosts: tuple[HostName, ...] = ()
    """Names other than loopback's under which the API is asked, e.g. behind a proxy."""
    allowed_origins: tuple[Origin, ...] = ()
    """Web pages from elsewhere that may call this node."""
    anonymous_submissions: bool = False
    """Take genomes and seeds without a token, under this node's identity and marked so."""
    compat: bool = False
    """Take the writes of the original clients without a token, as this node's author."""

    @property
    def is_loopback(self) -> bool:
        """Reads are open only where no other machine can ask."""
        return self.host == "localhost" or _is_loopback(self.host)


class P2pConfig(Struct, frozen=True, forbid_unknown_fields=True):
    listen: Address = "0.0.0.0:4747"
    mdns: bool = True
    mdns_group: Annotated[str, Meta(pattern=r"^[a-z0-9-]{0,32}$")] = ""
    """mDNS meets only nodes of the same group: demos keep to themselves."""
    peers: tuple[PeerPlace, ...] = ()
    """Peers to keep a connection to, beside those that are found."""
    relays: tuple[RelayText, ...] = ()
    """Relays to be reachable through."""
    webrtc: bool = True
    """Find direct paths to peers behind NATs, with a relay's help."""
    stun: tuple[Address, ...] = ()
    """Servers that say how this node looks from outside; empty: its relays."""
    turn: tuple[TurnText, ...] = ()
    """Servers that pass UDP on where there is no direct path."""
    upload: Rate = "none"
    """Of blobs, to all peers together. Entries count, and never wait."""
    upload_peer: Rate = "none"
    """To each of them."""
    download: Rate = "none"
    """From all together."""
    download_peer: Rate = "none"
    """From each."""
    dht: Literal["off", "on"] = "off"
    """Meet peers and relays in BitTorrent's public table; it shows this machine's IP address."""
    dht_bootstrap: tuple[Address, ...] = ()
    """Nodes of the table to begin at; none are the usual public routers."""
    discoverable: tuple[Annotated[str, Meta(max_length=64)], ...] = ()
    """Private namespaces whose members may find this node in the table; commons always is."""
    name: Annotated[
        str, Meta(pattern=r"^([a-z0-9]([a-z0-9_-]*[a-z0-9])?)?$", max_length=64, title="a name")
    ] = ""
    """What you would like to be called: a proposal to whoever accepts your invites."""
    proxies: tuple[IpText, ...] = ()
    """Reverse proxies in front of this node: whom they call for is read from X-Forwarded-For."""
    dht_port: Port = 0
    """Of UDP, for the table; 0 picks a free one. A router may pass it on."""
    hidden: bool = False
    """Tell nobody the addresses of this node: it is reached through its relays."""


class LogConfig(Struct, frozen=True, forbid_unknown_fields=True):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class ModulesConfig(Struct, frozen=True, forbid_unknown_fields=True):
    wasm_bytes_max: Annotated[int, Meta(ge=1024, le=11 << 20)] = 10 << 20
    """Of a module published here; as base64 it must fit the 16 MiB of a request."""
    count_installs: bool = False
    """Publish how often this author installed a module. It shows what one runs: off by default."""


class RegistryConfig(Struct, frozen=True, forbid_unknown_fields=True):
    count_downloads: bool = False
    """Publish which genomes and seeds this author fetched. It shows what one uses: off by default.
    """


class InstallConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What looks at modules before they are installed; `node/scanner.py`."""

    scanner: Annotated[str, Meta(max_length=1_024)] = ""
    """A command that gives a verdict on each version that is new here; empty: none is asked."""
    scanner_timeout_s: Annotated[int, Meta(ge=1, le=3_600)] = 60


class AttestConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Running by itself what followed authors say of genomes; docs/protocol/attestations.md."""

    enabled: bool = False
    cpu_percent: Annotated[int, Meta(ge=1, le=100)] = 10
    """Of one processor, on average."""
    evaluators: tuple[Annotated[str, Meta(max_length=256)], ...] = ()
    """Modules that are run; empty: those that come with the node, and followed authors'."""


class QuotaConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of others; docs/protocol/quotas.md says what gives way."""

    strangers: Size = "1GiB"
    """Of all authors together whom nobody here follows."""
    author: Size = "768MiB"
    """Of each of them."""
    peer: Size = "768MiB"
    """Of theirs that one unnamed peer may bring."""
    share: Size = "128MiB"
    """Of theirs that one unnamed peer brought and other unnamed peers cannot displace."""
    namespace: Size = "1GiB"
    """Of all that lies in an owned namespace that this node joined; of each of them."""
    member: Size = "256MiB"
    """Of each author there whom nobody here follows."""
    disk_free: Size = "1GiB"
    """Of the disk that blobs leave free; of a small one a sixteenth, where that is less."""
    areas: tuple[AreaSize, ...] = ()
    """NAMESPACE/AUTHOR/CLASS/KIND/RECORD=SIZE, where * is any: bounds whoever wrote there."""


class RelayConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What a node does in the relay role; docs/protocol/relay.md."""

    enabled: bool = False
    """As `panspermia relay` does."""
    public: Annotated[str, Meta(max_length=256)] = ""
    """By which URL others reach it; empty: by its addresses."""
    token: Annotated[str, Meta(max_length=128)] = ""
    """Without it nobody registers here; empty: everybody may."""
    namespaces: tuple[Annotated[str, Meta(max_length=128)], ...] = ()
    """Kept here and served: `commons`, or what a joined one is called. Nothing else is."""
    rate: Rate = "none"
    """Through all circuits together."""
    circuit_rate: Rate = "none"
    device_rate: Rate = "none"
    """Through all circuits of one device."""
    registrations: Annotated[int, Meta(ge=1, le=10_000)] = 10_000
    circuits: Annotated[int, Meta(ge=1, le=1_024)] = 1_024
    grace_s: Annotated[int, Meta(ge=0, le=600)] = int(limits.GRACE_S)
    """How long open circuits may go on when it is told to stop."""


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    api: ApiConfig = ApiConfig()
    p2p: P2pConfig = P2pConfig()
    log: LogConfig = LogConfig()
    modules: ModulesConfig = ModulesConfig()
    attest: AttestConfig = AttestConfig()
    registry: RegistryConfig = RegistryConfig()
    install: InstallConfig = InstallConfig()
    quota: QuotaConfig = QuotaConfig()
    relay: RelayConfig = RelayConfig()


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of `config show`."""

    name: str
    value: object
    origin: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """The configuration, and where each setting comes from."""

    config: Config
    origins: Origins

    def settings(self) -> tuple[Setting, ...]:
        return tuple(
            Setting(
                name,
                without_secrets(name, getattr(getattr(self.config, section), key)),
                self.origins[name],
            )
            for name, section, key in _names()
        )


def load_config(
    flags: Mapping[str, object],
    environment: Mapping[str, str],
    text: str,
    *,
    source: str = "config.toml",
) -> Loaded:
    """`flags` by setting ("api.port"), None where not given; `text` of config.toml, or "".

    Raises `BadSetting` that names the setting and where it was read.
    """
    file = _parse(text, source)
    values: dict[str, dict[str, object]] = {}
    origins: dict[str, str] = {}
    for name, section, key in _names():
        variable = variable_of(name)
        if flags.get(name) is not None:
            value, origins[name] = flags[name], "flag"
        elif variable in environment:
            value, origins[name] = environment[variable], variable
        elif key in file.get(section, {}):
            value, origins[name] = file[section][key], source
        else:
            origins[name] = "default"
            continue
        kind = _types(section)[key]
        is_text = origins[name] == variable
        values.setdefault(section, {})[key] = _convert(name, value, kind, origins[name], is_text)
    config = msgspec.convert(values, Config)
    if config.api.compat and not (config.api.is_loopback and not config.api.allowed_hosts):
        # What takes writes without a token must be out of everybody else's reach.
        reached = f"api.host is {config.api.host}, api.allowed_hosts {config.api.allowed_hosts}"
        raise BadSetting(f"api.compat is for loopback only ({origins['api.compat']}): {reached}")
    return Loaded(config, origins)


def without_secrets(name: str, value: object) -> object:
    """As it may be shown: a token is a secret."""
    if isinstance(value, (list, tuple)):
        items = cast("Sequence[object]", value)
        shown = [without_secrets(name, one) for one in items]
        return shown if isinstance(value, list) else tuple(shown)
    if not isinstance(value, str):
        return value
    if name == "p2p.turn":
        turn = SECRET.fullmatch(value)
        return f"{turn[1]}{HIDDEN}{turn[2]}" if turn else HIDDEN
    return HIDDEN if value and name == "relay.token" else TOKEN.sub(rf"\1{HIDDEN}", value)


def variable_of(name: str) -> str:
    """`api.port` is PANSPERMIA_API_PORT in the environment."""
    return PREFIX + name.replace(".", "_").upper()


def setting_names() -> tuple[str, ...]:
    """Every setting, in the order of `Config`."""
    return tuple(name for name, _, _ in _names())


def check_setting(name: str, value: object) -> object:
    """`value` as the setting takes it, for `config set`. Raises `BadSetting`."""
    section, _, key = name.partition(".")
    known = {known for known, _, _ in _names()}
    if name not in known:
        raise BadSetting(f"there is no setting {name!r}{_suggest(name, known)}")
    return _convert(name, value, _types(section)[key], "argument", isinstance(value, str))


def _parse(text: str, source: str) -> dict[str, dict[str, Any]]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadSetting(f"{source} is no TOML: {error}") from error
    known = {name for name, _, _ in _names()}
    sections = {section for _, section, _ in _names()}
    tables: dict[str, dict[str, Any]] = {}
    for section, table in document.items():
        if section not in sections or not isinstance(table, dict):
            raise BadSetting(f"{source}: no section [{section}]{_suggest(section, sections)}")
        tables[section] = cast("dict[str, Any]", table)
        for key in tables[section]:
            if f"{section}.{key}" not in known:
                hint = _suggest(f"{section}.{key}", known)
                raise BadSetting(f"{source}: no setting {section}.{key}{hint}")
    return tables


def _convert(name: str, value: object, kind: Any, origin: str, is_text: bool) -> object:  # noqa: ANN401 - a type expression
    if is_text and get_origin(kind) is tuple:
        value = [part.strip() for part in str(value).split(",") if part.strip()]
    try:
        return msgspec.convert(value, kind, strict=not is_text)
    except msgspec.ValidationError as error:
        wanted = _title(kind) if "regex" in str(error) else None
        shown = without_secrets(name, value)
        why = f"{shown!r} is not {wanted}" if wanted else str(error)
        raise BadSetting(f"{name} (from {origin}): {why}") from error


def _title(kind: Any) -> str | None:  # noqa: ANN401 - a type expression
    """What a text must be, for people; of a list, its elements."""
    for one in (kind, *get_args(kind)):
        for meta in getattr(one, "__metadata__", ()):
            if isinstance(meta, Meta) and meta.title:
                return meta.title
    return None


def _suggest(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _names() -> list[tuple[str, str, str]]:
    return [
        (f"{section.name}.{key}", section.name, key)
        for section in msgspec.structs.fields(Config)
        for key in _types(section.name)
    ]


def _types(section: str) -> dict[str, Any]:
    kind = next(field.type for field in msgspec.structs.fields(Config) if field.name == section)
    return {field.name: field.type for field in msgspec.structs.fields(kind)}


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
