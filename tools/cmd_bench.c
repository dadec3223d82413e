// SPDX-License-Identifier: MIT
/* bitnpu bench: how fast matmuls, or a whole model, run on each device. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "interrupt.h"
#include "output.h"
#include "progress.h"
#include "table.h"

struct bench_settings {
	struct bitnpu_texts devices, shapes, formats;
	uint32_t repeat, depth, prefill, decode;
	uint64_t roof_bytes;
	bool json;
};

/* BitNet b1.58 2B4T's attention output, FFN up and FFN down, and FFN up in a prefill. */
static const char *const default_shapes[] = { "1x2560x2560", "1x6912x2560", "1x2560x6912",
					      "64x6912x2560" };
/* TQ2_0 and I2_S with one scale, Q1_0, Q8_0-like heads. */
static const char *const default_formats[] = { "ternary", "binary-g128", "int8" };

static const struct bitnpu_texts shape_defaults = { (const char **)default_shapes, 4 };
static const struct bitnpu_texts format_defaults = { (const char **)default_formats, 3 };

/* What is to be measured, and what was. */
struct plan {
	struct bitnpu_bench bench;
	struct bitnpu_texts devices, shapes, formats;
	struct bitnpu_bench_row *rows;
	size_t row_count, row_capacity;
	char **names;			/* of @devices when they were not given */
};

static bool check_texts(const struct plan *plan)
{
	struct bitnpu_bench_matmul matmul;

	for (size_t i = 0; i < plan->shapes.count; i++) {
		if (!bitnpu_bench_parse_shape(plan->shapes.text[i], &matmul)) {
			bitnpu_complain("bench", "--shape: '%s' is not MxNxK, at most %ux%ux%u",
					plan->shapes.text[i], BITNPU_MAX_M, BITNPU_MAX_N,
					BITNPU_MAX_K);
			return false;
		}
	}
	for (size_t i = 0; i < plan->formats.count; i++) {
		if (!bitnpu_bench_parse_format(plan->formats.text[i], &matmul)) {
			bitnpu_complain("bench", "--format: '%s' is not ternary, binary or int8, "
					"with -gN for groups of N (a power of two, 32 to 65536)",
					plan->formats.text[i]);
			return false;
		}
	}
	return true;
}

/* Whether to measure a device when none was named: golden defines results, not speed. */
static bool is_candidate(const struct bitnpu_device_info *info, bool golden)
{
	return info->features && (golden || strcmp(info->engine, "golden"));
}

/* Every device that can be used but golden, unless golden is the only one. */
static int find_devices(struct plan *plan, struct bitnpu_error *err)
{
	struct bitnpu_device_info *list;
	size_t count, others = 0;
	int failed;

	failed = bitnpu_device_list(&list, &count, err);
	if (failed)
		return failed;
	for (size_t i = 0; i < count; i++)
		others += is_candidate(&list[i], false);
	plan->names = bitnpu_tool_realloc(NULL, count + 1, sizeof(*plan->names));
	for (size_t i = 0; i < count; i++)
		if (is_candidate(&list[i], !others))
			plan->names[plan->devices.count++] = strdup(list[i].name);
	plan->devices.text = (const char **)plan->names;
	bitnpu_device_list_free(list);
	return 0;
}

static struct bitnpu_bench_row *new_row(struct plan *plan)
{
	if (plan->row_count == plan->row_capacity) {
		plan->row_capacity = plan->row_capacity ? 2 * plan->row_capacity : 32;
		plan->rows = bitnpu_tool_realloc(plan->rows, plan->row_capacity,
						 sizeof(*plan->rows));
	}
	return &plan->rows[plan->row_count];
}

static int bench_matmuls(struct plan *plan, struct bitnpu_device *device, uint32_t depth,
			 struct bitnpu_error *err)
{
	struct bitnpu_bench_matmul matmul = { .depth = depth };
	int failed;

	for (size_t s = 0; s < plan->shapes.count; s++) {
		for (size_t f = 0; f < plan->formats.count; f++) {
			bitnpu_bench_parse_shape(plan->shapes.text[s], &matmul);
			bitnpu_bench_parse_format(plan->formats.text[f], &matmul);
			failed = bitnpu_bench_matmul(&plan->bench, device, &matmul, new_row(plan),
						     err);
			if (!failed)
				plan->row_count++;
			else if (failed == -ENOTSUP)
				plan->bench.done += plan->bench.repeat;
			else
				return failed;
		}
	}
	return 0;
}

static int bench_device(struct plan *plan, const struct bench_settings *settings,
			struct bitnpu_model *model, const char *name, struct bitnpu_error *err)
{
	struct bitnpu_bench_row rows[2];
	struct bitnpu_device *device;
	int failed;

	failed = bitnpu_device_open(name, &device, err);
	if (failed)
		return failed;
	if (model) {
		failed = bitnpu_bench_model(&plan->bench, model, device, settings->prefill,
					    settings->decode, rows, err);
		for (unsigned int i = 0; i < 2 && !failed; i++) {
			*new_row(plan) = rows[i];
			plan->row_count++;
		}
	} else {
		failed = bench_matmuls(plan, device, settings->depth, err);
	}
	bitnpu_device_close(device);
	return failed;
}

static void add_number(struct bitnpu_table *table, double value, const char *fmt_unit)
{
	if (isnan(value))
		bitnpu_table_add(table, "-");
	else if (*fmt_unit == '%')
		bitnpu_table_add(table, "%.1f %%", 100 * value);
	else
		bitnpu_table_add(table, "%.2f", value);
}

static void print_header(struct bitnpu_table *table)
{
	static const char *const header[] = { "DEVICE", "KIND", "FORMAT", "M x N x K", "DEPTH",
					      "MS", "SPREAD", "GB/S", "ROOF", "SHARE", "GOPS",
					      "TOKENS/S" };

	bitnpu_table_init(table, "lllrrrrrrrrr");
	for (size_t i = 0; i < sizeof(header) / sizeof(*header); i++)
		bitnpu_table_add(table, "%s", header[i]);
}

static void print_table(const struct plan *plan)
{
	struct bitnpu_table table;

	print_header(&table);
	for (size_t i = 0; i < plan->row_count; i++) {
		const struct bitnpu_bench_row *row = &plan->rows[i];

		bitnpu_table_add(&table, "%s", row->device);
		bitnpu_table_add(&table, "%s", row->kind);
		bitnpu_table_add(&table, "%s", *row->format ? row->format : "-");
		if (row->n)
			bitnpu_table_add(&table, "%u x %u x %u", row->m, row->n, row->k);
		else
			bitnpu_table_add(&table, "%u", row->m);
		bitnpu_table_add(&table, "%u", row->depth);
		bitnpu_table_add(&table, "%.3f", 1e3 * row->seconds);
		bitnpu_table_add(&table, "%.1f %%",
				 100 * (row->seconds_max - row->seconds_min) / row->seconds);
		add_number(&table, row->gbps, "");
		add_number(&table, row->roof_gbps, "");
		add_number(&table, row->share_of_roof, "%");
		add_number(&table, row->gops, "");
		add_number(&table, row->tokens_per_s, "");
	}
	bitnpu_table_print(&table);
	printf("\nMedians of %u samples; SPREAD is (longest - shortest) / median.  ROOF is what\n"
	       "%u threads read of a buffer of %llu MiB between the samples.  GB/S counts weights\n"
	       "and scales.\n",
	       plan->bench.repeat, bitnpu_roof_threads(plan->bench.roof),
	       (unsigned long long)bitnpu_roof_bytes(plan->bench.roof) >> 20);
}

static json_t *row_json(const struct bitnpu_bench_row *row)
{
	json_t *json = json_object();

	json_object_set_new(json, "device", bitnpu_json_text(row->device, strlen(row->device)));
	json_object_set_new(json, "kind", json_string(row->kind));
	json_object_set_new(json, "format", *row->format ? json_string(row->format) : json_null());
	json_object_set_new(json, "m", json_integer(row->m));
	json_object_set_new(json, "n", row->n ? json_integer(row->n) : json_null());
	json_object_set_new(json, "k", row->k ? json_integer(row->k) : json_null());
	json_object_set_new(json, "depth", json_integer(row->depth));
	json_object_set_new(json, "samples", json_integer(row->samples));
	json_object_set_new(json, "seconds", bitnpu_json_real(row->seconds));
	json_object_set_new(json, "seconds_min", bitnpu_json_real(row->seconds_min));
	json_object_set_new(json, "seconds_max", bitnpu_json_real(row->seconds_max));
	json_object_set_new(json, "gbps", bitnpu_json_real(row->gbps));
	json_object_set_new(json, "roof_gbps", bitnpu_json_real(row->roof_gbps));
	json_object_set_new(json, "share_of_roof", bitnpu_json_real(row->share_of_roof));
	json_object_set_new(json, "gops", bitnpu_json_real(row->gops));
	json_object_set_new(json, "tokens_per_s", bitnpu_json_real(row->tokens_per_s));
	return json;
}

static void print_json(const struct plan *plan, const char *model)
{
	json_t *json = json_object(), *rows = json_array();
	json_t *roof = json_object();

	for (size_t i = 0; i < plan->row_count; i++)
		json_array_append_new(rows, row_json(&plan->rows[i]));
	json_object_set_new(roof, "threads", json_integer(bitnpu_roof_threads(plan->bench.roof)));
	json_object_set_new(roof, "buffer_bytes",
			    json_integer(bitnpu_roof_bytes(plan->bench.roof)));
	json_object_set_new(json, "version", json_string(bitnpu_version()));
	json_object_set_new(json, "model", model ? bitnpu_json_text(model, strlen(model)) :
						   json_null());
	json_object_set_new(json, "roof", roof);
	json_object_set_new(json, "rows", rows);
	bitnpu_json_print(json);
}

static int bench_all(struct plan *plan, const struct bench_settings *settings,
		     struct bitnpu_model *model, struct bitnpu_error *err)
{
	size_t rows = model ? 2 : plan->shapes.count * plan->formats.count;
	int failed = 0;

	plan->bench.repeat = settings->repeat;
	plan->bench.total = (uint64_t)plan->devices.count * rows * settings->repeat;
	plan->bench.progress = bitnpu_progress_start("measuring");
	failed = bitnpu_roof_create(settings->roof_bytes, &plan->bench.roof, err);
	for (size_t i = 0; i < plan->devices.count && !failed; i++)
		failed = bench_device(plan, settings, model, plan->devices.text[i], err);
	bitnpu_progress_stop(plan->bench.progress);
	return failed;
}

static int open_model(const char *path, struct bitnpu_model **model, struct bitnpu_error *err)
{
	struct bitnpu_progress *progress = bitnpu_progress_start("loading the model");
	int failed = bitnpu_model_open(path, 0, model, err);

	bitnpu_progress_stop(progress);
	return failed;
}

static void free_plan(struct plan *plan)
{
	if (plan->names)
		for (size_t i = 0; i < plan->devices.count; i++)
			free(plan->names[i]);
	free(plan->names);
	free(plan->rows);
	bitnpu_roof_destroy(plan->bench.roof);
}

static int bench_run(const void *settings, char **args)
{
	const struct bench_settings *wanted = settings;
	struct plan plan = {
		.devices = wanted->devices,
		.shapes = wanted->shapes.count ? wanted->shapes : shape_defaults,
		.formats = wanted->formats.count ? wanted->formats : format_defaults,
	};
	struct bitnpu_model *model = NULL;
	struct bitnpu_error err = { 0 };
	int code = BITNPU_EXIT_OK, failed = 0;

	if (!check_texts(&plan))
		return BITNPU_EXIT_USAGE;
	if (args[0] && (wanted->shapes.count || wanted->formats.count || wanted->depth)) {
		bitnpu_complain("bench", "--shape, --format and --depth do not go with a model");
		return BITNPU_EXIT_USAGE;
	}
	if (args[0])
		failed = open_model(args[0], &model, &err);
	if (!failed && !plan.devices.count)
		failed = find_devices(&plan, &err);
	if (!failed)
		failed = bench_all(&plan, wanted, model, &err);
	if (failed == -ECANCELED && bitnpu_interrupted()) {
		bitnpu_complain("bench", "interrupted");
		code = BITNPU_EXIT_SIGNAL + bitnpu_interrupted();
	} else if (failed) {
		bitnpu_complain("bench", "%s", err.message);
		code = BITNPU_EXIT_FAILURE;
	} else if (wanted->json) {
		print_json(&plan, args[0]);
	} else {
		print_table(&plan);
	}
	bitnpu_model_close(model);
	free_plan(&plan);
	return code;
}

#define AT(member) offsetof(struct bench_settings, member)

static const struct bitnpu_option options[] = {
	{ .name = "device", .letter = 'd', .type = BITNPU_OPTION_TEXTS, .argument = "NAME",
	  .offset = AT(devices), .shown = "all but golden",
	  .help = "measure this device; may be repeated" },
	{ .name = "shape", .type = BITNPU_OPTION_TEXTS, .argument = "MxNxK",
	  .offset = AT(shapes), .shown = "those of BitNet b1.58 2B4T",
	  .help = "measure a matmul of M rows of activations by N rows of K weights; may be "
		  "repeated" },
	{ .name = "format", .type = BITNPU_OPTION_TEXTS, .argument = "NAME",
	  .offset = AT(formats), .shown = "ternary, binary-g128, int8",
	  .help = "measure this weight format: ternary, binary or int8, with -gN for a scale every "
		  "N weights; may be repeated" },
	{ .name = "depth", .type = BITNPU_OPTION_U32, .argument = "N", .offset = AT(depth),
	  .min = 1, .max = 512, .shown = "enough to exceed the caches",
	  .help = "matmuls in one submission, each with weights of its own" },
	{ .name = "prefill", .type = BITNPU_OPTION_U32, .argument = "N", .offset = AT(prefill),
	  .min = 2, .max = 65536, .initial = "128", .help = "tokens of the prompt of a model" },
	{ .name = "decode", .type = BITNPU_OPTION_U32, .argument = "N", .offset = AT(decode),
	  .min = 1, .max = 65536, .initial = "16",
	  .help = "tokens that a model decodes in each sample" },
	{ .name = "repeat", .letter = 'r', .type = BITNPU_OPTION_U32, .argument = "N",
	  .offset = AT(repeat), .min = 1, .max = BITNPU_BENCH_SAMPLES, .initial = "5",
	  .help = "samples of each row" },
	{ .name = "roof-buffer", .type = BITNPU_OPTION_SIZE, .argument = "BYTES",
	  .offset = AT(roof_bytes), .min = 1 << 20, .max = 1ull << 40,
	  .shown = "twice the largest cache, 256M at least",
	  .help = "what is read to measure the memory bandwidth; suffixes K, M, G" },
	{ .name = "json", .offset = AT(json), .help = "print a JSON object" },
	{ 0 },
};

const struct bitnpu_command bitnpu_command_bench = {
	.name = "bench",
	.summary = "measure matmuls, or a whole model",
	.arguments = "[MODEL]",
	.max_args = 1,
	.settings_size = sizeof(struct bench_settings),
	.options = options,
	.description =
		"Without MODEL, measures matmuls: with one row of activations (GEMV, as in\n"
		"decoding) and with many (GEMM, as in reading a prompt). With MODEL, measures\n"
		"how fast it reads a prompt and decodes. Before each sample all CPUs read a\n"
		"large buffer, so that each row can say what share of the memory bandwidth it\n"
		"reached at that time.",
	.examples = "  bitnpu bench\n"
		    "  bitnpu bench --shape 1x6912x2560 --format ternary --device opencl:0 --json\n"
		    "  bitnpu bench model.gguf --prefill 64 --decode 32\n",
	.exits = "  128 + N  ended by signal N\n",
	.run = bench_run,
};
