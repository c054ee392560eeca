"""Keeps this process from using AMX, so that XNNPACK computes int8 as it does on processors that have only VNNI."""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys

from edgebnn.errors import EdgebnnError

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2  # prctl(2)
_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM = 158, 0x1023  # x86-64; Documentation/arch/x86/xstate.rst
_AUDIT_ARCH_X86_64 = 0xC000003E
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06  # of classic BPF
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def deny_amx() -> None:
    """From now on the system refuses this process, and those that it starts, the tile registers that AMX needs leave
    for. To be called before any interpreter is made.

    Raises:
        EdgebnnError: this is no Linux on x86-64, or it knows no such filters.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise EdgebnnError("AMX can only be denied on Linux on x86-64")
    refused = _ERRNO | errno.EPERM
    steps = (
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 0, 5, _AUDIT_ARCH_X86_64),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_EQUAL, 0, 3, _ARCH_PRCTL),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_JUMP_EQUAL, 0, 1, _ARCH_REQ_XCOMP_PERM),
        (_RETURN, 0, 0, refused),
        (_RETURN, 0, 0, _ALLOW),
    )
    text = b"".join(struct.pack("<HBBI", *step) for step in steps)
    program = _Program(len(steps), text)
    libc = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero) or libc.prctl(
        _PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), ctypes.byref(program), zero, zero
    ):
        raise EdgebnnError(f"AMX cannot be denied here: {errno.errorcode.get(ctypes.get_errno(), 'unknown error')}")
