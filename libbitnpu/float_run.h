/* SPDX-License-Identifier: MIT */
/*
 * Float commands on the host's memory: what they mean, in terms of the float operations.  The
 * golden engine runs them with the plainest table of these, the cpu engine with the processor's and
 * its threads.
 */
#ifndef BITNPU_FLOAT_RUN_H
#define BITNPU_FLOAT_RUN_H

#include "engine.h"
#include "hostops.h"

/**
 * struct bitnpu_float_job - a float command at work
 * @op: what to do
 * @ops: float operations
 * @at: host addresses by &enum bitnpu_role, NULL for operands that the command lacks
 * @scratch: floats, @scratch_floats for each thread
 * @scratch_floats: how many
 */
struct bitnpu_float_job {
	const struct bitnpu_float_command *op;
	const struct bitnpu_hostops *ops;
	unsigned char *at[BITNPU_ROLES];
	float *scratch;
	size_t scratch_floats;
};

/**
 * bitnpu_float_begin() - prepare to run a command
 * @job: undefined before
 * @cmd: a float command whose operands' buffers have host addresses
 * @ops: float operations
 * @threads: that will run its passes
 *
 * Return: 0 or -ENOMEM.
 */
int bitnpu_float_begin(struct bitnpu_float_job *job, const struct bitnpu_checked_cmd *cmd,
		       const struct bitnpu_hostops *ops, unsigned int threads);

/** bitnpu_float_passes() - Return: passes of the command, which may run at once and in any order */
uint32_t bitnpu_float_passes(const struct bitnpu_float_job *job);

/**
 * bitnpu_float_pass() - run a pass; a &bitnpu_pass_fn
 * @job: a &struct bitnpu_float_job
 * @index: of the pass
 * @thread: below the threads that bitnpu_float_begin() was given
 *
 * In the IEEE default floating-point environment.
 */
void bitnpu_float_pass(void *job, uint32_t index, unsigned int thread);

/** bitnpu_float_end() - free what bitnpu_float_begin() took */
void bitnpu_float_end(struct bitnpu_float_job *job);

#endif /* BITNPU_FLOAT_RUN_H */
