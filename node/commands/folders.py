"""What lies in a folder, at any depth: of hostile folders too."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from typing import Final

KINDS: Final = {
    stat.S_IFLNK: "a link, which is not followed",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}


def _unheard(_: str, __: str) -> None:
    """Nobody asks what else lies there."""


def walk(
    top: str,
    refuse: Callable[[str, OSError], object],
    pass_over: Callable[[str, str], object] = _unheard,
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each folder with the names of its folders and regular files, by name; no link is followed.

    As `os.walk`, whose recursion ends at some hundred folders, and which passes over a folder
    that cannot be read: `refuse` hears of those, and `pass_over` of what is neither a folder nor a
    regular file, before its folder is given, and of why. Take names off the folders to leave them
    out.
    """
    left = [top]
    while left:
        folder = left.pop()
        folders: list[str] = []
        files: list[str] = []
        others: list[tuple[str, str]] = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.name)
                    elif entry.is_file(follow_symlinks=False):
                        files.append(entry.name)
                    else:
                        others.append((entry.path, kind_of(entry)))
        except OSError as error:
            refuse(folder, error)
            continue
        folders.sort()
        files.sort()
        for path, why in sorted(others):
            pass_over(path, why)
        yield folder, folders, files
        left += [os.path.join(folder, name) for name in reversed(folders)]


def kind_of(entry: os.DirEntry[str]) -> str:
    try:
        mode = entry.stat(follow_symlinks=False).st_mode
    except OSError:  # gone meanwhile
        mode = 0
    return KINDS.get(stat.S_IFMT(mode), "no regular file")
