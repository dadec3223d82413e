// SPDX-License-Identifier: MIT
/*
 * Whether anything in the machine could be an OpenCL device besides its own processors.  Asking
 * OpenCL itself loads every driver that is installed, and PoCL's brings LLVM: 70 MiB and a tenth of a
 * second, for nothing where there is no GPU.
 */
#include <glob.h>
#include <stdio.h>

#include "opencl.h"

/* Files by which user space reaches what drivers of the kernel drive, below /dev. */
static const char *const nodes[] = {
	"dri/renderD*",	/* every DRM driver of a GPU, and FPGAs */
	"nvidia[0-9]*",
	"kfd",		/* AMD's, for computing */
	"dxg",		/* the GPU of a host that runs Windows */
	"mali[0-9]*",	/* Arm's own driver */
	"kgsl-3d0",	/* Qualcomm's */
	"pvrsrvkm",	/* Imagination's */
	"galcore",	/* VeriSilicon's */
};

bool bitnpu_cl_has_hardware(const char *dev)
{
	for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes); i++) {
		char pattern[256];
		glob_t found;
		int none;

		snprintf(pattern, sizeof(pattern), "%s/%s", dev, nodes[i]);
		none = glob(pattern, GLOB_NOSORT, NULL, &found);
		globfree(&found);
		if (none != GLOB_NOMATCH)
			return true;
	}
	return false;
}
