import pytest

from registry.spdx import license_problem


@pytest.mark.parametrize(
    "text",
    ["MIT", "Apache-2.0", "MIT OR Apache-2.0", "(MIT AND BSD-3-Clause) OR GPL-2.0+",
     "Apache-2.0 WITH LLVM-exception", "LicenseRef-mine", "((MIT))"],
)  # fmt: skip
def test_expressions(text: str) -> None:
    assert license_problem(text) is None


@pytest.mark.parametrize(
    "text", ["", "MIT OR", "OR MIT", "MIT Apache-2.0", "(MIT", "MIT)", "()", "MIT; rm", "M" * 129]
)
def test_what_is_no_expression(text: str) -> None:
    assert license_problem(text)
