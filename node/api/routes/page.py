"""The node's own page: how a person lets it act."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from node.api.endpoint import Call, writes
from node.api.models import NoQuery, Nothing, Request
from node.page_codes import TEXT_CHARACTERS_MAX
from node.wiring import Node
from registry.listed import rfc3339

# As long as a browser's tab is open, mostly; a page asks again after that.
PAGE_TOKEN_S: Final = 12 * 3600
SECOND_US: Final = 1_000_000


class PageCode(Struct, frozen=True):
    code: str
    """To be typed into the page."""
    expires_at: str


class TypedCode(Request, frozen=True):
    code: Annotated[str, Meta(min_length=1, max_length=TEXT_CHARACTERS_MAX)]


class PageToken(Struct, frozen=True):
    token: str
    expires_at: str


async def make_page_code(node: Node, call: Call[NoQuery, Nothing]) -> PageCode:
    """A code for the node's page, of use once; an earlier one is of no use any more."""
    code, until_s = node.page_codes.make()
    return PageCode(code, rfc3339(round(until_s * SECOND_US)))


async def take_page_code(node: Node, call: Call[NoQuery, TypedCode]) -> PageToken:
    """A token that may write, for a code that `panspermia open` shows."""
    node.page_codes.take(call.body.code)
    now_s = node.clock_s()
    token = node.tokens.issue("write", now_s=now_s, life_s=PAGE_TOKEN_S)
    return PageToken(token, rfc3339(round((now_s + PAGE_TOKEN_S) * SECOND_US)))


ENDPOINTS = (
    writes("/api/page/codes", make_page_code, PageCode, body=Nothing, is_replayable=False),
    writes(
        "/api/page/tokens", take_page_code, PageToken, body=TypedCode, access="public",
        is_replayable=False, problems=(403,),
    ),
)  # fmt: skip
