// SPDX-License-Identifier: MIT
/* bitnpu inspect: what is in a GGUF file, packed or not, of any architecture. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "libbitnpu/gguf.h"
#include "metadata.h"
#include "model_file.h"
#include "output.h"
#include "table.h"

#define SHOWN_CHARACTERS 64
#define JSON_ELEMENTS 16

struct inspect_settings {
	bool json, verify, all;
};

static void format_shape(const struct bitnpu_tensor_view *view, char out[96])
{
	int at = 0;

	for (uint32_t i = 0; i < view->n_dims; i++)
		at += snprintf(out + at, 96 - at, "%s%" PRIu64, i ? " x " : "", view->dims[i]);
}

/* NAN when there are no weights or nobody knows their size. */
static double bits_per_weight(const struct bitnpu_tensor_view *view)
{
	return view->weights && view->bytes ? 8.0 * view->bytes / view->weights : NAN;
}

static void print_metadata(const struct bitnpu_gguf *gguf, bool all)
{
	struct bitnpu_table table;

	bitnpu_table_init(&table, "lll");
	bitnpu_table_add(&table, "KEY");
	bitnpu_table_add(&table, "TYPE");
	bitnpu_table_add(&table, "VALUE");
	for (uint64_t i = 0; i < gguf->n_kv; i++) {
		const struct bitnpu_gguf_kv *kv = &gguf->kv[i];
		size_t limit = all ? kv->bytes + 16 : SHOWN_CHARACTERS;
		char *key = bitnpu_printable(kv->key.data, kv->key.length, limit), type[32];
		char *value = bitnpu_metadata_text(kv, limit);

		bitnpu_table_add(&table, "%s", key);
		bitnpu_table_add(&table, "%s", bitnpu_metadata_type(kv, type));
		bitnpu_table_add(&table, "%s", value);
		free(value);
		free(key);
	}
	bitnpu_table_print(&table);
}

static void print_tensors(const struct bitnpu_model_file *file)
{
	struct bitnpu_tensor_view view;
	struct bitnpu_table table;
	char shape[96];

	bitnpu_table_init(&table, "lllrr");
	bitnpu_table_add(&table, "TENSOR");
	bitnpu_table_add(&table, "TYPE");
	bitnpu_table_add(&table, "SHAPE");
	bitnpu_table_add(&table, "BYTES");
	bitnpu_table_add(&table, "BITS/WEIGHT");
	for (uint64_t i = 0; i < file->gguf->n_tensors; i++) {
		const struct bitnpu_gguf_string *string = &file->gguf->tensors[i].name;
		char *name = bitnpu_printable(string->data, string->length, SHOWN_CHARACTERS);

		bitnpu_file_tensor(file, i, &view);
		format_shape(&view, shape);
		bitnpu_table_add(&table, "%s", name);
		bitnpu_table_add(&table, "%s", view.type);
		bitnpu_table_add(&table, "%s", shape);
		if (view.bytes)
			bitnpu_table_add(&table, "%" PRIu64, view.bytes);
		else
			bitnpu_table_add(&table, "?");
		if (isnan(bits_per_weight(&view)))
			bitnpu_table_add(&table, "-");
		else
			bitnpu_table_add(&table, "%.3f", bits_per_weight(&view));
		free(name);
	}
	bitnpu_table_print(&table);
}

static void print_text(const struct bitnpu_model_file *file, bool all)
{
	struct bitnpu_file_sizes sizes;
	char bytes[24], data[24];

	bitnpu_file_sizes(file, &sizes);
	print_metadata(file->gguf, all);
	putchar('\n');
	print_tensors(file);
	printf("\nGGUF version %u, %s", file->gguf->version,
	       bitnpu_format_bytes(file->gguf->size, bytes));
	if (file->packed)
		printf(", packed format version %u%s", file->packed,
		       file->formats ? "" : " (not known here)");
	printf("\n%" PRIu64 " tensors, %" PRIu64 " weights, %s, %.3f bits per weight\n",
	       sizes.tensors, sizes.weights, bitnpu_format_bytes(sizes.bytes, data),
	       sizes.bits_per_weight);
}

static json_t *metadata_json(const struct bitnpu_gguf *gguf, bool all)
{
	json_t *list = json_array();
	char type[32];

	for (uint64_t i = 0; i < gguf->n_kv; i++) {
		const struct bitnpu_gguf_kv *kv = &gguf->kv[i];
		json_t *json = json_object();

		json_object_set_new(json, "key", bitnpu_json_text(kv->key.data, kv->key.length));
		json_object_set_new(json, "type", json_string(bitnpu_metadata_type(kv, type)));
		if (kv->type == BITNPU_GGUF_ARRAY)
			json_object_set_new(json, "count", json_integer(kv->count));
		json_object_set_new(json, "value",
				    bitnpu_metadata_json(kv, all ? UINT64_MAX : JSON_ELEMENTS));
		json_array_append_new(list, json);
	}
	return list;
}

static json_t *tensor_json(const struct bitnpu_model_file *file, uint64_t index)
{
	const struct bitnpu_gguf_tensor *tensor = &file->gguf->tensors[index];
	json_t *json = json_object(), *shape = json_array();
	struct bitnpu_tensor_view view;

	bitnpu_file_tensor(file, index, &view);
	for (uint32_t d = 0; d < view.n_dims; d++)
		json_array_append_new(shape, json_integer(view.dims[d]));
	json_object_set_new(json, "name", bitnpu_json_text(tensor->name.data, tensor->name.length));
	json_object_set_new(json, "type", json_string(view.type));
	json_object_set_new(json, "ggml_type", json_integer(tensor->type));
	json_object_set_new(json, "shape", shape);
	json_object_set_new(json, "bytes", view.bytes ? json_integer(view.bytes) : json_null());
	json_object_set_new(json, "bits_per_weight", bitnpu_json_real(bits_per_weight(&view)));
	return json;
}

static void print_json(const struct bitnpu_model_file *file, const struct inspect_settings *inspect)
{
	json_t *json = json_object(), *tensors = json_array();
	const struct bitnpu_gguf *gguf = file->gguf;
	struct bitnpu_file_sizes sizes;

	bitnpu_file_sizes(file, &sizes);
	for (uint64_t i = 0; i < gguf->n_tensors; i++)
		json_array_append_new(tensors, tensor_json(file, i));
	json_object_set_new(json, "path", bitnpu_json_text(gguf->path, strlen(gguf->path)));
	json_object_set_new(json, "gguf_version", json_integer(gguf->version));
	json_object_set_new(json, "packed", json_boolean(file->packed));
	json_object_set_new(json, "packed_version",
			    file->packed ? json_integer(file->packed) : json_null());
	json_object_set_new(json, "checksums_verified", json_boolean(inspect->verify));
	json_object_set_new(json, "file_bytes", json_integer(gguf->size));
	json_object_set_new(json, "parameters", json_integer(sizes.weights));
	json_object_set_new(json, "tensor_bytes", json_integer(sizes.bytes));
	json_object_set_new(json, "bits_per_weight", bitnpu_json_real(sizes.bits_per_weight));
	json_object_set_new(json, "metadata", metadata_json(gguf, inspect->all));
	json_object_set_new(json, "tensors", tensors);
	bitnpu_json_print(json);
}

static int inspect_run(const void *settings, char **args)
{
	const struct inspect_settings *inspect = settings;
	struct bitnpu_model_file file;
	int code = BITNPU_EXIT_OK;

	if (!bitnpu_file_open("inspect", args[0], &file))
		return BITNPU_EXIT_FAILURE;
	if (inspect->verify)
		code = bitnpu_file_verify("inspect", &file);
	if (code == BITNPU_EXIT_OK && inspect->json)
		print_json(&file, inspect);
	else if (code == BITNPU_EXIT_OK)
		print_text(&file, inspect->all);
	if (code == BITNPU_EXIT_OK && inspect->verify && !inspect->json)
		printf("every checksum matches\n");
	bitnpu_file_close(&file);
	return code;
}

static const struct bitnpu_option options[] = {
	{ .name = "verify", .offset = offsetof(struct inspect_settings, verify),
	  .help = "check the checksum of every tensor of a packed file first" },
	{ .name = "all", .letter = 'a', .offset = offsetof(struct inspect_settings, all),
	  .help = "show long strings and arrays whole" },
	{ .name = "json", .offset = offsetof(struct inspect_settings, json),
	  .help = "print a JSON object" },
	{ 0 },
};

const struct bitnpu_command bitnpu_command_inspect = {
	.name = "inspect",
	.summary = "show what is in a model file",
	.arguments = "FILE",
	.min_args = 1,
	.max_args = 1,
	.settings_size = sizeof(struct inspect_settings),
	.options = options,
	.description =
		"Shows the metadata, tensors, formats, sizes and bits per weight of a GGUF\n"
		"file, packed or not, also of an architecture that cannot be run.",
	.examples = "  bitnpu inspect model.gguf\n"
		    "  bitnpu inspect --json model.gguf | jq '.tensors[].type'\n"
		    "  bitnpu inspect --verify packed.gguf\n",
	.exits = "  3  a checksum does not match (--verify)\n"
		 "  128 + N  ended by signal N\n",
	.run = inspect_run,
};
