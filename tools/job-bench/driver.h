/* SPDX-License-Identifier: MIT */
/* Jobs on the driver's own interface, without the library in between. */
#ifndef JOB_BENCH_DRIVER_H
#define JOB_BENCH_DRIVER_H

#include <stdint.h>

#include <drm/bitnpu_accel.h>

#define MOST_IN_FLIGHT	32

/**
 * struct driver - an open device file with a queue
 * @fd: the file
 * @queue: its queue
 * @syncobjs: one for each job in flight
 * @list_addr: of a list of one small MATMUL, of 1 x 16 x 64
 * @list_size: its bytes
 */
struct driver {
	int fd;
	uint32_t queue;
	uint32_t syncobjs[MOST_IN_FLIGHT];
	uint64_t list_addr;
	uint32_t list_size;
};

/* All of them end the program when the driver refuses. */

void driver_open(struct driver *driver, const char *path);
void driver_close(struct driver *driver);
/** driver_nothing() - the ioctl that does least: a query of no bytes */
void driver_nothing(struct driver *driver);
/**
 * driver_submit() - @count jobs in one call, empty or of the small list
 *
 * They signal the syncobjs from @first on.
 */
void driver_submit(struct driver *driver, unsigned int first, unsigned int count, int empty);
/** driver_wait() - until the job that last signaled syncobj @index has ended */
void driver_wait(struct driver *driver, unsigned int index);

#endif /* JOB_BENCH_DRIVER_H */
