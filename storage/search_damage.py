"""A search index whose files are lost: what is raised then, and what is said."""

from storage.errors import BrokenIndex

# What tantivy raises where files are missing, damaged or cannot be written, and on a dead writer.
BROKEN = (OSError, RuntimeError, ValueError)


class DamageTold:
    """Raises `BrokenIndex` in their place."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, BROKEN):
            raise BrokenIndex(
                f"The search index is damaged: {error}. `panspermia reindex` makes it anew."
            ) from error
