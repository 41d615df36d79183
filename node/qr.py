"""QR codes of links, in capitals: so they take less room, and are read either way."""

from typing import Any

# Modules around a QR, as cameras need them: ISO/IEC 18004.
QUIET = 4


def qr_of(link: str) -> Any:  # noqa: ANN401 - segno's own type, imported where it is needed
    import segno

    return segno.make(link.upper(), error="m", micro=False)


def qr_rows(link: str) -> list[list[bool]]:
    """Whether each module is dark, the quiet zone included."""
    return [[bool(cell) for cell in row] for row in qr_of(link).matrix_iter(border=QUIET)]
