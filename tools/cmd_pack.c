// SPDX-License-Identifier: MIT
/* bitnpu pack: write the packed model of a GGUF file, then read it back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "interrupt.h"
#include "model_file.h"
#include "output.h"
#include "progress.h"

struct pack_settings {
	bool force, json;
};

/* Return: whether @output may be written; says why not. */
static bool may_write(const char *input, const char *output, bool force)
{
	struct stat in, out;

	if (stat(output, &out))
		return true;
	if (!stat(input, &in) && in.st_dev == out.st_dev && in.st_ino == out.st_ino) {
		bitnpu_complain("pack", "%s: the output is the input", output);
		return false;
	}
	if (!S_ISREG(out.st_mode)) {
		bitnpu_complain("pack", "%s: exists and is not a regular file", output);
		return false;
	}
	if (!force) {
		bitnpu_complain("pack", "%s: exists (--force overwrites it)", output);
		return false;
	}
	return true;
}

static int write_packed(const char *input, const char *output)
{
	struct bitnpu_pack_options options = { .progress = bitnpu_progress_report };
	struct bitnpu_progress *progress = bitnpu_progress_start("packing");
	struct bitnpu_error err = { 0 };
	int failed;

	options.user = progress;
	failed = bitnpu_pack(input, output, &options, &err);
	bitnpu_progress_stop(progress);
	if (failed == -ECANCELED && bitnpu_interrupted()) {
		bitnpu_complain("pack", "interrupted, %s is not written", output);
		return BITNPU_EXIT_SIGNAL + bitnpu_interrupted();
	}
	if (failed) {
		bitnpu_complain("pack", "%s", err.message);
		return BITNPU_EXIT_FAILURE;
	}
	return BITNPU_EXIT_OK;
}

/* One end of the packing: a file's sizes as JSON, or one line. */
static json_t *sizes_json(const struct bitnpu_model_file *file)
{
	struct bitnpu_file_sizes sizes;
	json_t *json = json_object();

	bitnpu_file_sizes(file, &sizes);
	json_object_set_new(json, "path",
			    bitnpu_json_text(file->gguf->path, strlen(file->gguf->path)));
	json_object_set_new(json, "bytes", json_integer(file->gguf->size));
	json_object_set_new(json, "tensors", json_integer(sizes.tensors));
	json_object_set_new(json, "parameters", json_integer(sizes.weights));
	json_object_set_new(json, "bits_per_weight", bitnpu_json_real(sizes.bits_per_weight));
	return json;
}

static void print_sizes(const char *what, const struct bitnpu_model_file *file)
{
	struct bitnpu_file_sizes sizes;
	char bytes[24];

	bitnpu_file_sizes(file, &sizes);
	printf("%-5s %s: %s, %llu tensors, %.3f bits per weight\n", what, file->gguf->path,
	       bitnpu_format_bytes(file->gguf->size, bytes), (unsigned long long)sizes.tensors,
	       sizes.bits_per_weight);
}

static void print_result(const struct bitnpu_model_file *in, const struct bitnpu_model_file *out,
			 bool json)
{
	json_t *object;

	if (json) {
		object = json_object();
		json_object_set_new(object, "input", sizes_json(in));
		json_object_set_new(object, "output", sizes_json(out));
		json_object_set_new(object, "verified", json_true());
		bitnpu_json_print(object);
		return;
	}
	print_sizes("read", in);
	print_sizes("wrote", out);
	printf("read it back: every checksum matches\n");
}

/* Read the new file back: its structure, and every tensor's checksum. */
static int read_back(const char *input, const char *output, bool json)
{
	struct bitnpu_model_file in, out;
	int code;

	if (!bitnpu_file_open("pack", input, &in))
		return BITNPU_EXIT_FAILURE;
	if (bitnpu_file_open("pack", output, &out)) {
		code = bitnpu_file_verify("pack", &out);
		if (code == BITNPU_EXIT_OK)
			print_result(&in, &out, json);
		bitnpu_file_close(&out);
	} else {
		code = BITNPU_EXIT_DIFFERENT;
	}
	if (code != BITNPU_EXIT_OK)
		unlink(output);
	bitnpu_file_close(&in);
	return code;
}

static int pack_run(const void *settings, char **args)
{
	const struct pack_settings *pack = settings;
	int code;

	if (!may_write(args[0], args[1], pack->force))
		return BITNPU_EXIT_FAILURE;
	code = write_packed(args[0], args[1]);
	if (code == BITNPU_EXIT_OK)
		code = read_back(args[0], args[1], pack->json);
	return code;
}

static const struct bitnpu_option options[] = {
	{ .name = "force", .letter = 'f', .offset = offsetof(struct pack_settings, force),
	  .help = "overwrite OUT if it exists" },
	{ .name = "json", .offset = offsetof(struct pack_settings, json),
	  .help = "print a JSON object" },
	{ 0 },
};

const struct bitnpu_command bitnpu_command_pack = {
	.name = "pack",
	.summary = "write the packed model of a GGUF file",
	.arguments = "IN OUT",
	.min_args = 2,
	.max_args = 2,
	.settings_size = sizeof(struct pack_settings),
	.options = options,
	.description =
		"Writes to OUT the packed model of the GGUF file IN: a GGUF file whose\n"
		"weights are tiles that every engine reads in place, so that it loads without\n"
		"any work. OUT appears whole or not at all, and is read back and checked\n"
		"before the command ends.",
	.examples = "  bitnpu pack model-tq2_0.gguf model.bitnpu.gguf\n"
		    "  bitnpu pack --force --json model.gguf packed.gguf\n",
	.exits = "  3  OUT does not read back as it was written; it was removed\n"
		 "  128 + N  ended by signal N; OUT is not written\n",
	.run = pack_run,
};
