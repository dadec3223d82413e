// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "bench_output.h"

bool bitnpu_bench_output_is_stdout(const struct bitnpu_bench_output *output)
{
	return output->path && !strcmp(output->path, "-");
}

int bitnpu_bench_output_open(struct bitnpu_bench_output *output, const char *path,
			     struct bitnpu_error *err)
{
	int failed;

	*output = (struct bitnpu_bench_output){ .path = path };
	if (!path || bitnpu_bench_output_is_stdout(output))
		return 0;
	failed = bitnpu_output_open(path, true, &output->file, err);
	output->open = !failed;
	return failed;
}

int bitnpu_bench_output_finish(struct bitnpu_bench_output *output, const void *data, size_t bytes,
			       struct bitnpu_error *err)
{
	int failed;

	if (!output->open) {
		fwrite(data, 1, bytes, stdout);
		return 0;
	}
	failed = bitnpu_output_write(&output->file, data, bytes, 0, err);
	if (failed)
		return failed;
	output->open = false;
	return bitnpu_output_commit(&output->file, err);
}

void bitnpu_bench_output_abort(struct bitnpu_bench_output *output)
{
	if (output->open)
		bitnpu_output_abort(&output->file);
	output->open = false;
}
