# SPDX-License-Identifier: MIT
"""What command lists cost, by docs/hardware.md, section 6: written from that page alone, so that it can
disagree with the simulator."""

from collections import namedtuple

LINE_K = {"ternary": 16, "binary": 32, "int8": 4}
ELEMENT = {"int32": 4, "int64": 8}
ACCUMULATOR = {"int32": 4, "int64": 12}
SCALES = {"int32": 0, "int64": 64}
TILE = 16
LINE = 64
COMMAND = 64
MOST_LINES = 16

# rows, columns: of the MAC array; sram: bytes; dma: bytes a cycle; latency: cycles
Geometry = namedtuple("Geometry", "rows columns sram dma latency")
# shift: log2 of the weights that share a scale, with int64
Matmul = namedtuple("Matmul", "weight output m n k shift")
NOP = "nop"
BARRIER = "barrier"
# What the counters of one entry are to read; sram: most bytes in use at once
Counts = namedtuple("Counts", "cycles mac dma stall read written macs commands sram")


class Refused(Exception):
    """K does not fit the SRAM."""


def ceil_div(value, unit):
    return -(-value // unit)


def row_bytes(command):
    return ceil_div(command.k, 64) * 64


def sram_bytes(command, m, b):
    """The SRAM that m rows of x and bursts of b lines occupy."""
    return (64 + m * (row_bytes(command) + 16 * ACCUMULATOR[command.output]) + 2 * 64 * b +
            SCALES[command.output])


def rows_that_fit(command, b, sram):
    left = sram - sram_bytes(command, 0, b)
    return min(command.m, left // (sram_bytes(command, 1, b) - sram_bytes(command, 0, b)))


def blocking(command, sram):
    """(m, b): rows of x a pass, lines a burst."""
    if sram_bytes(command, 1, 1) > sram:
        raise Refused
    b = min(ceil_div(command.k, LINE_K[command.weight]), MOST_LINES)
    m = rows_that_fit(command, b, sram)
    return (m, b) if m >= 1 else (1, 1)


class Clock:
    """The arithmetic of one geometry."""

    def __init__(self, geometry):
        self.geometry = geometry

    def dma(self, count):
        return ceil_div(count, self.geometry.dma)

    def line_macs(self, command):
        return ceil_div(TILE * LINE_K[command.weight], self.geometry.rows * self.geometry.columns)

    def fetch(self):
        moved = self.dma(COMMAND)
        return Counts(self.geometry.latency + moved, 0, moved, 0, COMMAND, 0, 0, 0, 0)

    def pass_counts(self, command, m, b):
        """m rows of x against all of w."""
        latency = self.geometry.latency
        tiles = ceil_div(command.n, TILE)
        lines = ceil_div(command.k, LINE_K[command.weight])
        groups = ceil_div(command.k, 1 << command.shift) if command.output == "int64" else 0
        bursts = ([b] * (lines // b) + [lines % b] * (lines % b > 0)) * tiles

        x = m * row_bytes(command)
        cycles = latency + self.dma(x) + latency + self.dma(LINE * b)
        mac = 0
        dma = self.dma(x)
        for burst, meanwhile in zip(bursts, bursts[1:] + [0]):
            work = m * self.line_macs(command) * burst
            cycles += max(work, self.dma(LINE * meanwhile))
            mac += work
            dma += self.dma(LINE * burst)
        written = 0
        for tile in range(tiles):
            stored = min(TILE, command.n - TILE * tile) * ELEMENT[command.output]
            moved = self.dma(32 * groups) + m * self.dma(stored)
            cycles += moved
            dma += moved
            written += m * stored
        read = x + LINE * lines * tiles + 32 * groups * tiles
        return Counts(cycles, mac, dma, 0, read, written, m * command.n * command.k, 0,
                      sram_bytes(command, m, b))


def added(one, other, times=1):
    """The sum of counts, but the larger of what was in use at once."""
    return Counts(*(a + times * b for a, b in zip(one[:-1], other[:-1])), max(one.sram, other.sram))


def list_counts(commands, geometry):
    """What the counters of an entry that runs this list are to read; Refused when it may not run."""
    clock = Clock(geometry)
    total = Counts(*[0] * 9)
    for command in commands:
        total = added(total, clock.fetch()._replace(commands=1))
        if command in (NOP, BARRIER):
            continue
        m, b = blocking(command, geometry.sram)
        total = added(total, clock.pass_counts(command, m, b), command.m // m)
        if command.m % m:
            total = added(total, clock.pass_counts(command, command.m % m, b))
    return total._replace(stall=total.cycles - total.mac)
