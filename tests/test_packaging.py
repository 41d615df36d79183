"""What a wheel holds, that it clashes with nothing, and what the repository must not say."""

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {"node", "universe", "registry", "p2p", "storage", "crdt"}
LOCKS = ["requirements.lock", "requirements-dev.lock"]

# Where packages come from is each machine's own setting. Split, so that this file passes too.
REGISTRY_HOSTS = re.compile(
    "|".join([
        r"py" + r"pi\.org", r"python" + r"hosted\.org", r"npm" + r"js\.(org|com)",
        r"yarn" + r"pkg\.com", r"crates" + r"\.io", r"jsr" + r"\.io", r"un" + r"pkg\.com",
        r"jsdel" + r"ivr\.net",
    ]),
    re.IGNORECASE,
)  # fmt: skip

# Paths of the machine on which something was written.
MACHINE_PATHS = re.compile(r"(?<![\w.~/$}-])/(home|root|Users|work|opt|mnt)/[A-Za-z0-9_.]")


def repository_files() -> list[Path]:
    """What git knows or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        pytest.skip("this is no git checkout")
    names = done.stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names in a wheel built from this checkout, by the pinned backend."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "uv", "build", "-q", "--wheel", "-o", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "build-system.requires" in done.stderr:
        pytest.skip(f"the build backend could not be fetched: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr
    (file,) = folder.glob("*.whl")
    return zipfile.ZipFile(file).namelist()


def test_a_wheel_puts_one_folder_into_site_packages(wheel: list[str]) -> None:
    folders = {Path(name).parts[0] for name in wheel}
    assert {name for name in folders if not name.endswith(".dist-info")} == {"panspermia"}


def test_a_wheel_holds_what_a_node_needs(wheel: list[str]) -> None:
    held = set(wheel)
    needed = [path for path in repository_files() if path.relative_to(ROOT).parts[0] in FOLDERS]
    missing = {
        str(path.relative_to(ROOT)) for path in needed
        if f"panspermia/{path.relative_to(ROOT)}" not in held
    }  # fmt: skip
    assert not missing
    assert {"panspermia/cli.py", "panspermia/__init__.py"} <= held
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in held)


def test_a_wheel_holds_no_tests_and_no_keys(wheel: list[str]) -> None:
    assert not [name for name in wheel if "/tests/" in name or name.endswith((".key", ".db"))]


def test_no_dependency_owns_our_names() -> None:
    assert not packages_distributions().keys() & (FOLDERS | {"cli", "panspermia"})


def test_no_file_names_a_registry_or_a_path_of_some_machine() -> None:
    said: list[str] = []
    for path in repository_files():
        try:
            lines = path.read_text().splitlines()
        except UnicodeDecodeError:
            continue  # a module or a picture
        said += [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
            for number, line in enumerate(lines, 1)
            if REGISTRY_HOSTS.search(line) or MACHINE_PATHS.search(line)
        ]
    assert not said, "\n".join(said)


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_hashes_and_no_address(name: str) -> None:
    text = (ROOT / "scripts" / name).read_text()
    pinned = re.findall(r"^([A-Za-z0-9._-]+)==\S+.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(pinned) == len(blocks) > 10
    assert all("--hash=sha256:" in block for block in blocks)
    assert "://" not in text


def test_both_locks_pin_the_same_versions() -> None:
    run, dev = ({*re.findall(r"^(\S+==\S+)", (ROOT / "scripts" / name).read_text(), re.MULTILINE)}
                for name in LOCKS)  # fmt: skip
    assert run <= dev


def test_the_locks_are_those_of_the_project() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    listed = project.partition("dependencies = [")[2].partition("]")[0]
    lock = (ROOT / "scripts" / "requirements.lock").read_text()
    for pinned in re.findall(r'"([a-z0-9-]+==[^";]+)', listed):
        assert re.search(rf"^{re.escape(pinned)}\b", lock, re.MULTILINE), pinned


def supported_minors() -> list[int]:
    """The minor versions of Python 3 that pyproject.toml allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    bounds = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project["requires-python"])
    assert bounds
    return [*range(int(bounds[1]), int(bounds[2]))]


def chosen(folder: Path, versions: dict[str, int]) -> str:
    """The Python that the launchers take where there are those: name to minor version."""
    for name, minor in versions.items():
        python = folder / name
        pretend = f"import sys; sys.version_info = (3, {minor}, 0)"
        python.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{pretend}\n$2"\n')
        python.chmod(0o755)
    script = f"root={ROOT}; . {ROOT}/scripts/environment.sh; PATH={folder}; find_python"
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    assert not done.stderr
    return done.stdout.strip().removeprefix(f"{folder}/")


def test_the_readme_names_the_versions_of_python_that_are_supported() -> None:
    *most, last = supported_minors()
    named = ", ".join(f"3.{minor}" for minor in most)
    assert f"Python {named} or 3.{last} on" in (ROOT / "README.md").read_text()


def test_the_launchers_take_a_supported_python(tmp_path: Path) -> None:
    for minor in supported_minors():
        (folder := tmp_path / str(minor)).mkdir()
        assert chosen(folder, {"python3": minor, "python": minor}) == "python3"


def test_the_launchers_pass_over_a_python_that_dependencies_are_not_there_for(
    tmp_path: Path,
) -> None:
    oldest, *_, newest = supported_minors()
    named = {"python3": newest + 1, f"python3.{newest + 1}": newest + 1}
    assert chosen(tmp_path, named) == ""
    assert chosen(tmp_path, {"python": oldest - 1}) == ""
    for minor in supported_minors():
        assert chosen(tmp_path, {f"python3.{minor}": minor}) == f"python3.{minor}"
