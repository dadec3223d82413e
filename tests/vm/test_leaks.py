#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tests/vm/leaks tells the modules' lost objects from others; speaks TAP."""

import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
OBJECT = """unreferenced object 0xff11000012345600 (size 256):
  comm "bitnpu_fuzz", pid 128, jiffies 4294937296
  hex dump (first 32 bytes):
    00 01 00 00 00 00 ad de 22 01 00 00 00 00 ad de  ........".......
  backtrace (crc 5d51a0f3):
    kmemleak_alloc+0x4f/0x80
    __kmalloc_cache_noprof+0x1f2/0x2c0
    {}
    do_syscall_64+0x71/0x140
"""
LOST = {
    "a function of a module": "bitnpu_queue_create+0x41/0x1b0 [bitnpu]",
    "a static function": "sim_create.constprop.0+0x10/0x20 [bitnpu_sim]",
    "the DRM core": "drm_gem_handle_create_tail+0x1e1/0x3d0",
    "the scheduler": "drm_sched_job_init+0x20/0x140 [gpu_sched]",
    "a fence": "dma_fence_chain_alloc+0x20/0x40",
    "a module that is gone": "0xffffffffc0001041",
}
OTHERS = {
    "another module": "p9_client_create+0x10/0x20 [9pnet]",
    "the kernel": "copy_process+0x10/0x20",
}


def judge(report):
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        file.write(report)
        file.flush()
        return subprocess.run([f"{HERE}/leaks", file.name], stdout=subprocess.PIPE, text=True, check=False)


def main():
    other = OBJECT.format("schedule+0x1/0x2")
    results = [(judge("").returncode == 0, "nothing is lost")]
    for name, frame in LOST.items():
        done = judge(other + OBJECT.format(frame) + other)
        results.append((done.returncode == 1 and frame in done.stdout, f"{name}: lost and shown"))
    for name, frame in OTHERS.items():
        done = judge(OBJECT.format(frame))
        results.append((done.returncode == 0, f"{name}: passes"))
    print(f"1..{len(results)}")
    for number, (passed, name) in enumerate(results, 1):
        print(f"{'' if passed else 'not '}ok {number} - {name}")
    return 0 if all(passed for passed, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
