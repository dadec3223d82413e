// SPDX-License-Identifier: MIT
/* bitnpu run: generate text. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "interrupt.h"
#include "output.h"
#include "progress.h"
#include "read_text.h"
#include "run.h"

#define DEFAULT_CTX 4096

/* What a run holds; closed in reverse order. */
struct run {
	const struct bitnpu_run_settings *settings;
	struct bitnpu_model *model;
	struct bitnpu_device *device;
	struct bitnpu_session *session;
	struct bitnpu_sampler *sampler;
	struct bitnpu_generator gen;
	uint64_t seed;
	char *prompt;
	size_t prompt_length;
	bool chat;
};

static bool check_settings(const struct bitnpu_run_settings *settings)
{
	if (settings->prompt && settings->file) {
		bitnpu_complain("run", "--prompt and --file exclude each other");
		return false;
	}
	if (settings->chat && settings->json) {
		bitnpu_complain("run", "--chat and --json exclude each other");
		return false;
	}
	for (size_t i = 0; i < settings->stops.count; i++) {
		if (!*settings->stops.text[i]) {
			bitnpu_complain("run", "--stop: the string is empty");
			return false;
		}
	}
	return true;
}

/* Where the prompt comes from: an option, a file, a pipe, or nowhere (then it is a chat). */
static int read_prompt(struct run *run)
{
	const struct bitnpu_run_settings *settings = run->settings;

	run->chat = settings->chat;
	if (settings->prompt) {
		run->prompt = strdup(settings->prompt);
		run->prompt_length = strlen(settings->prompt);
		return run->prompt ? 0 : -1;
	}
	if (settings->file)
		return bitnpu_read_file("run", settings->file, &run->prompt, &run->prompt_length);
	if (!run->chat && isatty(STDIN_FILENO) && !settings->json)
		run->chat = true;
	if (run->chat)
		return 0;
	return bitnpu_read_file("run", NULL, &run->prompt, &run->prompt_length);
}

static uint64_t choose_seed(uint64_t wanted)
{
	uint64_t seed = 0;

	if (wanted)
		return wanted;
	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = getpid();
	/* small enough for every JSON reader to hold it exactly, and not 0 */
	return seed >> 11 | 1;
}

static int open_sampler(struct run *run, struct bitnpu_error *err)
{
	const struct bitnpu_run_settings *settings = run->settings;
	struct bitnpu_sampler_params params = {
		.temperature = settings->temperature,
		.top_k = settings->top_k,
		.top_p = settings->top_p,
		.min_p = settings->min_p,
		.repeat_penalty = settings->repeat_penalty,
		.repeat_last = settings->repeat_last,
		.seed = run->seed,
	};

	return bitnpu_sampler_create(&params, bitnpu_model_get_info(run->model)->n_vocab,
				     &run->sampler, err);
}

static int open_parts(struct run *run, const char *path, struct bitnpu_error *err)
{
	const struct bitnpu_run_settings *settings = run->settings;
	struct bitnpu_session_params params = { .n_batch = settings->batch, .step = settings->step };
	int failed;

	failed = bitnpu_set_threads(settings->threads, err);
	if (failed)
		return failed;
	failed = bitnpu_device_open(settings->device, &run->device, err);
	if (failed)
		return failed;
	failed = bitnpu_model_open(path, 0, &run->model, err);
	if (failed)
		return failed;
	params.n_ctx = bitnpu_model_get_info(run->model)->n_ctx_train;
	if (params.n_ctx > DEFAULT_CTX)
		params.n_ctx = DEFAULT_CTX;
	if (settings->ctx)
		params.n_ctx = settings->ctx;
	failed = bitnpu_session_create(run->model, run->device, &params, &run->session, err);
	if (failed)
		return failed;
	run->gen = (struct bitnpu_generator){
		.model = run->model, .session = run->session, .n_ctx = params.n_ctx,
		.n_batch = settings->batch, .limit = settings->tokens,
		.ignore_end = settings->ignore_end,
		.progress = settings->json || !isatty(STDOUT_FILENO),
	};
	return open_sampler(run, err);
}

static int run_open(struct run *run, const char *path)
{
	struct bitnpu_progress *progress = bitnpu_progress_start("loading the model");
	struct bitnpu_error err = { 0 };
	int failed = open_parts(run, path, &err);

	bitnpu_progress_stop(progress);
	run->gen.sampler = run->sampler;
	if (failed)
		bitnpu_complain("run", "%s", err.message);
	return failed;
}

static void run_close(struct run *run)
{
	bitnpu_sampler_destroy(run->sampler);
	bitnpu_session_destroy(run->session);
	bitnpu_model_close(run->model);
	bitnpu_device_close(run->device);
	free(run->prompt);
}

static void print_json(const struct run *run, const char *path, const struct bitnpu_text_out *out,
		       enum bitnpu_stop_reason reason)
{
	const struct bitnpu_device_info *device = bitnpu_device_get_info(run->device);
	json_t *json = json_object();

	json_object_set_new(json, "model", bitnpu_json_text(path, strlen(path)));
	json_object_set_new(json, "device", bitnpu_json_text(device->name, strlen(device->name)));
	json_object_set_new(json, "prompt", bitnpu_json_text(run->prompt, run->prompt_length));
	json_object_set_new(json, "text", bitnpu_json_text(out->text, out->length));
	json_object_set_new(json, "tokens", json_integer(run->gen.tokens));
	json_object_set_new(json, "stop", json_string(bitnpu_stop_name(reason)));
	json_object_set_new(json, "seed", json_sprintf("%llu", (unsigned long long)run->seed));
	json_object_set_new(json, "stats", bitnpu_run_stats_json(run->session));
	bitnpu_json_print(json);
}

/* Print the prompt as the text after it will be printed. */
static int echo_prompt(const struct run *run)
{
	static const struct bitnpu_texts none;
	struct bitnpu_text_out out;
	int failed;

	bitnpu_text_out_init(&out, &none, true);
	failed = bitnpu_text_out_push(&out, run->prompt, run->prompt_length) ||
		 bitnpu_text_out_end(&out);
	bitnpu_text_out_free(&out);
	return failed;
}

/* One prompt, one text. */
static enum bitnpu_stop_reason complete(struct run *run, const char *path)
{
	const struct bitnpu_run_settings *settings = run->settings;
	enum bitnpu_stop_reason reason;
	struct bitnpu_text_out out;

	reason = bitnpu_generate_prompt(&run->gen, run->prompt, run->prompt_length,
					BITNPU_TOKENIZE_BOS);
	if (reason == BITNPU_STOP_CONTEXT)
		return BITNPU_STOP_FAILED;
	if (reason != BITNPU_STOP_NONE)
		return reason;
	if (!settings->json && !settings->no_echo && echo_prompt(run))
		return BITNPU_STOP_FAILED;
	bitnpu_text_out_init(&out, &settings->stops, !settings->json);
	reason = bitnpu_generate_text(&run->gen, &out);
	if (settings->json && reason != BITNPU_STOP_FAILED)
		print_json(run, path, &out, reason);
	else if (!settings->json && !(out.length && out.text[out.length - 1] == '\n'))
		putchar('\n');
	bitnpu_output_flush();
	bitnpu_text_out_free(&out);
	if (reason == BITNPU_STOP_CONTEXT)
		bitnpu_note("(stopped: the context of %u tokens is full)", run->gen.n_ctx);
	return reason;
}

static int exit_code(enum bitnpu_stop_reason reason)
{
	/* a signal also fails what it interrupts, such as reading the prompt */
	if (reason == BITNPU_STOP_SIGNAL || (reason == BITNPU_STOP_FAILED && bitnpu_interrupted()))
		return BITNPU_EXIT_SIGNAL + bitnpu_interrupted();
	return reason == BITNPU_STOP_FAILED ? BITNPU_EXIT_FAILURE : BITNPU_EXIT_OK;
}

static int run_run(const void *settings, char **args)
{
	struct run run = { .settings = settings };
	enum bitnpu_stop_reason reason = BITNPU_STOP_FAILED;

	if (!check_settings(settings))
		return BITNPU_EXIT_USAGE;
	run.seed = choose_seed(run.settings->seed);
	if (!read_prompt(&run) && !run_open(&run, args[0])) {
		if (run.chat)
			reason = bitnpu_chat_loop(&run.gen, settings, run.prompt);
		else
			reason = complete(&run, args[0]);
		if (run.settings->stats)
			bitnpu_run_print_stats(run.session, bitnpu_device_get_info(run.device),
					       run.seed);
	}
	run_close(&run);
	return exit_code(reason);
}

#define AT(member) offsetof(struct bitnpu_run_settings, member)
#define U32_MAX 4294967295.0

static const struct bitnpu_option options[] = {
	{ .name = "prompt", .letter = 'p', .type = BITNPU_OPTION_TEXT, .argument = "TEXT",
	  .offset = AT(prompt), .help = "text to go on from" },
	{ .name = "file", .letter = 'f', .type = BITNPU_OPTION_TEXT, .argument = "FILE",
	  .offset = AT(file), .help = "read the prompt from FILE" },
	{ .name = "tokens", .letter = 'n', .type = BITNPU_OPTION_U32, .argument = "N",
	  .offset = AT(tokens), .min = 1, .max = U32_MAX, .initial = "128",
	  .help = "tokens to generate at most (in a chat, in each answer)" },
	{ .name = "device", .letter = 'd', .type = BITNPU_OPTION_TEXT, .argument = "NAME",
	  .offset = AT(device), .initial = "auto",
	  .help = "device to run on, as bitnpu devices lists them" },
	{ .name = "threads", .letter = 't', .type = BITNPU_OPTION_U32, .argument = "N",
	  .offset = AT(threads), .min = 1, .max = BITNPU_MAX_THREADS,
	  .shown = "one a processor",
	  .help = "threads for what runs on the host" },
	{ .name = "step", .type = BITNPU_OPTION_CHOICE, .argument = "WHERE", .offset = AT(step),
	  .initial = "auto", .choices = bitnpu_step_choices,
	  .help = "where the float operations between matmuls run: auto, host or device" },
	{ .name = "chat", .offset = AT(chat),
	  .help = "talk: every line of standard input is a turn" },
	{ .name = "system", .type = BITNPU_OPTION_TEXT, .argument = "TEXT", .offset = AT(system),
	  .help = "what a chat's model is told before the first turn" },
	{ .name = "temp", .type = BITNPU_OPTION_FLOAT, .argument = "T",
	  .offset = AT(temperature), .min = 0, .max = 100, .initial = "0.8",
	  .help = "temperature; 0 always takes the most likely token" },
	{ .name = "top-k", .type = BITNPU_OPTION_U32, .argument = "K", .offset = AT(top_k),
	  .min = 0, .max = U32_MAX, .initial = "40",
	  .help = "choose among the K most likely tokens; 0 for all" },
	{ .name = "top-p", .type = BITNPU_OPTION_FLOAT, .argument = "P", .offset = AT(top_p),
	  .min = 0, .max = 1, .initial = "0.95",
	  .help = "choose among the most likely tokens that have probability P together; 0 or 1 "
		  "for all" },
	{ .name = "min-p", .type = BITNPU_OPTION_FLOAT, .argument = "P", .offset = AT(min_p),
	  .min = 0, .max = 1, .initial = "0.05",
	  .help = "drop tokens less likely than P times the most likely; 0 drops none" },
	{ .name = "repeat-penalty", .type = BITNPU_OPTION_FLOAT, .argument = "R",
	  .offset = AT(repeat_penalty), .min = 0, .max = 100, .initial = "1",
	  .help = "make recent tokens less likely by the factor R; 1 for none" },
	{ .name = "repeat-last", .type = BITNPU_OPTION_U32, .argument = "N",
	  .offset = AT(repeat_last), .min = 0, .max = U32_MAX, .initial = "64",
	  .help = "how many tokens are recent" },
	{ .name = "seed", .letter = 's', .type = BITNPU_OPTION_U64, .argument = "N",
	  .offset = AT(seed), .initial = "0",
	  .help = "of the random numbers: the same seed gives the same text on every device; 0 "
		  "takes a random one" },
	{ .name = "stop", .type = BITNPU_OPTION_TEXTS, .argument = "TEXT", .offset = AT(stops),
	  .help = "end before this text; may be repeated" },
	{ .name = "ignore-eos", .offset = AT(ignore_end),
	  .help = "go on after the model ended its text" },
	{ .name = "ctx", .letter = 'c', .type = BITNPU_OPTION_U32, .argument = "N",
	  .offset = AT(ctx), .min = 1, .max = 1 << 24,
	  .shown = "what the model was trained for, 4096 at most",
	  .help = "tokens of prompt and text that are kept in mind" },
	{ .name = "batch", .letter = 'b', .type = BITNPU_OPTION_U32, .argument = "N",
	  .offset = AT(batch), .min = 1, .max = 65536, .initial = "128",
	  .help = "tokens of the prompt evaluated at once" },
	{ .name = "no-prompt-echo", .offset = AT(no_echo),
	  .help = "do not print the prompt before the text" },
	{ .name = "stats", .offset = AT(stats),
	  .help = "print speed and memory on standard error" },
	{ .name = "json", .offset = AT(json),
	  .help = "print one JSON object at the end instead of the text" },
	{ 0 },
};

const struct bitnpu_command bitnpu_command_run = {
	.name = "run",
	.summary = "generate text, or chat",
	.arguments = "MODEL",
	.min_args = 1,
	.max_args = 1,
	.settings_size = sizeof(struct bitnpu_run_settings),
	.options = options,
	.description =
		"Generates text with the GGUF file MODEL, packed or not, and prints it as it\n"
		"comes. The prompt is TEXT, the contents of FILE or, when standard input is\n"
		"not a terminal, what comes from there. At a terminal without a prompt, and\n"
		"with --chat, it talks: each line is a turn, put into the model's chat format\n"
		"if it has one.\n\n"
		"A text ends when the model ends it, after N tokens, before a stop string,\n"
		"when the context is full (a note on standard error says so) or at Ctrl-C. A\n"
		"prompt that does not fit the context is refused. A chat whose context is\n"
		"full starts over.",
	.examples = "  bitnpu run model.gguf -p 'Once upon a time' -n 64 --temp 0\n"
		    "  bitnpu run model.gguf --device golden --seed 7 --stats < prompt.txt\n"
		    "  bitnpu run model.gguf --chat\n",
	.exits = "  128 + N  ended by signal N, after printing what was asked for with --stats\n",
	.run = run_run,
};
