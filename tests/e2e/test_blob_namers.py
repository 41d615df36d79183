"""Mallory knows the id of a private blob and names it in public: nobody's node gives it to her.

Alice's guild has a module; Bob, a member, has fetched it. Dave knows nobody but Bob.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from crdt.blob import BlobId, parse_root
from crdt.change import DocumentId, SignedEntry, sign_change
from crdt.did import encode_did_key
from crdt.document import Document
from crdt.keys import COMMONS
from node.commands.nodes import LocalNode, wait_for
from node.failure import Json
from p2p.protocol import frames
from registry import module
from registry.manifest import parse_manifest
from registry.names import ModuleName
from registry.publication import publish_version
from registry.statement import Artifact, Release, sign_release
from tests.e2e.mallory import Call, Mallory
from tests.e2e.story import ARRIVE_S, Ran, Shell, StartNode, answering, make_module
from tests.e2e.test_namespaces import fetch_code, seen

pytestmark = pytest.mark.nodes

LAMP, COPY = "io.alice.lamp", "io.mallory.copy"
WASM = answering(9)
ROOT = 0  # the piece that a Get names so
PUBLISHED_US = 1_767_268_800_000_000
COPY_MANIFEST = f"""
[module]
id = "{COPY}"
name = "m"
version = "1.0.0"
description = "Somebody else's"
license = "MIT"
wasm = "m.wasm"
"""


def done(ran: Ran) -> Json:
    assert ran.code == 0, ran
    return ran.answer


def copy_of(mallory: Mallory, blob: BlobId) -> SignedEntry:
    """A module of hers in commons, sound in everything, whose bytes are said to be that blob."""
    manifest = parse_manifest(COPY_MANIFEST)
    name = ModuleName(encode_did_key(mallory.root.public), COPY)
    artifact = replace(Artifact.of(WASM), blob=blob)
    release = Release(name, "1.0.0", artifact, (), {}, "wasmtime", "0123abcd")
    signer = mallory.signer
    edit = publish_version(manifest, sign_release(release, signer.device), now_us=PUBLISHED_US)
    document = DocumentId(COMMONS, signer.author, module.CLASS, module.KIND, COPY.encode())
    raw = Document.open(document.cls, document.kind, signer.device.public).change(edit)
    assert raw is not None
    return sign_change(raw, document, signer=signer, prev=None, timestamp=1_000)


def waits_for(at: LocalNode, id: str) -> None:
    """For a module in commons."""
    wait_for(f"{at.name} to list {id}", ARRIVE_S, lambda: id in seen(at, "commons") or None)


async def asks(call: Call, blob: BlobId) -> bytes | None:
    """For its root, which has the hashes of all the rest."""
    await call.say(frames.Get(1, blob, ROOT, 0, 1, 3))
    answer = await call.hear_until(frames.Part, frames.Holding)
    if isinstance(answer, frames.Part):
        return answer.data
    assert answer == frames.Holding(1, is_some=False, runs=())
    return None


def members(node: StartNode, shell: Shell, tmp_path: Path) -> tuple[LocalNode, LocalNode, BlobId]:
    """Alice and Bob, and the blob that they alone have."""
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    done(shell(alice, "namespace", "create", "guild"))
    code = done(shell(alice, "cap", "grant", bob.did, "--read", "--namespace", "guild"))["code"]
    done(shell(bob, "accept", code, "--yes"))
    lamp = make_module(tmp_path / "lamp", LAMP, "1.0.0", WASM)
    done(shell(alice, "publish", str(lamp), "--namespace", "guild"))
    wait_for("bob to see it", ARRIVE_S, lambda: LAMP in seen(bob) or None)
    file = tmp_path / "bob.wasm"
    done(shell(bob, "fetch", f"{LAMP}@1.0.0", "--namespace", "guild", "-o", str(file)))
    assert file.read_bytes() == WASM
    version = bob.client.get(f"/api/modules/{LAMP}", {"namespace": "guild"})["versions"][0]
    return alice, bob, BlobId(bytes.fromhex(version["blob"]))


async def test_who_names_a_private_blob_in_public_is_not_given_it(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    alice, bob, blob = members(node, shell, tmp_path)
    dave = node("dave", peers=(bob,))
    mallory = Mallory()
    async with mallory.meets(str(bob.ready["p2p"])) as call:
        assert await asks(call, blob) is None
        await call.offers([copy_of(mallory, blob)])
        for at in (bob, dave, alice):
            waits_for(at, COPY)
        assert await asks(call, blob) is None
    async with mallory.meets(str(alice.ready["p2p"])) as call:
        assert await asks(call, blob) is None
    assert fetch_code(dave, blob.hex()) == "blob-unreachable"

    # Alice may: what she made is public as soon as she says so, on Bob's node too.
    public = make_module(tmp_path / "public", "io.alice.public", "1.0.0", WASM)
    done(shell(alice, "publish", str(public)))
    waits_for(dave, "io.alice.public")
    assert fetch_code(dave, blob.hex()) == "fetched"
    async with mallory.meets(str(bob.ready["p2p"])) as call:
        root = await asks(call, blob)
        assert root is not None
        assert parse_root(root, blob).size == len(WASM)
