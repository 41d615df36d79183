"""Which place a session tries next, and when."""

from random import Random

from p2p.protocol.paths import (
    ADRIFT_LONGEST_S,
    BETTER_LONGEST_S,
    CALLED_WAITS_S,
    PLACES_MAX,
    CarrierKind,
    Paths,
)

TCP: tuple[str, CarrierKind] = ("a:1", "tcp")
WEB: tuple[str, CarrierKind] = ("wss://a/", "websocket")
WEBRTC: tuple[str, CarrierKind] = ("webrtc:x@r", "webrtc")
CIRCUIT: tuple[str, CarrierKind] = ("circuit:x@r", "relay")
ALL = (CIRCUIT, WEB, WEBRTC, TCP)


def paths(kind: CarrierKind, *places: tuple[str, CarrierKind], is_caller: bool = True) -> Paths:
    made = Paths(kind, is_caller=is_caller, now_s=0.0)
    made.know(places, now_s=0.0)
    return made


def test_whoever_met_through_a_relay_tries_the_best_at_once_then_the_next_best() -> None:
    tried = paths("relay", *ALL)
    order: list[str] = []
    while (place := tried.next(now_s=0.0)) is not None:
        order.append(place)
        tried.failed(place, Random(1), now_s=0.0)
    assert order == [TCP[0], WEBRTC[0], WEB[0]]
    assert tried.wait_s(now_s=0.0)


def test_on_the_best_carrier_nothing_is_tried() -> None:
    tried = paths("tcp", *ALL)
    assert tried.next(now_s=1e6) is None
    assert tried.wait_s(now_s=0.0) is None


def test_a_big_transfer_leaves_webrtc_for_a_circuit_and_may_come_back() -> None:
    tried = paths("webrtc", CIRCUIT, WEBRTC)
    assert tried.next(now_s=0.0) is None
    tried.want_bulk(1, now_s=0.0)
    assert tried.next(now_s=0.0) == CIRCUIT[0]
    tried.use("relay", now_s=1.0)
    assert tried.next(now_s=1.0) is None
    tried.want_bulk(-1, now_s=2.0)
    assert tried.next(now_s=2.0) == WEBRTC[0]


def test_tries_get_rarer_but_not_for_ever_and_another_network_begins_anew() -> None:
    tried, random, now_s = paths("relay", TCP), Random(1), 0.0
    waits: list[float] = []
    for _ in range(40):
        assert tried.next(now_s=now_s) == TCP[0]
        tried.failed(TCP[0], random, now_s=now_s)
        wait_s = tried.wait_s(now_s=now_s)
        assert wait_s is not None
        waits.append(wait_s)
        now_s += wait_s
    assert 0 < max(waits) <= BETTER_LONGEST_S
    assert max(waits[20:]) > max(waits[:3])
    tried.failed(TCP[0], random, now_s=now_s)
    tried.hurry(now_s=now_s)
    assert tried.next(now_s=now_s) == TCP[0]


def test_without_a_channel_any_place_will_do_and_the_caller_goes_first() -> None:
    for is_caller, first_s in ((True, 10.0), (False, 10.0 + CALLED_WAITS_S)):
        tried = paths("tcp", CIRCUIT, is_caller=is_caller)
        tried.use(None, now_s=10.0)
        wait_s = tried.wait_s(now_s=10.0)
        assert wait_s == first_s - 10.0
        assert tried.next(now_s=first_s) == CIRCUIT[0]


def test_places_are_bounded() -> None:
    places: list[tuple[str, CarrierKind]] = [(f"h{number}:1", "tcp") for number in range(100)]
    tried = paths("relay", *places)
    names = set[str]()
    while (place := tried.next(now_s=0.0)) is not None:
        names.add(place)
        tried.failed(place, Random(1), now_s=0.0)
    assert len(names) == PLACES_MAX


def test_from_a_channel_that_ends_soon_any_way_that_does_not_end_with_it_will_do() -> None:
    other: tuple[str, CarrierKind] = ("circuit:x@other", "relay")
    tried = paths("relay", CIRCUIT, WEBRTC, other)
    for name in (WEBRTC[0], other[0]):
        tried.failed(name, Random(1), now_s=0.0)
    tried.flee(lambda place: place.endswith("@r"), now_s=1.0)
    assert tried.next(now_s=1.0) == other[0]
    tried.use("relay", now_s=2.0)
    assert tried.next(now_s=1e6) is None, "it is as good as any circuit now"


def test_from_a_channel_that_ends_soon_a_way_of_the_same_kind_is_tried_again_soon() -> None:
    tried = paths("tcp", TCP)
    tried.flee(lambda _: False, now_s=0.0)
    tried.failed(TCP[0], Random(1), now_s=0.0)
    wait_s = tried.wait_s(now_s=0.0)
    assert wait_s is not None
    assert wait_s <= ADRIFT_LONGEST_S
