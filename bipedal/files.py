"""Files written whole or not at all, and read within limits."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from bipedal.errors import UserError


def reason(error: OSError) -> str:
    """Say why the system refused something, and which file if it names one."""
    why = error.strerror or str(error)
    return why if error.filename is None else f"{os.fsdecode(error.filename)}: {why}"


def exists(path: Path) -> bool:
    """Whether there is such a file; UserError if the system does not let us see."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # there is no name with a zero
        return False
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    return True


def atomic_write(*files: tuple[Path, bytes]) -> None:
    """Replace files so that a reader sees the old or the new ones whole, never a part.

    All are written to `NAME.tmp` beside their place and flushed to disk before the first is
    renamed; the renames follow in the order given. If one cannot be written (OSError) the old
    files stay as they were.
    """
    written: list[tuple[Path, Path]] = []
    try:
        for path, data in files:
            temporary = temporary_path(path)
            written.append((temporary, path))
            with open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
    except BaseException:
        for temporary, _ in written:
            temporary.unlink(missing_ok=True)
        raise
    for temporary, path in written:
        os.replace(temporary, path)
    for directory in {path.parent for path, _ in files}:
        _sync_directory(directory)


def temporary_path(path: Path) -> Path:
    """Where `atomic_write` prepares the contents of `path`."""
    return path.with_name(path.name + ".tmp")


def _sync_directory(directory: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe without a writer at once, too."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_file(path: Path, limit: int) -> bytes:
    """Contents of a regular file of at most `limit` bytes; UserError otherwise.

    The gate for every file that somebody else may have written. It neither waits for a pipe nor
    believes the size that the system tells: files below /proc have none, and some never end.
    """
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise UserError(f"cannot read {path}: it is not a file")
            data = b"" if facts.st_size > limit else file.read(limit + 1)
    except ValueError:  # a name with a zero in it
        raise UserError(f"cannot read {path}: it is not a file") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    if max(facts.st_size, len(data)) > limit:
        raise UserError(f"{path} is too large to be one of this project's files")
    return data
