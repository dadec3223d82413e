// SPDX-License-Identifier: MIT
/*
 * A file that appears whole or not at all: written without a name (O_TMPFILE) or, where the file
 * system cannot do that, under a temporary one in the same directory; then synced and renamed.
 */
#include "output_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_ATTEMPTS 16

static int failed(const struct bitnpu_output_file *file, const char *what, int error,
		  struct bitnpu_error *err)
{
	return bitnpu_fail(err, -error, "%s: %s: %s", file->shown, what, strerror(error));
}

/* The directory of @path with the slash at its end, "" for the current one. */
static size_t directory_length(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash - path + 1 : 0;
}

static char *directory_of(const char *path)
{
	size_t length = directory_length(path);

	return length ? strndup(path, length) : strdup(".");
}

static char *temporary_name(const char *path)
{
	int directory = directory_length(path);
	unsigned long long number;
	char *name;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return NULL;
	if (asprintf(&name, "%.*s.bitnpu-%016llx.tmp", directory, path, number) < 0)
		return NULL;
	return name;
}

static int check_target(struct bitnpu_output_file *file, struct bitnpu_error *err)
{
	struct stat st;

	if (!*file->shown)
		return failed(file, "output file", ENOENT, err);
	file->path = realpath(file->shown, NULL);
	if (!file->path) {
		if (errno != ENOENT)
			return failed(file, "output file", errno, err);
		file->path = strdup(file->shown);
		return file->path ? 0 : failed(file, "output file", ENOMEM, err);
	}
	if (stat(file->path, &st))
		return failed(file, "output file", errno, err);
	if (!S_ISREG(st.st_mode))
		return bitnpu_fail(err, -EINVAL, "%s: exists and is not a regular file",
				   file->shown);
	return 0;
}

/* A nameless file gets its name through /proc, so without that it is of no use. */
static void open_anonymous(struct bitnpu_output_file *file)
{
	char *directory = directory_of(file->path);

	if (directory && !access("/proc/self/fd", X_OK))
		file->fd = open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
	free(directory);
}

static int open_named(struct bitnpu_output_file *file, struct bitnpu_error *err)
{
	int attempt, error = ENOMEM;

	for (attempt = 0; attempt < NAME_ATTEMPTS; attempt++) {
		file->temporary = temporary_name(file->path);
		if (!file->temporary)
			break;
		file->fd = open(file->temporary, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
		if (file->fd >= 0)
			return 0;
		error = errno;
		free(file->temporary);
		file->temporary = NULL;
		if (error != EEXIST)
			break;
	}
	return failed(file, "cannot create a file in its directory", error, err);
}

int bitnpu_output_open(const char *path, bool anonymous, struct bitnpu_output_file *file,
		       struct bitnpu_error *err)
{
	int ret;

	*file = (struct bitnpu_output_file){ .shown = path, .fd = -1 };
	ret = check_target(file, err);
	if (!ret && anonymous)
		open_anonymous(file);
	if (!ret && file->fd < 0)
		ret = open_named(file, err);
	if (ret)
		bitnpu_output_abort(file);
	return ret;
}

int bitnpu_output_write(struct bitnpu_output_file *file, const void *data, uint64_t bytes,
			uint64_t offset, struct bitnpu_error *err)
{
	const char *at = data;
	ssize_t written;

	while (bytes) {
		/* Linux transfers at most 2 GiB - 4 KiB a call and returns what it did. */
		written = pwrite(file->fd, at, bytes, offset);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return failed(file, "cannot write", written ? errno : ENOSPC, err);
		at += written;
		offset += written;
		bytes -= written;
	}
	return 0;
}

int bitnpu_output_reserve(struct bitnpu_output_file *file, uint64_t bytes,
			  struct bitnpu_error *err)
{
	int ret;

	do
		ret = fallocate(file->fd, 0, 0, bytes);
	while (ret && errno == EINTR);
	if (ret && (errno == ENOSPC || errno == EFBIG || errno == EDQUOT || errno == EIO))
		return failed(file, "cannot reserve its space", errno, err);
	return 0;
}

/* Links of nameless files cannot replace a file, so they too get a temporary name first. */
static int give_name(struct bitnpu_output_file *file)
{
	char fd_path[64];
	int attempt;

	snprintf(fd_path, sizeof(fd_path), "/proc/self/fd/%d", file->fd);
	for (attempt = 0; attempt < NAME_ATTEMPTS; attempt++) {
		file->temporary = temporary_name(file->path);
		if (!file->temporary)
			return -1;
		if (!linkat(AT_FDCWD, fd_path, AT_FDCWD, file->temporary, AT_SYMLINK_FOLLOW))
			return 0;
		free(file->temporary);
		file->temporary = NULL;
		if (errno != EEXIST)
			return -1;
	}
	return -1;
}

/* The file is in place by now; a directory that cannot be synced is no reason to report failure. */
static void sync_directory(const struct bitnpu_output_file *file)
{
	char *directory = directory_of(file->path);
	int fd = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(directory);
}

int bitnpu_output_commit(struct bitnpu_output_file *file, struct bitnpu_error *err)
{
	int ret = 0;

	if (fsync(file->fd))
		ret = failed(file, "cannot write to disk", errno, err);
	else if (!file->temporary && give_name(file))
		ret = failed(file, "cannot name the file", errno, err);
	else if (rename(file->temporary, file->path))
		ret = failed(file, "cannot rename the file", errno, err);
	if (!ret) {
		free(file->temporary);
		file->temporary = NULL;
		sync_directory(file);
	}
	bitnpu_output_abort(file);
	return ret;
}

void bitnpu_output_abort(struct bitnpu_output_file *file)
{
	if (file->temporary)
		unlink(file->temporary);
	if (file->fd >= 0)
		close(file->fd);
	free(file->temporary);
	free(file->path);
	*file = (struct bitnpu_output_file){ .fd = -1 };
}
