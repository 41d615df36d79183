"""What an author does to a module: publish, yank, deprecate. Each is one edit, one signed change.

A version never changes. The edits look at the document inside the transaction they run in, so of
two that race the second is refused.
"""

from collections.abc import Sequence

from crdt import cbor
from crdt.document import Editor
from registry.edits import Edit
from registry.errors import (
    InvalidManifest,
    Problem,
    RegistryError,
    UnknownVersion,
    VersionExists,
    quoted,
)
from registry.head import CARD_BYTES_MAX, Words, put_head
from registry.listed import Capability
from registry.manifest import Manifest
from registry.module import (
    CHANGELOG_BYTES_MAX,
    EXPORTS_BYTES_MAX,
    EXPORTS_MAX,
    REASON_CHARACTERS_MAX,
)
from registry.statement import SignedRelease, decode_statement
from registry.versions import parse_version, place_of
from registry.wasm.names import unsafe


def publish_version(
    manifest: Manifest,
    release: SignedRelease,
    *,
    now_us: int,
    exports: Sequence[Capability] = (),
    changelog: str = "",
    readme: str | None = None,
) -> Edit:
    """Add a version, and let the head say what this manifest says. `now_us`: µs since 1970.

    `readme=None` keeps the one that is there. Raises `InvalidManifest` for texts too long; the edit
    raises `VersionExists`.
    """
    _check_length("readme", readme or "", CARD_BYTES_MAX)
    _check_length("changelog", changelog, CHANGELOG_BYTES_MAX)
    version = str(manifest.version)
    assert decode_statement(release.statement).version == version
    shown = encode_exports(exports)

    def edit(editor: Editor) -> None:
        _refuse_known(editor, version)
        words = Words(manifest.name, manifest.description, manifest.license, readme, manifest.tags)
        put_head(editor, words, now_us=now_us, card="readme")
        place = ("versions", version)
        editor.make_map(place)
        editor.put((*place, "statement"), release.statement)
        editor.put((*place, "signature"), release.signature)
        editor.put((*place, "device"), release.device)
        editor.put((*place, "published_us"), now_us)
        if changelog:
            editor.put((*place, "changelog"), changelog)
        if shown:
            editor.put((*place, "exports"), shown)

    return edit


def yank(version: str, reason: str) -> Edit:
    """New resolutions leave the version out; locks and exact pins keep it."""
    return _mark(version, "yanked", reason)


def undo_yank(version: str) -> Edit:
    return _unmark(version, "yanked")


def deprecate(version: str, reason: str) -> Edit:
    """People are warned when they install it; `reason` says what to use instead."""
    return _mark(version, "deprecated", reason)


def undo_deprecate(version: str) -> Edit:
    return _unmark(version, "deprecated")


def encode_exports(exports: Sequence[Capability]) -> bytes:
    """As many of the exports as a document keeps for people to read; b"" for none."""
    rows = [[each.name, each.kind, each.signature] for each in exports[:EXPORTS_MAX]]
    while rows and len(encoded := cbor.encode(rows)) > EXPORTS_BYTES_MAX:
        rows = rows[: len(rows) * EXPORTS_BYTES_MAX // len(encoded)]
    return cbor.encode(rows) if rows else b""


def _refuse_known(editor: Editor, version: str) -> None:
    place = place_of(parse_version(version))
    for known in editor.keys(("versions",)):
        try:
            is_same = place_of(parse_version(known)) == place
        except RegistryError:
            continue
        if is_same:
            raise VersionExists(f"version {known} is published already; a version never changes")


def _mark(version: str, mark: str, reason: str) -> Edit:
    problem = unsafe(reason.replace("..", "")) or (
        f"has {len(reason)} characters, at most {REASON_CHARACTERS_MAX}"
        if len(reason) > REASON_CHARACTERS_MAX
        else None
    )
    if problem:
        raise InvalidManifest((Problem("/reason", problem),))

    def edit(editor: Editor) -> None:
        _need(editor, version)
        editor.put(("versions", version, mark), reason)

    return edit


def _unmark(version: str, mark: str) -> Edit:
    def edit(editor: Editor) -> None:
        _need(editor, version)
        editor.delete(("versions", version, mark))

    return edit


def _need(editor: Editor, version: str) -> None:
    if not editor.is_map(("versions", version)):
        raise UnknownVersion(f"there is no version {quoted(version)} to change")


def _check_length(what: str, text: str, bytes_max: int) -> None:
    if (size := len(text.encode(errors="replace"))) > bytes_max:
        raise InvalidManifest((Problem(f"/{what}", f"{size} bytes, at most {bytes_max}"),))
