"""From the bytes of `multipart/form-data` (RFC 7578) to files, piece by piece."""

from __future__ import annotations

import re

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from server.core.errors import InvalidInput

FIELD = "file"
_NOT_MULTIPART = "This is not multipart/form-data: its parts or their headers are malformed."
ESCAPED = re.compile(rb"%(22|0[AaDd])")

#: What the parser finds: a name begins a file, bytes continue it.
Event = str | bytes


def boundary_of(content_type: str) -> bytes:
    """Return the boundary that a `Content-Type` names. Raise InvalidInput without one."""
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise InvalidInput(detail="The Content-Type names no boundary.")
    return boundary


class FileParts:
    """The parser of a body, in which every part must be a file named `file`."""

    def __init__(self, boundary: bytes) -> None:
        self._events: list[Event] = []
        self._name, self._value = bytearray(), bytearray()
        self._disposition = b""
        self._ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._add_to_name,
                    "on_header_value": self._add_to_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._add_data,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise InvalidInput(detail=f"{error}.") from error

    def feed(self, chunk: bytes) -> list[Event]:
        """Return what a piece of the body holds. Raise InvalidInput."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise InvalidInput(detail=_NOT_MULTIPART) from error
        events, self._events = self._events, []
        return events

    def finish(self) -> None:
        """Raise InvalidInput unless the body was complete."""
        if not self._ended:
            raise InvalidInput(detail="The body ends before its last boundary.")

    def _begin_part(self) -> None:
        self._disposition = b""

    def _add_to_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _end_headers(self) -> None:
        options = parse_options_header(self._disposition)[1]
        field = options.get(b"name", b"").decode(errors="replace")
        if field != FIELD:
            raise InvalidInput.of(field or "name", f"Only parts named {FIELD} are accepted.")
        if b"filename" not in options:
            raise InvalidInput.of(FIELD, "A part has no file name.")
        try:
            self._events.append(_unescaped(options[b"filename"]).decode())
        except UnicodeDecodeError as error:
            raise InvalidInput.of(FIELD, "A file name is not valid UTF-8.") from error

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        self._events.append(data[start:end])

    def _end(self) -> None:
        self._ended = True


def _unescaped(name: bytes) -> bytes:
    """Return a file name without the three escapes of browsers; any other `%` is its own.

    https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data
    """
    return ESCAPED.sub(lambda found: bytes.fromhex(found[1].decode()), name)
