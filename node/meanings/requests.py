"""What is wrong with a request itself: who asks, how, and what shape it has."""

from collections.abc import Mapping
from typing import Final

from node.meanings.families import Meaning

REQUESTS: Final[Mapping[str, Meaning]] = {
    "unauthorized": Meaning(
        "The request carries no token, or one that does not hold (any more).",
        "Send `Authorization: Bearer <token>`; the node's own is the file `token` in its home.",
    ),
    "access-too-low": Meaning(
        "The token holds, but allows less than this needs.", "Use a token with more access."
    ),
    "host-not-allowed": Meaning(
        "The Host header names no host under which this node answers.",
        "Ask it under its address, or add the name to `api.allowed_hosts`.",
    ),
    "origin-not-allowed": Meaning(
        "A web page from elsewhere may not call this node.",
        "Add its origin to `api.allowed_origins`, if you trust it.",
    ),
    "page-code": Meaning(
        "The code does not let this page act: it is mistyped, used, or too old.",
        "Type the code that `panspermia open` shows; each is of use once, for ten minutes.",
    ),
    "bad-request": Meaning("The request cannot be understood.", "The detail says what is wrong."),
    "bad-query": Meaning(
        "A parameter of the query is of the wrong kind, out of its bounds or given twice.",
        "The detail names it; `/docs` says what each takes.",
    ),
    "unknown-parameter": Meaning(
        "The query holds a parameter that is not known here.",
        "The detail names those that are.",
    ),
    "cursor-unknown": Meaning(
        "The cursor is of another list, or of a node that has since started anew.",
        "Begin again with the first page.",
    ),
    "no-such-range": Meaning(
        "The range asked for begins beyond the end.", "The detail says how many bytes there are."
    ),
    "bad-blob-id": Meaning("That is no name of a blob.", "Give 64 lower-case hex digits."),
    "not-json": Meaning("The body is no JSON.", "The detail says from which byte on."),
    "invalid-body": Meaning(
        "The body is JSON, but not of the shape that is wanted.",
        "`errors` points at the field; `/docs` shows the shape.",
    ),
    "body-too-large": Meaning(
        "The body is larger than is taken here; nothing of it was kept.",
        "Send less: the detail says how much.",
    ),
    "media-type": Meaning(
        "The body is not declared as JSON.", "Send `Content-Type: application/json`."
    ),
    "content-encoding": Meaning("The body is compressed.", "Send it as it is."),
    "method-not-allowed": Meaning(
        "There is such an address, but not with this method.", "`Allow` names those it takes."
    ),
    "bad-idempotency-key": Meaning(
        "The Idempotency-Key has a form that is not taken.", "The detail shows the form."
    ),
    "idempotency-key-reused": Meaning(
        "The key came before, with another body.", "Use a new key for a new request."
    ),
    "in-progress": Meaning(
        "The first request with this key has no answer yet.", "Wait, and send it again."
    ),
    "unknown-event-type": Meaning(
        "There are no events of that type.", "The detail lists the types."
    ),
    "bad-last-event-id": Meaning(
        "Last-Event-ID is no number.", "Send back the `id` of the last event as it came."
    ),
    "unknown-problem": Meaning(
        "No error of this node has that code.", "The code is the end of a problem's `type`."
    ),
}
