/* SPDX-License-Identifier: MIT */
/* A file that results go to.  It is opened before they are measured, so that none are lost to a typo. */
#ifndef BITNPU_BENCH_OUTPUT_H
#define BITNPU_BENCH_OUTPUT_H

#include "libbitnpu/output_file.h"

/**
 * struct bitnpu_bench_output - a file, or standard output
 * @path: NULL when nothing was asked for, "-" for standard output
 * @file: otherwise
 * @open: @file is
 */
struct bitnpu_bench_output {
	const char *path;
	struct bitnpu_output_file file;
	bool open;
};

/** bitnpu_bench_output_open() - begin what is to appear at @path, which may be NULL */
int bitnpu_bench_output_open(struct bitnpu_bench_output *output, const char *path,
			     struct bitnpu_error *err);
/** bitnpu_bench_output_is_stdout() - Return: whether it takes standard output from the tables */
bool bitnpu_bench_output_is_stdout(const struct bitnpu_bench_output *output);
/** bitnpu_bench_output_finish() - write all there is to write */
int bitnpu_bench_output_finish(struct bitnpu_bench_output *output, const void *data, size_t bytes,
			       struct bitnpu_error *err);
/** bitnpu_bench_output_abort() - as if it had never been opened; nothing when it is finished */
void bitnpu_bench_output_abort(struct bitnpu_bench_output *output);

#endif /* BITNPU_BENCH_OUTPUT_H */
