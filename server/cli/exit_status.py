"""The exit status of the command line."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """How a command ended. 2 is also what argparse exits with for wrong arguments."""

    #: the run succeeded; of a server, it was stopped in order
    SUCCEEDED = 0
    #: the run failed
    FAILED = 1
    #: the server, or the run, could not be started
    NOT_STARTED = 2
    #: the run made a film, but some of its frames could not be aligned as was asked for
    NOT_ALIGNED = 3
    #: the run was cancelled: 128 plus SIGINT, as for any program that Ctrl-C ends
    CANCELLED = 130
    #: nobody reads the output any more: 128 plus SIGPIPE, as for any program in a pipeline
    UNREAD = 141
