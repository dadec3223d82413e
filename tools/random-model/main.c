// SPDX-License-Identifier: MIT
/* random-model: writes a model with random weights. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "random_model.h"

static const char usage[] =
	"usage: random-model [OPTION]... OUTPUT\n"
	"Writes a BitNet b1.58 model with random weights as GGUF, for benchmarks and tests.\n"
	"\n"
	"  --preset NAME      tiny (default), 40m: 38 million weights in 10 MB, or\n"
	"                     2b4t: BitNet b1.58 2B4T's shape\n"
	"  --type TYPE        of the matrices: tq1_0, tq2_0, i2_s, q1_0 or f16\n"
	"  --embedding TYPE   f32, f16, q8_0 or q6_k\n"
	"  --vocab N --embd N --layers N --ff N --heads N --kv-heads N --ctx N\n"
	"                     in place of the preset's\n"
	"  --separate-head    an output head of its own\n"
	"  --vary-scales      another scale for every block\n"
	"  --seed N           the same seed gives the same file (default 0)\n"
	"  --help             this text\n";

static const struct {
	const char *name;
	uint32_t type;
} types[] = {
	{ "f32", BITNPU_GGML_F32 },	{ "f16", BITNPU_GGML_F16 },
	{ "q8_0", BITNPU_GGML_Q8_0 },	{ "q6_k", BITNPU_GGML_Q6_K },
	{ "tq1_0", BITNPU_GGML_TQ1_0 }, { "tq2_0", BITNPU_GGML_TQ2_0 },
	{ "i2_s", BITNPU_GGML_I2_S },	{ "q1_0", BITNPU_GGML_Q1_0 },
};

enum option_id {
	OPTION_PRESET = 256,
	OPTION_TYPE,
	OPTION_EMBEDDING,
	OPTION_VOCAB,
	OPTION_EMBD,
	OPTION_LAYERS,
	OPTION_FF,
	OPTION_HEADS,
	OPTION_KV_HEADS,
	OPTION_CTX,
	OPTION_SEPARATE_HEAD,
	OPTION_VARY_SCALES,
	OPTION_SEED,
	OPTION_HELP,
};

static const struct option options[] = {
	{ "preset", required_argument, NULL, OPTION_PRESET },
	{ "type", required_argument, NULL, OPTION_TYPE },
	{ "embedding", required_argument, NULL, OPTION_EMBEDDING },
	{ "vocab", required_argument, NULL, OPTION_VOCAB },
	{ "embd", required_argument, NULL, OPTION_EMBD },
	{ "layers", required_argument, NULL, OPTION_LAYERS },
	{ "ff", required_argument, NULL, OPTION_FF },
	{ "heads", required_argument, NULL, OPTION_HEADS },
	{ "kv-heads", required_argument, NULL, OPTION_KV_HEADS },
	{ "ctx", required_argument, NULL, OPTION_CTX },
	{ "separate-head", no_argument, NULL, OPTION_SEPARATE_HEAD },
	{ "vary-scales", no_argument, NULL, OPTION_VARY_SCALES },
	{ "seed", required_argument, NULL, OPTION_SEED },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ NULL, 0, NULL, 0 },
};

static void fail(const char *what, const char *argument)
{
	fprintf(stderr, "random-model: %s: %s\n", what, argument);
	exit(EXIT_FAILURE);
}

static uint64_t number(const char *text, uint64_t max)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value > max)
		fail("not a number in range", text);
	return value;
}

static uint32_t type_of(const char *name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (!strcasecmp(name, types[i].name))
			return types[i].type;
	fail("unknown type", name);
	return 0;
}

static void set_shape(struct random_model *model, int option, uint32_t value)
{
	uint32_t *const fields[] = {
		&model->n_vocab, &model->n_embd,    &model->n_layer, &model->n_ff,
		&model->n_head,	 &model->n_head_kv, &model->n_ctx,
	};

	*fields[option - OPTION_VOCAB] = value;
}

/* The preset counts first, wherever it stands. */
static void find_preset(int argc, char **argv, struct random_model *model)
{
	int option;

	random_model_preset("tiny", model);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == '?')
			exit(EXIT_FAILURE);
		if (option == OPTION_HELP) {
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		}
		if (option == OPTION_PRESET && !random_model_preset(optarg, model))
			fail("unknown preset", optarg);
	}
	optind = 1;
}

static void apply(int option, struct random_model *model)
{
	switch (option) {
	case OPTION_TYPE:
		model->type = type_of(optarg);
		break;
	case OPTION_EMBEDDING:
		model->embedding = type_of(optarg);
		break;
	case OPTION_SEPARATE_HEAD:
		model->separate_head = true;
		break;
	case OPTION_VARY_SCALES:
		model->vary_scales = true;
		break;
	case OPTION_SEED:
		model->seed = number(optarg, UINT64_MAX);
		break;
	case OPTION_PRESET:
		break;
	default:
		set_shape(model, option, (uint32_t)number(optarg, UINT32_MAX));
		break;
	}
}

static int show_progress(void *user, uint64_t done, uint64_t total)
{
	unsigned int *shown = user, percent = (unsigned int)(done * 100 / total);

	if (percent == *shown)
		return 0;
	*shown = percent;
	fprintf(stderr, "\r%3u %%%s", percent, done == total ? "\n" : "");
	return 0;
}

int main(int argc, char **argv)
{
	struct random_model model;
	struct bitnpu_error err;
	unsigned int shown = 0;
	int option;

	find_preset(argc, argv, &model);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		apply(option, &model);
	if (optind != argc - 1) {
		fputs(usage, stderr);
		return EXIT_FAILURE;
	}
	if (random_model_write(&model, argv[optind], isatty(STDERR_FILENO) ? show_progress : NULL,
			       &shown, &err)) {
		fprintf(stderr, "random-model: %s\n", err.message);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
