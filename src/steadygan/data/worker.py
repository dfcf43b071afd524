"""A process that decodes image files: a line of JSON asks for some, another and the pixels behind
it answer. It ends with its standard input, and so with the process that started it
(processes.py)."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO

from steadygan.data.attempt import Decoded, as_plain
from steadygan.data.decoding import LARGE_BYTES
from steadygan.data.images import BadImage, LargeImage, decode, quiet_pillow
from steadygan.data.sources.folder import read_file


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told too, and ends this process
    try:
        _answer(sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:  # the parent was killed: there is nobody to tell, nor to flush to
        os._exit(1)


def _answer(asked: BinaryIO, answers: BinaryIO) -> None:
    root, channels, size, white = json.loads(asked.readline())
    with quiet_pillow():
        for line in asked:
            found = [(Path(root, name), tuple(stamp)) for name, stamp in json.loads(line)]
            results = [_decoded(*each, size, channels, white) for each in found]
            plain = [None if got is None else as_plain(got) for got in results]
            answers.write(json.dumps(plain).encode() + b"\n")
            for got in results:
                if got is not None and got.pixels is not None:
                    answers.write(got.pixels.data)
            answers.flush()


def _decoded(
    path: Path, stamp: tuple[int, ...], size: int, channels: int, white: int
) -> Decoded | None:
    """The result of a file; none for a large one: several at a time would fill the memory."""
    if stamp and stamp[0] > LARGE_BYTES:
        return None
    try:
        data = read_file(path, stamp)
        return Decoded.of(data, *decode(data, size, channels, False, white))
    except BadImage as error:
        return Decoded(reason=str(error))
    except LargeImage:
        return None


if __name__ == "__main__":
    main()
