// SPDX-License-Identifier: MIT
/* The library's version as a string. */
#include "bitnpu.h"

#define STRING(x)	#x
#define JOIN(a, b, c)	STRING(a) "." STRING(b) "." STRING(c)

const char *bitnpu_version(void)
{
	return JOIN(BITNPU_VERSION_MAJOR, BITNPU_VERSION_MINOR, BITNPU_VERSION_PATCH);
}
