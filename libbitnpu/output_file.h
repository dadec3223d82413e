/* SPDX-License-Identifier: MIT */
/* A file that appears under its name whole, or not at all. */
#ifndef BITNPU_OUTPUT_FILE_H
#define BITNPU_OUTPUT_FILE_H

#include "error.h"

/**
 * struct bitnpu_output_file - a file being written
 * @path: final name, symbolic links resolved
 * @temporary: name it has meanwhile, NULL while it has none
 * @shown: name for messages, as given
 * @fd: open for writing
 */
struct bitnpu_output_file {
	char *path, *temporary;
	const char *shown;
	int fd;
};

/**
 * bitnpu_output_open() - begin a file next to where it is going to be
 * @path: final name; what is there already must be a regular file and stays until the commit.  The
 *	string outlives @file.
 * @anonymous: prefer a file without a name, which vanishes even when the process is killed
 * @file: bitnpu_output_commit() or bitnpu_output_abort()
 * @err: optional
 */
int bitnpu_output_open(const char *path, bool anonymous, struct bitnpu_output_file *file,
		       struct bitnpu_error *err);
/** bitnpu_output_write() - write all of it at @offset */
int bitnpu_output_write(struct bitnpu_output_file *file, const void *data, uint64_t bytes,
			uint64_t offset, struct bitnpu_error *err);
/** bitnpu_output_reserve() - make sure that @bytes fit on the disk, where it can tell */
int bitnpu_output_reserve(struct bitnpu_output_file *file, uint64_t bytes,
			  struct bitnpu_error *err);
/** bitnpu_output_commit() - to disk and to its name; @file is done with, also on error */
int bitnpu_output_commit(struct bitnpu_output_file *file, struct bitnpu_error *err);
/** bitnpu_output_abort() - as if it had never been begun */
void bitnpu_output_abort(struct bitnpu_output_file *file);

#endif /* BITNPU_OUTPUT_FILE_H */
