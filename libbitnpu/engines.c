// SPDX-License-Identifier: MIT
/* The engines this library was built with. */
#include "engine.h"

const struct bitnpu_engine_ops *const bitnpu_engines[] = {
	&bitnpu_accel_ops,
	&bitnpu_cpu_ops,
	&bitnpu_opencl_ops,
	&bitnpu_golden_ops,
	NULL,
};
