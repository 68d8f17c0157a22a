"""What the HDF5 library reads, looked at before the library sees it."""

import io
import struct


_SIGNATURE = b"GCOL\x01\x00\x00\x00"
_HEADER = 16
# A heap is read by its first 4096 bytes, then whole.
_LEAST = 4096


class WatchedFile(io.FileIO):
    """A file for reading in which damaged heaps of text no longer look like heaps.

    HDF5 2.0.0 walks such a heap by sizes found in it, and for ever where one is zero;
    of a block without the signature it says that it is damaged. Data are not looked
    at: their blocks begin otherwise.
    """

    def __init__(self, path):
        super().__init__(path, "rb")

    def readinto(self, buffer) -> int:
        number = super().readinto(buffer)
        block = memoryview(buffer)[:number].cast("B")
        if block[: len(_SIGNATURE)] == _SIGNATURE and not _sound(block):
            block[:4] = b"\x00" * 4
        return number


def _sound(block: memoryview) -> bool:
    """Whether a walk over the objects of a global heap comes to its end."""
    if len(block) < _HEADER:
        return False
    (size,) = struct.unpack_from("<Q", block, 8)
    place = _HEADER
    while place + _HEADER <= min(size, len(block)):
        index, length = struct.unpack_from("<H6xQ", block, place)
        step = length if index == 0 else _HEADER + -(-length // 8) * 8
        if not _HEADER <= step <= size - place:
            return False
        place += step
    return size >= _LEAST
