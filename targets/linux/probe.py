"""What is asked of a device before anything is put on it: one line of shell, which needs no Python there.

The line has no single quote, backslash or exclamation mark, so that any login shell hands it to ``sh -c`` as it is.
What comes back is untrusted: it is made printable, bounded, and never part of a later command.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from edgebnn import machine
from edgebnn.errors import one_line

from .bundle import OLDEST_PYTHON
from .device import DeviceError, Facts

MARKER = "edgebnn-probe"
INTERPRETERS = ("python3", "python3.13", "python3.12", "python3.11", "python3.10")
"""Those that are looked for, the first that is new enough being taken."""

# Its arguments are texts that would need quotes in it.
_PYTHON = (
    "import os, struct, sys, importlib.util as u; a, v = sys.argv, sys.version_info; "
    "print(v[0], v[1], 8 * struct.calcsize(a[1]), int(u.find_spec(a[2]) is not None), flush=True); "
    "print(os.confstr(a[3]))"
)
_ARGUMENTS = "P numpy CS_GNU_LIBC_VERSION"
_FILES = {
    "board": "/proc/device-tree/model",
    "served_by": "/proc/sys/kernel/arch",
    "governor": "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
    "temperature": "/sys/class/thermal/thermal_zone0/temp",
    "frequency": "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq",
    "load": "/proc/loadavg",
    "boot": "/proc/sys/kernel/random/boot_id",
}
LIVE = ("governor", "temperature", "frequency", "load", "throttled")
"""What a device is under now, and is not known by."""
_CPUINFO = {"cpu": "model name", "implementer": "CPU implementer", "part": "CPU part"}
_MOST_TEXT = 200


def command() -> str:
    """The line of shell."""
    parts = [f"echo {MARKER}", 'p() { echo "$1=$2"; }', "exec 2>/dev/null"]
    parts += [f'p {name} "$({line})"' for name, line in _commands().items()]
    parts += [f'[ -r {path} ] && p {name} "$(cat {path})"' for name, path in _FILES.items()]
    for name in INTERPRETERS:
        ask = f'{name} -I -c "{_PYTHON}" {_ARGUMENTS} | tr "[:space:]" " "'
        parts.append(f'command -v {name} > /dev/null && p {name} "$({ask})"')
    return "; ".join([*parts, "echo end"])


def _commands() -> dict[str, str]:
    cpuinfo = {name: f'grep -m1 "^{field}" /proc/cpuinfo' for name, field in _CPUINFO.items()}
    return {
        "machine": "uname -m",
        "system": "uname -sr",
        "bits": "getconf LONG_BIT",
        "libc": "getconf GNU_LIBC_VERSION",
        "cores": "getconf _NPROCESSORS_ONLN || nproc",
        "throttled": "vcgencmd get_throttled",
        **cpuinfo,
    }


def facts(text: str, name: str) -> Facts:
    """What a device answered.

    Args:
        text: what it printed.
        name: of the target.

    Raises:
        DeviceError: it is no answer to that line.
    """
    found = _fields(text.partition(f"{MARKER}\n")[2])
    if "machine" not in found:
        raise DeviceError(f"{name}: the device runs no shell that answers; log in with ssh and look at what it prints")
    interpreter, version, python_fields = _python(found)
    bits = python_fields[2] if python_fields else found.get("bits", "")
    processor = machine.processor(found["machine"], 4 if bits == "32" else 8)
    libc = re.search(r"glibc (\d{1,3})\.(\d{1,3})", " ".join([*python_fields[4:], found.get("libc", "")]))
    glibc = (int(libc[1]), int(libc[2])) if libc else None
    emulated = machine.differs(processor, found.get("served_by", ""))
    details = {key: value for key, value in found.items() if key not in (*INTERPRETERS, *LIVE, "boot")}
    details["processor"] = processor
    details |= {"python": ".".join(map(str, version))} if version else {}
    details |= {"glibc": ".".join(map(str, glibc))} if glibc else {}
    return Facts(
        device=_described(details, emulated),
        kind="emulated" if emulated else "measured",
        processor=processor,
        glibc=glibc,
        python=version,
        interpreter=interpreter,
        details=details,
        has_numpy=python_fields[3:4] == ["1"],
        boot=found.get("boot", ""),
    )


def live(text: str) -> Mapping[str, str]:
    """What a device answered of its state now, and how many cores it has."""
    found = _fields(text.partition(f"{MARKER}\n")[2])
    return {name: found[name] for name in (*LIVE, "cores") if name in found}


def _fields(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.partition("\nend")[0].splitlines())
    found = {name: one_line(value.strip("\0 ")[:_MOST_TEXT]) for name, equals, value in pairs if equals}
    for name in _CPUINFO:
        if name in found:
            found[name] = found[name].partition(":")[2].strip()
    return {name: value for name, value in found.items() if value}


def _python(found: Mapping[str, str]) -> tuple[str, tuple[int, int] | None, list[str]]:
    """What starts the best Python, its version, and what it said. None where there is none, or only an old one."""
    newest: tuple[str, tuple[int, int] | None, list[str]] = ("", None, [])
    for name in INTERPRETERS:
        words = found.get(name, "").split()
        if len(words) >= 4 and all(re.fullmatch(r"\d{1,4}", word) for word in words[:4]):
            version = (int(words[0]), int(words[1]))
            if newest[1] is None or (newest[1] < OLDEST_PYTHON and version > newest[1]):
                newest = (name, version, words)
    return newest


def _described(details: Mapping[str, str], emulated: bool) -> str:
    """One line for people, which stays the same: temperature and clocks are noted with what is measured under them."""
    name = details.get("board") or details.get("cpu") or "Linux device"
    parts = [f"{name} ({details['processor']})"]
    parts += [f"{details['cores']} cores"] if "cores" in details else []
    parts += [details[key] for key in ("system",) if key in details]
    parts += [f"glibc {details['glibc']}"] if "glibc" in details else []
    parts += [f"Python {details['python']}"] if "python" in details else ["no Python"]
    text = ", ".join(parts)
    return f"emulated {text}: times are the emulator's" if emulated else text
