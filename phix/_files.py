"""Files that are either whole or not there."""

import contextlib
import glob
import os
import socket
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """A path beside `path`, of the same suffix, for a writer that wants a path.

    What stands there at the end of the block takes the place of `path` in one move; if
    the block raises, the old content stays, and nothing else. What a writer of the same
    file that was killed has left is removed.
    """
    path = Path(path)
    mine = f".{path.stem}.{_machine()}-"
    temporary = path.with_name(f"{mine}{os.getpid()}.tmp{path.suffix}")
    for file in path.parent.glob(f"{glob.escape(mine)}*.tmp{glob.escape(path.suffix)}"):
        number = file.name.removeprefix(mine).partition(".")[0]
        if number.isdecimal() and len(number) < 10 and not _runs(int(number)):
            file.unlink(missing_ok=True)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _machine() -> str:
    """Where a process number means one process: the host, on Linux its container."""
    try:
        space = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        space = 0
    return f"{socket.gethostname()}-{space}"


def _runs(process: int) -> bool:
    """Whether there is a process of this number on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def remove_unfinished(folder: Path) -> None:
    """Removes what writers that were killed inside `atomic_path` have left there."""
    for file in folder.glob(".*.tmp*"):
        if file.is_file():
            file.unlink(missing_ok=True)


def atomic_write(path: str | os.PathLike, content: bytes | str) -> None:
    """Writes a file so that whoever reads it, after whatever crash, sees the old
    content or the new, never a part.

    **Arguments:**

    - `path`: the file.
    - `content`: bytes, or text to be written as UTF-8.
    """
    content = content.encode() if isinstance(content, str) else content
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def hold_directory(directory: Path, what: str) -> int:
    """Makes a directory and locks it for this process, until the descriptor that is
    returned is closed or the process ends, however it ends.

    **Arguments:**

    - `directory`: made if missing.
    - `what`: what an error calls it.

    **Raises:** `ValueError` if another process holds it, `OSError` where nothing can be
    written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(file, what, directory)
        except BaseException:
            os.close(file)
            raise
    except OSError as error:
        raise OSError(
            error.errno,
            f"{what} cannot be written to ({error.strerror}); choose another, change "
            "its permissions, or make room",
            str(directory),
        ) from None
    return file


def _lock(file: int, what: str, directory: Path) -> None:
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(file, 200).decode(errors="replace").strip()
        raise ValueError(
            f"{what} in use: {directory} is held by {holder or 'a process'}; "
            "wait for it, stop it, or choose another directory."
        ) from None
    os.truncate(file, 0)
    os.write(file, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
