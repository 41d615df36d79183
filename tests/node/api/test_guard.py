"""Who may ask at all: names, pages and tokens, on every path, for http and websocket."""

import shlex

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from node.api.guard import Guard, allowed_names, host_name
from node.api.headers import SecurityHeaders
from node.api.problems import ProblemError
from node.api.refused_origins import TOLD_MAX, RefusedOrigins
from node.api.tokens import KNOWN_MAX, TOKEN_S, Tokens, allows
from node.settings import check_setting

NOW_S = 1_000_000.0
KEY = Ed25519PrivateKey.generate()
TOKENS = Tokens("did:key:zNode", KEY)
PUBLIC_KEY = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
# `TestClient.websocket_connect` joins a bare path to ws://testserver, whatever the base URL is.
WS = "ws://127.0.0.1/v1/stream"
LAB = "https://lab.example"
GAME = "http://localhost:5173"


async def tell_access(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        socket = WebSocket(scope, receive, send)
        await socket.accept()
        await socket.send_json({"access": socket.state.access})
        await socket.close()
        return
    await JSONResponse({"access": Request(scope).state.access})(scope, receive, send)


def guarded(*, is_loopback: bool = True, home_flag: str = "") -> TestClient:
    allowed = allowed_names(
        "127.0.0.1", 80, more_hosts=["Node.LAN"], more_origins=[LAB], is_loopback=is_loopback
    )
    refused = RefusedOrigins(allowed.pages, home_flag)
    guard = Guard(tell_access, TOKENS, allowed, lambda: NOW_S, refused)
    return TestClient(SecurityHeaders(guard), base_url="http://127.0.0.1")


@pytest.fixture
def client() -> TestClient:
    return guarded()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:3000", 200),
        ("localhost.:3000", 200),
        ("LOCALHOST", 200),
        ("[::1]:3000", 200),
        ("node.lan:3000", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("", 421),
        ("127.0.0.1 evil", 421),
        ("127.0.0.1:port", 421),
        ("user@127.0.0.1", 421),
    ],
)
def test_host(client: TestClient, host: str, status: int) -> None:
    for path in ("/healthz", "/", "/nothing", "//x/../api/status"):
        response = client.get(path, headers={"host": host})
        assert response.status_code == status
    if status == 421:
        assert "api.allowed_hosts" in response.json()["detail"]


def test_two_hosts_are_none(client: TestClient) -> None:
    twice = [("host", "127.0.0.1"), ("host", "evil.example")]
    assert client.get("/", headers=twice).status_code == 421


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:81", "https://127.0.0.1:80", ""]
)
def test_foreign_origin(client: TestClient, origin: str) -> None:
    response = client.get("/healthz", headers={"origin": origin})
    assert response.status_code == 403
    assert response.headers["content-type"] == "application/problem+json"
    with pytest.raises(WebSocketDisconnect):
        client.websocket_connect(WS, headers={"origin": origin}).__enter__()


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.name == "node.api.guard"]


def test_a_page_that_is_refused_is_told_once_with_what_lets_it_in(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = guarded(home_flag="--home '/a b' ")
    headers = {"origin": GAME, "authorization": "Bearer very-secret"}
    for _ in range(3):
        client.options("/api/universe", headers={"origin": GAME})
        client.get("/api/universes?token=very-secret", headers=headers)
    with pytest.raises(WebSocketDisconnect):
        client.websocket_connect(WS, headers={"origin": GAME}).__enter__()
    client.get("/", headers={"origin": LAB})
    (line,) = told(caplog)
    command = f"panspermia --home '/a b' config set api.allowed_origins {LAB},{GAME}"
    assert line == (
        f"refused a web page of {GAME}: if you trust it, `{command}`, and start the node anew"
    )
    value = shlex.split(command)[-1]
    allowed = check_setting("api.allowed_origins", value)
    assert allowed == (LAB, GAME), "who was let in stays so"
    client.get("/", headers={"origin": "http://[::1]:5173"})
    assert f"config set api.allowed_origins '{LAB},http://[::1]:5173'`" in told(caplog)[1]


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://x,http://y",
        "http://x;reboot",
        "http://x`reboot`",
        "http://x$(reboot)",
        "http://x y",
        "http://user:secret@x",
        "http://\u202eevil",
        "http://\x1b[2Jx",
        "http://x\n",
        "file://",
        "chrome-extension://abcdefghijklmnop",
        LAB.upper(),
        f"{LAB}:443",
        "http://LocalHost:5173",
        "http://" + "x" * 5_000,
        "eyJhbGciOiJFZERTQSJ9.eyJzY29wZSI6ImFkbWluIn0." + "s" * 86,
    ],
)
def test_what_no_setting_lets_in_makes_no_command(origin: str) -> None:
    refused = RefusedOrigins([LAB])
    sent = origin.encode(errors="replace").decode("latin-1")
    line = refused.line(sent)
    assert line is not None
    assert (line.isprintable(), len(line) < 300) == (True, True)
    assert "config set" not in line
    assert "s" * 86 not in line
    assert "secret@" not in line
    assert ("opened from a file" in line) == (origin == "null")
    assert refused.line(sent) is None


def test_however_many_pages_come_the_log_stays_short(caplog: pytest.LogCaptureFixture) -> None:
    client = guarded()
    for n in range(3 * TOLD_MAX):
        assert client.get("/", headers={"origin": f"http://x{n}"}).status_code == 403
    lines = told(caplog)
    assert len(lines) == TOLD_MAX
    assert lines[-1].endswith("of others nothing is said until the next start")
    assert "nothing is said" not in "".join(lines[:-1])


def test_own_origin(client: TestClient) -> None:
    own = {"origin": "http://localhost:80"}
    assert client.get("/", headers=own).status_code == 200
    with client.websocket_connect(WS, headers=own) as socket:
        assert socket.receive_json() == {"access": "read"}


def test_a_foreign_host_gets_no_socket(client: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect):
        client.websocket_connect("ws://evil.example/v1/stream").__enter__()


def claims(**changes: object) -> dict[str, object]:
    base = {"aud": TOKENS.audience, "scope": "admin", "jti": "1", "exp": int(NOW_S) + 60}
    return {**base, **changes}


FORGED = {
    "alg none": jwt.encode(claims(), "", algorithm="none"),
    "foreign key": jwt.encode(claims(), Ed25519PrivateKey.generate(), algorithm="EdDSA"),
    "other audience": jwt.encode(claims(aud="did:key:zOther"), KEY, algorithm="EdDSA"),
    "unknown scope": jwt.encode(claims(scope="root"), KEY, algorithm="EdDSA"),
    "expired": jwt.encode(claims(exp=int(NOW_S)), KEY, algorithm="EdDSA"),
    "exp is no number": jwt.encode(claims(exp="never"), KEY, algorithm="EdDSA"),
    "no exp": jwt.encode({"aud": TOKENS.audience, "scope": "admin"}, KEY, algorithm="EdDSA"),
    "garbage": "not a token",
    "empty": "",
    "long": "x" * 10_000,
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED.keys())
def test_forged_and_old_tokens(client: TestClient, token: str) -> None:
    response = client.get("/healthz", headers={"authorization": f"Bearer {token}"})
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_the_public_key_is_no_shared_secret(client: TestClient) -> None:
    token = jwt.encode(claims(), PUBLIC_KEY, algorithm="HS256")
    response = client.get("/", headers={"authorization": f"Bearer {token}"})
    assert response.status_code == 401


def test_another_scheme_is_refused(client: TestClient) -> None:
    assert client.get("/", headers={"authorization": "Basic YTpi"}).status_code == 401
    token = TOKENS.issue("read", now_s=NOW_S)
    twice = [("authorization", f"Bearer {token}"), ("authorization", f"Bearer {token}")]
    assert client.get("/", headers=twice).status_code == 401


@pytest.mark.parametrize("scope", ["read", "write", "admin"])
def test_a_token_says_what_it_may(client: TestClient, scope: str) -> None:
    token = jwt.encode(claims(scope=scope), KEY, algorithm="EdDSA")
    bearer = {"authorization": f"Bearer {token}"}
    assert client.get("/", headers=bearer).json() == {"access": scope}


def test_beyond_loopback_even_reads_need_a_token() -> None:
    client = guarded(is_loopback=False)
    assert client.get("/").json() == {"access": "public"}
    token = TOKENS.issue("read", now_s=NOW_S)
    bearer = {"authorization": f"bearer {token}"}
    assert client.get("/", headers=bearer).json() == {"access": "read"}


def test_a_browsers_socket_brings_its_token_as_a_subprotocol(client: TestClient) -> None:
    token = TOKENS.issue("write", now_s=NOW_S)
    with client.websocket_connect(WS, ["panspermia.v1", f"bearer.{token}"]) as socket:
        assert socket.receive_json() == {"access": "write"}
    with pytest.raises(WebSocketDisconnect):
        client.websocket_connect(WS, ["panspermia.v1", "bearer.forged"]).__enter__()


def test_a_token_lasts_a_month() -> None:
    token = TOKENS.issue("admin", now_s=NOW_S)
    assert TOKENS.access(token, now_s=NOW_S + TOKEN_S - 1) == "admin"
    assert allows("admin", "write")
    assert not allows("read", "write")


def test_a_token_that_is_known_ages_and_none_like_it_is_let_in() -> None:
    tokens = Tokens("did:key:zNode", KEY)
    known = tokens.issue("write", now_s=0.0, life_s=10)
    assert [tokens.access(known, now_s=at) for at in (0.0, 9.0)] == ["write", "write"]
    for at_s, token in ((10.0, known), (0.0, known[:-8] + "AAAAAAAA"), (0.0, f"{known} ")):
        with pytest.raises(ProblemError):
            tokens.access(token, now_s=at_s)
    assert tokens.access(known, now_s=0.0) == "write"
    others = [tokens.issue("read", now_s=0.0) for _ in range(2 * KNOWN_MAX)]
    assert {tokens.access(one, now_s=0.0) for one in others} == {"read"}
    assert tokens.access(known, now_s=0.0) == "write"


def test_every_answer_carries_the_security_headers(client: TestClient) -> None:
    for headers in ({}, {"host": "evil.example"}):
        response = client.get("/", headers=headers)
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert "unsafe" not in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"


def test_names_of_a_host() -> None:
    assert host_name("[::1]:80") == "::1"
    assert host_name("Example.COM.") == "example.com"
    assert host_name("a b") is None
    assert host_name("host:123456") is None
