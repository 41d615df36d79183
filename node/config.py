"""What can be set, with its bounds and its default; `settings.py` reads it."""

from ipaddress import ip_address
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from p2p.protocol.relay import limits

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
Budget: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^(0|[0-9]{1,6}(\.[0-9]{1,3})? ?[KMGT]iB)$",
        title="a size, as 10GiB, or 0 for nothing",
    ),
]
AreaSize: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[^\s=]+=[0-9]{1,6}(\.[0-9]{1,3})? ?[KMGT]iB$",
        title="an area and a size, as commons/*/rate=64MiB",
    ),
]


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


class KeepConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Blobs that are fetched because records name them; docs/protocol/keeping.md."""

    budget: Budget = "10GiB"
    """For those that authors whom you named name, your own other devices, and others' records in
    owned namespaces, in fair shares. 0: none are fetched, and those that were go."""


class RelayConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """What a node does in the relay role; docs/protocol/relay.md."""

    enabled: bool = False
    """As `panspermia relay` does."""
    public: Annotated[str, Meta(max_length=256)] = ""
    """By which URL others reach it; empty: by its addresses."""
    token: Annotated[str, Meta(max_length=128)] = ""
    """Without it nobody registers here; empty: everybody may."""
    namespaces: tuple[Annotated[str, Meta(max_length=128)], ...] = ()
    """Whose records are kept here and served: `commons`, or what a joined one is called; and of the
    blobs that they name as many as `keep.budget` allows. Nothing else is."""
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
    keep: KeepConfig = KeepConfig()
    relay: RelayConfig = RelayConfig()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
