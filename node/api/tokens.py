"""Bearer tokens: JWTs signed with Ed25519, for this node only.

    {"aud": device did, "scope": "read" | "write" | "admin", "jti": …, "exp": …}

The algorithm is fixed here and never taken from a token's own header. The signing key is a key of
its own: replacing `identity/token.key` revokes every token at once.
"""

import secrets
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from node.api.problems import ProblemError

Access: TypeAlias = Literal["public", "read", "write", "admin"]
ACCESS_ORDER: Final[tuple[Access, ...]] = ("public", "read", "write", "admin")
Scope: TypeAlias = Literal["read", "write", "admin"]

# A token that leaks ages; the node renews its own file long before.
TOKEN_S: Final = 30 * 24 * 3600
RENEW_S: Final = 24 * 3600
FOREIGN: Final = (
    "this token is not valid here: send the one in the file `token` of this node's home, or none"
    " where none is needed, as of the original clients with --compat"
)
TOKEN_CHARACTERS_MAX: Final = 2_048
KNOWN_MAX: Final = 64
"""Tokens whose signature was checked: a client sends the same one with each request."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Issues tokens for `audience`, this node's device, and checks them."""

    audience: str
    key: Ed25519PrivateKey
    _known: dict[str, tuple[Scope, int]] = field(
        default_factory=dict[str, tuple[Scope, int]], init=False, repr=False, compare=False
    )
    """Of valid ones what they say: forged ones push none of them out. The key never changes."""

    @classmethod
    def from_seed(cls, audience: str, seed: bytes) -> "Tokens":
        return cls(audience, Ed25519PrivateKey.from_private_bytes(seed))

    def issue(self, scope: Scope, *, now_s: float, life_s: int = TOKEN_S) -> str:
        claims = {
            "aud": self.audience,
            "scope": scope,
            "jti": secrets.token_hex(8),
            "exp": int(now_s) + life_s,
        }
        return jwt.encode(claims, self.key, algorithm="EdDSA")

    def access(self, token: str, *, now_s: float) -> Access:
        """Raises `ProblemError` 401 where the token is forged, too old or for another node."""
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise unauthorized(FOREIGN)
        known = self._known.get(token)
        if known is None:
            known = self._checked(token)
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._known[token] = known
        scope, expires_s = known
        if expires_s <= now_s:
            raise unauthorized("this token is too old")
        return scope

    def _checked(self, token: str) -> tuple[Scope, int]:
        """What it may do and when it ends, as this node signed it."""
        try:
            claims = jwt.decode(
                token,
                self.key.public_key(),
                algorithms=["EdDSA"],
                audience=self.audience,
                options={"require": ["aud", "scope", "jti", "exp"], "verify_exp": False},
            )
            scope: Scope = msgspec.convert(claims["scope"], Scope)
            expires_s: int = msgspec.convert(claims["exp"], int)
        except (jwt.PyJWTError, msgspec.ValidationError, ValueError) as error:
            raise unauthorized(FOREIGN) from error
        return scope, expires_s


def allows(given: Access, needed: Access) -> bool:
    return ACCESS_ORDER.index(given) >= ACCESS_ORDER.index(needed)


def unauthorized(detail: str) -> ProblemError:
    return ProblemError(401, "unauthorized", detail, headers={"www-authenticate": "Bearer"})
