"""Compiles C for a core into an ELF image with its own start-up code and linker script.

The compiler is clang of the ``ziglang`` wheel, or ``arm-none-eabi-gcc`` where that is asked for.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Literal

from edgebnn import kernels
from edgebnn.errors import BuildError
from edgebnn.files import cache_folder
from edgebnn.kernels.cores import CORES, Core
from edgebnn.runtime import build

from .image import Image, Memory, read_image

FIRMWARE = Path(__file__).parent / "firmware"
STARTUP = FIRMWARE / "startup.c"

OPTIMISATION = "-O2"
COMPILE_FLAGS = (
    *("-std=c99", OPTIMISATION, "-ffreestanding", "-ffp-contract=off", "-fno-unwind-tables", "-fomit-frame-pointer"),
    *("-ffunction-sections", "-fdata-sections", "-DNDEBUG", f"-I{kernels.CORE}", f"-I{kernels.FOLDER}"),
)

ToolchainName = Literal["zig", "gcc"]


def compile_image(
    core: Core,
    sources: Sequence[Path | str],
    *,
    keep: Sequence[str] = (),
    memory: Memory | None = None,
    flags: Sequence[str] = (),
    objects: Sequence[Path] = (),
    toolchain: ToolchainName = "zig",
) -> Image:
    """An image for ``core``.

    Args:
        core: that it runs on.
        sources: C files, or C text.
        keep: functions that nothing calls and that are wanted all the same; what is not used is left out.
        memory: of the device; 1 MiB of flash and 256 KiB of RAM, if none is given.
        flags: of the compiler, after and so before its own: optimisation, include folders, definitions.
        objects: what is compiled already, by :func:`kept_object`.
        toolchain: clang of ziglang, or arm-none-eabi-gcc.

    Returns:
        The image with its symbols.

    Raises:
        BuildError: there is no such compiler, or it fails; also if the image does not fit the memory.
    """
    memory = memory or Memory()
    content = link(core, sources, keep=keep, memory=memory, flags=flags, objects=objects, toolchain=toolchain)
    image = read_image(content, core, memory)
    known = {symbol.name for symbol in image.symbols}
    if missing := [name for name in keep if name not in known]:
        raise BuildError(f"the C code has no function '{missing[0]}'")
    return image


def link(
    core: Core,
    sources: Sequence[Path | str],
    *,
    memory: Memory,
    keep: Sequence[str] = (),
    flags: Sequence[str] = (),
    objects: Sequence[Path] = (),
    toolchain: ToolchainName = "zig",
) -> bytes:
    """The ELF file of :func:`compile_image`, as it is flashed.

    Args:
        core: for which it is compiled.
        sources: files, or C text.
        memory: where code and data lie.
        keep: functions that stay, though nothing calls them.
        flags: further ones of the compiler.
        objects: compiled already.
        toolchain: which compiler.

    Returns:
        The file's content.

    Raises:
        BuildError: the C code does not compile, or there is no compiler.
    """
    startup = kept_object(core, STARTUP, {}, toolchain=toolchain)
    with tempfile.TemporaryDirectory(prefix="edgebnn-") as name:
        folder = Path(name)
        script = folder / "link.ld"
        template = Template((FIRMWARE / "link.ld").read_text(encoding="utf-8"))
        script.write_text(template.substitute(vars(memory), roots=" ".join(("eb_halt", *keep))), encoding="utf-8")
        linked = folder / "image.elf"
        build.compile(
            linked,
            [build.Source(_as_file(source, folder, number)) for number, source in enumerate(sources)],
            _compiler(core, toolchain),
            (*COMPILE_FLAGS, *flags),
            ("-Wl,--gc-sections", f"-Wl,-T,{script}", str(startup), *map(str, objects), *_LIBRARIES[toolchain]),
        )
        return linked.read_bytes()


def kept_object(
    core: Core,
    source: Path,
    included: Mapping[str, str],
    flags: Sequence[str] = (),
    toolchain: ToolchainName = "zig",
) -> Path:
    """The object of a C file, compiled unless the cache has that of the same text.

    Args:
        core: that it is for.
        source: the file.
        included: everything that it may include from ``flags``' folders: text by name.
        flags: of the compiler, after its own.
        toolchain: clang of ziglang, or arm-none-eabi-gcc.

    Raises:
        BuildError: it does not compile, or the cache folder cannot be written.
    """
    compiler = _compiler(core, toolchain)
    text = source.read_text(encoding="utf-8")
    kept = [flag for flag in (*COMPILE_FLAGS, *flags) if not flag.startswith("-I")]  # whose content is in ``included``
    made_of = (compiler.identity, *compiler.command, *kept, source.name, text, *sum(sorted(included.items()), ()))
    digest = hashlib.sha256("\0".join(made_of).encode()).hexdigest()
    path = cache_folder() / "microcontrollers" / f"{digest[:32]}.o"
    if not path.is_file():
        build.compile_object(path, build.Source(source), compiler, (*COMPILE_FLAGS, *flags))
    return path


_REMEDY = "mend the C code or the compiler's flags, or link for a device with more memory"
_LIBRARIES: dict[ToolchainName, tuple[str, ...]] = {
    "zig": (),
    "gcc": ("-nostartfiles", "-specs=nano.specs", "-Wl,--no-warn-rwx-segments"),
}


def compiler_name(toolchain: ToolchainName = "zig") -> str:
    """The compiler and what tells its versions apart. Raises BuildError where it is not installed."""
    return f"{_compiler(next(iter(CORES.values())), toolchain).identity} {OPTIMISATION}"


def _compiler(core: Core, toolchain: ToolchainName) -> build.Compiler:
    if toolchain == "zig":
        program = _zig_program()
        # Vectors need the ABI of hard floats, and LLVM leaves extensions out of some cores that have them.
        zig = build.zig_compiler(f"thumb-freestanding-eabi{'hf' if core.mve else ''}")
        extension = "+mve" if core.mve else "+dsp" if core.dsp else ""
        options = (f"-mcpu={core.cpu}{extension}", "-isystem", str(FIRMWARE / "include"))
        return build.Compiler((program, *zig.command[zig.command.index("cc") :], *options), zig.identity, _REMEDY)
    found = shutil.which("arm-none-eabi-gcc")
    if found is None:
        raise BuildError(
            "arm-none-eabi-gcc is not installed; apt-get install gcc-arm-none-eabi, or let ziglang compile"
        )
    command = (found, f"-mcpu={core.cpu.replace('_', '-')}", "-mthumb", f"-mfloat-abi={'hard' if core.mve else 'soft'}")
    return build.Compiler(command, build.version_of((found,)), _REMEDY)


def _zig_program() -> str:
    """The program in the wheel: starting it through Python takes longer than it takes."""
    spec = importlib.util.find_spec("ziglang")
    if spec is None or spec.submodule_search_locations is None:
        raise BuildError("ziglang is not installed: pip install 'edgebnn[mcu]', or set EDGEBNN_MCU_COMPILER=gcc")
    return str(Path(spec.submodule_search_locations[0]) / "zig")


def _as_file(source: Path | str, folder: Path, number: int) -> Path:
    if isinstance(source, Path):
        return source
    path = folder / f"text{number}.c"
    path.write_text(source, encoding="utf-8")
    return path
