"""Writes every file; `git diff tests/vectors` then shows what a change of the code changes."""

from pathlib import Path

from scripts.vectors import capabilities, entries

FOLDER = Path(__file__).parent.parent.parent / "tests" / "vectors"


def main() -> None:
    for made in (capabilities, entries):
        (FOLDER / made.FILE).write_text(made.build())


if __name__ == "__main__":
    main()
