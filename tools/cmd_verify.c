// SPDX-License-Identifier: MIT
/* bitnpu verify: compare every traced result of every device with golden's, byte for byte. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interrupt.h"
#include "model_file.h"
#include "output.h"
#include "progress.h"
#include "table.h"
#include "verify.h"

struct verify_settings {
	const char *prompt;
	struct bitnpu_texts devices;
	uint32_t threads, step;
	uint32_t prefill, decode;
	bool json;
};

/* The devices to compare: the ones asked for, or all that can be used but golden, at least cpu. */
static int choose_devices(const struct verify_settings *settings, struct bitnpu_verify *verify)
{
	struct bitnpu_device_info *list;
	struct bitnpu_error err;
	size_t count;

	if (settings->devices.count) {
		for (size_t i = 0; i < settings->devices.count; i++)
			bitnpu_verify_add_device(verify, settings->devices.text[i]);
		return 0;
	}
	if (bitnpu_device_list(&list, &count, &err)) {
		bitnpu_complain("verify", "%s", err.message);
		return -1;
	}
	for (size_t i = 0; i < count; i++)
		if (list[i].features && strcmp(list[i].engine, "golden"))
			bitnpu_verify_add_device(verify, list[i].name);
	bitnpu_device_list_free(list);
	return 0;
}

static void format_value(enum bitnpu_element element, const unsigned char *bytes, char out[40])
{
	int32_t narrow;
	int64_t wide;
	float real;

	switch (element) {
	case BITNPU_ELEMENT_INT32:
		memcpy(&narrow, bytes, sizeof(narrow));
		snprintf(out, 40, "%" PRId32, narrow);
		break;
	case BITNPU_ELEMENT_INT64:
		memcpy(&wide, bytes, sizeof(wide));
		snprintf(out, 40, "%" PRId64, wide);
		break;
	case BITNPU_ELEMENT_FLOAT:
		memcpy(&real, bytes, sizeof(real));
		snprintf(out, 40, "%.9g (%a)", real, real);
	}
}

static void format_hash(uint64_t hash, char out[20])
{
	snprintf(out, 20, "%016" PRIx64, hash);
}

static void format_row(const struct bitnpu_verify_row *row, char out[64])
{
	if (row->layer >= 0)
		snprintf(out, 64, "layer %d", row->layer);
	else
		snprintf(out, 64, "%s", row->name);
}

static void print_table(const struct bitnpu_verify *verify)
{
	char name[64], golden[20], hash[20];
	struct bitnpu_table table;

	bitnpu_table_init(&table, "llrlll");
	bitnpu_table_add(&table, "DEVICE");
	bitnpu_table_add(&table, "RESULT");
	bitnpu_table_add(&table, "VALUES");
	bitnpu_table_add(&table, "GOLDEN");
	bitnpu_table_add(&table, "HASH");
	bitnpu_table_add(&table, "OK");
	for (size_t d = 0; d < verify->count; d++) {
		const struct bitnpu_verify_device *device = &verify->devices[d];

		for (size_t i = 0; i < verify->row_count; i++) {
			format_row(&verify->rows[i], name);
			format_hash(verify->rows[i].hash, golden);
			format_hash(device->rows[i].hash, hash);
			bitnpu_table_add(&table, "%s", device->name);
			bitnpu_table_add(&table, "%s", name);
			bitnpu_table_add(&table, "%" PRIu64, verify->rows[i].values);
			bitnpu_table_add(&table, "%s", golden);
			bitnpu_table_add(&table, "%s", hash);
			bitnpu_table_add(&table, device->rows[i].differs ? "NO" : "yes");
		}
	}
	bitnpu_table_print(&table);
}

static void print_verdict(const struct bitnpu_verify *verify)
{
	char golden[40], other[40];

	putchar('\n');
	for (size_t d = 0; d < verify->count; d++) {
		const struct bitnpu_verify_device *device = &verify->devices[d];
		const struct bitnpu_verify_difference *first = &device->first;

		if (!first->found) {
			printf("%s: identical to golden: %u prompt and %u decode tokens\n",
			       device->name, verify->prefill_tokens, verify->decode_tokens);
			continue;
		}
		format_value(first->element, first->golden, golden);
		format_value(first->element, first->device, other);
		printf("%s: DIFFERS from golden, first at token %u, layer %d, %s[%" PRIu64
		       "]: golden %s, %s %s\n",
		       device->name, first->position, first->layer, first->name, first->index,
		       golden, device->name, other);
	}
}

static json_t *difference_json(const struct bitnpu_verify_difference *first)
{
	char golden[40], other[40];
	json_t *json = json_object();

	format_value(first->element, first->golden, golden);
	format_value(first->element, first->device, other);
	json_object_set_new(json, "position", json_integer(first->position));
	json_object_set_new(json, "layer", json_integer(first->layer));
	json_object_set_new(json, "tensor", bitnpu_json_text(first->name, strlen(first->name)));
	json_object_set_new(json, "index", json_integer(first->index));
	json_object_set_new(json, "golden", json_string(golden));
	json_object_set_new(json, "device", json_string(other));
	return json;
}

static json_t *device_json(const struct bitnpu_verify *verify,
			   const struct bitnpu_verify_device *device)
{
	json_t *json = json_object(), *layers = json_array();
	char name[64], golden[20], hash[20];

	for (size_t i = 0; i < verify->row_count; i++) {
		json_t *layer = json_object();

		format_row(&verify->rows[i], name);
		format_hash(verify->rows[i].hash, golden);
		format_hash(device->rows[i].hash, hash);
		json_object_set_new(layer, "layer", verify->rows[i].layer < 0 ? json_null() :
				    json_integer(verify->rows[i].layer));
		json_object_set_new(layer, "result", bitnpu_json_text(name, strlen(name)));
		json_object_set_new(layer, "values", json_integer(verify->rows[i].values));
		json_object_set_new(layer, "golden", json_string(golden));
		json_object_set_new(layer, "hash", json_string(hash));
		json_object_set_new(layer, "identical", json_boolean(!device->rows[i].differs));
		json_array_append_new(layers, layer);
	}
	json_object_set_new(json, "device", bitnpu_json_text(device->name, strlen(device->name)));
	json_object_set_new(json, "identical", json_boolean(!device->first.found));
	json_object_set_new(json, "layers", layers);
	json_object_set_new(json, "first_difference",
			    device->first.found ? difference_json(&device->first) : json_null());
	return json;
}

static void print_json(const struct bitnpu_verify *verify, const char *path, bool checksums,
		       bool identical)
{
	json_t *json = json_object(), *devices = json_array();

	for (size_t d = 0; d < verify->count; d++)
		json_array_append_new(devices, device_json(verify, &verify->devices[d]));
	json_object_set_new(json, "model", bitnpu_json_text(path, strlen(path)));
	json_object_set_new(json, "identical", json_boolean(identical));
	json_object_set_new(json, "checksums", json_string(checksums ? "match" : "none"));
	json_object_set_new(json, "hash_algorithm", json_string("XXH64"));
	json_object_set_new(json, "prefill_tokens", json_integer(verify->prefill_tokens));
	json_object_set_new(json, "decode_tokens", json_integer(verify->decode_tokens));
	json_object_set_new(json, "devices", devices);
	bitnpu_json_print(json);
}

static int report(const struct bitnpu_verify *verify, const char *path, bool checksums, bool json)
{
	bool identical = true;

	for (size_t d = 0; d < verify->count; d++)
		identical &= !verify->devices[d].first.found;
	if (json) {
		print_json(verify, path, checksums, identical);
	} else {
		print_table(verify);
		print_verdict(verify);
		if (checksums)
			printf("%s: every checksum matches\n", path);
	}
	return identical ? BITNPU_EXIT_OK : BITNPU_EXIT_DIFFERENT;
}

/* Return: an exit code; @packed says whether there were checksums to check. */
static int check_file(const char *path, bool *packed)
{
	struct bitnpu_model_file file;
	int code = BITNPU_EXIT_OK;

	if (!bitnpu_file_open("verify", path, &file))
		return BITNPU_EXIT_FAILURE;
	*packed = file.packed;
	if (file.packed)
		code = bitnpu_file_verify("verify", &file);
	bitnpu_file_close(&file);
	return code;
}

static int verify_run(const void *settings, char **args)
{
	const struct verify_settings *wanted = settings;
	struct bitnpu_verify verify = { .prefill_limit = wanted->prefill,
					.decode_limit = wanted->decode,
					.step = wanted->step };
	struct bitnpu_error err = { 0 };
	bool packed = false;
	int code, failed;

	code = check_file(args[0], &packed);
	if (code != BITNPU_EXIT_OK)
		return code;
	if (bitnpu_set_threads(wanted->threads, &err)) {
		bitnpu_complain("verify", "%s", err.message);
		return BITNPU_EXIT_FAILURE;
	}
	if (choose_devices(wanted, &verify)) {
		bitnpu_verify_free(&verify);
		return BITNPU_EXIT_FAILURE;
	}
	failed = bitnpu_verify_model(&verify, args[0], wanted->prompt, &err);
	if (failed == -ECANCELED && bitnpu_interrupted()) {
		bitnpu_complain("verify", "interrupted");
		code = BITNPU_EXIT_SIGNAL + bitnpu_interrupted();
	} else if (failed) {
		bitnpu_complain("verify", "%s", err.message);
		code = BITNPU_EXIT_FAILURE;
	} else {
		code = report(&verify, args[0], packed, wanted->json);
	}
	bitnpu_verify_free(&verify);
	return code;
}

#define AT(member) offsetof(struct verify_settings, member)

static const struct bitnpu_option options[] = {
	{ .name = "prompt", .letter = 'p', .type = BITNPU_OPTION_TEXT, .argument = "TEXT",
	  .offset = AT(prompt),
	  .initial = "It was the best of times, it was the worst of times, it was the age of "
		     "wisdom, it was the age of foolishness",
	  .shown = "a sentence", .help = "text to evaluate" },
	{ .name = "device", .letter = 'd', .type = BITNPU_OPTION_TEXTS, .argument = "NAME",
	  .offset = AT(devices), .shown = "all but golden",
	  .help = "compare this device with golden; may be repeated" },
	{ .name = "threads", .letter = 't', .type = BITNPU_OPTION_U32, .argument = "N",
	  .offset = AT(threads), .min = 1, .max = BITNPU_MAX_THREADS,
	  .shown = "one a processor",
	  .help = "threads for what runs on the host" },
	{ .name = "step", .type = BITNPU_OPTION_CHOICE, .argument = "WHERE", .offset = AT(step),
	  .initial = "auto", .choices = bitnpu_step_choices,
	  .help = "where the devices' float operations run: auto, host or device" },
	{ .name = "prefill", .type = BITNPU_OPTION_U32, .argument = "N", .offset = AT(prefill),
	  .min = 1, .max = 65536, .initial = "32",
	  .help = "tokens of the prompt to evaluate at most, in two steps" },
	{ .name = "decode", .type = BITNPU_OPTION_U32, .argument = "N", .offset = AT(decode),
	  .min = 0, .max = 65536, .initial = "4",
	  .help = "tokens to evaluate one by one after the prompt" },
	{ .name = "json", .offset = AT(json), .help = "print a JSON object" },
	{ 0 },
};

const struct bitnpu_command bitnpu_command_verify = {
	.name = "verify",
	.summary = "compare every result of every device with golden's",
	.arguments = "MODEL",
	.min_args = 1,
	.max_args = 1,
	.settings_size = sizeof(struct verify_settings),
	.options = options,
	.description =
		"Runs a prompt and the tokens that golden finds most likely after it through\n"
		"MODEL on golden and on every other device, and compares every intermediate\n"
		"result (the exact sums of each matmul, the residual stream after each layer,\n"
		"the logits) byte for byte. For each layer it prints the XXH64 hash of all of\n"
		"its results. The checksums of a packed file are checked first.",
	.examples = "  bitnpu verify model.gguf\n"
		    "  bitnpu verify model.gguf --device opencl:0 --json | jq .identical\n",
	.exits = "  3  a device differs from golden, or a checksum does not match\n"
		 "  128 + N  ended by signal N\n",
	.run = verify_run,
};
