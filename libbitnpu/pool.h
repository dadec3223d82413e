/* SPDX-License-Identifier: MIT */
/*
 * The process's worker threads, for loops whose passes are independent.
 *
 * Each thread, the calling one included, has a share of the passes that follow each other, and takes
 * from others' when it has done them.  The caller waits only for passes that a worker has begun: a
 * worker that a neighbour keeps off its processor, or that fork() did not copy, costs nothing but its
 * help.  Workers spin for some microseconds, the time between two loops of a decode step, and then
 * sleep.
 */
#ifndef BITNPU_POOL_H
#define BITNPU_POOL_H

#include <stdint.h>

struct bitnpu_pool;

/**
 * bitnpu_pool_get() - the process's pool, created at the first call
 *
 * Return: a reference; NULL without memory.  Threads that cannot be started are done without.
 */
struct bitnpu_pool *bitnpu_pool_get(void);

/** bitnpu_pool_put() - drop a reference (NULL is ignored); the last ends the threads */
void bitnpu_pool_put(struct bitnpu_pool *pool);

/** bitnpu_pool_threads() - Return: threads that work on a loop, the caller's own included */
unsigned int bitnpu_pool_threads(const struct bitnpu_pool *pool);

/**
 * bitnpu_pool_default_threads() - Return: how many a pool created now would have: what
 * bitnpu_set_threads() said, else one a processor that this process may use
 */
unsigned int bitnpu_pool_default_threads(void);

/**
 * typedef bitnpu_pass_fn - one pass of a loop
 * @arg: what bitnpu_pool_run() was given
 * @index: of the pass
 * @thread: who runs it: 0 is the thread that called bitnpu_pool_run(), others are below
 *	bitnpu_pool_threads(); no two passes of a loop run at once with the same number
 */
typedef void bitnpu_pass_fn(void *arg, uint32_t index, unsigned int thread);

/**
 * bitnpu_pool_run() - call @pass for 0 to @count - 1, in any order and several at once
 * @pool: where
 * @count: passes
 * @pass: one pass; runs in the IEEE default floating-point environment on workers, in the caller's
 *	on the calling thread
 * @arg: handed to it
 *
 * Returns when all have.  One loop runs at a time: another thread's meanwhile runs on that thread alone.
 * @pass must not call this itself.
 */
void bitnpu_pool_run(struct bitnpu_pool *pool, uint32_t count, bitnpu_pass_fn *pass, void *arg);

#endif /* BITNPU_POOL_H */
