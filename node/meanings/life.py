"""What the codes about genomes, seeds and lineages mean: rows of `node.meanings`, (means, do)."""

from collections.abc import Mapping
from typing import Final

LIFE: Final[Mapping[str, tuple[str, str]]] = {
    "invalid-record": (
        "A genome, a seed or a lineage cannot be published as it is. Nothing of it was.",
        "Each of `errors` names a field, and what is wrong with it.",
    ),
    "ambiguous-digits": (
        "Several genomes, seeds, challenges or snapshots have an id that begins with these digits.",
        "`candidates` names them, what was here first before the rest: give more digits, or all.",
    ),
    "interrupted": (
        "A command was interrupted by Ctrl-C in the middle.",
        "The same command goes on where it stopped; the detail says how far it came.",
    ),
    "some-refused": (
        "Some of the files or modules of a directory could not be published; the others were.",
        "Each of `refused` names a file and what is wrong with it; mend it and publish again.",
    ),
    "too-large-for-a-stranger": (
        "Without a token only small genomes and seeds are taken.",
        "Send the node's token, or publish it from a node of your own.",
    ),
    "too-many-submissions": (
        "Strangers have handed in as much as this node takes from them in an hour.",
        "Try again later, or send the node's token.",
    ),
}
