#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""tests/vm/check-log finds what it should and nothing else; speaks TAP."""

import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
HEALTHY = """[    0.000000] Linux version 6.12.117 (debian-kernel@lists.debian.org)
[    1.100000] Warning: deprecated option, use another
[    1.110000] ... MAX_LOCKDEP_ENTRIES:     32768
[    1.120000] DMA-API: preallocated 65536 debug entries
[    1.200000] NMI watchdog: disabled
[    2.860000] Run /init as init process
[    3.000000] bitnpu: loading out-of-tree module taints kernel.
[    3.100000] bitnpu bitnpu.0: ring 0: job 7 of queue 1 made no progress: ring reset
[    3.600000] bitnpu_fuzz: vmalloc error: size 8192, failed to allocated page array size 16
[    3.600001] CPU: 0 UID: 0 PID: 128 Comm: bitnpu_fuzz Tainted: G           O       6.12.117 #1
[    3.600002] Tainted: [O]=OOT_MODULE
[    3.600003] Hardware name: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.2-debian-1.16.2-1 04/01/2014
[    3.600004] Call Trace:
[    3.700000] vm-exit: 0
"""
BAD = {
    "warning": "WARNING: CPU: 0 PID: 12 at drivers/gpu/drm/drm_gem.c:100 drm_gem_object_free+0x1/0x2",
    "trace": "Call Trace:",
    "bug": "BUG: kernel NULL pointer dereference, address: 0000000000000008",
    "oops": "Oops: Oops: 0002 [#1] PREEMPT SMP NOPTI",
    "panic": "Kernel panic - not syncing: Fatal exception",
    "kasan": "BUG: KASAN: slab-use-after-free in bitnpu_job_put+0x20/0x40",
    "ubsan": "UBSAN: array-index-out-of-bounds in kmod/bitnpu_ring.c:20:3",
    "circular locking": "WARNING: possible circular locking dependency detected",
    "lock state": "WARNING: inconsistent lock state",
    "rcu use": "WARNING: suspicious RCU usage",
    "rcu stall": "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
    "atomic sleep": "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:585",
    "hung task": "INFO: task kselftest:100 blocked for more than 120 seconds.",
    "leak": "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
    "slab": "BUG bitnpu_job (Tainted: G  O ): Objects remaining in bitnpu_job on __kmem_cache_shutdown()",
    "drm_mm": "[drm:drm_mm_takedown [drm]] *ERROR* Memory manager not clean during takedown.",
    "refcount": "refcount_t: underflow; use-after-free.",
    "dma": "DMA-API: bitnpu bitnpu.0: device driver has pending DMA allocations while released",
    "screaming interrupt": "irq 24: nobody cared (try booting with the \"irqpoll\" option)",
    "symbol": "bitnpu: Unknown symbol drm_sched_init (err -2)",
}


def check(text):
    with tempfile.NamedTemporaryFile("w", suffix=".log", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        return subprocess.run([f"{HERE}/check-log", file.name], stdout=subprocess.PIPE, text=True,
                              check=False)


def main():
    results = []
    done = check(HEALTHY)
    results.append((done.returncode == 0 and not done.stdout, "a healthy log passes in silence"))
    done = check(HEALTHY.replace("Run /init", "Ran /init"))
    results.append((done.returncode == 1, "the log of a kernel that did not come up fails"))
    for name, line in BAD.items():
        done = check(HEALTHY + f"[    4.000000] {line}\n[    4.000001]  behind it\n")
        results.append((done.returncode == 1 and line in done.stdout and "behind it" in done.stdout,
                        f"{name}: found and shown"))
    print(f"1..{len(results)}")
    for number, (passed, name) in enumerate(results, 1):
        print(f"{'' if passed else 'not '}ok {number} - {name}")
    return 0 if all(passed for passed, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
