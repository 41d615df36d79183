"""What lies in a folder, at any depth: of hostile folders too."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator


def walk(
    top: str, refuse: Callable[[str, OSError], object]
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each folder with the names of its folders and regular files, by name; no link is followed.

    As `os.walk`, whose recursion ends at some hundred folders, and which passes over a folder
    that cannot be read: `refuse` hears of those. Take names off the folders to leave them out.
    """
    left = [top]
    while left:
        folder = left.pop()
        folders: list[str] = []
        files: list[str] = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.name)
                    elif entry.is_file(follow_symlinks=False):
                        files.append(entry.name)
        except OSError as error:
            refuse(folder, error)
            continue
        folders.sort()
        files.sort()
        yield folder, folders, files
        left += [os.path.join(folder, name) for name in reversed(folders)]
