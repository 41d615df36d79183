"""Alice and Bob, their keys, and what they publish."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crdt.change import DocumentId, SignedEntry, Signer, device_capabilities, sign_change
from crdt.did import encode_did_key
from crdt.document import Document, Editor
from crdt.ed25519 import SigningKey
from crdt.keys import COMMONS, AuthorKey, DeviceKey, NamespaceKey
from storage.listing import Listing, NamedBlob, Projection, RatingRow

NOW_US = 1_800_000_000_000_000


@dataclass(frozen=True)
class Person:
    """An author with one device."""

    root: SigningKey
    signer: Signer

    @property
    def did(self) -> str:
        return encode_did_key(self.root.public)

    def document(
        self, record: str, *, cls: str = "pub", namespace: NamespaceKey = COMMONS
    ) -> DocumentId:
        return DocumentId(namespace, AuthorKey(self.root.public), cls, "mod", record.encode())

    def publishes(self, record: str, edit: Callable[[Editor], None]) -> SignedEntry:
        """A new document of one change, signed as on another node."""
        return self.writes(self.document(record), edit)[0]

    def writes(
        self,
        document: DocumentId,
        *edits: Callable[[Editor], None],
        cites: Sequence[bytes] = (),
    ) -> list[SignedEntry]:
        """A new document of these changes, which cite these authority heads."""
        draft = Document.open(document.cls, document.kind, self.signer.device.public)
        entries: list[SignedEntry] = []
        for edit in edits:
            raw = draft.change(edit)
            assert raw is not None
            entries.append(
                sign_change(
                    raw,
                    document,
                    signer=self.signer,
                    prev=entries[-1].id if entries else None,
                    auth_heads=cites,
                    timestamp=1_000 + len(entries),
                )
            )
        return entries


def person(number: int, device: int | None = None) -> Person:
    root = SigningKey.from_seed(bytes([number]) * 32)
    key = SigningKey.from_seed(bytes([100 + number if device is None else device]) * 32)
    capabilities = device_capabilities(root, DeviceKey(key.public))
    return Person(root, Signer(key, AuthorKey(root.public), capabilities))


ALICE, BOB, CAROL = person(1), person(2), person(3)


def named(name: str, **head: str | int) -> Callable[[Editor], None]:
    def edit(editor: Editor) -> None:
        editor.put(("head", "name"), name)
        for key, value in head.items():
            editor.put(("head", key), value)

    return edit


def tagged(*tags: str) -> Callable[[Editor], None]:
    def edit(editor: Editor) -> None:
        for tag in tags:
            editor.add_tag(("tags",), tag, 1)

    return edit


def rated(stars: int, installs: int = 0) -> Callable[[Editor], None]:
    def edit(editor: Editor) -> None:
        editor.put(("rating", "stars"), stars)
        editor.put(("installs", "count"), installs)

    return edit


def project(document: DocumentId, value: Mapping[str, Any]) -> Projection:
    """A small stand-in for the registry's projection."""
    did = encode_did_key(document.subspace)
    if document.cls == "rate":
        rating = value["rating"]
        return RatingRow(
            document.record.decode(),
            "module",
            did,
            rating.get("stars"),
            rating.get("review", ""),
            value["installs"].get("count", 0),
            rating.get("at", 1),
            rating.get("counted_us"),
        )
    if document.cls != "pub":
        return None
    head = value["head"]
    if head.get("name") == "poison":
        raise KeyError("the projector trips over this")
    return Listing(
        kind="module",
        author=did,
        record=document.record.decode(),
        name=head.get("name", ""),
        description=head.get("description", ""),
        tags=tuple(sorted(value["tags"])),
        text="",
        created_us=head.get("at", 0),
        updated_us=head.get("at", 0),
        fields=json.dumps(head, sort_keys=True).encode(),
        blobs=tuple(
            NamedBlob(blob, head.get("size", 1), head.get("at", 0))
            for blob in [head.get("blob", "")]
            if blob
        ),
    )
