"""The vault as a start finds it: brought to the newest schema, or written anew where it is damaged.

of another program, or its first page is lost ─▸ refused, with what to do
its log has rotted ─▸ what lies behind that is not read, as of one that the power cut
its header is none of ours, and its tables are ─▸ a copy with the right one in its place
all of it is lost, and its log is there ─▸ one page of zeros, and so cut
its end is lost, or a page on the way to the newest schema ─▸ written anew as one of that
"""

import os
import sqlite3
from dataclasses import replace
from pathlib import Path

from storage.errors import Corrupt
from storage.vault.header import mend_header
from storage.vault.log import lays_first_page, note_lacking
from storage.vault.old_files import remove_left_alone
from storage.vault.opening import ADVICE, PAGE_BYTES, is_vault, make_vault
from storage.vault.rescue import (
    Rescue,
    not_written_anew,
    note_damage,
    rescue,
    rescue_before_opening,
    said,
)


def start_vault(path: Path) -> Rescue:
    """Makes what is at `path` a vault that can be opened; see `rescue_before_opening`.

    Raises `NewerSchema` (nothing was changed), `Corrupt` (it stays as it is) and `StorageError`:
    the disk does not say that it has what was written.
    """
    note_lacking(path)
    is_mended = mend_header(path)
    _lay_first_page(path)
    done = _start(path)
    remove_left_alone(path)  # now that the file itself can be opened
    return replace(done, is_done=done.is_done or is_mended)


def _lay_first_page(path: Path) -> None:
    """Beside an empty file SQLite throws the log away, which may have all that was here."""
    if path.exists() and not path.stat().st_size and lays_first_page(path):
        os.truncate(path, PAGE_BYTES)


def _start(path: Path) -> Rescue:
    try:
        make_vault(path)
    except Corrupt as error:
        fault = str(error).removesuffix(ADVICE).strip()
        try:
            is_ours = is_vault(path)
        except sqlite3.Error as trouble:
            raise not_written_anew(fault, Rescue(why_not=said(trouble))) from trouble
        if not is_ours:
            raise
        note_damage(path)
        done = rescue(path, make_vault, is_sure=True)
        if done:
            return done
        raise not_written_anew(fault, done) from error
    return rescue_before_opening(path, make_vault)
