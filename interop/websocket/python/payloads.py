"""Messages whose sizes lie on both sides of every limit that a WebSocket frame knows."""

import random

# 7, 16 and 64 bits of length; a window of compression (32 KiB); the read buffers of all sides.
SIZES = [0, 1, 125, 126, 127, 4095, 32_768, 65_535, 65_536, 100_001, 1 << 20]

# Characters of one to four bytes, so that any cut falls into one now and then.
ALPHABET = "tidings é中文🎈 "


def payloads():
    """Texts that compress fairly well and bytes that do not, of all sizes."""
    chance = random.Random(7)
    for size in SIZES:
        yield "".join(chance.choices(ALPHABET, k=size))
        yield chance.randbytes(size)
