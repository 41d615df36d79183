"""Why bytes or acts of others were refused.

CrdtError
├── Malformed      not the one canonical encoding of anything, or over a limit
├── Unauthorised   well formed, but no signature or capability allows it
└── Unusable       well formed and allowed, but Automerge could not take the change
"""


class CrdtError(Exception):
    """Refused; `code` says why to a program, `detail` says what and where to a person."""

    def __init__(self, code: str, detail: str) -> None:
        # both as arguments, so that an error pickles and comes back whole from a worker process
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.detail} [{self.code}]"


class Malformed(CrdtError):
    """These bytes are no canonical encoding of what was expected, or they exceed a limit."""


class Unauthorised(CrdtError):
    """No signature or capability allows this."""


class Unusable(CrdtError):
    """Automerge cannot apply this change."""
