"""The log: lines for people or programs, never a token."""

import io
import logging

import msgspec

from node.config import LogConfig
from node.logs import logging_to

JWT = "eyJhbGciOiJFZERTQSJ9.eyJhdWQiOiJhIn0.c2lnbmF0dXJl"


def test_json_lines() -> None:
    stream = io.StringIO()
    with logging_to(stream, LogConfig(format="json")):
        logging.getLogger("node.test").info("hello %s", "alice")
        try:
            raise ValueError("no")
        except ValueError:
            logging.getLogger("node.test").exception("it failed")
    first, second = map(msgspec.json.decode, stream.getvalue().splitlines())
    assert first["message"] == "hello alice"
    assert first["level"] == "info"
    assert "ValueError: no" in second["error"]


def test_tokens_are_cut_out() -> None:
    stream = io.StringIO()
    with logging_to(stream, LogConfig(level="debug")):
        logging.getLogger("node.test").debug("got Bearer %s", JWT)
        logging.getLogger("node.test").debug("offered bearer.%s", JWT)
    assert JWT not in stream.getvalue()
    assert stream.getvalue().count("[secret]") == 2


def test_below_the_level_nothing_is_written() -> None:
    stream = io.StringIO()
    with logging_to(stream, LogConfig(level="warning")):
        logging.getLogger("node.test").info("chatter")
    assert stream.getvalue() == ""
