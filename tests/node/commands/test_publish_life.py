"""What a folder gives to publish: which files, as what, and what becomes of the others."""

import errno
import json
import os
import shlex
import shutil
import sqlite3
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from node.client import not_running
from node.commands.console import print_json
from node.commands.publish_life import read_items
from node.commands.publish_report import Report, Wanted, broken_off, tell
from node.commands.publish_tree import read_those, tree_of
from node.failure import Failure
from node.found_files import Contents, body_of
from registry.formats import Format, InvalidFile, Place, merged, read
from tests.node.workers.test_tables import registry_db
from tests.registry.formats import files

GLIDER = b"x = 3, y = 3, rule = B3/S23\nbob$2bo$3o!\n"
PLAIN = Wanted(None, "commons", dry_run=False, update=False)


def test_hidden_files_and_links_are_nobodys_genome(tmp_path: Path) -> None:
    (tmp_path / "inner" / "deep").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    for name in ("a.rle", "inner/deep/b.rle", ".hidden", ".git/c.rle"):
        (tmp_path / name).write_bytes(GLIDER)
    os.symlink("/etc/passwd", tmp_path / "link.rle")
    os.symlink("/etc", tmp_path / "folder")
    os.mkfifo(tmp_path / "pipe.rle")
    assert sorted(file.name for file in tree_of(tmp_path).files) == ["a.rle", "b.rle"]


def test_folders_are_looked_into_however_deep_and_what_cannot_be_read_is_told(
    tmp_path: Path,
) -> None:
    """Deeper than any recursion, and then deeper than a path can say."""
    (tmp_path / "a.rle").write_bytes(GLIDER)
    opened = os.open(tmp_path, os.O_RDONLY)
    for depth in range(2_100):
        if depth in (1_500, 2_099):
            named = os.open("deep.rle", os.O_CREAT | os.O_WRONLY, dir_fd=opened)
            os.write(named, GLIDER)
            os.close(named)
        os.mkdir("d", dir_fd=opened)
        inner = os.open("d", os.O_RDONLY, dir_fd=opened)
        os.close(opened)
        opened = inner
    os.close(opened)
    try:
        tree = tree_of(tmp_path)
        assert [file.name for file in tree.files] == ["a.rle", "deep.rle"]
        ((folder, error),) = tree.unread
        assert folder.startswith(f"{tmp_path}/d/d/")
        assert error.errno == errno.ENAMETOOLONG
        report = Report(total=2)
        report.refuse_unreadable(folder, error)
        assert [one["code"] for one in report.refused] == ["cannot-read"]
        assert report.refused[0]["detail"].endswith("/d: File name too long")
    finally:  # whoever removes temporary folders goes into them by recursion
        subprocess.run(("rm", "-rf", tmp_path / "d"), check=True)


def test_a_file_is_what_it_holds_or_what_one_says(tmp_path: Path) -> None:
    lineages, config, other = (tmp_path / name for name in ("lineages.json", "c.toml", "notes"))
    lineages.write_bytes(files.LINEAGES)
    config.write_bytes(b"target_fps = 60\n[world]\nwidth = 1\n[social]\n")
    other.write_bytes(b"anything")
    assert [item.kind for item in read_items(lineages, None).found] == [
        "lineage",
        "genome",
        "lineage",
    ]
    assert [item.kind for item in read_items(lineages, "genome").found] == ["genome"]
    assert [item.kind for item in read_items(config, None).found] == ["seed"]
    (forced,) = read_items(config, "genome").found
    assert (forced.kind, forced.format) == ("genome", Format.PRIMORDIUM_CONFIG)
    assert forced.data == config.read_bytes()
    assert read_items(other, None).found == ()
    assert read_items(other, "lineage").found == ()
    (whole,) = read_items(other, "seed").found
    assert (whole.kind, whole.format, whole.data) == ("seed", Format.UNKNOWN, b"anything")
    other.write_bytes(b"\x80\x04K*.")
    with pytest.raises(InvalidFile, match="pickle"):
        read_items(other, "genome")


def test_a_database_is_read_in_a_process_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "registry.db"
    file.write_bytes(registry_db(tmp_path))
    found = read_items(file, None).found
    assert {item.kind for item in found} == {"lineage", "genome"}
    assert next(item for item in found if item.kind == "genome").data == files.GENOTYPE


def test_a_database_of_any_size_is_read_where_it_lies(tmp_path: Path) -> None:
    registry_db(tmp_path)
    file = tmp_path / "registry.db"
    os.truncate(file, 3 << 30)  # as much as a long game writes, of holes
    assert {item.kind for item in read_items(file, None).found} == {"lineage", "genome"}
    assert [item.kind for item in read_items(file, "genome").found] == ["genome"]
    with pytest.raises(InvalidFile, match="holds no seed"):
        read_items(file, "seed")


def test_a_database_from_a_pipe_is_never_one_item_itself(tmp_path: Path) -> None:
    data = registry_db(tmp_path)
    connection = sqlite3.connect(tmp_path / "registry.db")
    connection.execute("CREATE TABLE seed_submissions (config_json)")
    connection.execute("INSERT INTO seed_submissions VALUES (?)", (b"\xff",))
    connection.commit()
    connection.close()
    broken = (tmp_path / "registry.db").read_bytes()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def read_from(data: bytes, kind: str) -> Contents:
        with ThreadPoolExecutor(1) as writer:
            writer.submit(pipe.write_bytes, data)
            return read_items(pipe, kind)

    assert [item.kind for item in read_from(data, "genome").found] == ["genome"]
    with pytest.raises(InvalidFile, match="pipe: holds no seed"):
        read_from(data, "seed")
    held = read_from(broken, "seed")
    assert held.found == ()
    assert [str(row.place) for row in held.refused] == ["seed_submissions, row 1"]


def test_rows_that_a_running_program_has_not_moved_are_told_of(tmp_path: Path) -> None:
    registry_db(tmp_path)
    file = tmp_path / "registry.db"
    assert read_items(file, None).warning == ""
    running = sqlite3.connect(file)
    running.execute("PRAGMA journal_mode = WAL")
    running.execute("INSERT INTO lineages VALUES ('new', 1, 0, 0, NULL)")
    running.commit()
    link = tmp_path / "other" / "link.db"
    link.parent.mkdir()
    link.symlink_to(file)
    for named in (file, link):  # SQLite writes beside what a link leads to
        contents = read_items(named, None)
        assert len(contents.found) == 2
        told = f"{named}: newer rows may lie in {file}-wal, which is not read. End the program"
        assert contents.warning.startswith(told)
    running.close()
    assert len(read_items(file, None).found) == 3
    assert read_items(file, None).warning == ""


def test_rows_that_a_crash_left_behind_are_there_after_what_is_advised(tmp_path: Path) -> None:
    """Where no program runs that could be ended."""
    registry_db(tmp_path)
    running = sqlite3.connect(tmp_path / "registry.db")
    running.execute("PRAGMA journal_mode = WAL")
    running.execute("INSERT INTO lineages VALUES ('new', 1, 0, 0, NULL)")
    running.commit()
    folder = tmp_path / "what is left"
    folder.mkdir()
    for name in ("registry.db", "registry.db-wal"):
        shutil.copyfile(tmp_path / name, folder / name)
    running.close()
    contents = read_items(folder / "registry.db", None)
    assert len(contents.found) == 2
    program, file, statement = shlex.split(contents.warning.partition(" first: ")[2])
    assert program == "sqlite3"
    connection = sqlite3.connect(file)
    connection.execute(statement)
    connection.close()
    contents = read_items(folder / "registry.db", None)
    assert (len(contents.found), contents.warning) == (3, "")


def test_what_the_rows_of_one_genome_say_is_sent_once_and_whole(tmp_path: Path) -> None:
    registry_db(tmp_path)
    file = tmp_path / "registry.db"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE genome_submissions (genotype, author, name, fitness_score)")
    rows = [(files.GENOTYPE.decode(), "ann", "Swift", 1.5), (b"\xff", "bob", "Broken", 2.0)]
    connection.executemany("INSERT INTO genome_submissions VALUES (?, ?, ?, ?)", rows)
    connection.commit()
    connection.close()
    contents = read_items(file, None)
    (_, genome) = merged(contents.found)
    sent = body_of(file.name, genome.found)
    assert (sent["name"], sent["author"], sent["fitness_score"]) == ("Swift", "ann", 1.5)
    assert [str(other.place) for other in genome.others] == ["lineages, row 1"]
    (refused,) = contents.refused
    assert refused.detail == (
        "registry.db: genome_submissions, row 2: genotype is not UTF-8 from byte 0 on"
    )


def test_what_the_file_says_is_what_is_sent(tmp_path: Path) -> None:
    file = tmp_path / "lineages.json"
    file.write_bytes(files.LINEAGES)
    lineage, genome, _ = read_items(file, None).found
    said = body_of(file.name, lineage)
    assert (said["civilization_level"], said["is_extinct"], said["start_tick"]) == (3, False, 7)
    assert said["best_genotype"] == genome.identity
    sent = body_of(file.name, genome)
    assert (sent["file"], sent["format"], sent["lineage_id"]) == (
        "lineages.json", "primordium-json", said["id"],
    )  # fmt: skip
    assert None not in sent.values()


def test_nothing_known_is_told_and_so_is_what_was_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="nothing to publish") as empty:
        tell(tmp_path, PLAIN, Report(skipped=["a", "b"]))
    assert empty.value.problem["code"] == "no-manifest"
    report = Report()
    report.refuse(tmp_path / "a", "line 2", {"code": "invalid-file", "detail": "a: line 2: no"})
    with pytest.raises(Failure) as one:
        tell(tmp_path, PLAIN, report)
    assert one.value.problem["code"] == "invalid-file"
    report.published.append({"state": "published"})
    with pytest.raises(Failure) as some:
        tell(tmp_path, PLAIN, report)
    assert (some.value.problem["code"], some.value.exit) == ("some-refused", 1)
    assert some.value.problem["refused"][0]["place"] == "line 2"


def test_a_folder_with_a_manifest_is_a_module_and_all_in_it_its_own(tmp_path: Path) -> None:
    for name in ("mods/a/gen.toml", "mods/a/tests/x.rle", "mods/b/deep/gen.toml", "one.rle"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(GLIDER)
    both = tree_of(tmp_path)
    assert both.modules == [tmp_path / "mods/a", tmp_path / "mods/b/deep"]
    assert both.files == [tmp_path / "one.rle"]
    assert tree_of(tmp_path, "module").files == []
    genomes = tree_of(tmp_path, "genome")
    assert (genomes.modules, genomes.files) == ([], [tmp_path / "one.rle"])
    inside = tree_of(tmp_path / "mods/a", "genome").files
    assert [file.name for file in inside] == ["x.rle"]


def test_no_name_of_a_file_begins_a_line_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where it alone was refused, or with others."""
    report = Report(total=1)
    file = tmp_path / "a\nerror: all is lost"
    for count in (1, 2):
        report.refuse_invalid(file, InvalidFile(file.name, Place(), "is no pattern"))
        with pytest.raises(Failure) as told:
            tell(tmp_path, PLAIN, report)
        told.value.show()
        lines = capsys.readouterr().err.splitlines()
        assert not [line for line in lines if line.startswith("error: all is lost")]
        assert sum("a\\u{a}error: all is lost: is no pattern" in line for line in lines) == count


FARM = ("beside", "circle", "dangling", "endless", "out", "plain")


def test_a_folder_whose_manifest_is_a_link_is_a_module(tmp_path: Path) -> None:
    """As farms of links are made: what lies in it is no publication of its own."""
    kept = tmp_path / "kept"
    (kept / "real.toml").parent.mkdir()
    (kept / "real.toml").write_bytes(b"")
    folders = [tmp_path / "tree" / name for name in FARM]
    for folder in folders:
        (folder / "data").mkdir(parents=True)
        (folder / "data" / "glider.rle").write_bytes(GLIDER)
        (folder / "add.wasm").write_bytes(b"")
    beside, circle, dangling, endless, out, plain = folders
    (beside / "module.toml").write_bytes(b"")
    (beside / "gen.toml").symlink_to("module.toml")
    (circle / "gen.toml").symlink_to("gen.toml")
    (dangling / "gen.toml").symlink_to("nothing")
    (endless / "gen.toml").symlink_to("a" * 1_000)  # a name may have 255 bytes
    (out / "gen.toml").symlink_to(kept / "real.toml")
    (plain / "gen.toml").symlink_to(kept)  # a folder of that name is no manifest
    tree = tree_of(tmp_path / "tree")
    assert tree.modules == tree.left_alone == [beside, circle, dangling, endless, out]
    assert tree.files == [plain / "add.wasm", plain / "data" / "glider.rle"]
    assert tree_of(out, "genome").files == [out / "data" / "glider.rle"]
    report = Report()
    assert read_those(tree.modules[1:], report) == []
    told = ["cannot-read", "file-missing", "cannot-read", "unsafe-file"]
    assert [one["code"] for one in report.refused] == told


def test_what_broke_off_says_how_far_it_came_and_that_it_goes_on() -> None:
    report = Report(published=[{"state": "published"}, {"state": "known"}], total=9, done=2)
    lost = Failure({"code": "connection-lost", "detail": "It is gone."}, 8)
    told = broken_off(lost, report).problem
    assert told["detail"].splitlines()[:2] == [
        "It is gone.", "1 published, 1 there already, 0 refused; 7 of 9 files are left.",
    ]  # fmt: skip
    assert "same command goes on" in told["detail"]
    assert len(told["published"]) == 2
    forbidden = broken_off(Failure({"code": "forbidden", "detail": "No."}, 4), report)
    assert "goes on" not in forbidden.problem["detail"]
    never = not_running("home")
    assert broken_off(never, Report(total=9)) is never


def test_whatever_a_file_is_called_its_genome_is_published() -> None:
    """Any bytes but two name a file on Linux."""
    (item,) = read(Format.RLE, GLIDER, "a.rle")
    for name, kept in (
        (os.fsdecode(b"\xff\xfeb.rle"), "b.rle"), ("new\nline\x1b[31m.rle", "new line[31m.rle"),
        ("\u202ecod.rle", "cod.rle"), ("a\\b.rle", "a_b.rle"), ("a..b.rle", "a..b.rle"),
        ("glider.rle", "glider.rle"), ("n" * 129, None), ("\x07", None),
    ):  # fmt: skip
        body = body_of(name, item)
        assert body.get("file") == kept
        json.dumps(body, ensure_ascii=False).encode()


def test_a_name_that_is_no_text_is_told_as_json_that_everybody_reads(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    name = os.fsdecode(b"Gl\xc3\xbcck/\xff.rle")
    print_json("publish", {"file": name})
    told = json.loads(capfdbinary.readouterr().out.decode())
    assert told == {"schema": "panspermia.publish/1", "file": name}
    assert os.fsencode(told["file"]) == b"Gl\xc3\xbcck/\xff.rle"


def test_no_name_of_a_file_speaks_for_us() -> None:
    report = Report(total=1)
    for _ in range(2):
        report.refuse_unreadable(
            Path("in/a\nerror: all\x1b[2J lost"), OSError(5, "Input/output error")
        )
    assert report.lines() == ["in/a\\u{a}error: all\\u{1b}[2J lost: Input/output error"] * 2


def test_of_what_is_refused_the_folder_is_told(tmp_path: Path) -> None:
    report = Report(total=1)
    file = tmp_path / "deep" / "a.rle"
    report.refuse_invalid(file, InvalidFile("a.rle", Place(line=2), "holds no pattern"))
    assert report.refused == [
        {
            "file": str(file), "place": "line 2", "code": "invalid-file",
            "detail": f"{file}: line 2: holds no pattern",
        }
    ]  # fmt: skip
