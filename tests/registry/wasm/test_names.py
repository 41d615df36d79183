"""Names that show as something else than they are."""

import pytest

from registry.wasm.errors import Refused
from registry.wasm.limits import Limits
from registry.wasm.names import unsafe
from registry.wasm.sections import read_outline
from tests.registry.wasm.bombs import exporting, importing


@pytest.mark.parametrize(
    "name",
    ["add", "", "./x_bg.js", "wasi:cli/exit@0.2.3", "größe", "数", "a..b", "GOT.mem", "$._Z3foov"],
)
def test_names_as_compilers_write_them(name: str) -> None:
    assert unsafe(name) is None
    read_outline(importing("env", name), Limits())


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../../etc/passwd", "has a `..` step"),
        ("..", "has a `..` step"),
        ("lib\\..\\x", "has a `..` step"),
        ("admin\u202etxt.exe", "U+202E (RIGHT-TO-LEFT OVERRIDE)"),
        ("a\u2066b", "U+2066 (LEFT-TO-RIGHT ISOLATE)"),
        ("ad\u200bd", "U+200B (ZERO WIDTH SPACE)"),
        ("a\x1b[2J", "U+001B (a control character)"),
        ("a\nb", "U+000A (a control character)"),
        ("a\u2028b", "U+2028 (LINE SEPARATOR)"),
    ],
)
def test_names_that_mislead(name: str, why: str) -> None:
    reason = unsafe(name)
    assert reason is not None
    assert why in reason
    for wasm in (importing(name, "x"), importing("env", name), exporting(name)):
        with pytest.raises(Refused) as caught:
            read_outline(wasm, Limits())
        assert caught.value.reason == "unsafe-name"
        assert why in caught.value.detail
        assert "port section" in caught.value.where
        assert caught.value.detail.isprintable(), "the message itself must not mislead"
        read_outline(wasm, Limits(), plain_names=False)
