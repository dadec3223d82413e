#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""In the guest: what simulated NPUs count is what docs/hardware.md, section 6 says; speaks TAP.

usage: tests/vm/test_counters.py [SEED]
"""

import random
import struct
import sys
import time

from cycle_model import (BARRIER, ELEMENT, LINE_K, NOP, Geometry, Matmul, Refused, added, blocking,
                         ceil_div, list_counts, row_bytes, sram_bytes)
from npu import Buffer, File, Instance

# The simulator computes what it counts, and emulated: so many multiply-accumulates a command.
WORK = 100_000
LISTS = 8
RANDOM_GEOMETRIES = 4
WEIGHTS = list(LINE_K)
OUTPUTS = list(ELEMENT)
CODES = {NOP: 0, BARRIER: 1}
STATUS_UNSUPPORTED = 5
STATUS_UNMAPPED = 10
FIELD_K = 12
BAN_LIST = 1
BAN_FAULT = 2
# No buffer reaches so high.
UNMAPPED = 1 << 38

GEOMETRIES = {
    "default": Geometry(16, 16, 262144, 16, 100),
    "8 KiB of SRAM": Geometry(16, 16, 8192, 16, 100),
    "one MAC, one byte a cycle": Geometry(1, 1, 65536, 1, 0),
    "an array beyond a tile": Geometry(65535, 65535, 1 << 30, 65535, 65535),
    "no powers of two": Geometry(7, 13, 54321, 37, 3),
}


class Results:
    """TAP, a line for each check."""

    def __init__(self):
        self.count = self.failed = 0

    def add(self, passed, name):
        self.count += 1
        self.failed += not passed
        print(f"{'' if passed else 'not '}ok {self.count} - {name}", flush=True)


def extents(command):
    """Bytes of x, w, s and y, with rows as near as they may be."""
    tiles = ceil_div(command.n, 16)
    y_stride = ceil_div(command.n * ELEMENT[command.output], 64) * 64
    groups = ceil_div(command.k, 1 << command.shift) if command.output == "int64" else 0
    return (command.m * row_bytes(command), 64 * tiles * ceil_div(command.k, LINE_K[command.weight]),
            32 * tiles * groups, command.m * y_stride)


def encoded(command, address):
    if command in CODES:
        return bytes([CODES[command]]) + bytes(63)
    at = [address]
    for size in extents(command):
        at.append(at[-1] + ceil_div(size, 64) * 64)
    scaled = command.output == "int64"
    y_stride = extents(command)[3] // command.m
    return struct.pack("<4B3I4Q2IB7x", 2, 0, WEIGHTS.index(command.weight), OUTPUTS.index(command.output),
                       command.m, command.n, command.k, at[0], at[1], at[2] if scaled else 0, at[3],
                       row_bytes(command), y_stride, command.shift)


def memory_of(commands):
    return max((sum(extents(c)) + 256 for c in commands if c not in CODES), default=0)


class Job:
    """A list in a buffer, with room behind it for the operands of one command, which all share."""

    def __init__(self, file, commands, unmapped_y=False):
        self.file = file
        self.size = 64 * len(commands)
        operands = ceil_div(self.size, 4096) * 4096
        self.buffer = Buffer(file, operands + memory_of(commands))
        data = b"".join(encoded(c, self.buffer.address + operands) for c in commands)
        if unmapped_y:
            data = data[:-24] + struct.pack("<Q", UNMAPPED) + data[-16:]
        self.buffer.fill(data)

    def submit(self, queue):
        self.file.submit(queue, self.buffer.address, self.size, [self.buffer.handle])


def predicted(counts, entries, high_water):
    """As the device names them."""
    return {"cycles_busy": counts.cycles, "cycles_mac": counts.mac, "cycles_dma": counts.dma,
            "cycles_stall": counts.stall, "bytes_read": counts.read, "bytes_written": counts.written,
            "macs": counts.macs, "commands": counts.commands, "entries": entries,
            "sram_high_water": max(high_water, counts.sram)}


def counted(before, after):
    change = {name: after[name] - before[name] for name in after if name != "tlb_misses"}
    return change | {"sram_high_water": after["sram_high_water"]}


def agree(expected, found, what):
    wrong = [f"{name}: predicted {expected[name]}, counted {found[name]}" for name in expected
             if expected[name] != found[name]]
    for line in [what] * bool(wrong) + wrong:
        print(f"# {line}")
    return not wrong


def run_allowed(file, commands, geometry):
    """The list twice, which counts the same twice."""
    expected = list_counts(commands, geometry)
    queue = file.queue()
    job = Job(file, commands)
    passed = True
    for _ in range(2):
        before = file.counters()
        job.submit(queue)
        job.buffer.wait()
        found = counted(before, file.counters())
        passed &= agree(predicted(expected, 1, before["sram_high_water"]), found,
                        f"{geometry} {commands}")
    return passed and agree({"ban": 0, "completed": 2}, file.context(), f"{geometry} {commands}")


def run_refused(file, commands, geometry):
    """The first command whose K is too large is named, and nothing was done."""
    index = next(i for i, c in enumerate(commands)
                 if c not in CODES and sram_bytes(c, 1, 1) > geometry.sram)
    before = file.counters()
    job = Job(file, commands)
    job.submit(file.queue())
    job.buffer.wait()
    found = counted(before, file.counters()) | file.context()
    expected = predicted(list_counts([], geometry), 1, before["sram_high_water"])
    expected |= {"ban": BAN_LIST, "status": STATUS_UNSUPPORTED, "index": index, "field": FIELD_K,
                 "addr": commands[index].k}
    return agree(expected, found, f"{geometry} {commands}")


def run_list(instance, commands, geometry):
    with File(instance.node()) as file:
        try:
            list_counts(commands, geometry)
        except Refused:
            return run_refused(file, commands, geometry)
        return run_allowed(file, commands, geometry)


def attributes(geometry, **more):
    return {"mac_rows": geometry.rows, "mac_columns": geometry.columns, "sram_bytes": geometry.sram,
            "dma_bytes": geometry.dma, "dma_latency": geometry.latency} | more


def pick(rng, most):
    """1 to most: an edge, next to where something is full, or any magnitude."""
    kind = rng.randrange(4)
    if kind == 0:
        return rng.choice([1, most])
    value = int(most ** rng.random())
    if kind == 1:
        value = ceil_div(value, 64) * 64 + rng.choice([-1, 0, 1])
    elif kind == 2:
        value = ceil_div(value, 16) * 16 + rng.choice([-1, 0, 1])
    return min(most, value)


def random_matmul(rng):
    size = {}
    work = WORK
    for name, most in rng.sample([("m", 65536), ("n", WORK), ("k", 65536)], 3):
        size[name] = pick(rng, min(most, work))
        work //= size[name]
    output = rng.choice(OUTPUTS)
    return Matmul(rng.choice(WEIGHTS), output, shift=rng.randint(5, 16) if output == "int64" else 0,
                  **size)


def random_list(rng):
    return [rng.choice([NOP, BARRIER]) if rng.random() < 0.2 else random_matmul(rng)
            for _ in range(rng.choice([1, 1, 2, 3, 7]))]


def random_geometry(rng):
    return Geometry(pick(rng, 65535), pick(rng, 65535), 320 + pick(rng, 1 << 20), pick(rng, 65535),
                    pick(rng, 65536) - 1)


EDGES = [
    [NOP],
    [BARRIER, NOP, BARRIER],
    [Matmul("ternary", "int32", 1, 1, 1, 0)],
    [Matmul("ternary", "int32", 1, 16, 256, 0)],
    [Matmul("ternary", "int32", 1, 17, 257, 0)],
    [Matmul("binary", "int64", 3, 33, 513, 5)],
    [Matmul("int8", "int64", 2, 15, 63, 16)],
    [Matmul("int8", "int32", 1, 1, 65536, 0)],
    [Matmul("ternary", "int64", 2, 2, 65536, 5)],
    [Matmul("binary", "int32", 65536, 1, 1, 0)],
    [Matmul("ternary", "int32", 1, 40000, 4, 0)],
]


def check_geometries(results, rng):
    geometries = GEOMETRIES | {f"random {i}": random_geometry(rng) for i in range(RANDOM_GEOMETRIES)}
    for name, geometry in geometries.items():
        lists = EDGES + [random_list(rng) for _ in range(LISTS)]
        rng.shuffle(lists)
        passed = True
        with Instance("counters", **attributes(geometry)) as instance:
            for commands in lists:
                passed &= run_list(instance, commands, geometry)
                # The high-water mark goes back to zero, so that smaller ones are seen as well.
                if rng.random() < 0.3:
                    instance.power_cycle()
        results.add(passed, f"{name}: {len(lists)} lists count twice as predicted")


def check_sram_edges(results, rng):
    """An SRAM that just holds what a command could use, and one byte less."""
    passed = True
    for _ in range(6):
        command = random_matmul(rng)
        m, b = blocking(command, 1 << 30)
        m = pick(rng, m)
        for sram in (sram_bytes(command, m, b), sram_bytes(command, 1, 1)):
            for geometry in (GEOMETRIES["default"]._replace(sram=sram - less) for less in (0, 1)):
                with Instance("counters", **attributes(geometry)) as instance:
                    passed &= run_list(instance, [NOP, command], geometry)
    results.add(passed, "an SRAM that is full to the byte, and one byte less")


def check_largest_k(results):
    geometry = GEOMETRIES["8 KiB of SRAM"]
    passed = True
    with Instance("counters", **attributes(geometry)) as instance:
        with File(instance.node()) as file:
            most = file.max_k()
        passed &= agree({"int32": 7936}, most, "device info")
        for output, k in most.items():
            shift = 5 if output == "int64" else 0
            for over in (0, 1):
                commands = [Matmul("ternary", output, 2, 20, k + over, shift)]
                passed &= run_list(instance, commands, geometry)
                refused = sram_bytes(commands[0], 1, 1) > geometry.sram
                passed &= agree({"refused": bool(over)}, {"refused": refused}, f"{commands}")
    results.add(passed, "8 KiB of SRAM: the largest K runs, one more is refused")


def check_fault(results, rng):
    """A command whose y is not mapped, behind others: its fetch counts, they count."""
    geometry = GEOMETRIES["default"]
    commands = [random_matmul(rng), NOP, Matmul("ternary", "int32", 1, 1, 1, 0)]
    with Instance("counters", **attributes(geometry)) as instance, File(instance.node()) as file:
        job = Job(file, commands, unmapped_y=True)
        before = file.counters()
        job.submit(file.queue())
        job.buffer.wait()
        found = counted(before, file.counters()) | file.context()
    counts = list_counts(commands[:-1] + [NOP], geometry)._replace(commands=2)
    expected = predicted(counts, 1, 0) | {"ban": BAN_FAULT, "status": STATUS_UNMAPPED, "index": 2}
    results.add(agree(expected, found, f"{commands}"), "a command that faults counts as its fetch")


def check_cores(results, rng):
    """Lists side by side: the counters are sums over the cores."""
    geometry = GEOMETRIES["default"]
    with Instance("counters", **attributes(geometry, cores=2, rings=4)) as instance:
        with File(instance.node()) as file:
            lists = [[random_matmul(rng) for _ in range(4)] for _ in range(8)]
            queues = [file.queue() for _ in range(4)]
            jobs = [Job(file, commands) for commands in lists]
            before = file.counters()
            for number, job in enumerate(jobs):
                job.submit(queues[number % 4])
            for job in jobs:
                job.buffer.wait()
            found = counted(before, file.counters())
    total = list_counts([], geometry)
    for commands in lists:
        total = added(total, list_counts(commands, geometry))
    results.add(agree(predicted(total, len(lists), 0), found, f"{lists}"),
                "two cores: the sum of what both do")


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else int(time.time())
    rng = random.Random(seed)
    results = Results()
    print(f"1..{len(GEOMETRIES) + RANDOM_GEOMETRIES + 4}\n# seed {seed}")
    check_geometries(results, rng)
    check_sram_edges(results, rng)
    check_largest_k(results)
    check_fault(results, rng)
    check_cores(results, rng)
    return results.failed != 0


if __name__ == "__main__":
    sys.exit(main())
