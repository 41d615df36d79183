"""Who broke the rules, how often, and until when it is refused: remembered across connections.

    strike   1 for a refused entry, FAULT_STRIKES for a broken rule; half are left after HALF_LIFE_S
    slowed   a device with a strike: its sessions begin on trial (`p2p.protocol.pull`)
    refused  one with more than REFUSALS_MAX: for 10 s, then 20, 40 … a day; every GOOD_S of a
             session without a fault takes one doubling back
    host     all strikes of the devices that call from there, and every call while it is watched,
             are taken from one bucket, and a part for each entry of a revoked key that an honest
             device could pass on as well; where it is empty, nobody is let in before the handshake

Device keys are free, so a host answers for all of its own. A host without a strike is not watched,
and may call as it likes: many honest nodes share one address. Faults of our own calls do not count
against a host: the dialler's back-off bounds those.

Time is Unix time that never goes back, since it is kept over a restart. What is remembered is
bounded: the least recent offenders are forgotten first.
"""

import ipaddress
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from crdt.keys import DeviceKey
from p2p.protocol.limits import (
    REFUSALS_MAX,
    SENTENCE_CHARACTERS_MAX,
    WAIT_S_MAX,
    TokenBucket,
)
from p2p.protocol.pull import LOCAL_CODES, TOO_MANY_REVOKED

FAULT_STRIKES = 150  # two within the hour are one too many
HALF_LIFE_S = 3_600.0
REFUSED_FIRST_S = 10.0
REFUSED_LONGEST_S = float(WAIT_S_MAX)
LEVEL_MAX = 14  # doublings of 10 s that make more than a day
GOOD_S = 600.0
FORGOTTEN_AFTER_S = 7 * 86_400.0  # since the last strike
DEVICES_MAX = 4_096  # about 1 KB each
CODES_MAX = 16  # of one device; the rarest goes

HOSTS_MAX = 4_096
HOST_STRIKES_MAX = 1_024  # seven broken rules, or sixteen keys that are spent on refused entries
HOST_STRIKES_PER_S = 4.0  # a flood has 4 entries a second checked, or a call let in every 2 s
HOST_DEBT_MAX = (
    256  # what was under way when the bucket was empty is paid for too: a minute's worth
)
CALL_STRIKES = 8  # of a watched host: a handshake costs as much as ten entries
REVOKED_STRIKES = 1 / 2  # of a host only: as fast as a session is slowed to, it may go on for ever
UNWANTED_STRIKES = 32  # a call by a device that was told to stay away
IPV6_NETWORK_BITS = 64  # what one household or server is given

# Of nodes that are only older or newer, or that met themselves: no device offends by them.
HONEST_CODES = frozenset({"version", "self", "handshake-version", "handshake-parameters"})
SPENT = "refused-entries"  # the session ended over strikes that are counted already


@dataclass(slots=True)
class Offender:
    """What is remembered of one device."""

    device: DeviceKey
    host: str  # from where it called last; empty where it was called
    code: str  # of what it did last
    sentence: str
    strikes: float = 0.0  # as of `at_s`
    level: int = 0  # times it was refused, less its good behaviour
    times: int = 0  # faults and refused entries, all of them
    at_s: float = 0.0  # of the last one
    until_s: float = 0.0  # refused so long; 0 where it is not
    codes: dict[str, float] = field(default_factory=dict[str, float])  # fade as strikes do


@dataclass(frozen=True, slots=True)
class ClosedHost:
    """An address of which nobody is let in just now."""

    host: str
    times: int
    code: str
    sentence: str
    until_s: float


@dataclass(frozen=True, slots=True)
class Changes:
    """What a store should write down, and forget."""

    kept: Sequence[Offender]
    forgotten: Sequence[DeviceKey]


@dataclass(slots=True)
class _Host:
    bucket: TokenBucket
    code: str
    sentence: str
    times: int = 0


def host_of(address: str) -> str:
    """Whose address it is: an IPv4 address, the /64 of an IPv6 one; what is neither as it is."""
    try:
        ip = ipaddress.ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is None:
            return str(ipaddress.ip_network((ip, IPV6_NETWORK_BITS), strict=False))
        ip = ip.ipv4_mapped
    return str(ip)


class Offences:
    """Told what devices and hosts do; says who may come in. Hosts are those of `host_of`."""

    def __init__(self, remembered: Iterable[Offender] = ()) -> None:
        self._devices = OrderedDict(
            (one.device, one) for one in sorted(remembered, key=lambda one: one.at_s)
        )
        self._hosts: OrderedDict[str, _Host] = OrderedDict()
        self._changed: dict[DeviceKey, None] = {}

    # --- who may come in ---------------------------------------------------------------------

    def admits(self, host: str, *, now_s: float) -> bool:
        """Whether a call from `host` is worth a handshake; counts it where the host is watched."""
        watched = self._watched(host, now_s)
        return watched is None or watched.bucket.take(now_s=now_s, tokens=CALL_STRIKES)

    def is_closed(self, host: str, *, now_s: float) -> bool:
        """Whether nobody new is let in from there."""
        watched = self._watched(host, now_s)
        return watched is not None and watched.bucket.left(now_s=now_s) < CALL_STRIKES

    def refused(self, device: bytes, *, now_s: float) -> Offender | None:
        """Why, and until when, this device is not talked to; None where it may come in."""
        one = self._devices.get(DeviceKey(device))
        # No further ahead than the longest: the clock may have been set back.
        return one if one and 0 < one.until_s - now_s <= REFUSED_LONGEST_S else None

    def strikes(self, device: bytes, *, now_s: float) -> int:
        """Those that count against a new session; more than none: it begins on trial."""
        one = self._devices.get(DeviceKey(device))
        return round(one.strikes * faded(one, now_s)) if one else 0

    # --- what they did -----------------------------------------------------------------------

    def refuse_entries(
        self, device: bytes, host: str, codes: Mapping[str, int], *, now_s: float
    ) -> None:
        """Entries of this peer were refused, by code; this node's own reasons do not count."""
        bad = Counter({code: n for code, n in codes.items() if code not in LOCAL_CODES})
        for code, count in bad.items():
            sentence = "It gave entries that fail the checks of every honest node."
            self._strike(device, host, code, sentence, count, count, now_s)
        if too_many := codes.get(TOO_MANY_REVOKED, 0):
            sentence = "Much came from there that a revoked key wrote."
            self._charge(host, too_many * REVOKED_STRIKES, TOO_MANY_REVOKED, sentence, now_s)

    def fault(
        self, device: bytes | None, host: str, code: str, sentence: str, *, now_s: float
    ) -> None:
        """A peer broke a rule, and its session or handshake ended by it.

        `device` is None where the handshake proved none; `host` is empty where we called.
        """
        if device is None or code in HONEST_CODES:
            strikes = FAULT_STRIKES if code not in HONEST_CODES else CALL_STRIKES
            self._charge(host, strikes, code, sentence, now_s)
            return
        strikes = 0 if code == SPENT else FAULT_STRIKES
        one = self._strike(device, host, code, sentence, strikes, 1, now_s)
        if one.strikes > REFUSALS_MAX or code == SPENT:
            wait_s = REFUSED_FIRST_S * 2.0 ** min(one.level, LEVEL_MAX)
            one.until_s = now_s + min(wait_s, REFUSED_LONGEST_S)
            one.level = min(one.level + 1, LEVEL_MAX)

    def came_unwanted(self, host: str, code: str, sentence: str, *, now_s: float) -> None:
        """A device that is refused called all the same."""
        self._charge(host, UNWANTED_STRIKES, code, sentence, now_s)

    def behaved(self, device: bytes, seconds: float) -> None:
        """A session of this device lasted so long without a fault."""
        one = self._devices.get(DeviceKey(device))
        if one and one.level and seconds >= GOOD_S:
            one.level = max(0, one.level - int(seconds // GOOD_S))
            self._changed[one.device] = None

    def forgive(self, device: bytes) -> bool:
        """Forgets what it did; gives whether there was anything."""
        one = self._devices.pop(DeviceKey(device), None)
        if one is not None:
            self._changed[one.device] = None
        return one is not None

    def forgive_host(self, host: str) -> bool:
        """Lets `host` call again; gives whether it was watched."""
        return self._hosts.pop(host_of(host), None) is not None

    # --- what is shown and kept --------------------------------------------------------------

    def refused_now(self, *, now_s: float) -> list[Offender]:
        """The devices that are refused, the latest offender first."""
        latest = reversed(self._devices.values())
        return [one for one in latest if self.refused(one.device, now_s=now_s)]

    def closed_now(self, *, now_s: float) -> list[ClosedHost]:
        """The hosts of which nobody is let in, the latest first."""
        closed: list[ClosedHost] = []
        for name, host in reversed(self._hosts.items()):
            missing = CALL_STRIKES - host.bucket.left(now_s=now_s)
            if missing > 0:
                until_s = now_s + missing / HOST_STRIKES_PER_S
                closed.append(ClosedHost(name, host.times, host.code, host.sentence, until_s))
        return closed

    def take_changes(self, *, now_s: float) -> Changes:
        """What is new since the last time; forgets those whose last offence is long ago."""
        for one in list(self._devices.values()):
            if now_s - max(one.at_s, one.until_s) < FORGOTTEN_AFTER_S:
                break  # the oldest come first
            self._forget(one)
        changed, self._changed = self._changed, {}
        kept = [self._devices[key] for key in changed if key in self._devices]
        return Changes(kept, [key for key in changed if key not in self._devices])

    # --- inside ------------------------------------------------------------------------------

    def _strike(
        self,
        device: bytes,
        host: str,
        code: str,
        sentence: str,
        strikes: float,
        times: int,
        now_s: float,
    ) -> Offender:
        key = DeviceKey(device)
        one = self._devices.setdefault(key, Offender(key, host, code, sentence, at_s=now_s))
        self._devices.move_to_end(key)
        share = faded(one, now_s)
        one.strikes = one.strikes * share + strikes
        one.codes = {known: count * share for known, count in one.codes.items()}
        one.codes[code] = one.codes.get(code, 0.0) + times
        if len(one.codes) > CODES_MAX:
            del one.codes[min(one.codes, key=lambda known: one.codes[known])]
        one.times += times
        one.host, one.code, one.at_s = host, code, now_s
        one.sentence = sentence[:SENTENCE_CHARACTERS_MAX]
        self._changed[key] = None
        if len(self._devices) > DEVICES_MAX:
            self._forget(next(iter(self._devices.values())))
        self._charge(host, strikes, code, sentence, now_s)
        return one

    def _forget(self, one: Offender) -> None:
        del self._devices[one.device]
        self._changed[one.device] = None

    def _charge(self, host: str, strikes: float, code: str, sentence: str, now_s: float) -> None:
        if not host:
            return
        one = self._hosts.get(host)
        if one is None:
            bucket = TokenBucket.full(HOST_STRIKES_PER_S, HOST_STRIKES_MAX, now_s=now_s)
            one = self._hosts[host] = _Host(bucket, code, sentence)
            if len(self._hosts) > HOSTS_MAX:
                self._hosts.popitem(last=False)
        self._hosts.move_to_end(host)
        one.bucket.spend(now_s=now_s, tokens=strikes, debt_max=HOST_DEBT_MAX)
        one.times, one.code = one.times + 1, code
        one.sentence = sentence[:SENTENCE_CHARACTERS_MAX]

    def _watched(self, host: str, now_s: float) -> _Host | None:
        one = self._hosts.get(host)
        if one is not None and one.bucket.left(now_s=now_s) >= HOST_STRIKES_MAX:
            del self._hosts[host]
            return None
        return one


def faded(one: Offender, now_s: float) -> float:
    """The share of its strikes that is left by now."""
    return float(0.5 ** (max(0.0, now_s - one.at_s) / HALF_LIFE_S))
