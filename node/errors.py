"""What the node itself refuses. How every error is answered is in `node/outcomes.py`.

NodeError                  .code for programs, .detail for people
├── BadSetting             a flag, a variable or config.toml holds what no setting takes
├── AlreadyRunning         another process owns this home
├── BadHome                a file of the home cannot be used
├── BadIdentity            keys are missing, damaged, or there already
├── BadRequest             the request itself is wrong
├── CutOff                 its body broke off, or came too slowly
├── NotAllowed             only the owner may do that
├── NotFound               nothing of that name is here
├── Conflict               it is there already, or others depend on it: .candidates, .faults
├── Rejected               well formed, but cannot be taken: .faults say where
├── TooMany                more of it than is taken in a while
├── Unverified             a hash, signature or capability does not hold
└── Unreachable            no peer answers, or none has it
"""

from typing import ClassVar

from msgspec import Struct


class Fault(Struct, frozen=True):
    """One thing wrong with a request: where (a JSON pointer), and what."""

    pointer: str
    detail: str


class NodeError(Exception):
    """The node could not do that."""

    code: ClassVar[str] = "failed"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        faults: tuple[Fault, ...] = (),
        candidates: tuple[str, ...] = (),
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.reason = code or self.code
        self.faults = faults
        self.candidates = candidates


class BadSetting(NodeError):
    """A setting cannot be used."""

    code = "bad-setting"


class AlreadyRunning(NodeError):
    """A node is running in this home."""

    code = "already-running"


class BadHome(NodeError):
    """A file of the home cannot be used."""

    code = "bad-home"


class BadIdentity(NodeError):
    """The identity cannot be used."""

    code = "bad-identity"


class BadRequest(NodeError):
    """The request cannot be understood."""

    code = "bad-request"


class CutOff(NodeError):
    """The body of the request broke off."""

    code = "cut-off"


class NotAllowed(NodeError):
    """Only the owner may do that."""

    code = "not-allowed"


class NotFound(NodeError):
    """There is no such thing here."""

    code = "not-found"


class Conflict(NodeError):
    """That would contradict what is there."""

    code = "conflict"


class Rejected(NodeError):
    """It was understood, and cannot be taken."""

    code = "rejected"


class TooMany(NodeError):
    """That is more than is taken in a while."""

    code = "too-many-submissions"


class Unverified(NodeError):
    """A hash or a signature does not hold."""

    code = "verification-failed"


class Unreachable(NodeError):
    """No peer answered with it."""

    code = "unreachable"
