// SPDX-License-Identifier: GPL-2.0-only
/*
 * The BitNPU datapath as a kernel module.
 *
 * libbitnpu/datapath.c defines the arithmetic and is compiled here unchanged; simulated silicon
 * calls it instead of having arithmetic of its own.
 */
#include <linux/export.h>
#include <linux/module.h>

#include "../libbitnpu/datapath.h"

EXPORT_SYMBOL_GPL(bitnpu_cmd_check);
EXPORT_SYMBOL_GPL(bitnpu_matmul_run);
EXPORT_SYMBOL_GPL(bitnpu_matmul_tiles);
EXPORT_SYMBOL_GPL(bitnpu_half_to_fixed);

MODULE_DESCRIPTION("BitNPU datapath: the definition of the arithmetic");
MODULE_AUTHOR("The BitNPU developers");
MODULE_LICENSE("GPL");
