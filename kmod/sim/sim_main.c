// SPDX-License-Identifier: GPL-2.0-only
/* The module: an instance that is there at once, and configfs for more. */
#include <linux/module.h>

#include "sim.h"

static bool create_default = true;
module_param(create_default, bool, 0444);
MODULE_PARM_DESC(create_default, "make an instance named default when loaded (default Y)");

static int __init sim_init(void)
{
	return sim_configfs_init(create_default);
}

static void __exit sim_exit(void)
{
	sim_configfs_exit();
}

module_init(sim_init);
module_exit(sim_exit);

MODULE_DESCRIPTION("BitNPU: simulated ternary NPUs");
MODULE_AUTHOR("The BitNPU developers");
MODULE_LICENSE("GPL");
MODULE_SOFTDEP("pre: bitnpu");
