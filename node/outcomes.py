"""How every error of ours is answered: the one table from a class to an HTTP status and a code.

The exit code of a command follows from the same two (`node.failure`). The code is the error's own
where the table has none. The most specific class counts.
"""

from dataclasses import dataclass
from typing import Final

from starlette.exceptions import HTTPException

from crdt.errors import CrdtError, Malformed, Unauthorised, Unusable
from node import errors as node
from node.api.problems import ProblemError
from node.errors import Fault, NodeError
from p2p.protocol.errors import NotStored, SyncError
from registry import errors as registry
from registry.errors import RegistryError
from registry.formats.errors import FormatError
from registry.pictures.errors import NoPicture
from registry.wasm.errors import BadPattern, Unlinkable, WasmError
from storage import errors as storage
from storage.errors import StorageError


@dataclass(frozen=True, slots=True)
class Outcome:
    """`code` None: the error carries one."""

    status: int
    code: str | None = None


OUTCOMES: Final[dict[type[Exception], Outcome]] = {
    # crdt
    CrdtError: Outcome(422),
    Malformed: Outcome(422),
    Unauthorised: Outcome(403),
    Unusable: Outcome(422),
    # storage
    StorageError: Outcome(500, "storage-failed"),
    storage.NewerSchema: Outcome(500, "newer-schema"),
    storage.Corrupt: Outcome(500, "corrupt"),
    storage.OverQuota: Outcome(507, "over-quota"),
    storage.RecordFull: Outcome(507, "record-full"),
    storage.NotHeld: Outcome(404, "not-held"),
    storage.Mismatch: Outcome(422, "hash-mismatch"),
    storage.BadCursor: Outcome(404, "cursor-unknown"),
    storage.NameTaken: Outcome(409, "name-taken"),
    storage.DeviceForked: Outcome(409, "device-forked"),
    storage.LetGo: Outcome(409, "let-go"),
    storage.BadKeyFile: Outcome(403, "bad-key-file"),
    # registry
    RegistryError: Outcome(422),
    registry.InvalidVersion: Outcome(422),
    registry.InvalidRange: Outcome(422),
    registry.InvalidName: Outcome(422),
    registry.InvalidFilter: Outcome(422),
    registry.AmbiguousName: Outcome(409),
    registry.UnknownModule: Outcome(404),
    registry.UnknownPetname: Outcome(404),
    registry.InvalidManifest: Outcome(422),
    registry.InvalidRecord: Outcome(422),
    registry.UniverseFull: Outcome(507),
    registry.UnknownRecord: Outcome(404),
    registry.InvalidLock: Outcome(422),
    registry.InvalidStatement: Outcome(422, "verification-failed"),
    registry.MalformedRecord: Outcome(422),
    registry.VersionExists: Outcome(409),
    registry.UnknownVersion: Outcome(404),
    registry.InvalidRating: Outcome(422),
    registry.NotRated: Outcome(404),
    registry.NotClaimed: Outcome(404),
    registry.InvalidAdvisory: Outcome(422),
    registry.UnknownAdvisory: Outcome(404),
    registry.CannotTravel: Outcome(409),
    registry.Unsolvable: Outcome(409),
    registry.TooHard: Outcome(409),
    # registry.formats
    FormatError: Outcome(422),
    NoPicture: Outcome(422),
    # registry.wasm
    WasmError: Outcome(422),
    BadPattern: Outcome(422),
    Unlinkable: Outcome(422),
    # p2p
    SyncError: Outcome(504),
    NotStored: Outcome(507),
    # node
    NodeError: Outcome(500),
    node.BadSetting: Outcome(400),
    node.AlreadyRunning: Outcome(409),
    node.BadHome: Outcome(500),
    node.BadIdentity: Outcome(403),
    node.BadRequest: Outcome(400),
    node.CutOff: Outcome(408),
    node.NotAllowed: Outcome(403),
    node.NotFound: Outcome(404),
    node.Conflict: Outcome(409),
    node.Rejected: Outcome(422),
    node.TooMany: Outcome(429),
    node.Unverified: Outcome(422),
    node.Unreachable: Outcome(504),
}


def outcome_of(error: Exception) -> Outcome | None:
    """None for what is no error of ours: a bug."""
    return next((OUTCOMES[kind] for kind in type(error).__mro__ if kind in OUTCOMES), None)


def problem_of(error: Exception) -> ProblemError | None:
    """The answer to an error of ours, of the API or of the framework; None for a bug."""
    match error:
        case ProblemError():
            return error
        case HTTPException():
            return _of_framework(error)
        case _:
            outcome = outcome_of(error)
            return _of_ours(error, outcome) if outcome else None


def _of_ours(error: Exception, outcome: Outcome) -> ProblemError:
    own = str(getattr(error, "reason", None) or getattr(error, "code", None) or "failed")
    detail = getattr(error, "detail", None) or getattr(error, "sentence", None) or str(error)
    return ProblemError(
        outcome.status,
        outcome.code or own,
        str(detail) or (type(error).__doc__ or ""),
        errors=_faults(error),
        candidates=tuple(getattr(error, "candidates", ())),
    )


def _faults(error: Exception) -> tuple[Fault, ...]:
    match error:
        case NodeError():
            return error.faults
        case registry.InvalidManifest() | registry.InvalidRecord():
            return tuple(Fault(problem.pointer, str(problem)) for problem in error.problems)
        case _:
            return ()


def _of_framework(error: HTTPException) -> ProblemError:
    code = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "bad-request")
    return ProblemError(error.status_code, code, str(error.detail), headers=error.headers)
