"""How much of a file is read at all. What is beyond is refused before it is taken apart."""

FILE_BYTES_MAX = 64 << 20  # 10,000 Primordium genomes as JSON are 50 MB
UNPACKED_BYTES_MAX = 64 << 20  # of a .gz, whatever its size
ITEMS_MAX = 20_000  # of one file: one publication each
ITEM_BYTES_MAX = 16 << 20

JSON_DEPTH_MAX = 32  # what is known nests 6 deep
JSON_VALUES_MAX = 2_000_000
NUMBER_CHARACTERS_MAX = 64  # a u128 has 39, an exact decimal of an f32 up to 56

TEXT_LINES_MAX = 2_000_000
COORDINATE_MAX = 1 << 30  # of a pattern, as Golly has it without hashlife
RUNS_MAX = 500_000  # runs of live cells; the largest pattern of Golly's own has 200,000
DRAWN_CELLS_MAX = 4_000_000  # where every cell costs something: plaintext, pictures
MACROCELL_NODES_MAX = 500_000
MACROCELL_LEVEL_MAX = 62

NODES_MAX = 20_000  # of a network
CONNECTIONS_MAX = 200_000
GENES_MAX = 4_096
BY_CHARACTERS_MAX = 128  # as records have it
