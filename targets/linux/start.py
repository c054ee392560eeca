"""What a device runs first: it unpacks what was sent, once, and becomes the agent. Standard library alone.

Usage: python3 -I start.py STORE [--unpack] BUNDLE WHEEL ...  (archives by the SHA-256 under which the store has them)

With --unpack that is all that it does. Whoever uses an unpacked archive holds a lock on its folder for as long as the
process lives; those that nobody has used for a day go when there are many.

Python 3.6 must be able to read this file, so that it can say that it is too old.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from typing import NoReturn

OLDEST = (3, 10)
ALIVE_SECONDS = 2.0
UNPACKED = "edgebnn-unpacked"
_LEFTOVER_SECONDS = 600.0
_KEPT_TREES = 16
_UNUSED_SECONDS = 86400.0


def main() -> None:
    if sys.version_info[:2] < OLDEST:
        _fail(f"Python {sys.version_info[0]}.{sys.version_info[1]} is too old: edgebnn needs 3.10 or newer")
    store, archives = sys.argv[1], [archive for archive in sys.argv[2:] if archive != "--unpack"]
    with saying_alive():
        try:
            folders = [unpacked(store, archive) for archive in archives]
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                _fail(
                    f"the device has no room to unpack what was sent ({error.strerror}); free some there: old versions "
                    f"in {os.path.dirname(store)} can be deleted"
                )
            _fail(f"{store}: {error.strerror or error}")
        if "--unpack" in sys.argv:
            print(UNPACKED, flush=True)
            return
        sys.path[:0] = folders
        from edgebnn.targets.linux.agent import serve

    serve(store)


@contextlib.contextmanager
def saying_alive() -> "Iterator[None]":
    """Dots on standard output meanwhile, in front of the agent's greeting, so that slow cards are waited for."""
    is_over = threading.Event()

    def say() -> None:
        while not is_over.wait(ALIVE_SECONDS):
            try:
                os.write(1, b".")
            except OSError:
                os._exit(0)  # nobody is there any more

    thread = threading.Thread(target=say, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def unpacked(store: str, archive: str) -> str:
    """The folder that an archive of the store is unpacked in, whole: it is made beside it and renamed."""
    trees = os.path.join(store, "trees")
    folder = os.path.join(trees, archive)
    os.makedirs(trees, exist_ok=True)
    with open(os.path.join(store, "unpacking.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # which ends with the process, however that ends
        if not os.path.isdir(folder):
            _clean(trees)
            temporary = tempfile.mkdtemp(prefix=".unpacking-", dir=trees)
            try:
                with zipfile.ZipFile(os.path.join(store, "files", archive)) as source:
                    source.extractall(temporary)
                _spread(temporary)
                os.rename(temporary, folder)
                os.unlink(os.path.join(store, "files", archive))
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
            _trim(trees)
        fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_SH)  # open until this process ends
        os.utime(folder)
    return folder


def _trim(trees: str) -> None:
    """Deletes what was not used for longest, and is in use by nobody; the caller holds the lock of all unpacking."""
    by_use = sorted((os.path.join(trees, name) for name in os.listdir(trees)), key=os.path.getmtime, reverse=True)
    for folder in by_use[_KEPT_TREES:]:
        if time.time() - os.path.getmtime(folder) < _UNUSED_SECONDS:
            continue
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            gone = os.path.join(trees, ".unpacking-" + os.path.basename(folder))
            os.rename(folder, gone)
            shutil.rmtree(gone, ignore_errors=True)
        except OSError:
            pass  # in use
        finally:
            os.close(handle)


def _clean(trees: str) -> None:
    """What a process left that was killed: whoever holds the lock is the only one at work."""
    for name in os.listdir(trees):
        if name.startswith(".unpacking-"):
            shutil.rmtree(os.path.join(trees, name), ignore_errors=True)
    files = os.path.join(os.path.dirname(trees), "files")
    for name in os.listdir(files):
        path = os.path.join(files, name)
        with contextlib.suppress(OSError):
            if name.startswith(".part-") and time.time() - os.path.getmtime(path) > _LEFTOVER_SECONDS:
                os.unlink(path)


def _spread(folder: str) -> None:
    """The modules of a wheel that lie in its NAME.data/ go where they are imported from."""
    for data in [name for name in os.listdir(folder) if name.endswith(".data")]:
        for kind in ("purelib", "platlib"):
            part = os.path.join(folder, data, kind)
            if os.path.isdir(part):
                shutil.copytree(part, folder, dirs_exist_ok=True)


def _fail(message: str) -> NoReturn:
    sys.stderr.write(f"edgebnn: {message}\n")
    sys.exit(3)


if __name__ == "__main__":
    main()
