// SPDX-License-Identifier: GPL-2.0-only
/* Compiles with every kernel: when this does not, the other probes say nothing. */
#include <linux/module.h>

#include <drm/gpu_scheduler.h>

int probe(struct drm_gpu_scheduler *sched);

int probe(struct drm_gpu_scheduler *sched)
{
	drm_sched_fini(sched);
	return 0;
}
