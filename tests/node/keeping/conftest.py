"""What the tests of what a node keeps begin with."""

from tests.node.keeping.test_keeping import kept
from tests.storage.test_small_disk import disk

__all__ = ["disk", "kept"]
