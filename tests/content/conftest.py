"""Published packages, fetched once through the package client and kept in pytest's cache."""

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

FETCH_S = 90.0  # a megabyte over a slow line; npm gives up on a dead one sooner
# What npm says when the registry answered and the answer is the news.
ANSWERED = ("E404", "EINTEGRITY", "ETARGET")


class RealModule(msgspec.Struct, frozen=True):
    """One row of `real_modules.json`: what was published, and what we say of it."""

    package: str
    version: str
    license: str
    integrity: str  # npm's, of the archive: sha512, base64
    file: str
    size: int
    sha256: str
    blake3: str
    imports: dict[str, int]  # how many from each module
    functions: dict[str, str]  # some of the exported ones
    runnable: bool  # by what a node offers


FACTS = Path(__file__).with_name("real_modules.json")
REAL_MODULES = msgspec.json.decode(FACTS.read_bytes(), type=tuple[RealModule, ...])

Fetch = Callable[[RealModule], bytes]


@pytest.fixture(scope="session")
def fetch(pytestconfig: pytest.Config) -> Fetch:
    """A module's bytes; skips with npm's own words where no registry answers."""
    cache = pytestconfig.cache
    assert cache is not None
    folder = cache.mkdir("real-modules")
    silent: list[str] = []  # why an earlier fetch failed: the next would wait as long

    def fetch(module: RealModule) -> bytes:
        name = module.package.lstrip("@").replace("/", "-")
        archive = folder / f"{name}-{module.version}.tgz"
        if not archive.exists():
            if not silent and (reason := pack(module, archive)):
                silent.append(reason)
            if silent:
                pytest.skip(f"no package registry is reached: {silent[0]}")
        digest = hashlib.sha512(archive.read_bytes()).digest()
        assert module.integrity == f"sha512-{base64.b64encode(digest).decode()}"
        return unpacked(archive, module.file)

    return fetch


def pack(module: RealModule, archive: Path) -> str | None:
    """Put the package's archive in place; why not, where the registry is silent."""
    npm = shutil.which("npm")
    if npm is None:
        return "npm is not installed"
    command = [npm, "pack", f"{module.package}@{module.version}", "--ignore-scripts", "--json"]
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        try:
            packed = subprocess.run(
                [*command, "--fetch-retries=1", "--fetch-timeout=20000"],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=FETCH_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"npm took over {FETCH_S:g} s"
        if packed.returncode:
            assert not any(code in packed.stderr for code in ANSWERED), packed.stderr
            lines = packed.stderr.strip().splitlines()
            return lines[0] if lines else f"npm ended with {packed.returncode}"
        (name,) = (entry["filename"] for entry in json.loads(packed.stdout))
        Path(folder, name).replace(archive)
    return None


def unpacked(archive: Path, file: str) -> bytes:
    """One file of the archive, in memory: nothing is written where the archive says."""
    with tarfile.open(archive) as tar:
        member = tar.extractfile(f"package/{file}")
        assert member is not None
        return member.read()
