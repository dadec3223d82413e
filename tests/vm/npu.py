# SPDX-License-Identifier: MIT
"""Simulated NPUs and their device files, by configfs and raw ioctls."""

import ctypes
import fcntl
import mmap
import os
import struct
import time

CONFIGFS = "/sys/kernel/config/bitnpu_sim"
QUERY_DEVICE, QUERY_CONTEXT, QUERY_COUNTERS = range(3)
COUNTERS = ("cycles_busy cycles_mac cycles_dma cycles_stall bytes_read bytes_written macs commands "
            "entries tlb_misses sram_high_water").split()
DEVICE = struct.Struct("<6I3Q10I")
CONTEXT = struct.Struct("<IIQIIIIQQQQ")
BO_READ_WRITE = 3
WAIT_WRITE = 1
TIMEOUT_S = 120


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(str(text))


def read(path):
    with open(path, encoding="ascii") as file:
        return file.read().strip()


def until(done, what):
    end = time.monotonic() + TIMEOUT_S
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.005)


class Instance:
    """A simulated NPU, live while it is entered."""

    def __init__(self, name, **attributes):
        self.path = f"{CONFIGFS}/{name}"
        self.attributes = attributes

    def __enter__(self):
        os.mkdir(self.path)
        for name, value in self.attributes.items():
            write(f"{self.path}/{name}", value)
        write(f"{self.path}/live", 1)
        self.device = f"/sys/bus/platform/devices/{read(f'{self.path}/device')}"
        self.power("on")
        return self

    def __exit__(self, *_):
        os.rmdir(self.path)

    def node(self):
        return f"/dev/accel/{os.listdir(f'{self.device}/accel')[0]}"

    def power(self, control):
        write(f"{self.device}/power/control", control)

    def power_cycle(self):
        """Off and on by runtime PM, after which the counters are zero."""
        self.power("auto")
        until(lambda: read(f"{self.device}/power/runtime_status") == "suspended", "runtime suspend")
        self.power("on")


class File:
    """An open device file: a context."""

    def __init__(self, node):
        self.fd = os.open(node, os.O_RDWR | os.O_CLOEXEC)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    def ioctl(self, number, layout, *values, answers=True):
        data = bytearray(struct.pack(layout, *values))
        direction = 3 if answers else 1
        fcntl.ioctl(self.fd, direction << 30 | len(data) << 16 | ord("d") << 8 | 0x40 + number, data)
        return struct.unpack(layout, data)

    def query(self, kind, size):
        answer = ctypes.create_string_buffer(size)
        self.ioctl(0, "<IIQ", kind, size, ctypes.addressof(answer))
        return answer.raw

    def counters(self):
        return dict(zip(COUNTERS, struct.unpack("<11Q", self.query(QUERY_COUNTERS, 88))))

    def max_k(self):
        """By output format, as the device says."""
        info = DEVICE.unpack(self.query(QUERY_DEVICE, DEVICE.size))
        return {"int32": info[-4], "int64": info[-3]}

    def context(self):
        names = "ban queue job status index field pad addr resets completed failed".split()
        return dict(zip(names, CONTEXT.unpack(self.query(QUERY_CONTEXT, CONTEXT.size))))

    def queue(self):
        return self.ioctl(5, "<IIII", 1, 0, 0, 0)[2]

    def submit(self, queue, address, size, handles):
        bos = b"".join(struct.pack("<II", handle, BO_READ_WRITE) for handle in handles)
        bos = ctypes.create_string_buffer(bos)
        job = struct.pack("<QIIQIIQII", address, size, 0, ctypes.addressof(bos), len(handles), 8, 0, 0, 0)
        job = ctypes.create_string_buffer(job)
        self.ioctl(7, "<IIQIIII", queue, 0, ctypes.addressof(job), 1, 48, 0, 0)


class Buffer:
    """A buffer of zeros, until its file is closed."""

    def __init__(self, file, size):
        self.file = file
        self.size, _, self.handle, self.address = file.ioctl(1, "<QIIQ", size, 0, 0, 0)

    def fill(self, data):
        """Writes its beginning."""
        offset = self.file.ioctl(3, "<IIQ", self.handle, 0, 0)[2]
        with mmap.mmap(self.file.fd, self.size, offset=offset) as memory:
            memory[:len(data)] = data

    def wait(self):
        """Until the jobs that name it have ended."""
        deadline = time.monotonic_ns() + TIMEOUT_S * 10**9
        self.file.ioctl(4, "<IIq", self.handle, WAIT_WRITE, deadline, answers=False)
