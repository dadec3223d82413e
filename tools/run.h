/* SPDX-License-Identifier: MIT */
/* Parts of bitnpu run: its settings, its chat loop, its statistics. */
#ifndef BITNPU_RUN_H
#define BITNPU_RUN_H

#include <jansson.h>

#include "generate.h"

struct bitnpu_run_settings {
	const char *prompt, *file, *device, *system;
	uint32_t tokens, ctx, batch, threads, step;
	float temperature, top_p, min_p, repeat_penalty;
	uint32_t top_k, repeat_last;
	uint64_t seed;
	struct bitnpu_texts stops;
	bool chat, stats, json, no_echo, ignore_end;
};

/**
 * bitnpu_chat_loop() - talk: each line of stdin is a turn
 * @gen: the generator, at the start of its context
 * @settings: of the run; its prompt, if any, is the first turn
 * @prompt: the first turn, or NULL
 *
 * Return: why the last turn stopped; %BITNPU_STOP_END at the end of stdin.
 */
enum bitnpu_stop_reason bitnpu_chat_loop(struct bitnpu_generator *gen,
					 const struct bitnpu_run_settings *settings,
					 const char *prompt);

/** bitnpu_run_print_stats() - what the session did, on stderr */
void bitnpu_run_print_stats(const struct bitnpu_session *session,
			    const struct bitnpu_device_info *device, uint64_t seed);
/** bitnpu_run_stats_json() - likewise as an object */
json_t *bitnpu_run_stats_json(const struct bitnpu_session *session);

#endif /* BITNPU_RUN_H */
