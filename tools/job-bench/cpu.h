/* SPDX-License-Identifier: MIT */
/* Who spends CPU time on a job. */
#ifndef JOB_BENCH_CPU_H
#define JOB_BENCH_CPU_H

#include <stdint.h>

/**
 * struct cpu_times - CPU time so far, ns
 * @user: of this process, in user space
 * @system: of this process, in the kernel
 * @interrupt: of the driver's interrupt threads
 * @workers: of all of the kernel's workers, which the driver's scheduler runs on
 * @simulator: of the simulator's cores
 */
struct cpu_times {
	int64_t user, system, interrupt, workers, simulator;
};

void cpu_times_get(struct cpu_times *times);

#endif /* JOB_BENCH_CPU_H */
