"""A peer with valid keys that means harm: the node stays up and small, keeps what it has, says why.

Alice is attacked, Bob is honest and connected with her all the while: after every attack, or amid
it where it lasts, what he says reaches her.
"""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import pytest

from crdt.area import Area
from crdt.blob import BlobId
from crdt.change import DocumentId, SignedEntry, Signer, device_capabilities, sign_change
from crdt.digest import payload_digest
from crdt.document import Document
from crdt.ed25519 import SigningKey
from crdt.entry import Entry, encode_entry
from crdt.keys import COMMONS, AuthorKey, DeviceKey, NamespaceKey
from crdt.path import ChangePath
from node.client import module_path
from node.commands.nodes import LocalNode, start_node, stop_all, wait_for
from p2p.protocol import frames, limits
from p2p.protocol.errors import PeerLeft, RemoteProtocolError
from p2p.protocol.frames import FRAME_BYTES_MAX, SentEntry
from p2p.transport.address import Address
from tests.crdt.bombs import changes
from tests.e2e.mallory import EVERYTHING, Call, Mallory
from tests.e2e.story import ARRIVE_S, answering, has_modules, make_module

pytestmark = pytest.mark.alone

GROWTH_BYTES_MAX = 200 << 20
ENDS_S = 120.0  # an attack: the node has ended it long before
