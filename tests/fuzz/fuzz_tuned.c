// SPDX-License-Identifier: MIT
/*
 * Any bytes as what the OpenCL tuner found: refused as a whole, or a list of choices that the device can
 * run, which is written and read again as it is.
 */
#include <stdlib.h>
#include <string.h>

#include "opencl/opencl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
	if (!good)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bitnpu_cl_tuned_list list, again;
	const struct bitnpu_cl_caps caps = { .max_group = 256, .local = 32768, .short_width = 16 };
	size_t bytes, bytes_again;
	char *text, *once_more;

	if (!bitnpu_cl_tuned_parse(&caps, (const char *)data, size, &list)) {
		must(list.count == 0);
		return 0;
	}
	for (size_t i = 0; i < list.count; i++)
		must(bitnpu_cl_choice_fits(&caps, &list.entries[i].choice));
	text = bitnpu_cl_tuned_format(&list, &bytes);
	must(text && bitnpu_cl_tuned_parse(&caps, text, bytes, &again));
	once_more = bitnpu_cl_tuned_format(&again, &bytes_again);
	must(once_more && bytes == bytes_again && !memcmp(text, once_more, bytes));
	free(once_more);
	free(text);
	return 0;
}
