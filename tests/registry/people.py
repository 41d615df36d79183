"""Alice and bob, and what they publish."""

from typing import Any

from crdt.change import DocumentId
from crdt.did import encode_did_key
from crdt.document import Document
from crdt.ed25519 import SigningKey
from crdt.keys import COMMONS, AuthorKey
from registry import module, ratings
from registry.edits import Edit
from registry.listed import Capability, Module
from registry.manifest import Dependency, Manifest, parse_manifest
from registry.names import ModuleName
from registry.publication import publish_version
from registry.statement import Artifact, Need, Release, SignedRelease, sign_release

ALICE = SigningKey.from_seed(bytes([1]) * 32)
BOB = SigningKey.from_seed(bytes([2]) * 32)
ALICE_LAPTOP = SigningKey.from_seed(bytes([3]) * 32)
BOB_PHONE = SigningKey.from_seed(bytes([4]) * 32)
ALICE_DID = encode_did_key(ALICE.public)
BOB_DID = encode_did_key(BOB.public)

NOON_US = 1_767_268_800_000_000  # 2026-01-01, noon
DAY_US = 86_400_000_000
WASM = b"\0asm\x01\0\0\0"

DICE = ModuleName(ALICE_DID, "org.example.dice")


def manifest_of(version: str = "1.0.0", *, extra: str = "", id: str = DICE.id) -> Manifest:
    return parse_manifest(
        f"""
        [module]
        id = "{id}"
        name = "Dice"
        version = "{version}"
        description = "Throws dice."
        license = "MIT"
        tags = ["chance", "game"]
        wasm = "dice.wasm"
        {extra}
        """
    )


def release_of(manifest: Manifest, *, author: str = ALICE_DID, wasm: bytes = WASM) -> Release:
    def full(dependency: Dependency) -> str:
        return str(dependency.reference.named({"bob": BOB_DID}).of(author))

    return Release(
        module=ModuleName(author, manifest.id),
        version=str(manifest.version),
        artifact=Artifact.of(wasm),
        imports=("env.memory",),
        dependencies={
            full(each): Need(each.range, each.is_optional) for each in manifest.dependencies
        },
        checker="wasmtime 50.0.1",
        features="0123abcd",
    )


def signed_release(manifest: Manifest) -> SignedRelease:
    return sign_release(release_of(manifest), ALICE_LAPTOP)


def dice_document(name: ModuleName = DICE) -> DocumentId:
    return DocumentId(COMMONS, AuthorKey(ALICE.public), module.CLASS, module.KIND, name.id.encode())


def rating_document(target: bytes, author: SigningKey = BOB) -> DocumentId:
    return DocumentId(COMMONS, AuthorKey(author.public), ratings.CLASS, module.KIND, target)


class Record:
    """One document on alice's laptop, edited as the store would."""

    def __init__(self, id: DocumentId, device: SigningKey = ALICE_LAPTOP) -> None:
        self.id = id
        self.document = Document.open(id.cls, id.kind, device.public)

    def edit(self, edit: Edit) -> bytes | None:
        return self.document.change(edit)

    def publish(self, version: str, *, now_us: int = NOON_US, extra: str = "") -> None:
        manifest = manifest_of(version, extra=extra)
        self.edit(
            publish_version(
                manifest,
                signed_release(manifest),
                now_us=now_us,
                exports=[Capability("throw", "function", "(i32) -> i32")],
                changelog=f"What {version} brings.",
                readme="# Dice\nA die has six faces.",
            )
        )

    @property
    def value(self) -> dict[str, Any]:
        return self.document.to_py()

    @property
    def module(self) -> Module:
        return module.module_of(self.id, self.value)
