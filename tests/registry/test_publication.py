from dataclasses import replace

import pytest

from crdt.document import Editor
from registry import publication
from registry.errors import InvalidManifest, UnknownVersion, VersionExists
from registry.head import CARD_BYTES_MAX
from registry.listed import Capability
from registry.module import CHANGELOG_BYTES_MAX, EXPORTS_BYTES_MAX, EXPORTS_MAX
from registry.publication import encode_exports, publish_version
from registry.statement import STATEMENT_BYTES_MAX
from tests.registry.people import (
    DAY_US,
    NOON_US,
    Record,
    dice_document,
    manifest_of,
    signed_release,
)


@pytest.fixture
def dice() -> Record:
    record = Record(dice_document())
    record.publish("1.0.0")
    return record


def test_a_release_is_one_change(dice: Record) -> None:
    manifest = manifest_of("1.1.0")
    raw = dice.edit(publish_version(manifest, signed_release(manifest), now_us=NOON_US + DAY_US))
    assert raw is not None
    assert [each.version for each in dice.module.versions] == ["1.0.0", "1.1.0"]
    assert dice.module.readme.startswith("# Dice")  # kept: this release brought none


@pytest.mark.parametrize("again", ["1.0.0", "1.0.0+rebuilt"])
def test_a_version_never_changes(dice: Record, again: str) -> None:
    before = dice.value
    with pytest.raises(VersionExists, match=r"1\.0\.0 is published already"):
        dice.publish(again)
    assert dice.value == before


def test_the_head_and_the_tags_follow_the_newest_publication(dice: Record) -> None:
    dice.publish("1.1.0", now_us=NOON_US + DAY_US)
    heads = dice.value["head"]
    assert heads["created_us"] == NOON_US
    manifest = manifest_of("1.2.0")
    other = replace(manifest, tags=("game", "luck"), description="Throws many dice.")
    dice.edit(publish_version(other, signed_release(other), now_us=NOON_US + 2 * DAY_US))
    assert dice.module.tags == ("game", "luck")
    assert dice.module.description == "Throws many dice."
    assert dice.module.updated_at == "2026-01-03T12:00:00Z"


def test_yank_and_deprecate_can_be_undone(dice: Record) -> None:
    dice.edit(publication.yank("1.0.0", "throws sevens"))
    dice.edit(publication.deprecate("1.0.0", "use org.example.coins"))
    (version,) = dice.module.versions
    assert (version.yanked, version.yank_reason) == (True, "throws sevens")
    assert (version.deprecated, version.deprecation) == (True, "use org.example.coins")
    dice.edit(publication.undo_yank("1.0.0"))
    dice.edit(publication.undo_deprecate("1.0.0"))
    (version,) = dice.module.versions
    assert (version.yanked, version.deprecated) == (False, False)


def test_what_is_not_there_cannot_be_yanked(dice: Record) -> None:
    for edit in (publication.yank("2.0.0", ""), publication.undo_yank("2.0.0")):
        with pytest.raises(UnknownVersion, match=r"2\.0\.0"):
            dice.edit(edit)


def test_a_reason_is_one_safe_line() -> None:
    for reason in ("r" * 501, "a\x1b[2J", "\u202eevil"):
        with pytest.raises(InvalidManifest, match="reason"):
            publication.yank("1.0.0", reason)


def test_texts_too_long_for_one_change_are_refused() -> None:
    manifest = manifest_of()
    release = signed_release(manifest)
    with pytest.raises(InvalidManifest, match="readme: 20481 bytes"):
        publish_version(manifest, release, now_us=NOON_US, readme="x" * (CARD_BYTES_MAX + 1))
    with pytest.raises(InvalidManifest, match="changelog: 4097 bytes"):
        publish_version(manifest, release, now_us=NOON_US, changelog="é" * 2_048 + "!")


def test_the_largest_release_fits_one_change() -> None:
    """64 KiB hold a statement, a readme, a changelog and exports at their bounds."""
    sizes = STATEMENT_BYTES_MAX + CARD_BYTES_MAX + CHANGELOG_BYTES_MAX + EXPORTS_BYTES_MAX
    assert sizes + 4_096 < 65_536


def test_exports_are_kept_as_far_as_they_fit() -> None:
    assert encode_exports([]) == b""
    many = [Capability(f"export{n}", "function", "(i32) -> i32") for n in range(10_000)]
    assert len(encode_exports(many)) <= EXPORTS_BYTES_MAX
    assert len(encode_exports(many[:EXPORTS_MAX])) > EXPORTS_BYTES_MAX // 2
    assert encode_exports([Capability("e" * 10_000, "function", "")]) == b""


def test_an_edit_that_fails_leaves_nothing(dice: Record) -> None:
    before = dice.value

    def half(editor: Editor) -> None:
        publication.yank("1.0.0", "")(editor)
        publication.yank("9.9.9", "")(editor)

    with pytest.raises(UnknownVersion):
        dice.edit(half)
    assert dice.value == before
