"""Landlock, by which a Linux process gives up rights to files, for itself and all that it starts.

The system calls and what they need, see landlock(7) and
https://docs.kernel.org/userspace-api/landlock.html. Which folders are concerned is left to
`confine`.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import struct
import sys
from enum import IntFlag

#: These numbers are the same on all architectures.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38
_SCOPE_ABSTRACT_SOCKETS, _SCOPE_SIGNALS = 1, 2
#: The versions of the interface from which on something can be restricted.
_REFER_ABI, _TRUNCATE_ABI, _NETWORK_ABI, _DEVICES_ABI, SCOPES_ABI = 2, 3, 4, 5, 6


class Right(IntFlag):
    """The rights to files that are given up unless a rule grants them. Execution is not."""

    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13  #: to move or link a file into another folder
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15


READ = Right.READ_FILE | Right.READ_DIR
#: What a rule about anything but a folder can grant.
OF_FILES = Right.WRITE_FILE | Right.READ_FILE | Right.TRUNCATE | Right.IOCTL_DEV


class LandlockError(Exception):
    """The system does not let this process give up rights; the message is a sentence."""


class Ruleset:
    """Rules that grant rights; all others are given up by `restrict`."""

    def __init__(self, abi: int) -> None:
        self.handled = handled_rights(abi)
        scoped = _SCOPE_ABSTRACT_SOCKETS | _SCOPE_SIGNALS if abi >= SCOPES_ABI else 0
        size = 24 if scoped else 16 if abi >= _NETWORK_ABI else 8
        attributes = struct.pack("=3Q", self.handled, 0, scoped)[:size]
        self._descriptor = _call(_CREATE_RULESET, attributes, size, 0)

    def grant(self, rights: Right, path: str, folder: int | None = None) -> bool:
        """Grant rights to a file, or to a folder and all in it; a link is not followed.

        Return whether there is such a file. Rights that it cannot have are left out.
        """
        try:
            flags = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
            target = os.open(path, flags, dir_fd=folder)
        except OSError:
            return False
        try:
            return self._add(rights & self.handled, target)
        finally:
            os.close(target)

    def _add(self, rights: Right, target: int) -> bool:
        try:
            _call(_ADD_RULE, self._descriptor, _RULE_PATH_BENEATH, _rule(rights, target), 0)
        except OSError as error:
            if error.errno != errno.EINVAL or not rights & ~OF_FILES:
                return False  # nothing that a path leads to, such as a link
            return self._add(rights & OF_FILES, target)
        return True

    def restrict(self) -> None:
        """Give up everything else: for this thread, and all that it starts from now on."""
        libc = _libc()
        if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        _call(_RESTRICT_SELF, self._descriptor, 0)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)


def handled_rights(abi: int) -> Right:
    """Return the rights that this version of the interface knows."""
    known = Right((1 << 13) - 2)  # but for execution, which comes with reading
    for version, right in (
        (_REFER_ABI, Right.REFER),
        (_TRUNCATE_ABI, Right.TRUNCATE),
        (_DEVICES_ABI, Right.IOCTL_DEV),
    ):
        if abi >= version:
            known |= right
    return known


def version() -> int:
    """Return the version of the kernel's interface. Raise LandlockError if there is none."""
    found, reason = _looked_up()
    if reason is not None:
        raise LandlockError(reason)
    return found


@functools.cache
def _looked_up() -> tuple[int, str | None]:
    if sys.platform != "linux":
        return 0, "Landlock is a feature of Linux"
    try:
        return _call(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION), None
    except OSError as error:
        return 0, _REASONS.get(error.errno or 0, "this system does not permit Landlock")


_REASONS = {
    errno.ENOSYS: "this kernel has no Landlock (Linux 5.13 or newer has it)",
    errno.EOPNOTSUPP: "Landlock is switched off in this kernel (boot parameter lsm=)",
}


def _rule(rights: Right, target: int) -> bytes:
    return struct.pack("=Qi", rights, target)


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: int | bytes | None) -> int:
    """Make a system call; raise OSError."""
    sent = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result = int(_libc().syscall(ctypes.c_long(number), *sent))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
