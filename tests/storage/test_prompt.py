"""A disk that held a writer up is left to a thread for a while, and longer each time."""

from storage.prompt import PROMPT_WRITES, REST_FIRST_S, REST_MAX_S, SLOW_S, Prompt


class Clock:
    """Seconds that only a test lets pass."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def write(prompt: Prompt, clock: Clock, took_s: float) -> None:
    with prompt.writing():
        clock.now_s += took_s


def rest_s(prompt: Prompt, clock: Clock) -> float:
    """How long no write is likely to be prompt, to a tenth of a second."""
    started_s = clock.now_s
    while not prompt.is_likely:
        clock.now_s += 0.1
    return clock.now_s - started_s


def test_writes_that_are_prompt_are_expected_to_be() -> None:
    clock = Clock()
    prompt = Prompt(clock)
    for _ in range(100):
        assert prompt.is_likely
        write(prompt, clock, SLOW_S / 2)
    assert prompt.is_likely


def test_each_slow_write_is_followed_by_a_longer_rest() -> None:
    clock = Clock()
    prompt = Prompt(clock)
    rests: list[float] = []
    for _ in range(9):
        write(prompt, clock, 2 * SLOW_S)
        assert not prompt.is_likely
        rests.append(rest_s(prompt, clock))
    for rest, expected in zip(rests, [5, 10, 20, 40, 80, 160, 320, 320, 320], strict=True):
        assert expected <= rest < expected + 0.2
    assert (REST_FIRST_S, REST_MAX_S) == (5, 320)


def test_many_prompt_writes_make_up_for_what_was_slow() -> None:
    clock = Clock()
    prompt = Prompt(clock)
    for _ in range(3):
        write(prompt, clock, 2 * SLOW_S)
        rest_s(prompt, clock)
    for _ in range(PROMPT_WRITES):
        write(prompt, clock, SLOW_S / 100)
    write(prompt, clock, 2 * SLOW_S)
    assert rest_s(prompt, clock) < REST_FIRST_S + 0.2


def test_a_write_that_fails_late_was_slow_too() -> None:
    clock = Clock()
    prompt = Prompt(clock)
    try:
        with prompt.writing():
            clock.now_s += 1
            raise OSError
    except OSError:
        assert not prompt.is_likely
