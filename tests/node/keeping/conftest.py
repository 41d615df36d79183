"""What the tests of what a node keeps begin with."""

from tests.node.keeping.test_keeping import kept

__all__ = ["kept"]
