"""What one act does to a document: one signed change."""

from collections.abc import Callable
from typing import TypeAlias

from crdt.document import Editor

Edit: TypeAlias = Callable[[Editor], None]
