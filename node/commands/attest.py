"""`attest`: run an evaluation of a genome and sign what it gives; contradictions come first."""

from __future__ import annotations

import click

from node.client import path_of, with_query
from node.commands.console import IN_NAMESPACE, node, print_json, say, wants_json
from node.commands.life import ID_SHOWN
from node.commands.petnames import Petnames, petnames
from node.exit_codes import UNVERIFIED
from node.failure import Json
from node.text import printable

# All the fuel of an evaluation takes minutes, and others may be before it.
ATTEST_TIMEOUT_S = 1_800.0
OTHERS_SHOWN = 10
ENDINGS = {
    "unjudged": "the evaluator takes no such genome, or not so many ticks; its readme says",
    "trapped": "the evaluator broke down on it",
    "out-of-fuel": "it took more steps than an evaluation has",
}
"""Why there is no result, which is a finding all the same."""


@click.command("attest")
@click.argument("genome")
@click.option("--with", "evaluator", metavar="NAME[@VERSION]", help="The evaluator's module.")
@click.option("--seed", type=int, default=0, show_default=True, help="What it begins from.")
@click.option(
    "--ticks", type=click.IntRange(0), default=1_000, show_default=True, help="How long it runs."
)
@click.option("--claim", type=int, metavar="RESULT", help="Only say what it gives; do not run it.")
@click.option("--dry-run", is_flag=True, help="Run it, and sign nothing.")
@click.option("--show", is_flag=True, help="Only show what is said of it.")
@click.option("--clear", is_flag=True, help="Take back what you said of it: claim and runs.")
@click.option("--clear-claim", is_flag=True, help="Take only your claim back.")
@IN_NAMESPACE
@click.pass_context
def attest_command(
    ctx: click.Context,
    genome: str,
    evaluator: str | None,
    seed: int,
    ticks: int,
    claim: int | None,
    dry_run: bool,
    show: bool,
    clear: bool,
    clear_claim: bool,
    namespace: str | None,
) -> None:
    """Run an evaluation of a genome again, and sign what it gives."""
    path = path_of("/api/registry/genomes", genome, "attestations")
    if sum((show, claim is not None, clear, clear_claim)) > 1:
        raise click.UsageError("one of --claim, --show, --clear, --clear-claim at a time")
    if clear or clear_claim:
        if dry_run:
            raise click.UsageError("--dry-run is of a run")
        which = {"with": evaluator, "seed": seed, "ticks": ticks, "namespace": namespace}
        return take_back(
            genome, with_query(path, {**which, "claim_only": "true" if clear_claim else None})
        )
    path = with_query(path, {"namespace": namespace})
    if show:
        return show_all(node().get(path))
    body = {"with": evaluator, "seed": seed, "ticks": ticks, "claim": claim, "dry_run": dry_run}
    answer = node().post(path, body, timeout_s=ATTEST_TIMEOUT_S)
    if wants_json():
        print_json("attest", answer)
    else:
        say_attested(answer)
    if answer["judgement"]["disputed"] and not answer["claimed"]:
        ctx.exit(UNVERIFIED)  # of runs that count one is wrong; strangers are no alarm


def take_back(genome: str, path: str) -> None:
    node().delete(path)
    if wants_json():
        return print_json("attest", {"genome": genome, "cleared": True})
    say(f"took back what you said of {printable(genome)}")


def who(did: str, called: Petnames) -> str:
    """By the name that it has here; without one whole, since it may be given one."""
    return printable(called.author(did) if called.of(did) else did)


def say_attested(answer: Json) -> None:
    one, called = answer["judgement"], petnames()
    for line in contradiction_lines(one, called):
        say(line, fg="red")
    what = f"{answer_text(answer)} by {evaluator_text(one)}"
    if answer["claimed"]:
        did = "would be claimed" if answer["dry_run"] else "claimed"
        return say(f"{did}: {what}; nobody needs to believe it: panspermia attest runs it")
    did = "not signed (dry run)" if answer["dry_run"] else "signed"
    say(f"{what}: {did}", fg=None if one["disputed"] else "green")
    if why := ENDINGS.get(answer["ending"] or ""):
        more = f": panspermia info {printable(one['module'])} --readme" if one["module"] else ""
        say(f"{answer['ending']}: {why}{more * (answer['ending'] == 'unjudged')}", dim=True)
    for line in other_lines(one, called):
        say(line, dim=True)
    if len(one["attestors"]) > 1:
        say(f"the same found: {', '.join(who(each, called) for each in one['attestors'])}")
    say(f"{answer['fuel_used']:,} instructions, {answer['cpu_ms']:.0f} ms", dim=True, err=True)


def show_all(fitness: Json) -> None:
    if wants_json():
        return print_json("attest", fitness)
    if not fitness["evaluations"]:
        return say("nobody says anything of it; to run it: panspermia attest GENOME")
    called = petnames()
    for one in fitness["evaluations"]:
        for line in contradiction_lines(one, called):
            say(line, fg="red")
        found = f": {answer_text(one)}" if one["ending"] else ""
        by = f", attested by {', '.join(who(each, called) for each in one['attestors'])}"
        said = f"{one['state']}{found} by {evaluator_text(one)}{by if one['attestors'] else ''}"
        say(said, fg="green" if one["state"] == "verified" else None)
        for word in one["words"]:
            if word["claimed"] and word not in one["contradictions"]:
                say(f"  {who(word['author'], called)} claims {answer_text(word)}", dim=True)
        for line in other_lines(one, called):
            say(line, dim=True)


def contradiction_lines(one: Json, called: Petnames) -> list[str]:
    """First a headline, then everybody who counts and says something else."""
    if not one["disputed"]:
        return []
    lines = [f"CONTRADICTION: one evaluation has one answer, and not all say {answer_text(one)}"]
    if not one["ending"]:
        lines = ["CONTRADICTION: one evaluation has one answer, and several are given"]
    counting = [word for word in one["contradictions"] if word["trusted"]]
    return lines + [word_line(word, called) for word in counting]


def other_lines(one: Json, called: Petnames) -> list[str]:
    """Whoever else says something else: keys are free, so it is no alarm."""
    others = one["contradictions"]
    if one["disputed"]:
        others = [word for word in others if not word["trusted"]]
    lines = [word_line(word, called) for word in others[:OTHERS_SHOWN]]
    if len(others) > OTHERS_SHOWN:
        lines.append(f"  and {len(others) - OTHERS_SHOWN:,} more, which --json shows")
    return ["something else, which decides nothing:", *lines] if lines else []


def word_line(word: Json, called: Petnames) -> str:
    how = "only claims" if word["claimed"] else f"ran it ({printable(word['engine'])}) and says"
    whose = "" if word["trusted"] else ", a stranger,"
    return f"  {who(word['author'], called)}{whose} {how} {answer_text(word)}"


def answer_text(one: Json) -> str:
    """The result, or how it ended without one."""
    return f"{one['result']:,}" if one["ending"] == "result" else str(one["ending"])


def evaluator_text(one: Json) -> str:
    """By its name where these bytes have one; what strangers call it is theirs to say."""
    name = f"{one['evaluator'][:ID_SHOWN]}… (says it is {printable(one['said_to_be'])})"
    if one["module"]:
        name = f"{printable(one['module'])} {printable(one['version'])}"
    return f"{name}, seed {one['seed']}, {one['ticks']:,} ticks"
