/* SPDX-License-Identifier: MIT */
/*
 * One progress line on stderr: a bar when the total is known, the time passed when it is not.  It
 * appears only when stderr is a terminal and the work has taken half a second, and is gone at the
 * end.
 */
#ifndef BITNPU_PROGRESS_H
#define BITNPU_PROGRESS_H

#include <stdint.h>

struct bitnpu_progress;

/**
 * bitnpu_progress_start() - begin; a thread draws, so that calls which report nothing show time
 * @label: what is being done; lives until the end
 *
 * Return: the line; bitnpu_progress_stop().  NULL when nothing is to be drawn, which every function
 * here accepts.
 */
struct bitnpu_progress *bitnpu_progress_start(const char *label);
/** bitnpu_progress_update() - how far the work is; @total 0 when nobody knows */
void bitnpu_progress_update(struct bitnpu_progress *progress, uint64_t done, uint64_t total);
/** bitnpu_progress_stop() - clear the line and free it */
void bitnpu_progress_stop(struct bitnpu_progress *progress);

/** bitnpu_progress_report() - a bitnpu_progress_fn over a line; stops the work after a signal */
int bitnpu_progress_report(void *progress, uint64_t done, uint64_t total);

#endif /* BITNPU_PROGRESS_H */
