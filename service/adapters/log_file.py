"""Reads on in a log file that grows, and that its writer may empty once it is full."""

import codecs
import os
from pathlib import Path

from service.ports.printing import PIECE, Printed

_CUT = "[what came before was cut, the log was full]\n"


def read_on(path: Path, mark: str) -> Printed:
    """What is behind the mark, a number of bytes; half a character at the end is left for the next time.

    A file that is shorter than that was emptied meanwhile: it is read from its beginning.
    """
    begin = int(mark or 0)
    try:
        with path.open("rb") as file:
            emptied = os.fstat(file.fileno()).st_size < begin
            begin = 0 if emptied else begin
            file.seek(begin)
            content = file.read(PIECE)
    except FileNotFoundError:
        return Printed("", mark)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(content)
    end = begin + len(content) - len(decoder.getstate()[0])
    return Printed(f"{_CUT}{text}" if emptied else text, str(end))
