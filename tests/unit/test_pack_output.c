// SPDX-License-Identifier: MIT
/* Packing writes all of its output or none: refusals, cancelling, full disks, names, the writer itself. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "libbitnpu/gguf_write.h"
#include "libbitnpu/weights.h"
#include "tests/support/gguf_builder.h"
#include "tests/support/scratch.h"

#define MODEL "tests/data/gguf/tq2_0.gguf"

static struct scratch scratch;
static char input[192], output[192];

static int new_scratch(void **state)
{
	scratch_new(&scratch);
	snprintf(input, sizeof(input), "%s", scratch_path(&scratch, "in.gguf"));
	snprintf(output, sizeof(output), "%s", scratch_path(&scratch, "out.gguf"));
	return 0;
}

static int free_scratch(void **state)
{
	scratch_free(&scratch);
	return 0;
}

static void write_input(struct gguf_builder *builder)
{
	size_t bytes;
	void *image = gguf_builder_finish(builder, &bytes);

	assert_true(file_write(input, image, bytes));
	free(image);
	gguf_builder_free(builder);
}

/* Packing @from to @to fails and leaves the directory with @count files. */
static void expect_refused(const char *from, const char *to, int code, const char *words,
			   unsigned int count)
{
	struct bitnpu_error err = { 0 };
	int ret = bitnpu_pack(from, to, NULL, &err);

	if (ret != code || !strstr(err.message, words))
		fail_msg("returned %d, \"%s\"; expected %d, \"%s\"", ret, err.message, code, words);
	assert_int_equal(bitnpu_pack(from, to, NULL, NULL), code);
	assert_int_equal(scratch_count(&scratch), count);
}

static void expect_packed(const char *path)
{
	struct bitnpu_gguf *gguf;
	struct bitnpu_error err = { 0 };

	if (bitnpu_gguf_open(path, &gguf, &err) || bitnpu_packed_verify(gguf, NULL, NULL, &err))
		fail_msg("%s", err.message);
	bitnpu_gguf_close(gguf);
}

static void pack(void)
{
	struct bitnpu_error err = { 0 };

	if (bitnpu_pack(MODEL, output, NULL, &err))
		fail_msg("%s", err.message);
}

/* ---- refusals ------------------------------------------------------------------------------ */

static void test_places(void **state)
{
	static const char *const linked = "linked.gguf";
	char path[192];

	expect_refused(scratch_path(&scratch, "none"), output, -ENOENT, "No such file", 0);
	expect_refused(MODEL, "", -ENOENT, "output file", 0);
	expect_refused(MODEL, scratch.directory, -EINVAL, "not a regular file", 0);
	expect_refused(MODEL, "/dev/null", -EINVAL, "not a regular file", 0);
	snprintf(path, sizeof(path), "%s", scratch_path(&scratch, "none/out.gguf"));
	expect_refused(MODEL, path, -ENOENT, "No such file", 0);
	pack();
	expect_refused(output, input, -EINVAL, "already packed", 1);
	unlink(output);
	write_input(gguf_builder_new());
	expect_refused(input, input, -EINVAL, "same file", 1);
	assert_int_equal(link(input, scratch_path(&scratch, linked)), 0);
	expect_refused(input, scratch_path(&scratch, linked), -EINVAL, "same file", 2);
	unlink(scratch_path(&scratch, linked));
	assert_int_equal(symlink(input, scratch_path(&scratch, linked)), 0);
	expect_refused(input, scratch_path(&scratch, linked), -EINVAL, "same file", 2);
}

static void add(struct gguf_builder *builder, const char *name, uint32_t type, uint32_t n_dims,
		const void *data, size_t bytes)
{
	static const uint64_t dims[3] = { 2, 2, 1 };

	gguf_builder_tensor(builder, name, type, n_dims, dims, data, bytes);
}

static void test_sources(void **state)
{
	static const float x[4] = { 1, 2, 3, 4 }, bad[2] = { 1, NAN };
	struct gguf_builder *builder = gguf_builder_new();

	gguf_builder_u32(builder, "split.count", 3);
	write_input(builder);
	expect_refused(input, output, -ENOTSUP, "key split.count: one of 3 parts", 1);

	builder = gguf_builder_new();
	gguf_builder_u32(builder, "bitnpu.pack.rows", 3);
	write_input(builder);
	expect_refused(input, output, -EINVAL, "key bitnpu.pack.rows: the prefix", 1);

	builder = gguf_builder_new();
	gguf_builder_u32(builder, "bitnpu.pack.version", 2);
	write_input(builder);
	expect_refused(input, output, -ENOTSUP, "version 2 of the packed format", 1);

	builder = gguf_builder_new();
	add(builder, "a.weight", BITNPU_GGML_F32, 2, x, 16);
	add(builder, "a.group_scale", BITNPU_GGML_F32, 1, x, 8);
	write_input(builder);
	expect_refused(input, output, -EINVAL, "tensor a.weight: the name of its group scales", 1);

	builder = gguf_builder_new();
	add(builder, "a123456789b123456789c123456789d123456789e123456789f12.weight",
	    BITNPU_GGML_F32, 2, x, 16);
	write_input(builder);
	expect_refused(input, output, -EINVAL, "its name is too long", 1);

	builder = gguf_builder_new();
	add(builder, "norm", BITNPU_GGML_F32, 1, bad, 8);
	write_input(builder);
	expect_refused(input, output, -EINVAL, "tensor norm: element 1 is not finite", 1);

	builder = gguf_builder_new();
	add(builder, "ids", 26, 1, x, 8);
	write_input(builder);
	expect_refused(input, output, -ENOTSUP, "tensor ids: type 26 is not supported", 1);

	builder = gguf_builder_new();
	add(builder, "norm", BITNPU_GGML_F32, 1, x, 8);
	add(builder, "a.weight", 12, 2, x, 16);
	write_input(builder);
	expect_refused(input, output, -ENOTSUP, "tensor a.weight: type 12 is not supported", 1);
}

/* What is found out in the middle of writing: the last row of the last matrix. */
static void test_late_error(void **state)
{
	static const float first[4] = { 1, 2, 3, 4 }, last[4] = { 1, 2, 3, INFINITY };
	struct gguf_builder *builder = gguf_builder_new();

	add(builder, "a.weight", BITNPU_GGML_F32, 2, first, 16);
	add(builder, "b.weight", BITNPU_GGML_F32, 2, last, 16);
	write_input(builder);
	assert_true(file_write(output, "old", 3));
	expect_refused(input, output, -EINVAL, "tensor b.weight: row 1: a weight is not finite", 2);
}

/* ---- what was there before ----------------------------------------------------------------- */

static void test_replacing(void **state)
{
	char link_path[192];
	struct stat st;
	size_t bytes;
	char *old;

	assert_true(file_write(output, "old", 3));
	expect_refused(scratch_path(&scratch, "none"), output, -ENOENT, "", 1);
	old = file_read(output, &bytes);
	assert_non_null(old);
	assert_string_equal(old, "old");
	free(old);
	pack();
	expect_packed(output);
	assert_int_equal(scratch_count(&scratch), 1);
	assert_true(file_write(output, "old", 3));
	snprintf(link_path, sizeof(link_path), "%s", scratch_path(&scratch, "link"));
	assert_int_equal(symlink("out.gguf", link_path), 0);
	assert_int_equal(bitnpu_pack(MODEL, link_path, NULL, NULL), 0);
	expect_packed(output);
	assert_int_equal(lstat(link_path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(scratch_count(&scratch), 2);
}

static void test_mode(void **state)
{
	mode_t old = umask(027);
	struct stat st;

	pack();
	umask(old);
	assert_int_equal(stat(output, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
}

/* ---- progress ------------------------------------------------------------------------------ */

struct watch {
	unsigned int calls, stop_at;
	uint64_t done, total;
};

static int watch(void *user, uint64_t done, uint64_t total)
{
	struct watch *w = user;

	assert_true(done >= w->done && done <= total);
	assert_true(!w->total || w->total == total);
	w->done = done;
	w->total = total;
	return ++w->calls == w->stop_at;
}

static void test_progress(void **state)
{
	struct bitnpu_pack_options options = { .progress = watch };
	struct watch w = { 0 };
	struct bitnpu_gguf *gguf;
	struct bitnpu_error err = { 0 };
	unsigned int calls, i;

	options.user = &w;
	assert_int_equal(bitnpu_pack(MODEL, output, &options, &err), 0);
	assert_true(w.done == w.total && w.total > 0);
	calls = w.calls;
	assert_true(calls > 8);
	unlink(output);
	for (i = 1; i <= calls; i++) {
		w = (struct watch){ .stop_at = i };
		assert_int_equal(bitnpu_pack(MODEL, output, &options, &err), -ECANCELED);
		assert_non_null(strstr(err.message, "cancelled"));
		assert_int_equal(scratch_count(&scratch), 0);
	}
	pack();
	assert_int_equal(bitnpu_gguf_open(output, &gguf, &err), 0);
	w = (struct watch){ 0 };
	assert_int_equal(bitnpu_packed_verify(gguf, watch, &w, &err), 0);
	assert_true(w.done == w.total && w.total > 0);
	w = (struct watch){ .stop_at = 2 };
	assert_int_equal(bitnpu_packed_verify(gguf, watch, &w, &err), -ECANCELED);
	bitnpu_gguf_close(gguf);
}

/* ---- disks --------------------------------------------------------------------------------- */

/* A limit on the size of files fails like a disk that is full after so many bytes. */
static void test_size_limits(void **state)
{
	struct rlimit old, limit;
	struct bitnpu_error err = { 0 };
	struct stat st;
	int ret;

	pack();
	assert_int_equal(stat(output, &st), 0);
	unlink(output);
	assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = old;
	for (limit.rlim_cur = 0; limit.rlim_cur < (rlim_t)st.st_size; limit.rlim_cur += 1000) {
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		ret = bitnpu_pack(MODEL, output, NULL, &err);
		setrlimit(RLIMIT_FSIZE, &old);
		assert_int_equal(ret, -EFBIG);
		assert_non_null(strstr(err.message, "out.gguf: cannot "));
		assert_int_equal(scratch_count(&scratch), 0);
	}
	signal(SIGXFSZ, SIG_DFL);
}

/*
 * On a small file system of its own, in a mount namespace of its own.  Return: of the child, 77 where
 * mounting is not allowed, 0 when every step went as it should, else the number of the step.
 */
static int full_disk(void)
{
	struct bitnpu_error err = { 0 };

	if (unshare(CLONE_NEWNS) && unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return 77;
	if (mount("none", "/", "none", MS_REC | MS_PRIVATE, "") ||
	    mount("none", scratch.directory, "tmpfs", 0, "size=16k"))
		return 77;
	if (bitnpu_pack(MODEL, output, NULL, &err) != -ENOSPC)
		return 1;
	if (!strstr(err.message, "No space left on device"))
		return 2;
	if (scratch_count(&scratch))
		return 3;
	if (mount("none", scratch.directory, "tmpfs", MS_REMOUNT, "size=1m"))
		return 77;
	if (bitnpu_pack(MODEL, output, NULL, &err))
		return 4;
	return scratch_count(&scratch) == 1 ? 0 : 5;
}

static void test_full_disk(void **state)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child)
		_exit(full_disk());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("# mounting a file system is not allowed here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- the writer ---------------------------------------------------------------------------- */

/* A file system without O_TMPFILE: a temporary name, which never stays. */
static void test_named_files(void **state)
{
	struct bitnpu_output_file file;
	struct bitnpu_error err = { 0 };
	size_t bytes;
	char *text;

	assert_int_equal(bitnpu_output_open(output, false, &file, &err), 0);
	assert_non_null(file.temporary);
	assert_int_equal(scratch_count(&scratch), 1);
	assert_int_equal(bitnpu_output_write(&file, "world", 5, 6, &err), 0);
	assert_int_equal(bitnpu_output_write(&file, "hello ", 6, 0, &err), 0);
	assert_int_equal(access(output, F_OK), -1);
	assert_int_equal(bitnpu_output_commit(&file, &err), 0);
	assert_int_equal(scratch_count(&scratch), 1);
	text = file_read(output, &bytes);
	assert_non_null(text);
	assert_string_equal(text, "hello world");
	free(text);
	assert_int_equal(bitnpu_output_open(output, false, &file, &err), 0);
	assert_int_equal(scratch_count(&scratch), 2);
	bitnpu_output_abort(&file);
	assert_int_equal(scratch_count(&scratch), 1);
	/* The name is lost while the file is written. */
	assert_int_equal(bitnpu_output_open(output, false, &file, &err), 0);
	unlink(file.temporary);
	assert_int_equal(bitnpu_output_commit(&file, &err), -ENOENT);
	assert_non_null(strstr(err.message, "out.gguf: cannot rename the file"));
	assert_int_equal(scratch_count(&scratch), 1);
}

static void check_written(void)
{
	static const char *const texts[] = { "a", "", "bcd" };
	struct bitnpu_gguf_cursor cursor;
	struct bitnpu_gguf_string string;
	const struct bitnpu_gguf_kv *kv;
	struct bitnpu_gguf *gguf;
	struct bitnpu_error err = { 0 };
	float f;
	int i;

	if (bitnpu_gguf_open(output, &gguf, &err))
		fail_msg("%s", err.message);
	assert_int_equal(gguf->alignment, 64);
	assert_int_equal(bitnpu_gguf_get_f32(gguf, "f", &f, &err), 0);
	assert_true(f == 0.5f);
	assert_int_equal(bitnpu_gguf_get_string(gguf, "s", &string, &err), 0);
	assert_memory_equal(string.data, "text", 4);
	assert_int_equal(bitnpu_gguf_get_array(gguf, "texts", BITNPU_GGUF_STRING, &kv, &err), 0);
	bitnpu_gguf_strings(kv, &cursor);
	for (i = 0; i < 3; i++) {
		assert_true(bitnpu_gguf_next_string(&cursor, &string));
		assert_int_equal(string.length, strlen(texts[i]));
		assert_memory_equal(string.data, texts[i], string.length);
	}
	assert_int_equal(bitnpu_gguf_get_array(gguf, "late", BITNPU_GGUF_UINT16, &kv, &err), 0);
	assert_memory_equal(kv->data, "\1\0\2\0", 4);
	assert_int_equal(gguf->n_tensors, 2);
	assert_memory_equal(gguf->tensors[0].data, "abc", 3);
	assert_memory_equal(gguf->tensors[1].data, "defgh", 5);
	assert_int_equal(gguf->tensors[1].data - gguf->tensors[0].data, 64);
	assert_int_equal(gguf->size, gguf->data_offset + 128);
	bitnpu_gguf_close(gguf);
}

static void announce(struct bitnpu_gguf_writer *w, const char *name, uint64_t bytes)
{
	const struct bitnpu_gguf_string string = { name, strlen(name) };

	bitnpu_gguf_write_tensor(w, &string, BITNPU_GGML_I8, 1, &bytes, bytes);
}

static void test_writer(void **state)
{
	static const char *const texts[] = { "a", "", "bcd" };
	struct bitnpu_gguf_writer w;
	struct bitnpu_error err = { 0 };
	uint64_t late;

	assert_int_equal(bitnpu_gguf_write_open(output, 64, &w, &err), 0);
	bitnpu_gguf_write_f32(&w, "f", 0.5f);
	bitnpu_gguf_write_string(&w, "s", "text");
	bitnpu_gguf_write_string_array(&w, "texts", 3, texts);
	late = bitnpu_gguf_write_array(&w, "late", BITNPU_GGUF_UINT16, 2, NULL);
	announce(&w, "one", 3);
	announce(&w, "two", 5);
	assert_int_equal(bitnpu_gguf_write_data(&w, "abc", 3, &err), 0);
	assert_int_equal(bitnpu_gguf_write_pad(&w, &err), 0);
	assert_int_equal(bitnpu_gguf_write_data(&w, "def", 3, &err), 0);
	assert_int_equal(bitnpu_gguf_write_data(&w, "gh", 2, &err), 0);
	assert_int_equal(bitnpu_gguf_write_finish(&w, &err), -EIO);
	assert_non_null(strstr(err.message, "69 bytes of tensor data written, 128 announced"));
	assert_int_equal(bitnpu_gguf_write_pad(&w, &err), 0);
	memcpy(w.header + late, "\1\0\2\0", 4);
	assert_int_equal(scratch_count(&scratch), 0);
	assert_int_equal(bitnpu_gguf_write_finish(&w, &err), 0);
	assert_int_equal(scratch_count(&scratch), 1);
	check_written();
	assert_int_equal(bitnpu_gguf_write_open(output, 64, &w, &err), 0);
	bitnpu_gguf_write_abort(&w);
	check_written();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, new_scratch, free_scratch)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_places),
		TEST(test_sources),
		TEST(test_late_error),
		TEST(test_replacing),
		TEST(test_mode),
		TEST(test_progress),
		TEST(test_size_limits),
		TEST(test_full_disk),
		TEST(test_named_files),
		TEST(test_writer),
	};

	return cmocka_run_group_tests_name("pack output", tests, NULL, NULL);
}
