// SPDX-License-Identifier: MIT
/*
 * The chat loop.  With a chat template each turn is wrapped as the model knows it; without, a turn
 * is appended as it is and the model goes on writing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "interrupt.h"
#include "output.h"
#include "run.h"

/* Stands for what the assistant said while the end of its turn is looked up. */
#define MARK "0xBITNPU0"

/**
 * struct chat - one conversation
 * @templated: the model has a chat format
 * @ending: what the format puts after an assistant's turn, "" when there is nothing
 * @open: the last turn was the assistant's and @ending is not evaluated yet
 */
struct chat {
	struct bitnpu_generator *gen;
	const struct bitnpu_run_settings *settings;
	bool templated, open;
	char *ending;
};

/* One turn in the model's format, to free(); NULL, with @err filled, when there is none. */
static char *format_turn(const struct chat *chat, const char *role, const char *text,
			 struct bitnpu_error *err)
{
	size_t bytes = 0;
	char *out;
	int code;

	code = bitnpu_chat_format(chat->gen->model, role, text, NULL, 0, &bytes, err);
	if (code && code != -ENOSPC)
		return NULL;
	out = bitnpu_tool_realloc(NULL, bytes + 1, 1);
	if (bitnpu_chat_format(chat->gen->model, role, text, out, bytes + 1, &bytes, err)) {
		free(out);
		return NULL;
	}
	out[bytes] = '\0';
	return out;
}

static int chat_begin(struct chat *chat)
{
	struct bitnpu_error err = { 0 };
	char *turn = format_turn(chat, "assistant", MARK, &err);
	const char *mark = turn ? strstr(turn, MARK) : NULL;

	if (!turn && err.code != -ENOTSUP) {
		bitnpu_complain("run", "%s", err.message);
		return -1;
	}
	chat->templated = turn;
	if (!turn && chat->settings->system) {
		bitnpu_complain("run", "--system: the model has no chat format");
		return -1;
	}
	chat->ending = strdup(mark ? mark + strlen(MARK) : "");
	free(turn);
	return chat->ending ? 0 : -1;
}

/* What to evaluate for a user's turn, from the end of the turn before it on; to free(). */
static char *turn_text(const struct chat *chat, const char *text, bool first)
{
	struct bitnpu_error err = { 0 };
	char *system = NULL, *user = NULL, *whole = NULL;

	if (!chat->templated)
		return strdup(text);
	if (first && chat->settings->system) {
		system = format_turn(chat, "system", chat->settings->system, &err);
		if (!system)
			goto out;
	}
	user = format_turn(chat, "user", text, &err);
	if (user && asprintf(&whole, "%s%s%s", chat->open ? chat->ending : "",
			     system ? system : "", user) < 0)
		whole = NULL;
out:
	if (!whole)
		bitnpu_complain("run", "%s", err.code ? err.message : "out of memory");
	free(user);
	free(system);
	return whole;
}

static void start_over(struct chat *chat)
{
	bitnpu_note("(the context of %u tokens is full: the conversation starts over)",
		    chat->gen->n_ctx);
	bitnpu_session_rewind(chat->gen->session, 0);
	chat->gen->logits = NULL;
	chat->open = false;
}

/* Evaluate a turn; a context too full for it is emptied first. */
static enum bitnpu_stop_reason say(struct chat *chat, const char *text)
{
	uint32_t flags = chat->templated ? BITNPU_TOKENIZE_SPECIAL : 0;
	enum bitnpu_stop_reason reason;

	for (int attempt = 0;; attempt++) {
		bool first = bitnpu_session_position(chat->gen->session) == 0;
		char *turn = turn_text(chat, text, first);

		if (!turn)
			return BITNPU_STOP_FAILED;
		reason = bitnpu_generate_prompt(chat->gen, turn, strlen(turn),
						flags | (first ? BITNPU_TOKENIZE_BOS : 0));
		free(turn);
		if (reason != BITNPU_STOP_CONTEXT || first || attempt)
			return reason;
		start_over(chat);
	}
}

static enum bitnpu_stop_reason answer(struct chat *chat)
{
	enum bitnpu_stop_reason reason;
	struct bitnpu_text_out out;

	bitnpu_text_out_init(&out, &chat->settings->stops, true);
	reason = bitnpu_generate_text(chat->gen, &out);
	putchar('\n');
	bitnpu_output_flush();
	bitnpu_text_out_free(&out);
	chat->open = true;
	if (reason == BITNPU_STOP_CONTEXT)
		start_over(chat);
	return reason;
}

/* A user's turn and the answer.  Return: %BITNPU_STOP_NONE to go on. */
static enum bitnpu_stop_reason turn(struct chat *chat, const char *text)
{
	enum bitnpu_stop_reason reason = say(chat, text);

	if (reason == BITNPU_STOP_NONE)
		reason = answer(chat);
	if (ferror(stdout))
		return BITNPU_STOP_FAILED;
	/* at a terminal a signal ends the answer, not the conversation */
	if (reason == BITNPU_STOP_SIGNAL && bitnpu_interrupted() && isatty(STDIN_FILENO)) {
		bitnpu_interrupt_clear();
		return BITNPU_STOP_NONE;
	}
	if (reason == BITNPU_STOP_SIGNAL || reason == BITNPU_STOP_FAILED)
		return reason;
	return BITNPU_STOP_NONE;
}

static enum bitnpu_stop_reason read_turns(struct chat *chat)
{
	bool terminal = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
	enum bitnpu_stop_reason reason = BITNPU_STOP_NONE;
	size_t capacity = 0;
	char *line = NULL;

	while (reason == BITNPU_STOP_NONE) {
		ssize_t length;

		if (terminal)
			fputs("> ", stderr);
		length = getline(&line, &capacity, stdin);
		if (length < 0) {
			reason = bitnpu_interrupted() ? BITNPU_STOP_SIGNAL :
				 ferror(stdin)	      ? BITNPU_STOP_FAILED : BITNPU_STOP_END;
			if (terminal)
				fputc('\n', stderr);
			if (reason == BITNPU_STOP_FAILED)
				bitnpu_complain("run", "standard input: %s", strerror(errno));
			break;
		}
		if (length && line[length - 1] == '\n')
			line[--length] = '\0';
		if (strlen(line) < (size_t)length)
			bitnpu_note("(the line is cut at its NUL byte)");
		if (*line)
			reason = turn(chat, line);
	}
	free(line);
	return reason;
}

enum bitnpu_stop_reason bitnpu_chat_loop(struct bitnpu_generator *gen,
					 const struct bitnpu_run_settings *settings,
					 const char *prompt)
{
	struct chat chat = { .gen = gen, .settings = settings };
	enum bitnpu_stop_reason reason = BITNPU_STOP_NONE;

	if (chat_begin(&chat))
		reason = BITNPU_STOP_FAILED;
	else if (isatty(STDIN_FILENO))
		bitnpu_note("(a line is a turn; end with Ctrl-D, Ctrl-C stops an answer)");
	if (reason == BITNPU_STOP_NONE && prompt)
		reason = turn(&chat, prompt);
	if (reason == BITNPU_STOP_NONE)
		reason = read_turns(&chat);
	free(chat.ending);
	return reason;
}
