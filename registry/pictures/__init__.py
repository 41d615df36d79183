"""Pictures of what can be drawn: cells of patterns and animals, networks of neurons. No IO.

The same bytes for the same genome, everywhere; bounded in size; nothing in them that is fetched or
run.
"""

from registry.pictures.drawing import DRAWN, Kind, picture_of
from registry.pictures.errors import NoPicture

__all__ = ["DRAWN", "Kind", "NoPicture", "picture_of"]
