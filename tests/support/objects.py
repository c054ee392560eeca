"""Programs and libraries whose C files several tests compile with the same flags: each object is made once a run."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edgebnn.runtime import build

FOLDER = "EDGEBNN_TEST_OBJECTS"
"""The environment's name for the folder that the processes of a run share (tests/conftest.py)."""
WARNINGS = ("-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-pedantic", "-Werror")
OPTIMIZED = (*build.COMPILE_FLAGS, *WARNINGS)
CHECKED = (*OPTIMIZED, "-O1", "-g", "-UNDEBUG")
"""With assertions, and compiled quickly."""
SANITIZER = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
SANITIZED = (*CHECKED, *SANITIZER)


def link(
    output: Path, files: Sequence[build.Source], compiler: build.Compiler, flags: Sequence[str], options: Sequence[str]
) -> None:
    """Compiles what no test has compiled before with ``flags``, and links all ``files`` with ``options``.

    Raises BuildError as :func:`edgebnn.runtime.build.compile` does.
    """
    folder = Path(os.environ[FOLDER])
    folder.mkdir(exist_ok=True)

    def made(file: build.Source) -> str:
        command = "\0".join((*compiler.command, *flags, *file.flags, str(file.path)))
        path = folder / f"{file.path.stem}-{hashlib.sha256(command.encode()).hexdigest()[:16]}.o"
        if not path.exists():
            build.compile_object(path, file, compiler, flags)
        return str(path)

    common = hashlib.sha256("\0".join((*compiler.command, *flags)).encode()).hexdigest()
    with (folder / f"{common}.lock").open("w") as lock:  # another process waits instead of compiling the same
        fcntl.flock(lock, fcntl.LOCK_EX)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(made, files))
    build.compile(output, [], compiler, link_flags=(*options, *objects))
