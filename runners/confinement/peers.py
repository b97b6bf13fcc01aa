"""Which process is at the other end of a Unix socket, as the kernel noted it when it connected."""

from __future__ import annotations

import socket
import struct
import sys

#: From <sys/un.h> of macOS.
_SOL_LOCAL, _LOCAL_PEERPID = 0, 2


def peer_pid(connection: socket.socket) -> int | None:
    """Return the PID of the process that connected, None where the system does not tell."""
    try:
        if sys.platform == "linux":
            packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            return int(struct.unpack("3i", packed)[0])
        if sys.platform == "darwin":
            packed = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID, 4)
            return int(struct.unpack("i", packed)[0])
    except OSError:
        return -1  # it has gone already
    return None
