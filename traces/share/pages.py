"""The pages of a Parquet file as their own headers say how large they are: what a reader allocates follows from these,
and not from what the file's footer says. A header is a struct in Thrift's compact protocol."""

from __future__ import annotations

from typing import IO, NamedTuple

_LONGEST = 10
_HEADER = 1 << 16
_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 11, 12
_UNPACKED, _PACKED = 2, 3  # the fields of a header that are read
_DEEPEST = 8


class Strange(ValueError):
    """What is there is no page of a Parquet file."""


class Chunk(NamedTuple):
    """A column of a row group, as the footer has it."""

    column: str
    encodings: str
    dictionary: int | None
    data: int
    packed: int


CHUNKS = """SELECT path_in_schema, encodings, dictionary_page_offset, data_page_offset, total_compressed_size
    FROM parquet_metadata(?)"""


def unpacked(file: IO[bytes], chunk: Chunk) -> int:
    """The bytes that the pages of a column unpack to, all together. Raises Strange."""
    at = min(chunk.dictionary, chunk.data) if chunk.dictionary else chunk.data
    end = at + chunk.packed
    if at < 0 or chunk.packed < 0:
        raise Strange("a column begins nowhere")
    total = 0
    while at < end:
        file.seek(at)
        header = _Compact(file.read(_HEADER))
        fields = header.struct()
        size, packed = fields.get(_UNPACKED, -1), fields.get(_PACKED, -1)
        if size < 0 or packed < 0:
            raise Strange("a page without a size")
        total += size
        at += header.at + packed
    return total


class _Compact:
    """Reads one struct; of its fields the whole numbers are kept."""

    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def struct(self, level: int = 0) -> dict[int, int]:
        if level > _DEEPEST:
            raise Strange("a header that is nested too deeply")
        found: dict[int, int] = {}
        field = 0
        while (head := self._byte()) != _STOP:
            kind, step = head & 15, head >> 4
            field = field + step if step else _signed(self._number())
            value = self._value(kind, level)
            if value is not None:
                found[field] = value
        return found

    def _value(self, kind: int, level: int) -> int | None:
        if kind in (_TRUE, _FALSE):
            return None
        if kind == _BYTE:
            self._skip(1)
        elif kind < _DOUBLE:
            return _signed(self._number())
        elif kind == _DOUBLE:
            self._skip(8)
        elif kind == _BINARY:
            self._skip(self._number())
        elif kind == _STRUCT:
            self.struct(level + 1)
        else:
            raise Strange("a header with a list")
        return None

    def _number(self) -> int:
        value = 0
        for place in range(_LONGEST):
            byte = self._byte()
            value |= (byte & 127) << 7 * place
            if byte < 128:
                return value
        raise Strange("a number without an end")

    def _byte(self) -> int:
        if self.at >= len(self._data):
            raise Strange("a header that is cut off")
        self.at += 1
        return self._data[self.at - 1]

    def _skip(self, size: int) -> None:
        self.at += size


def _signed(number: int) -> int:
    return (number >> 1) ^ -(number & 1)
