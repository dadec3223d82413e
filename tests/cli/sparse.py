#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Write a GGUF file of zeros that takes a while to pack and hardly any room on the disk.

usage: sparse.py OUT MATRICES
"""

import struct
import sys

ROWS = COLUMNS = 8192
F16 = 1


def string(text):
    return struct.pack("<Q", len(text)) + text


def main():
    path, count = sys.argv[1], int(sys.argv[2])
    size = 2 * ROWS * COLUMNS
    head = struct.pack("<IIQQ", 0x46554747, 3, count, 1)
    head += string(b"general.architecture") + struct.pack("<I", 8) + string(b"bitnet-b1.58")
    for index in range(count):
        head += string(b"blk.%d.ffn_up.weight" % index)
        head += struct.pack("<IQQIQ", 2, COLUMNS, ROWS, F16, index * size)
    with open(path, "wb") as file:
        file.write(head)
        file.truncate((len(head) + 31) // 32 * 32 + count * size)


if __name__ == "__main__":
    main()
