"""A genome, a seed and a lineage of alice's, as their documents."""

from crdt.change import DocumentId
from crdt.keys import COMMONS, AuthorKey
from registry import genome, lineage, seed
from registry.content import Content
from registry.head import Words
from registry.lineage import Legend
from tests.registry.people import ALICE, NOON_US, Record

GENOTYPE = b"7b226272616963223a7b7d7d"
CONFIG = b"target_fps = 60\n[world]\nwidth = 100\n"
LINEAGE_ID = "3f0c7c6e-1d0e-4b57-9a5c-6a8f3f1d2c11"

WALKER = Content.of(GENOTYPE, format="primordium-genotype", file="walker.txt")
ARENA = Content.of(CONFIG, format="primordium-config", file="config.toml")
WALKERS = genome.Facts(
    by="alice", fitness_score=12.5, offspring_count=7, tick=1_200, lineage=LINEAGE_ID,
    parents=(bytes([9]) * 32,),
)  # fmt: skip
ARENAS = seed.Facts(by="alice", avg_tick_time=0.4, max_pop=900, performance_summary="It runs.")
LINE = lineage.Facts(
    by="alice", civilization_level=4, start_tick=10, best_genotype=WALKER.identity,
    parent="the-first", legends=(Legend(700, "outlived a drought", WALKER.id),),
)  # fmt: skip
WORDS = Words("Walker", "Walks.", "MIT", "# Walker\nLong card.", ("gait", "fast"))


def document_of(kind: str, record: bytes) -> DocumentId:
    return DocumentId(COMMONS, AuthorKey(ALICE.public), "pub", kind, record)


def walker(words: Words = WORDS, facts: genome.Facts = WALKERS) -> Record:
    record = Record(document_of("gen", WALKER.identity))
    record.edit(genome.publish_genome(WALKER, words, facts, now_us=NOON_US))
    return record


def arena() -> Record:
    record = Record(document_of("seed", ARENA.identity))
    record.edit(seed.publish_seed(ARENA, WORDS, ARENAS, now_us=NOON_US))
    return record


def line() -> Record:
    record = Record(document_of("lin", LINEAGE_ID.encode()))
    record.edit(lineage.publish_lineage(WORDS, LINE, now_us=NOON_US))
    return record
