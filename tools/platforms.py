"""The kinds of machine that wheels and stand-alone libraries are built for: the only list of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Platform:
    """``machine``: as :func:`edgebnn.runtime.library.machine_name` calls it; ``processor``: as :func:`platform.machine`
    does; ``tags``: of the wheel, the most general first, none where LiteRT has no wheel that edgebnn could use;
    ``libraries``: all that the system must provide; ``ran``: where this very build was run, empty if it only was
    compiled."""

    machine: str
    processor: str
    zig_target: str
    tags: tuple[str, ...]
    libraries: frozenset[str]
    link_flags: tuple[str, ...]
    ran: str


_GLIBC = frozenset({"libc.so.6", "libpthread.so.0", "libdl.so.2", "libm.so.6"})
_SONAME = ("-Wl,-soname,libedgebnn.so",)
_LIBSYSTEM = frozenset({"/usr/lib/libSystem.B.dylib"})
_INSTALL_NAME = ("-Wl,-install_name,@rpath/libedgebnn.dylib",)
_C_RUNTIME = ("environment", "filesystem", "heap", "locale", "math", "private", "runtime", "stdio", "string", "time")
_WINDOWS = frozenset({"KERNEL32.dll", *(f"api-ms-win-crt-{part}-l1-1-0.dll" for part in (*_C_RUNTIME, "convert"))})

# glibc 2.17 is the oldest that has a manylinux tag and that LiteRT's wheels (2.27 and newer) could run on anyway.
PLATFORMS = {
    platform.machine: platform
    for platform in (
        Platform(
            machine="linux-x86_64",
            processor="x86_64",
            zig_target="x86_64-linux-gnu.2.17",
            tags=("manylinux_2_17_x86_64", "manylinux2014_x86_64"),
            libraries=_GLIBC | {"ld-linux-x86-64.so.2"},
            link_flags=_SONAME,
            ran="run natively by tests/end_to_end/test_wheel.py",
        ),
        Platform(
            machine="linux-aarch64",
            processor="aarch64",
            zig_target="aarch64-linux-gnu.2.17",
            tags=("manylinux_2_17_aarch64", "manylinux2014_aarch64"),
            libraries=_GLIBC | {"ld-linux-aarch64.so.1"},
            link_flags=_SONAME,
            ran="run under qemu-user by tests/conformance/test_arm_wheel.py",
        ),
        Platform(
            machine="linux-armv7",
            processor="armv7l",
            zig_target="arm-linux-gnueabihf.2.17",
            tags=("manylinux_2_17_armv7l", "manylinux2014_armv7l"),
            libraries=_GLIBC | {"ld-linux-armhf.so.3"},
            link_flags=_SONAME,
            ran="run under qemu-user by tests/conformance/test_arm_wheel.py",
        ),
        Platform(
            machine="macos-aarch64",
            processor="arm64",
            zig_target="aarch64-macos.12.0",
            tags=("macosx_12_0_arm64",),
            libraries=_LIBSYSTEM,
            link_flags=_INSTALL_NAME,
            ran="",
        ),
        Platform(
            machine="macos-x86_64",
            processor="x86_64",
            zig_target="x86_64-macos.12.0",
            tags=(),
            libraries=_LIBSYSTEM,
            link_flags=_INSTALL_NAME,
            ran="",
        ),
        Platform(
            machine="windows-x86_64",
            processor="AMD64",
            zig_target="x86_64-windows-gnu",
            tags=("win_amd64",),
            libraries=_WINDOWS,
            link_flags=(),
            ran="",
        ),
    )
}
