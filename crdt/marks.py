"""What may stand at the root of any document, whatever its kind has there."""

from typing import Final

DELETED: Final = "deleted"
"""When, in µs since 1970: it is to be shown to nobody. Whatever stands there marks it, but null."""
