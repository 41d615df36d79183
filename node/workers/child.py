"""The child's side: confine this process, say `Ready`, then answer each task until the pipe ends.

Whatever goes wrong here may end the process: the parent turns that into a verdict.
"""

import os
import signal
import sys
from typing import BinaryIO

from node.workers.messages import (
    AnswerMessage,
    Compile,
    Evaluate,
    Judged,
    Ready,
    Run,
    Task,
    Validate,
    encode,
    framed,
    read_framed,
    task_decoder,
)

EVALUATOR_NICE = 10  # everything else on this machine goes first
OWN_CLOCK_MARGIN_S = 5.0  # the parent's clock comes first; this one is for when the parent is gone


def main() -> None:
    role, address_bytes = sys.argv[2], int(sys.argv[3])
    confine(address_bytes)
    tasks, answers = sys.stdin.buffer, sys.stdout.buffer
    if role == "validator":
        serve_validator(tasks, answers)
    elif role == "runner":
        serve_runner(tasks, answers)
    else:
        serve_evaluator(tasks, answers)


def serve_validator(tasks: BinaryIO, answers: BinaryIO) -> None:
    from registry.wasm.validate import Validator  # the runner has no use for it, nor the reverse

    validator = Validator()
    send(answers, Ready())
    while (task := receive(tasks)) is not None:
        assert isinstance(task, Validate), task
        send(answers, Judged(validator.validate(task.wasm, task.policy)))


def serve_runner(tasks: BinaryIO, answers: BinaryIO) -> None:
    from node.workers.execution import Executor

    executor = Executor.open()
    send(answers, Ready())
    while (task := receive(tasks)) is not None:
        match task:
            case Compile():
                send(answers, executor.compile(task.wasm))
            case Run():
                send(answers, executor.run(task))
            case Validate() | Evaluate():
                raise AssertionError("the runner does not judge")


def serve_evaluator(tasks: BinaryIO, answers: BinaryIO) -> None:
    """What it does may take minutes, and nobody's screen waits for it."""
    from node.workers.evaluating import evaluate
    from node.workers.execution import Executor

    if hasattr(os, "nice"):
        os.nice(EVALUATOR_NICE)
    engine = Executor.open().engine
    send(answers, Ready())
    while (task := receive(tasks)) is not None:
        assert isinstance(task, Evaluate), task
        send(answers, evaluate(engine, task))


def receive(tasks: BinaryIO) -> Task | None:
    message = read_framed(tasks)
    if message is None:
        return None
    task = task_decoder.decode(message)
    bound(task.wall_s + OWN_CLOCK_MARGIN_S)
    return task


def send(answers: BinaryIO, answer: AnswerMessage) -> None:
    answers.write(framed(encode(answer)))
    answers.flush()
    bound(0.0)


if sys.platform == "win32":  # no such limits there: the parent's clock is all there is

    def confine(address_bytes: int) -> None: ...

    def bound(wall_s: float) -> None: ...

else:
    import resource

    def confine(address_bytes: int) -> None:
        """Addresses, not resident memory; no core dump, no file; Ctrl-C is for the parent."""
        limits = {
            resource.RLIMIT_AS: address_bytes,
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_FSIZE: 0,
        }
        for limit, value in limits.items():
            _, hard = resource.getrlimit(limit)
            most = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(limit, (most, most))
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def bound(wall_s: float) -> None:
        """End this process after `wall_s` of wall clock or of further CPU time; 0 = while idle."""
        signal.setitimer(signal.ITIMER_REAL, wall_s)
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        usage = resource.getrusage(resource.RUSAGE_SELF)
        spent_s = usage.ru_utime + usage.ru_stime
        soft = int(spent_s + wall_s) + 1 if wall_s else hard
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


if __name__ == "__main__":
    main()
