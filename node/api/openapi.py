"""The OpenAPI 3.1 document, made from the table of endpoints and the structs they name."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from node._version import __version__
from node.api.endpoint import Endpoint
from node.api.models import NoQuery
from node.api.problems import MEDIA_TYPE, Problem
from node.api.replays import PATTERN as IDEMPOTENCY_PATTERN

Json = dict[str, Any]

# The variable parts of paths. What does not match answers 404 or 422.
PATH_PARTS: Final[Mapping[str, Json]] = {
    "id": {
        "type": "string",
        "description": "A bare module id, `<did>%2F<id>`, or `<petname>%2F<id>`.",
        "pattern": "^((did:key:z[1-9A-HJ-NP-Za-km-z]{40,50}|[a-z0-9]{1,64})/)?"
        "[a-z0-9]+(\\.[a-z0-9]+)+$",
    },
    "name": {
        "type": "string",
        "description": "What this person calls an author.",
        "pattern": "^[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?$",
    },
    "namespace": {
        "type": "string",
        "description": "What a joined namespace is called here, or its did:key.",
        "maxLength": 128,
    },
    "letter": {
        "type": "string",
        "description": "The number of a letter.",
        "pattern": "^[0-9]{1,15}$",
    },
    "entry": {
        "type": "string",
        "description": "The beginning of an entry's id: an even number of hex digits.",
        "pattern": "^([0-9a-f]{2}){4,32}$",
    },
    "who": {
        "type": "string",
        "description": "An author or a device, by did:key or by this person's name for the author.",
        "pattern": "^(did:key:z[1-9A-HJ-NP-Za-km-z]{40,50}|[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?)$",
    },
    "offender": {
        "type": "string",
        "description": "A device, by did:key, or a host: an IPv4 address, the /64 of an IPv6 one.",
        "minLength": 1,
        "maxLength": 200,
    },
    "advisory": {
        "type": "string",
        "description": "The id of an advisory of one's own.",
        "pattern": "^adv-[0-9a-f]{16}$",
    },
    "challenge": {
        "type": "string",
        "description": "The id of a challenge, or the beginning of it.",
        "pattern": "^(chal-)?[0-9a-f]{1,16}$",
    },
    "version": {
        "type": "string",
        "description": "A semantic version.",
        "pattern": "^[0-9]{1,5}\\.[0-9]{1,5}\\.[0-9]{1,5}(-[0-9A-Za-z.-]{1,64})?$",
    },
    "device": {"type": "string", "pattern": "^did:key:z[1-9A-HJ-NP-Za-km-z]{40,50}$"},
    "code": {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 64},
    "blob": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    "genome": {
        "type": "string",
        "description": "Its id, or 8 digits or more of it; `<did>%2F<id>` or `<petname>%2F<id>`.",
        "pattern": "^((did:key:z[1-9A-HJ-NP-Za-km-z]{40,50}|[a-z0-9]{1,64})/)?[0-9a-f]{8,64}$",
    },
    "seed": {
        "type": "string",
        "description": "Its id, or 8 digits or more of it; `<did>%2F<id>` or `<petname>%2F<id>`.",
        "pattern": "^((did:key:z[1-9A-HJ-NP-Za-km-z]{40,50}|[a-z0-9]{1,64})/)?[0-9a-f]{8,64}$",
    },
    "lineage": {
        "type": "string",
        "description": "The id of a lineage, `<did>%2F<id>`, or `<petname>%2F<id>`.",
        "minLength": 1,
        "maxLength": 200,
    },
    "passage": {
        "type": "string",
        "description": "The id of a passage, `<did>%2F<id>`, or `<petname>%2F<id>`.",
        "minLength": 1,
        "maxLength": 200,
    },
    "player": {
        "type": "string",
        "description": "The id of a player, `<did>%2F<id>`, or `<petname>%2F<id>`.",
        "minLength": 1,
        "maxLength": 200,
    },
    "universe": {
        "type": "string",
        "description": "The id of a universe, `<did>%2F<id>`, or `<petname>%2F<id>`.",
        "minLength": 1,
        "maxLength": 200,
    },
    "tick": {
        "type": "string",
        "description": "A tick, or `latest`: the snapshot of the highest one.",
        "pattern": "^([0-9]{1,19}|latest)$",
    },
    "invite": {
        "type": "string",
        "description": "The beginning of an invite's id.",
        "pattern": "^[0-9a-f]{1,16}$",
    },
}
ALWAYS: Final = (400, 401, 403, 421)
STATUS_WORDS: Final[Mapping[int, str]] = {
    200: "Done.",
    201: "Made.",
    204: "Done; there is nothing to say.",
    206: "The range that was asked for.",
}


def make_openapi(endpoints: Iterable[Endpoint[Any, Any]]) -> bytes:
    """The document as JSON."""
    endpoints = tuple(endpoints)
    paths: dict[str, Json] = {}
    for endpoint in endpoints:
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", endpoint.path)
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint)
    _, schemas = msgspec.json.schema_components(
        _structs(endpoints), ref_template="#/components/schemas/{name}"
    )
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Panspermia node",
                "version": __version__,
                "description": "Errors are `application/problem+json` with a `code`.",
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": "/"}],
            "paths": paths,
            "components": {
                "schemas": schemas,
                "securitySchemes": {
                    "bearer": {
                        "type": "http",
                        "scheme": "bearer",
                        "bearerFormat": "JWT",
                        "description": "The token is in the file `token` of the node's home.",
                    }
                },
            },
        }
    )


def _structs(endpoints: Iterable[Endpoint[Any, Any]]) -> list[type]:
    found: dict[type, None] = {Problem: None}
    for endpoint in endpoints:
        for type_ in (endpoint.body, *endpoint.answers.values()):
            if isinstance(type_, type) and issubclass(type_, Struct) and type_ is not NoQuery:
                found[type_] = None
    return list(found)


def _operation(endpoint: Endpoint[Any, Any]) -> Json:
    summary, _, description = (endpoint.handler.__doc__ or "").strip().partition("\n")
    operation: Json = {
        "operationId": _camel(endpoint.handler.__name__),
        "summary": summary,
        "description": "\n".join(line.strip() for line in description.strip().splitlines()),
        "tags": [_tag(endpoint.path)],
        "parameters": [*_path_parameters(endpoint.path), *_query_parameters(endpoint.query)],
        "responses": _responses(endpoint),
        "security": [{"bearer": []}] if endpoint.access in ("write", "admin") else [],
    }
    if endpoint.body is not None:
        operation["requestBody"] = {"required": True, "content": _content(endpoint.body)}
    if endpoint.is_replayable:
        schema = {"type": "string", "pattern": IDEMPOTENCY_PATTERN}
        operation["parameters"].append(
            {"name": "Idempotency-Key", "in": "header", "required": False, "schema": schema}
        )
    return operation


def _responses(endpoint: Endpoint[Any, Any]) -> Json:
    problem: Json = {
        "description": "Why not.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    responses: Json = {
        str(status): {"description": STATUS_WORDS[status], **_body(type_)}
        for status, type_ in endpoint.answers.items()
    }
    if endpoint.method == "GET":
        responses["304"] = {"description": "What you have is still right."}
    if "{" in endpoint.path:
        responses["404"] = problem
    for status in (*ALWAYS, *endpoint.problems):
        responses[str(status)] = problem
    responses["default"] = problem
    return dict(sorted(responses.items()))


def _body(type_: type | str) -> Json:
    return {} if type_ is NoQuery else {"content": _content(type_)}


def _content(type_: type | str) -> Json:
    match type_:
        case str():
            return {type_: {}}
        case _ if issubclass(type_, Struct):
            return {
                "application/json": {"schema": {"$ref": f"#/components/schemas/{type_.__name__}"}}
            }
        case _:
            return {"application/json": {"schema": {"type": "object"}}}


def _path_parameters(path: str) -> list[Json]:
    return [
        {"name": name, "in": "path", "required": True, "schema": PATH_PARTS[name]}
        for name in re.findall(r"\{(\w+)", path)
    ]


def _query_parameters(query: type[Struct]) -> list[Json]:
    _, components = msgspec.json.schema_components([query])
    properties: dict[str, Json] = components[query.__name__].get("properties", {})
    return [
        {"name": name, "in": "query", "required": False, "schema": _plain(schema)}
        for name, schema in properties.items()
    ]


def _plain(schema: Json) -> Json:
    """A parameter is left out, never null."""
    if "anyOf" in schema:
        (only,) = [one for one in schema["anyOf"] if one != {"type": "null"}]
        return dict(only)
    return schema


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _tag(path: str) -> str:
    parts = [part for part in path.split("/") if part]
    return parts[1] if len(parts) > 1 and parts[0] == "api" else "node"
