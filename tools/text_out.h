/* SPDX-License-Identifier: MIT */
/* Where generated text goes: stop strings are cut off, UTF-8 sequences come out whole. */
#ifndef BITNPU_TEXT_OUT_H
#define BITNPU_TEXT_OUT_H

#include "command.h"

/**
 * struct bitnpu_text_out - generated text on its way out
 * @stops: strings that end the text; none may be empty
 * @echo: text goes to stdout
 * @terminal: stdout is a terminal: control characters are not sent to it
 * @text: all text that came out, NUL-terminated, @length bytes
 *
 * The other members are private.
 */
struct bitnpu_text_out {
	const struct bitnpu_texts *stops;
	bool echo, terminal;
	char *text;
	size_t length, capacity;
	char *held;
	size_t held_length, held_capacity;
	struct bitnpu_utf8_stream utf8;
};

/** bitnpu_text_out_init() - bitnpu_text_out_free() */
void bitnpu_text_out_init(struct bitnpu_text_out *out, const struct bitnpu_texts *stops, bool echo);
void bitnpu_text_out_free(struct bitnpu_text_out *out);

/**
 * bitnpu_text_out_push() - add bytes
 * @out: where
 * @bytes: what
 * @length: how many
 *
 * Text that may be the beginning of a stop string is held back.
 *
 * Return: 0, 1 when a stop string came (it and what follows is dropped), -EIO when stdout failed.
 */
int bitnpu_text_out_push(struct bitnpu_text_out *out, const char *bytes, size_t length);
/** bitnpu_text_out_end() - nothing more comes: let out what is held back; likewise -EIO */
int bitnpu_text_out_end(struct bitnpu_text_out *out);

#endif /* BITNPU_TEXT_OUT_H */
