/* SPDX-License-Identifier: MIT */
#ifndef BITNPU_CLOCK_H
#define BITNPU_CLOCK_H

#include <stdint.h>
#include <time.h>

#define BITNPU_NS_PER_S	1000000000LL

/** bitnpu_now_ns() - Return: monotonic time */
static inline uint64_t bitnpu_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * BITNPU_NS_PER_S + (uint64_t)now.tv_nsec;
}

#endif /* BITNPU_CLOCK_H */
