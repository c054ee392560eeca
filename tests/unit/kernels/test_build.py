"""The build of the native library: where it lies, when it is made again, and what is said when it cannot be."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgebnn import kernels, machine
from edgebnn.errors import BuildError
from edgebnn.runtime import build
from tests.support.privileges import unprivileged, unprivileged_folder


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!{sys.executable}\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEBNN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def tiny(folder: Path, text: str = "int answer(void) { return 42; }\n") -> build.Source:
    path = folder / "tiny.c"
    path.write_text(text)
    return build.Source(path)


def test_library_is_made_once(tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "sources", lambda: [tiny(tmp_path)])
    assert not build.describe().compiled
    path = build.library()
    made = path.stat().st_mtime_ns
    assert path.parent == empty_cache
    assert list(empty_cache.iterdir()) == [path]
    assert build.library() == path
    assert path.stat().st_mtime_ns == made
    assert build.describe() == build.Description(build.describe().compiler, build.describe().flags, path, True)


def test_only_the_contract_is_visible() -> None:
    """The X-macro's tile functions, for one, are not."""
    library = ctypes.CDLL(str(build.library()))
    assert hasattr(library, "eb_bconv2d_run")
    assert not hasattr(library, "eb_bconv2d_portable")


def test_of_processes_at_once_one_compiles_and_none_sees_a_library_that_is_half_written(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a compiler that writes in halves, and waits until both want to; a third loads it as soon as it is there."""
    source = tiny(tmp_path, '__attribute__((visibility("default"))) int answer(void) { return 42; }\n')
    slow = script(
        tmp_path / "slow-cc",
        "import pathlib, subprocess, sys, time\n"
        f"code = subprocess.run([{build.find_compiler().command[0]!r}, *sys.argv[1:]]).returncode\n"
        f"folder, begun = pathlib.Path({str(tmp_path)!r}), time.monotonic()\n"
        "if '-shared' in sys.argv and code == 0:\n"
        "    output = pathlib.Path(sys.argv[sys.argv.index('-o') + 1])\n"
        "    data = output.read_bytes()\n"
        "    output.write_bytes(data[: len(data) // 2])\n"
        "    pathlib.Path(f'{folder}/linking-{time.monotonic_ns()}').touch()\n"
        "    while len(list(folder.glob('wanting-*'))) < 2 and time.monotonic() - begun < 60:\n"
        "        time.sleep(0.01)\n"
        "    time.sleep(0.5)\n"
        "    output.write_bytes(data)\n"
        "sys.exit(code)",
    )
    monkeypatch.setenv("CC", str(slow))
    make = (
        "import ctypes, os, pathlib; from edgebnn.runtime import build\n"
        f"build.sources = lambda: [build.Source(pathlib.Path({str(source.path)!r}))]\n"
        f"pathlib.Path({str(tmp_path)!r}, f'wanting-{{os.getpid()}}').touch()\n"
        "print(ctypes.CDLL(str(build.library())).answer())"
    )
    look = (
        "import ctypes, pathlib, time\n"
        f"while not (found := list(pathlib.Path({str(empty_cache)!r}).glob('lib*'))): time.sleep(0.001)\n"
        "print(ctypes.CDLL(str(found[0])).answer())"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for code in (make, make, look)
    ]
    assert [process.communicate(timeout=120) for process in running] == [("42\n", "")] * 3
    assert len(list(tmp_path.glob("linking-*"))) == 1
    assert len(list(empty_cache.iterdir())) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")
def test_file_systems_without_locks_are_compiled_on_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_locks(file: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", without_locks)
    build.compile(tmp_path / "out" / "tiny.so", [tiny(tmp_path)], build.find_compiler())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["tiny.so"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")
def test_what_killed_processes_left_goes_with_the_next_compilation(tmp_path: Path) -> None:
    """A process is killed while it compiles the same, and one that compiles something else is left alone."""
    source = tiny(tmp_path)
    endless = script(tmp_path / "endless-cc", f"import time; open({str(tmp_path / 'at-work')!r}, 'a'); time.sleep(600)")
    compile_for_ever = (
        "import pathlib, sys; from edgebnn.runtime import build\n"
        f"source = build.Source(pathlib.Path({str(source.path)!r}))\n"
        f"build.compile(pathlib.Path(sys.argv[1]), [source], build.Compiler(({str(endless)!r},), 'endless'))"
    )
    folder = tmp_path / "out"
    running = []
    for name in ("tiny.so", "other.so"):
        command = [sys.executable, "-c", compile_for_ever, str(folder / name)]
        running.append(subprocess.Popen(command, start_new_session=True))
        while not (tmp_path / "at-work").exists():
            time.sleep(0.01)
        (tmp_path / "at-work").unlink()
    killed, other = running
    try:
        killed.kill()
        killed.wait()
        build.compile(folder / "tiny.so", [source], build.find_compiler())
        assert sorted(path.name for path in folder.iterdir()) == [".making-other.so", "tiny.so"]
        other.kill()
        other.wait()
        build.compile(folder / "third.so", [source], build.find_compiler())
        assert sorted(path.name for path in folder.iterdir()) == ["third.so", "tiny.so"]
    finally:
        for process in running:  # with the compiler that it started
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_key_follows_compiler_and_flags(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = build.describe().library
    monkeypatch.setattr(build, "COMPILE_FLAGS", (*build.COMPILE_FLAGS, "-DOTHER"))
    other_flags = build.describe().library
    monkeypatch.setenv("CC", "gcc -O1")
    assert len({before, other_flags, build.describe().library}) == 3


def test_key_follows_every_source(tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "FOLDER", tmp_path)
    seen = {build.describe().library}
    for name in ("a.c", "a.h", "a.kernels"):
        (tmp_path / name).write_text("text")
        seen.add(build.describe().library)
    assert len(seen) == 4


def test_cache_folder_by_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEBNN_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert build.cache_folder() == tmp_path / "own"
    monkeypatch.delenv("EDGEBNN_CACHE")
    assert build.cache_folder() == tmp_path / "xdg" / "edgebnn"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert build.cache_folder() == tmp_path / ".cache" / "edgebnn"


def test_unusable_cache_folder_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EDGEBNN_CACHE", str(tmp_path / "file"))
    with pytest.raises(BuildError, match="set EDGEBNN_CACHE to a folder that can be written"):
        build.library()


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are those of POSIX")
@pytest.mark.parametrize("mode", [0o555, 0o600])
def test_a_cache_folder_that_may_not_be_written_or_entered_names_the_remedy(
    mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with unprivileged_folder() as folder:
        folder.chmod(mode)
        monkeypatch.setenv("EDGEBNN_CACHE", str(folder / "cache"))
        with unprivileged(), pytest.raises(BuildError, match="set EDGEBNN_CACHE to a folder that can be written"):
            build.library()


def test_failed_compilation_shows_the_first_error_and_leaves_nothing(tmp_path: Path) -> None:
    source = tiny(tmp_path, "int answer(void) { return nothing; }\n")
    output = tmp_path / "out" / "tiny.so"
    with pytest.raises(BuildError, match=r"tiny\.c:1:.*error.*nothing") as raised:
        build.compile(output, [source], build.find_compiler())
    assert "\n" not in str(raised.value)
    assert list(output.parent.iterdir()) == []


def test_failed_link_leaves_nothing(tmp_path: Path) -> None:
    output = tmp_path / "out" / "tiny.so"
    with pytest.raises(BuildError, match="failed"):
        build.compile(output, [tiny(tmp_path)], build.find_compiler(), link_flags=("-shared", "-lno-such-library"))
    assert list(output.parent.iterdir()) == []


def test_flags_of_single_files_reach_the_compiler(tmp_path: Path) -> None:
    source = tiny(tmp_path, "int answer(void) { return ANSWER; }\n")
    output = tmp_path / "tiny.so"
    build.compile(output, [build.Source(source.path, ("-DANSWER=7",))], build.find_compiler(), flags=("-fPIC",))
    assert ctypes.CDLL(str(output)).answer() == 7


def test_flags_of_single_files_come_from_the_table() -> None:
    table = """/* EB_BCONV2D_KERNEL(name, architecture, "-mwrong", .channel_tile = 8) */
EB_BCONV2D_KERNEL(avx2, X86_64,
                  "-mavx2 -mpopcnt", .cpu_features = EB_CPU_AVX2, .channel_tile = 16)
EB_BCONV2D_KERNEL(neon, AARCH64, "-mcpu=cortex-a72", .cpu_features = EB_CPU_NEON, .channel_tile = 16)
EB_BCONV2D_KERNEL(portable, ANY, "", .channel_tile = 8)
EB_W1A8_KERNEL(avx2, X86_64, "-mavx2", .channel_tile = 32)
"""
    x86 = {"bconv2d_avx2.c": ("-mavx2", "-mpopcnt"), "bconv2d_portable.c": (), "w1a8_avx2.c": ("-mavx2",)}
    assert build.kernel_flags(table, "x86_64") == x86
    assert build.kernel_flags(table, "AMD64") == x86
    assert build.kernel_flags(table, "aarch64") == {
        "bconv2d_neon.c": ("-mcpu=cortex-a72",),
        "bconv2d_portable.c": (),
    }
    assert build.kernel_flags(table, "armv7l") == {"bconv2d_portable.c": ()}


@pytest.mark.parametrize("operation", kernels.OPERATIONS)
def test_every_line_of_the_table_has_its_file(operation: str) -> None:
    flags = build.kernel_flags(kernels.table(operation), "x86_64")
    assert f"{operation}_portable.c" in flags
    assert set(flags) <= {source.path.name for source in build.sources()}


def test_missing_compiler_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", str(tmp_path / "no-such-cc"))
    with pytest.raises(BuildError, match=r"no-such-cc.*install gcc or pip install 'edgebnn\[mcu\]'"):
        build.find_compiler()


def test_without_a_compiler_ziglang_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ziglang")
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build.find_compiler().command[:4] == (sys.executable, "-m", "ziglang", "cc")


def test_named_compiler_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = script(tmp_path / "mycc", "print('mycc 1.0')")
    monkeypatch.setenv("CC", f"{named} -DX='a b'")
    assert build.find_compiler() == build.Compiler((str(named), "-DX=a b"), "mycc 1.0")


def test_silent_failure_of_a_compiler_is_reported(tmp_path: Path) -> None:
    broken = script(tmp_path / "cc", "raise SystemExit(3)")
    with pytest.raises(BuildError, match="exit 3"):
        build.compile(tmp_path / "out.so", [tiny(tmp_path)], build.Compiler((str(broken),), "broken"))


def test_compiler_that_cannot_run_is_reported(tmp_path: Path) -> None:
    broken = tmp_path / "cc"
    broken.write_text("not a program")
    with pytest.raises(BuildError, match="cannot be run"):
        build.compile(tmp_path / "out.so", [tiny(tmp_path)], build.Compiler((str(broken),), "broken"))


@pytest.mark.parametrize(("kernel", "process"), [("aarch64", "armv7l"), ("x86_64", "i686")])
def test_a_32_bit_process_on_a_64_bit_kernel_is_compiled_for_itself(
    kernel: str, process: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flags of the kernel's own architecture would be refused by the compiler of the 32-bit system."""
    assert machine.processor(kernel, 8) == kernel
    assert machine.processor(kernel, 4) == process
    wide = build.sources(kernel)
    monkeypatch.setattr(build, "processor", lambda: machine.processor(kernel, 4))
    assert build.sources() == build.sources(process) != wide
