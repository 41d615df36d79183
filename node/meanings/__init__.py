"""What each code of a problem means, and what to do about it: the page behind its `type`.

`/problems/<code>` is answered from this one table, of the command line's own codes too.
"""

from collections.abc import Mapping
from typing import Final

from node.meanings.advisories import ADVISORIES
from node.meanings.direct import DIRECT
from node.meanings.evaluations import EVALUATIONS
from node.meanings.families import FAMILIES, Meaning
from node.meanings.files import FILES
from node.meanings.invites import INVITES
from node.meanings.life import LIFE
from node.meanings.passages import PASSAGES
from node.meanings.players import PLAYERS
from node.meanings.relays import RELAYS
from node.meanings.requests import REQUESTS
from node.meanings.rights import RIGHTS
from node.meanings.universes import UNIVERSES

LOG: Final = "The node's log tells more; `panspermia doctor` looks for what could be wrong."

MODULES: Final[Mapping[str, Meaning]] = {
    "invalid-manifest": Meaning(
        "gen.toml cannot be published as it is.", "Each of `errors` names a key, and its line."
    ),
    "invalid-wasm": Meaning(
        "The file is no WebAssembly that this network takes: damaged, too large, of features that"
        " are not pinned, or importing what its manifest does not declare.",
        "The detail names the rule and the byte.",
    ),
    "bad-import-pattern": Meaning(
        "A pattern in `[capabilities] imports` cannot be read.",
        "Write MODULE.NAME, or MODULE.* for all of a module.",
    ),
    "invalid-version": Meaning("That is no semantic version.", "Write it as 1.2.3 or 1.2.3-rc.1."),
    "invalid-range": Meaning(
        "That is no range of versions.", "Write it as npm does: ^1.2, >=1 <3, 1.x || 2.0.0."
    ),
    "invalid-name": Meaning(
        "That is no name of a module.", "Write org.example.name, or did:key:…/org.example.name."
    ),
    "invalid-filter": Meaning(
        "A search cannot be kept to that.",
        "Write exports as `hash` or `hash(i32, i32) -> i32`, imports as env.memory, env.* or -.",
    ),
    "invalid-lock": Meaning(
        "The lock file cannot be read.", "Mend the line, or make it anew: panspermia install."
    ),
    "invalid-rating": Meaning("A rating has 1 to 5 stars and a short review.", "Send that."),
    "deleted": Meaning("The record is deleted.", "`panspermia delete --undo` brings it back."),
    "let-go": Meaning(
        "The record was let go for good: nothing is written there again.", "Take another id."
    ),
    "scrub-running": Meaning(
        "A scrub is running already, which reads all there is.",
        "Wait for its end; whoever began it is told what it finds.",
    ),
    "not-deleted": Meaning("The record is not deleted.", "`panspermia delete NAME` deletes it."),
    "several-namespaces": Meaning(
        "A record of that name was deleted in several namespaces.",
        "`candidates` are what they are called here: say one, `--namespace NAME` or `?namespace=`.",
    ),
    "not-rated": Meaning("This node's author has not rated it.", "There is nothing to take back."),
    "ambiguous-module": Meaning(
        "Several authors publish a module of that id.", "Name one of the candidates in full."
    ),
    "unknown-module": Meaning(
        "No module of that name is known here.",
        "`panspermia sync` may bring it; `panspermia search` finds others.",
    ),
    "unknown-version": Meaning(
        "The module has no such version.", "`panspermia info NAME` lists those it has."
    ),
    "unknown-petname": Meaning(
        "You call nobody by that name.", "Give the author's did:key, or: panspermia name set"
    ),
    "name-taken": Meaning(
        "You call another author, or another namespace, by that name.",
        "Choose another name; that of an author moves with --replace.",
    ),
    "asked-twice": Meaning(
        "One module is asked for twice, with different ranges.", "Ask for it once."
    ),
    "version-exists": Meaning(
        "That version is published, and a published version never changes.",
        "Raise the version in gen.toml.",
    ),
    "unsolvable": Meaning(
        "No set of versions meets every requirement.",
        "The detail tells, step by step, which ranges stand against each other; widen one.",
    ),
    "too-hard": Meaning(
        "No answer was found within the steps and the time that are given to it.",
        "Ask for narrower ranges, or for fewer modules at once.",
    ),
    "not-your-module": Meaning("Only its author may change it.", "Publish your own."),
    "no-lock": Meaning("There is no lock to install from.", "Install without --frozen once."),
    "lock-outdated": Meaning(
        "The lock and what is asked for do not agree.", "Install without --frozen, and look."
    ),
    "not-installed": Meaning(
        "It is not installed here.", "`panspermia list` shows what is, `install` installs it."
    ),
    "still-needed": Meaning(
        "Installed modules depend on it.", "Uninstall the candidates too, or leave it."
    ),
    "not-runnable": Meaning(
        "It was published, but this node can neither check nor compile it.",
        "The detail says why; nothing was installed.",
    ),
    "would-downgrade": Meaning(
        "The installation would put an older version in the place of a newer one.",
        "Say --yes if that is meant.",
    ),
    "nothing-installed": Meaning("Nothing is installed.", "panspermia install NAME"),
    "no-result": Meaning("The node broke off its story of an installation.", LOG),
    "file-missing": Meaning("gen.toml names a file that is not there.", "Add it, or correct it."),
    "unsafe-file": Meaning(
        "A file is too large, no text, or outside of the module's folder.", "The detail names it."
    ),
    "files-changed": Meaning(
        "A module's files were changed while the directory was published; that module was not.",
        "Publish it again.",
    ),
    "no-manifest": Meaning("There is no gen.toml.", "Name the folder that holds one."),
    "bad-area": Meaning(
        "That is no area.", "Write WHOSE/class/kind/record@FROM..UNTIL; the detail says more."
    ),
    "bad-address": Meaning(
        "An address of this node is none, or nobody could call it.",
        "Give one at which others reach this node: HOST:PORT, ws://…, wss://… or circuit:…@….",
    ),
    "bad-date": Meaning(
        "That is no date, or one that has passed.", "Write it as 2027-01-01 or 2027-01-01T12:00Z."
    ),
    "not-a-code": Meaning("That is no code of an invite.", "Copy all of it, from psp1- on."),
    "code-version": Meaning(
        "The code is of a version that is not known here.", "Update Panspermia, or ask for another."
    ),
    "code-cut": Meaning("The end of the code is missing.", "Copy all of it."),
    "code-mistyped": Meaning(
        "A character of the code is wrong or too many.", "Copy all of it, or ask for it again."
    ),
    "code-too-long": Meaning("That is more than one code holds.", "Give less at once."),
    "code-forged": Meaning(
        "The code is whole, but gives what its giver cannot give.",
        "Do not use it. Ask whom you had it from.",
    ),
    "code-for-another": Meaning(
        "The code is for somebody else; nobody but them can use it.",
        "Ask for one that is for you: `panspermia id` shows who you are.",
    ),
    "has-published": Meaning(
        "This home has an author who published; it would not speak for them any more.",
        "Use a new --home for the device, or say --replace.",
    ),
    "own-device": Meaning("That is this very device.", "Name the other one: see `panspermia id`."),
    "unknown-device": Meaning("No device of yours has that key.", "See: panspermia device list"),
    "device-revoked": Meaning(
        "The device was removed, and its key stays out.",
        "Start that machine with a new --home, and add the device that it has then.",
    ),
    "revoked": Meaning(
        "The right to do that was taken back.",
        "Ask whoever gave it. A device that its author removed starts with a new --home, and is"
        " added again: panspermia device add",
    ),
    "unknown-namespace": Meaning(
        "No namespace of that name is joined here.",
        "`panspermia namespace list` shows those that are, `namespace join` joins another.",
    ),
    "malformed-record": Meaning(
        "A document that somebody wrote is not what its kind promises, so it is not listed.",
        "Nothing: only its author can mend it.",
    ),
    "registry": Meaning("The registry could not do that.", "The detail says why."),
}

CHECKS: Final[Mapping[str, Meaning]] = {
    "verification-failed": Meaning(
        "A hash, a signature or a capability does not hold.",
        "Do not use it. `panspermia verify NAME` shows each check.",
    ),
    "invalid-statement": Meaning(
        "What the author signed for a version is not what such a statement says.", "Do not use it."
    ),
    "hash-mismatch": Meaning(
        "The bytes are others than were signed or asked for.",
        "Nothing was kept. Ask again: another peer may have the right ones.",
    ),
    "blob-too-large": Meaning(
        "A blob is larger than its record says, or than is taken here.", "Nothing was kept."
    ),
    "not-held": Meaning("It is not here.", "It may come: panspermia sync"),
    "blob-damaged": Meaning(
        "The disk lost a part of these bytes, and nobody who is connected gives it again.",
        "Connect to somebody who has them, then: panspermia scrub",
    ),
    "blob-unreachable": Meaning(
        "No connected peer has these bytes, or none gave them in time.",
        "Connect to somebody who has them: panspermia peers, panspermia connect",
    ),
}

RUNS: Final[Mapping[str, Meaning]] = {
    "wrong-arguments": Meaning(
        "The arguments are not those that the export takes.",
        "`panspermia info NAME` shows its parameters and their types.",
    ),
    "wrong-limits": Meaning("The limits for the call are none.", "Leave them out."),
    "no-such-export": Meaning(
        "The module exports no function of that name.", "The detail lists those it exports."
    ),
    "unsupported-type": Meaning(
        "The function takes or gives what is no number.", "It can only be called by a module."
    ),
    "too-large": Meaning("There is more of it than is taken here.", "The detail says how much."),
    "not-compilable": Meaning("The module is valid, but cannot be compiled here.", LOG),
    "unlinkable": Meaning(
        "An import of a module fits nothing that its dependencies or the node give.",
        "The detail names the import; its author has to mend it.",
    ),
    "not-instantiable": Meaning("The module failed as it started.", "The detail says how."),
    "trap": Meaning("The module stopped itself: an error in it.", "The detail says where."),
    "exited": Meaning("The program ended with an error status.", "The detail says which."),
    "out-of-fuel": Meaning(
        "The call took more instructions than it was given.", "Give it more: --fuel"
    ),
    "out-of-memory": Meaning("The call took more memory than it was given.", "Ask for less."),
    "deadline": Meaning("The call was still running at its deadline.", "Ask for less."),
    "runner-died": Meaning(
        "The process in which modules run ended; the node and what it keeps are untouched.",
        "Try again; a module that does it each time needs too much.",
    ),
    "runner-timeout": Meaning("The process in which modules run gave no answer.", "Try again."),
    "compiler-died": Meaning("The process that compiles ended.", "The module needs too much."),
    "compiler-timeout": Meaning("Compiling took too long.", "The module needs too much."),
    "validator-died": Meaning("The process that validates ended.", "The module needs too much."),
    "validator-timeout": Meaning("Validating took too long.", "The module needs too much."),
}

NODE: Final[Mapping[str, Meaning]] = {
    "failed": Meaning("That failed, for a reason that has no code of its own.", LOG),
    "internal-error": Meaning("A bug in the node. What is stored is untouched.", LOG),
    "not-found": Meaning("There is nothing at this address.", "`/docs` lists what there is."),
    "not-allowed": Meaning("Only its owner may do that.", "Ask the owner."),
    "conflict": Meaning("That would contradict what is there.", "The detail says what."),
    "rejected": Meaning("It was understood, and cannot be taken.", "`errors` say why."),
    "no-node-there": Meaning(
        "Something answers at that address, but no node, or one of another version.",
        "Give the port for peers, not the page's: panspermia status, on that machine.",
    ),
    "unreachable": Meaning(
        "No peer answers there, or none has it.",
        "Look at the address and at the firewall between; `panspermia peers` shows who is there.",
    ),
    "unknown-peer": Meaning("No peer of that device is connected.", "See: panspermia peers"),
    "stopping": Meaning("The node is stopping.", "Ask again when it runs: panspermia up"),
    "storage-failed": Meaning("The store could not do that; it is as it was before.", LOG),
    "device-forked": Meaning(
        "This device wrote two things under one number, as a home does that was put back from a"
        " copy, or runs twice. What it wrote last to that record does not count.",
        "Make its home a new device: panspermia backup FILE, panspermia down, then panspermia"
        " --home NEW restore FILE. Of a universe that travellers pass, there:"
        " panspermia passage gate UNIVERSE",
    ),
    "late-epoch": Meaning(
        "The record went on in a new epoch while somebody still wrote to the old one. What they"
        " wrote is held, and not shown.",
        "Whoever wrote it can make the change again, after a sync.",
    ),
    "over-quota": Meaning(
        "There is no room left, on the disk or within the quota. Nothing was changed. Of a peer's"
        " entries: it is nobody's fault, and they are not fetched again while that is so.",
        "Make room: panspermia gc. Follow whom you want to keep: panspermia name set NAME DID."
        " Who takes how much: panspermia quota. What blobs leave free of the disk: quota.disk_free",
    ),
    "record-full": Meaning(
        "A record holds as much as one can. Nothing was changed; what makes it smaller is written.",
        "Let some of it go. Of a universe: panspermia universe prune --rule RULE",
    ),
    "evicted": Meaning(
        "Records of authors whom nobody here follows gave way to others: their room was full.",
        "Follow whom you want to keep: panspermia name set NAME DID. Or give strangers more:"
        " panspermia config set quota.strangers 2GiB. A group: quota.namespace",
    ),
    "newer-schema": Meaning(
        "A newer version of Panspermia wrote this home.", "Run that version, or a newer one."
    ),
    "corrupt": Meaning(
        "The store is damaged.",
        "Start the node again. If it says so again, restore a backup, or sync into a new home.",
    ),
    "bad-home": Meaning("A file of the home cannot be used.", "The detail names it."),
    "bad-setting": Meaning(
        "A flag, a variable or config.toml holds what no setting takes.",
        "The detail names it; see: panspermia config show --origin",
    ),
    "cannot-listen": Meaning(
        "The port is taken, or the address is none of this machine's.", "Port 0 picks a free one."
    ),
    "already-running": Meaning("A node runs in this home.", "Use it, or give another --home."),
    "already-starting": Meaning("A node is starting in this home.", "Wait for it."),
    "still-running": Meaning("The node was asked to stop and still runs.", LOG),
    "node-died": Meaning("A node ended before it was ready.", LOG),
    "node-not-running": Meaning("No node runs in this home.", "Start it: panspermia up"),
    "connection-lost": Meaning("The other side broke off.", "Try again; its log says why."),
    "timeout": Meaning("There was no answer in time.", "Try again; see: panspermia status"),
    "no-json": Meaning("Something else than a node answered.", "Look at what uses its port."),
    "not-in-sync": Meaning(
        "Not everything has arrived from every peer.", "Run it again with more time: --timeout"
    ),
    "usage": Meaning(
        "The command line is wrong in itself.", "The command's --help says what it takes."
    ),
    "forbidden": Meaning(
        "The file belongs to somebody else.", "Run it as the user whose file it is."
    ),
    "file-exists": Meaning("The file is there already.", "Name another, or give --force."),
    "unsupported": Meaning("This system cannot do that.", "The detail says what can."),
    "unknown-shell": Meaning("There is no completion for that shell.", "Name bash, zsh or fish."),
    "demo-failed": Meaning("A step of the demo did not hold.", "The detail says which."),
    "bad-identity": Meaning("The keys cannot be used.", "The detail says why."),
    "bad-key-file": Meaning("A file of a key cannot be used.", "The detail says why."),
    "no-identity": Meaning("There is no identity here yet.", "panspermia up makes one."),
    "no-key": Meaning(
        "A key is not on this device.",
        "Do it where the key is, or bring the author's here: panspermia id import",
    ),
    "exists": Meaning("There is an identity here already.", "Use another --home."),
    "damaged": Meaning("The exported key is damaged.", "Use another copy."),
    "sealed": Meaning("The key is sealed.", "Give its passphrase."),
    "wrong-passphrase": Meaning("The passphrase does not open the key.", "Try again."),
    "bad-passphrase": Meaning("The passphrase cannot be read.", "Put one line of text there."),
    "weak-passphrase": Meaning("The passphrase is too short.", "Several words are best."),
}

MEANINGS: Final[Mapping[str, Meaning]] = {
    **{code: meaning for meaning, codes in FAMILIES for code in codes.split()},
    **REQUESTS,
    **MODULES,
    **CHECKS,
    **RUNS,
    **NODE,
    **{code: Meaning(*said) for code, said in RIGHTS.items()},
    **{code: Meaning(*said) for code, said in ADVISORIES.items()},
    **{code: Meaning(*said) for code, said in FILES.items()},
    **{code: Meaning(*said) for code, said in LIFE.items()},
    **{code: Meaning(*said) for code, said in PASSAGES.items()},
    **{code: Meaning(*said) for code, said in PLAYERS.items()},
    **{code: Meaning(*said) for code, said in UNIVERSES.items()},
    **{code: Meaning(*said) for code, said in EVALUATIONS.items()},
    **{code: Meaning(*said) for code, said in DIRECT.items()},
    **{code: Meaning(*said) for code, said in INVITES.items()},
    **{code: Meaning(*said) for code, said in RELAYS.items()},
}
