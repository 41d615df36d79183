"""What tests of all parts share: public vectors, and packages where a registry answers."""

import os
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Callable, Generator
from functools import lru_cache
from operator import itemgetter
from pathlib import Path

import pytest
from hypothesis import settings

from crdt import sealing
from node.heap import kept
from storage import database, lazily
from tests.storage.new_files import migrate_or_copy

ROOT = Path(__file__).parent.parent

# A registry that answers does so at once; CI without one must not wait for it.
REGISTRY_TIMEOUT_S = 60


# A busy machine may take a second for what takes a millisecond; what hangs is ended otherwise.
settings.register_profile("patient", settings(), deadline=None)
settings.load_profile("patient")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Every module and some thousand tests: a collection of garbage would look at all of them."""
    with kept():
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # xdist tells tests apart by these alone: of several with one id it runs the first.
    counts = Counter(item.nodeid for item in items)
    name, count = max(counts.items(), key=itemgetter(1), default=("", 0))
    if count > 1:
        raise ValueError(f"{count} tests have the id {name}")
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session", autouse=True)
def remembered_passphrases() -> Generator[None]:
    """Argon2 is to take half a second and 256 MiB; of one passphrase and salt it makes one key.

    So what a test sealed it opens without deriving the same key again.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealing, "derive_key", lru_cache(maxsize=64)(sealing.derive_key))
        yield


@pytest.fixture(scope="session", autouse=True)
def copied_new_files() -> Generator[None]:
    """A store opened in this process at no file yet begins with a copy of a migrated one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "migrate", migrate_or_copy)
        yield


SYNCHRONOUS = {module: module.SYNCHRONOUS for module in (database, lazily)}


@pytest.fixture(scope="session", autouse=True)
def lasting_power() -> Generator[None]:
    """No test takes the power from this machine, so no store in this process waits for its disk.

    Waiting took half of the time of `tests/storage`. A node in a process of its own waits; what is
    synced in this one is seen by tests that ask for `synced`, or look at `os.fsync` themselves.
    """
    with pytest.MonkeyPatch.context() as patch:
        for module in SYNCHRONOUS:
            patch.setattr(module, "SYNCHRONOUS", "OFF")
        patch.setattr(os, "fsync", check_open)
        patch.setattr(os, "fdatasync", check_open, raising=False)  # macOS has none
        yield


def check_open(file: int) -> None:
    """As far as a sync can tell a mistake of ours. Raises `OSError` where `file` is not open."""
    os.fstat(file)


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores wait for the disk, as everywhere else."""
    for module, level in SYNCHRONOUS.items():
        monkeypatch.setattr(module, "SYNCHRONOUS", level)


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of public conformance data, which is not part of this repository."""
    named = os.environ.get("PANSPERMIA_VECTORS")
    folder = Path(named) if named else ROOT.parent / "shared" / "vectors"
    if not folder.is_dir():
        pytest.skip(f"no public vectors at {folder}; name their folder in PANSPERMIA_VECTORS")
    return folder


@pytest.fixture(scope="session")
def python_package(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """`python_package("name", "1.2.3")`: the published distribution, unpacked by pip.

    The test that asks checks the bytes by their hash; without a registry it is skipped.
    """

    def fetch(name: str, version: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        command = [sys.executable, "-m", "pip", "install", "--no-deps", "--target", str(folder)]
        if shutil.which("uv"):
            command = ["uv", "pip", "install", "--no-deps", "--target", str(folder)]
        run_or_skip([*command, "-q", f"{name}=={version}"], folder)
        return folder

    return fetch


@pytest.fixture(scope="session")
def npm_package(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """`npm_package("name", "1.2.3")`: the published package, as npm packs it, unpacked."""

    def fetch(name: str, version: str) -> Path:
        folder = tmp_path_factory.mktemp("npm")
        if not shutil.which("npm"):
            pytest.skip("npm is not installed")
        run_or_skip(["npm", "pack", "--silent", f"{name}@{version}"], folder)
        (archive,) = folder.glob("*.tgz")
        if hasattr(tarfile, "data_filter"):
            shutil.unpack_archive(archive, folder, filter="data")
        else:  # before Python 3.11.4
            shutil.unpack_archive(archive, folder)
        return folder / "package"

    return fetch


def run_or_skip(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=REGISTRY_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"no registry was reached: {error}")
    if done.returncode:
        pytest.skip(f"no registry was reached: {(done.stderr.strip() or 'no reason')[-300:]}")
