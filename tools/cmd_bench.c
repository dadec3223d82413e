// SPDX-License-Identifier: MIT
/* bitnpu bench: how fast matmuls, or a whole model, run on each device. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_compare.h"
#include "bench_output.h"
#include "bench_plot.h"
#include "interrupt.h"
#include "libbitnpu/error.h"
#include "output.h"
#include "progress.h"

struct bench_settings {
	struct bitnpu_texts devices, shapes, formats;
	struct bitnpu_numbers prefill, depth;
	uint32_t threads, step, repeat, copies, decode, parallel, batch, tune;
	uint64_t roof_bytes;
	const char *json, *compare, *plot;
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
	struct bitnpu_bench_model model;
	struct bitnpu_bench_output json, plot;
	struct bitnpu_bench_old old;	/* no path without --compare */
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

/* Every device that can be used but golden, which defines results, not speed. */
static int find_devices(struct plan *plan, struct bitnpu_error *err)
{
	struct bitnpu_device_info *list;
	size_t count;
	int failed;

	failed = bitnpu_device_list(&list, &count, err);
	if (failed)
		return failed;
	plan->names = bitnpu_tool_realloc(NULL, count, sizeof(*plan->names));
	for (size_t i = 0; i < count; i++)
		if (list[i].features && strcmp(list[i].engine, "golden"))
			plan->names[plan->devices.count++] = strdup(list[i].name);
	plan->devices.text = (const char **)plan->names;
	bitnpu_device_list_free(list);
	return 0;
}

static int bench_matmuls(struct plan *plan, struct bitnpu_device *device, uint32_t copies,
			 struct bitnpu_error *err)
{
	struct bitnpu_bench_matmul matmul = { .copies = copies };
	int failed;

	for (size_t s = 0; s < plan->shapes.count; s++) {
		for (size_t f = 0; f < plan->formats.count; f++) {
			bitnpu_bench_parse_shape(plan->shapes.text[s], &matmul);
			bitnpu_bench_parse_format(plan->formats.text[f], &matmul);
			failed = bitnpu_bench_matmul(&plan->bench, device, &matmul, err);
			if (failed == -ENOTSUP)
				plan->bench.done += plan->bench.repeat;
			else if (failed)
				return failed;
		}
	}
	return 0;
}

static int bench_device(struct plan *plan, const char *name,
			const struct bench_settings *settings, struct bitnpu_error *err)
{
	struct bitnpu_device *device;
	int failed;

	failed = bitnpu_device_open(name, &device, err);
	if (failed)
		return failed;
	if (settings->tune)
		failed = bitnpu_device_tune(device, settings->tune, err);
	/* Where there is nothing to choose among, all is as well as it can be. */
	if (failed && failed != -ENOTSUP)
		goto close;
	if (plan->model.model)
		failed = bitnpu_bench_model(&plan->bench, device, &plan->model, err);
	else
		failed = bench_matmuls(plan, device, settings->copies, err);
close:
	bitnpu_device_close(device);
	return failed;
}

static int bench_all(struct plan *plan, const struct bench_settings *settings,
		     struct bitnpu_error *err)
{
	size_t rows = plan->model.model ? plan->model.prefill.count + plan->model.depth.count :
					  plan->shapes.count * plan->formats.count;
	struct bitnpu_bench *bench = &plan->bench;
	int failed;

	bench->repeat = settings->repeat;
	bench->total = (uint64_t)plan->devices.count * rows * settings->repeat;
	bench->progress = bitnpu_progress_start("measuring");
	bitnpu_peak_init(&bench->peak, bench->pool);
	failed = bitnpu_roof_create(settings->roof_bytes, bench->pool, &bench->roof, err);
	for (size_t i = 0; i < plan->devices.count && !failed; i++)
		failed = bench_device(plan, plan->devices.text[i], settings, err);
	bitnpu_progress_stop(bench->progress);
	return failed;
}

static int open_model(struct plan *plan, const char *path, struct bitnpu_error *err)
{
	struct bitnpu_progress *progress = bitnpu_progress_start("loading the model");
	int failed = bitnpu_model_open(path, 0, &plan->model.model, err);

	bitnpu_progress_stop(progress);
	return failed;
}

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Everything that can be wrong is found before anything is measured. */
static int prepare(struct plan *plan, const struct bench_settings *settings, const char *model,
		   struct bitnpu_error *err)
{
	int failed = bitnpu_set_threads(settings->threads, err);

	if (failed)
		return failed;
	plan->bench.pool = bitnpu_pool_get();
	if (!plan->bench.pool)
		return bitnpu_fail(err, -ENOMEM, "out of memory");
	/* the KV cache of a depth begins with that of a smaller one */
	qsort(settings->depth.value, settings->depth.count, sizeof(*settings->depth.value),
	      ascending);
	failed = bitnpu_bench_output_open(&plan->json, settings->json, err);
	if (!failed)
		failed = bitnpu_bench_output_open(&plan->plot, settings->plot, err);
	if (!failed && settings->compare)
		failed = bitnpu_bench_old_read(settings->compare, &plan->old, err);
	if (!failed && model)
		failed = open_model(plan, model, err);
	if (!failed && !plan->devices.count)
		failed = find_devices(plan, err);
	return failed;
}

static int draw(struct plan *plan, const struct bitnpu_bench_report *report,
		struct bitnpu_error *err)
{
	size_t bytes;
	void *picture = bitnpu_bench_plot(report, plan->plot.path, &bytes);
	int failed;

	if (!picture)
		return bitnpu_fail(err, -ENOMEM, "%s: out of memory", plan->plot.path);
	failed = bitnpu_bench_output_finish(&plan->plot, picture, bytes, err);
	free(picture);
	return failed;
}

static int show(struct plan *plan, const char *model, struct bitnpu_error *err)
{
	const struct bitnpu_bench_report report = {
		.bench = &plan->bench,
		.model = model,
		.model_info = model ? bitnpu_model_get_info(plan->model.model) : NULL,
		.old = plan->old.path ? &plan->old : NULL,
	};
	int failed = 0;
	char *text;

	if (!bitnpu_bench_output_is_stdout(&plan->json))
		bitnpu_bench_print(&report);
	if (plan->json.path) {
		text = bitnpu_json_format(bitnpu_bench_json(&report));
		failed = bitnpu_bench_output_finish(&plan->json, text, strlen(text), err);
		free(text);
	}
	if (!failed && plan->plot.path)
		failed = draw(plan, &report, err);
	return failed;
}

static void free_plan(struct plan *plan)
{
	if (plan->names)
		for (size_t i = 0; i < plan->devices.count; i++)
			free(plan->names[i]);
	free(plan->names);
	bitnpu_bench_output_abort(&plan->json);
	bitnpu_bench_output_abort(&plan->plot);
	bitnpu_bench_old_free(&plan->old);
	bitnpu_model_close(plan->model.model);
	free(plan->bench.rows);
	bitnpu_roof_destroy(plan->bench.roof);
	bitnpu_pool_put(plan->bench.pool);
}

/* Options of matmuls with a model, or of a model without. */
static bool check_kind(const struct bench_settings *settings, bool model)
{
	if (!model || (!settings->shapes.count && !settings->formats.count && !settings->copies))
		return true;
	bitnpu_complain("bench", "--shape, --format and --copies do not go with a model");
	return false;
}

static int bench_run(const void *settings, char **args)
{
	const struct bench_settings *wanted = settings;
	struct plan plan = {
		.devices = wanted->devices,
		.shapes = wanted->shapes.count ? wanted->shapes : shape_defaults,
		.formats = wanted->formats.count ? wanted->formats : format_defaults,
		.model = { .prefill = wanted->prefill, .depth = wanted->depth,
			   .decode = wanted->decode, .parallel = wanted->parallel,
			   .batch = wanted->batch, .step = wanted->step },
	};
	struct bitnpu_error err = { 0 };
	int code = BITNPU_EXIT_OK, failed;

	if (wanted->plot && !bitnpu_bench_plot_check(wanted->plot, &err)) {
		bitnpu_complain("bench", "%s", err.message);
		return BITNPU_EXIT_USAGE;
	}
	if (!check_texts(&plan) || !check_kind(wanted, args[0]))
		return BITNPU_EXIT_USAGE;
	failed = prepare(&plan, wanted, args[0], &err);
	if (!failed)
		failed = bench_all(&plan, wanted, &err);
	if (!failed)
		failed = show(&plan, args[0], &err);
	if (failed == -ECANCELED && bitnpu_interrupted()) {
		bitnpu_complain("bench", "interrupted");
		code = BITNPU_EXIT_SIGNAL + bitnpu_interrupted();
	} else if (failed) {
		bitnpu_complain("bench", "%s", err.message);
		code = BITNPU_EXIT_FAILURE;
	}
	free_plan(&plan);
	return code;
}

#define AT(member) offsetof(struct bench_settings, member)

static const struct bitnpu_option options[] = {
	{ .name = "device", .letter = 'd', .type = BITNPU_OPTION_TEXTS, .argument = "NAME",
	  .offset = AT(devices), .shown = "all but golden",
	  .help = "measure this device; may be repeated" },
	{ .name = "threads", .letter = 't', .type = BITNPU_OPTION_U32, .argument = "N",
	  .offset = AT(threads), .min = 1, .max = BITNPU_MAX_THREADS,
	  .shown = "one a processor",
	  .help = "threads for what runs on the host, and for the roofs" },
	{ .name = "step", .type = BITNPU_OPTION_CHOICE, .argument = "WHERE", .offset = AT(step),
	  .initial = "auto", .choices = bitnpu_step_choices,
	  .help = "where the float operations between matmuls run: auto, host or device" },
	{ .name = "shape", .type = BITNPU_OPTION_TEXTS, .argument = "MxNxK",
	  .offset = AT(shapes), .shown = "those of BitNet b1.58 2B4T",
	  .help = "measure a matmul of M rows of activations by N rows of K weights; may be "
		  "repeated" },
	{ .name = "format", .type = BITNPU_OPTION_TEXTS, .argument = "NAME",
	  .offset = AT(formats), .shown = "ternary, binary-g128, int8",
	  .help = "measure this weight format: ternary, binary or int8, with -gN for a scale every "
		  "N weights; may be repeated" },
	{ .name = "copies", .type = BITNPU_OPTION_U32, .argument = "N", .offset = AT(copies),
	  .min = 1, .max = 512, .shown = "enough to exceed the caches",
	  .help = "matmuls in one submission, each with weights of its own" },
	{ .name = "prefill", .type = BITNPU_OPTION_NUMBERS, .argument = "N[,N...]",
	  .offset = AT(prefill), .min = 2, .max = 1 << 20, .initial = "128",
	  .help = "tokens of the prompt of a model, a row each" },
	{ .name = "batch", .type = BITNPU_OPTION_U32, .argument = "N", .offset = AT(batch),
	  .min = 1, .max = BITNPU_MAX_M, .initial = "128",
	  .help = "tokens of the prompt that a model reads at once" },
	{ .name = "depth", .type = BITNPU_OPTION_NUMBERS, .argument = "N[,N...]",
	  .offset = AT(depth), .max = 1 << 20, .initial = "128",
	  .help = "tokens in the KV cache when a model begins to decode, a row each" },
	{ .name = "decode", .type = BITNPU_OPTION_U32, .argument = "N", .offset = AT(decode),
	  .min = 1, .max = 65536, .initial = "16",
	  .help = "tokens that a model decodes in each sample" },
	{ .name = "parallel", .type = BITNPU_OPTION_U32, .argument = "N", .offset = AT(parallel),
	  .min = 1, .max = 1024, .initial = "1",
	  .help = "sequences that a model decodes, each with a KV cache of its own" },
	{ .name = "repeat", .letter = 'r', .type = BITNPU_OPTION_U32, .argument = "N",
	  .offset = AT(repeat), .min = 1, .max = BITNPU_BENCH_SAMPLES, .initial = "5",
	  .help = "samples of each row" },
	{ .name = "tune", .type = BITNPU_OPTION_U32, .argument = "MS", .offset = AT(tune),
	  .min = 1, .max = 3600000,
	  .help = "first find the fastest kernels, within MS milliseconds a kind of matmul, and keep "
		  "what was found" },
	{ .name = "roof-buffer", .type = BITNPU_OPTION_SIZE, .argument = "BYTES",
	  .offset = AT(roof_bytes), .min = 1 << 20, .max = 1ull << 40,
	  .shown = "twice the largest cache, 256M at least",
	  .help = "what is read to measure the memory bandwidth; suffixes K, M, G" },
	{ .name = "json", .type = BITNPU_OPTION_TEXT, .argument = "FILE", .offset = AT(json),
	  .help = "write the results as a JSON object; - is standard output, without the table" },
	{ .name = "compare", .type = BITNPU_OPTION_TEXT, .argument = "FILE", .offset = AT(compare),
	  .help = "compare with results that --json wrote" },
	{ .name = "plot", .type = BITNPU_OPTION_TEXT, .argument = "FILE", .offset = AT(plot),
	  .help = "draw a roofline picture; FILE ends in .svg, or in .png if built with cairo" },
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
		"how fast it reads a prompt and decodes. Before each sample the host's roofs are\n"
		"measured, the memory bandwidth and the peak rate of int8 multiply-adds, so that\n"
		"each row can say what share of them it reached at that time.",
	.examples = "  bitnpu bench\n"
		    "  bitnpu bench --shape 1x6912x2560 --format ternary --device opencl:0\n"
		    "  bitnpu bench model.gguf --prefill 128,512 --depth 128,2048 --json new.json\n"
		    "  bitnpu bench model.gguf --prefill 128,512 --depth 128,2048 --compare old.json\n"
		    "  bitnpu bench model.gguf --plot roofline.svg\n"
		    "  bitnpu bench model.gguf --device opencl:0 --tune 3000\n",
	.exits = "  128 + N  ended by signal N\n",
	.run = bench_run,
};
