"""A network of its own for a test: hosts, segments and NAT routers, as network namespaces.

    with network() as bed:
        public = bed.segment("203.0.113.0/24")
        relay = bed.host("relay", public)
        home = bed.segment("10.77.1.0/24")
        bed.router(home, public)
        alice = bed.host("alice", home)
        with bed.inside(alice):
            ...                       # sockets and processes made here are Alice's

A segment is a bridge, a host hangs on it by a veth pair, and a router forwards and masquerades.
Everything lies in namespaces that end with the bed, whose names are those of this process alone.
Needs root, `ip` and `nft`.
"""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

NAMESPACES = Path("/run/netns")
CLONE_NEWNET = 0x40000000
COMMAND_S = 30.0


@dataclass(eq=False)
class Segment:
    """A switch with a network behind it."""

    namespace: str
    network: IPv4Network
    used: int = 0

    def take(self) -> str:
        """The next free address."""
        self.used += 1
        return str(self.network[self.used])


@dataclass(eq=False)
class Host:
    """A machine: one address, and what befalls its packets."""

    name: str
    namespace: str
    address: str
    segment: Segment
    port: str
    """Of the segment's switch, where it hangs."""
    faults: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Namespace and table of each."""


def missing() -> str:
    """Why there can be no namespaces here; empty where there can."""
    if os.geteuid() != 0:
        return "network namespaces take root"
    for tool in ("ip", "nft"):
        if not shutil.which(tool):
            return f"{tool} is not installed"
    try:
        with network() as bed:
            bed.nft(bed.host("probe", bed.segment("10.77.9.0/24")), "flush ruleset")
    except (OSError, subprocess.CalledProcessError) as error:
        return f"the kernel makes no network namespaces: {error}"
    return ""


@contextmanager
def network() -> Generator["Bed"]:
    """A bed; whatever is in it is gone afterwards, the processes included."""
    bed = Bed()
    try:
        yield bed
    finally:
        bed.close()


class Bed:
    """See the module."""

    _beds = 0

    def __init__(self) -> None:
        Bed._beds += 1
        self._prefix = f"pst{os.getpid()}n{Bed._beds}"
        self._namespaces: list[str] = []
        self._links = 0

    # --- building -----------------------------------------------------------------------------

    def segment(self, cidr: str) -> Segment:
        """A network; its first addresses go to whoever comes first."""
        namespace = self._namespace()
        self.ip("link", "add", "bridge", "type", "bridge", namespace=namespace)
        self.ip("link", "set", "bridge", "up", namespace=namespace)
        return Segment(namespace, IPv4Network(cidr))

    def host(self, name: str, segment: Segment, *, gateway: str | None = None) -> Host:
        """A machine on `segment`, which sends what is not for it to `gateway`."""
        namespace = self._namespace()
        address, port = self._plug(namespace, "eth0", segment)
        if gateway is not None:
            self.ip("route", "add", "default", "via", gateway, namespace=namespace)
        else:  # mDNS asks where multicast goes
            self.ip("route", "add", "224.0.0.0/4", "dev", "eth0", namespace=namespace)
        return Host(name, namespace, address, segment, port)

    def router(self, inside: Segment, outside: Segment, *, is_symmetric: bool = False) -> Host:
        """Lets `inside` out under one address of `outside`, and only answers in.

        `is_symmetric`: a new port for each pair of ends, which no hole can be punched through.
        Make it before the hosts of `inside`: its address there is the first, their gateway.
        """
        namespace = self._namespace()
        assert inside.used == 0
        self._plug(namespace, "inside", inside)
        address, port = self._plug(namespace, "outside", outside)
        self._write("net/ipv4/ip_forward", "1", namespace)
        router = Host("router", namespace, address, outside, port)
        out = "masquerade random" if is_symmetric else "masquerade"
        self.nft(
            router,
            _chain("ip nat", "nat", "postrouting", 100, f'oifname "outside" {out}')
            + _chain(
                "ip filter",
                "filter",
                "forward",
                0,
                'iifname "inside" accept',
                "ct state established,related accept",
                "drop",
            )
            # As home routers do: what they refuse aloud would hold the port that it came to.
            + _chain(
                "ip own",
                "filter",
                "input",
                0,
                "ct state established,related accept",
                'iifname "outside" drop',
            ),
        )
        return router

    # --- what befalls packets -----------------------------------------------------------------

    def lose(self, host: Host, percent: int) -> None:
        """So many of the packets to `host`, and from it, never arrive."""
        rule = f"numgen random mod 100 < {percent} drop"
        self._befall(host, host.namespace, "inet", "input", 'iifname "lo" accept', rule)
        self._on_the_wire(host, rule)

    def cut(self, host: Host) -> None:
        """What `host` sends goes nowhere, and nothing says so: half-open."""
        self._on_the_wire(host, "drop")

    def block(self, router: Host, what: str) -> None:
        """Nothing that fits `what`, in the language of nft, passes through `router`."""
        self._befall(router, router.namespace, "inet", "forward", f"{what} drop")

    def heal(self, host: Host) -> None:
        """All packets pass again."""
        for namespace, table in host.faults:
            self._nft(namespace, f"delete table {table}")
        host.faults.clear()

    def _on_the_wire(self, host: Host, rule: str) -> None:
        # A rule on the host itself would tell whoever sends. ARP is let through: hosts know each
        # other, as on a network that was well a moment ago.
        hook = f'ingress device "{host.port}"'
        self._befall(host, host.segment.namespace, "netdev", hook, f"meta protocol ip {rule}")

    def _befall(self, host: Host, namespace: str, family: str, hook: str, *rules: str) -> None:
        table = f"{family} fault{host.port}{len(host.faults)}"
        self._nft(namespace, _chain(table, "filter", hook, -5, *rules))
        host.faults.append((namespace, table))

    # --- using --------------------------------------------------------------------------------

    @contextmanager
    def inside(self, host: Host) -> Generator[None]:
        """This thread is on `host`: its sockets and processes are, for as long as they live."""
        here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(NAMESPACES / host.namespace, os.O_RDONLY)
        try:
            _enter(there)
            try:
                yield
            finally:
                _enter(here)
        finally:
            os.close(here)
            os.close(there)

    def nft(self, host: Host, text: str) -> None:
        """Rules of nftables on `host`."""
        self._nft(host.namespace, text)

    def ip(self, *args: str, namespace: str) -> None:
        _run(["ip", "-n", namespace, *args])

    def close(self) -> None:
        """Ends what still runs in the namespaces, and the namespaces."""
        for namespace in self._namespaces:
            listed = subprocess.run(
                ["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False
            )
            for pid in listed.stdout.split():
                if int(pid) != os.getpid():
                    with suppress(ProcessLookupError):
                        os.kill(int(pid), 9)
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True, check=False)
        self._namespaces.clear()

    # --- parts --------------------------------------------------------------------------------

    def _nft(self, namespace: str, text: str) -> None:
        _run(["ip", "netns", "exec", namespace, "nft", "-f", "-"], input=text)

    def _namespace(self) -> str:
        name = f"{self._prefix}s{len(self._namespaces)}"
        _run(["ip", "netns", "add", name])
        self._namespaces.append(name)
        self.ip("link", "set", "lo", "up", namespace=name)
        # Addresses here are of IPv4 only: those of IPv6 take seconds until they may be used.
        for scope in ("all", "default"):
            self._write(f"net/ipv6/conf/{scope}/disable_ipv6", "1", name)
        return name

    def _plug(self, namespace: str, name: str, segment: Segment) -> tuple[str, str]:
        """A cable to the switch: the address, and the port at the other end."""
        address = segment.take()
        self._links += 1
        port = f"port{self._links}"
        self.ip(
            "link", "add", name, "type", "veth", "peer", "name", port, "netns", segment.namespace,
            namespace=namespace,
        )  # fmt: skip
        self.ip("link", "set", port, "master", "bridge", "up", namespace=segment.namespace)
        prefix = segment.network.prefixlen
        self.ip("addr", "add", f"{address}/{prefix}", "dev", name, namespace=namespace)
        self.ip("link", "set", name, "up", namespace=namespace)
        return address, port

    def _write(self, key: str, value: str, namespace: str) -> None:
        path = f"/proc/sys/{key}"
        command = ["ip", "netns", "exec", namespace, "sh", "-c", f"echo {value} > {path}"]
        subprocess.run(command, capture_output=True, check=False, timeout=COMMAND_S)


def _chain(table: str, kind: str, hook: str, priority: int, *rules: str) -> str:
    """A table with one chain, in the language of nft."""
    lines = [f"type {kind} hook {hook} priority {priority};", *rules]
    body = "".join(f"    {line}\n" for line in lines)
    return f"table {table} {{\n  chain c {{\n{body}  }}\n}}\n"


def _run(command: Sequence[str], *, input: str | None = None) -> None:
    subprocess.run(
        command, input=input, capture_output=True, text=True, check=True, timeout=COMMAND_S
    )


def _enter(namespace: int) -> None:
    """This thread goes there; Python has a name for it from 3.12 on."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
