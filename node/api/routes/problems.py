"""What an error means: the address in every problem's `type` can be opened."""

from html import escape
from typing import Final

from starlette.responses import Response

from node.api.endpoint import Call, reads
from node.api.models import NoQuery
from node.api.problems import ProblemType, title_of
from node.api.requests import etag, is_known
from node.errors import NotFound
from node.meanings import MEANINGS
from node.wiring import Node

PAGE: Final = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{title}</title>
  <link rel="stylesheet" href="/web/style.css">
  <link rel="icon" href="/web/icon.svg" type="image/svg+xml">
</head>
<body>
  <header><h1>{title}</h1><a href="/docs">the API</a><a href="/">the node</a></header>
  <main><section><p><code>{code}</code></p><p>{means}</p><p>{do}</p></section></main>
</body>
</html>
"""


async def get_problem_type(node: Node, call: Call[NoQuery, None]) -> ProblemType | Response:
    """What the errors of one code mean, and what to do about them.

    Browsers get a page, all others JSON.
    """
    code = call.path["code"]
    meaning = MEANINGS.get(code)
    if meaning is None:
        raise NotFound(f"no error here has the code {code!r}", code="unknown-problem")
    found = ProblemType(f"/problems/{code}", title_of(code), code, meaning.means, meaning.do)
    if "text/html" not in call.request.headers.get("accept", ""):
        return found
    fields = (found.title, found.code, found.means, found.do)
    title, code, means, do = map(escape, fields)
    content = PAGE.format(title=title, code=code, means=means, do=do).encode()
    headers = {"etag": etag(content), "cache-control": "no-cache", "vary": "accept"}
    if is_known(call.request, headers["etag"]):
        return Response(status_code=304, headers=headers)
    return Response(content, 200, headers, "text/html; charset=utf-8")


ENDPOINTS = (reads("/problems/{code}", get_problem_type, ProblemType, access="public"),)
