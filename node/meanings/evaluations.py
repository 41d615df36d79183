"""What the codes about evaluations mean, and what to do: rows of `node.meanings`."""

from collections.abc import Mapping
from typing import Final

EVALUATIONS: Final[Mapping[str, tuple[str, str]]] = {
    "invalid-evaluation": (
        "An evaluation names a genome, an evaluator, a seed and ticks; it has one answer.",
        "The detail says which of them is wrong.",
    ),
    "not-claimed": (
        "This node's author says nothing of that evaluation, or claims nothing.",
        "There is nothing to take back. `panspermia attest GENOME --show` shows who says what.",
    ),
    "ambiguous-evaluator": (
        "This node's author said something of it by several evaluators.",
        "Say by which one to take it back: --with NAME, or its hash.",
    ),
    "invalid-challenge": (
        "A challenge names an evaluator, seeds, ticks, and when it begins and ends.",
        "The detail says which of them is wrong.",
    ),
    "unknown-challenge": (
        "No challenge of that id is known here, or that is none.",
        "`panspermia challenge list` shows those that are; `panspermia sync` may bring it.",
    ),
    "challenge-not-open": (
        "Nobody can enter before the challenge opens.",
        "Try it with --dry-run, which signs nothing, and enter when it is open.",
    ),
    "challenge-over": (
        "The deadline has passed.",
        "Attesting what was entered in time still counts: panspermia attest",
    ),
    "no-entry": (
        "The evaluator gave no result for the genome, so it has no place in the challenge.",
        "The detail says how it ended. Enter a genome that the evaluator judges.",
    ),
    "unknown-genome": (
        "No genome of that identity is known here, or that is none.",
        "Give its 64 hex digits, as lists show them; `panspermia sync` may bring it.",
    ),
    "no-evaluator": (
        "No evaluator that comes with the node judges genomes of this format.",
        "Name one with --with: `panspermia search --tag evaluator` finds those that are published.",
    ),
    "evaluator-differs": (
        "The module that an attestation names has other bytes than it says.",
        "Nothing: whoever attested it has to name the right one.",
    ),
    "not-an-evaluator": (
        "The module has not the exports of an evaluator, or others beside its memory.",
        "Name another one. docs/protocol/attestations.md says what an evaluator is.",
    ),
    "stack-overflow": (
        "The evaluator calls itself deeper than the stack of this machine; nothing was signed.",
        "Its author can mend it; others' machines may have another stack.",
    ),
    "evaluator-died": (
        "The process that ran the evaluator ended; nothing was signed.",
        "The detail says how. If it was memory, free some and attest again.",
    ),
    "evaluator-timeout": (
        "The evaluator was still running when its time was over; nothing was signed.",
        "Ask for fewer ticks, or attest again when the machine has less to do.",
    ),
}
