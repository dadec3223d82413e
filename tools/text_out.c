// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output.h"
#include "text_out.h"

/* What bitnpu_utf8_push() takes at once. */
#define PUSH_BYTES 1024

void bitnpu_text_out_init(struct bitnpu_text_out *out, const struct bitnpu_texts *stops, bool echo)
{
	*out = (struct bitnpu_text_out){ .stops = stops, .echo = echo,
					 .terminal = isatty(STDOUT_FILENO) };
	out->text = bitnpu_tool_realloc(NULL, 1, 1);
	out->text[0] = '\0';
}

void bitnpu_text_out_free(struct bitnpu_text_out *out)
{
	free(out->text);
	free(out->held);
}

static void append(char **buffer, size_t *length, size_t *capacity, const char *bytes, size_t count)
{
	if (*length + count + 1 > *capacity) {
		*capacity = 2 * (*length + count + 1);
		*buffer = bitnpu_tool_realloc(*buffer, *capacity, 1);
	}
	memcpy(*buffer + *length, bytes, count);
	*length += count;
	(*buffer)[*length] = '\0';
}

/* A model could spell out escape sequences; a terminal must not see them.  @text is UTF-8. */
static void print_safely(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char c = text[i];
		bool control = (c < ' ' && c != '\n' && c != '\t') || c == 0x7f;

		if (control)
			fputs("\xef\xbf\xbd", stdout);
		else if (c == 0xc2 && i + 1 < length && (unsigned char)text[i + 1] < 0xa0)
			fputs((i++, "\xef\xbf\xbd"), stdout);
		else
			putchar(c);
	}
}

static int emit(struct bitnpu_text_out *out, const char *bytes, size_t length, bool flush)
{
	char shown[3 * (PUSH_BYTES + 4)];

	do {
		size_t part = length < PUSH_BYTES ? length : PUSH_BYTES;
		size_t count = bitnpu_utf8_push(&out->utf8, bytes, part, shown,
						flush && part == length);

		append(&out->text, &out->length, &out->capacity, shown, count);
		if (out->echo && out->terminal)
			print_safely(shown, count);
		else if (out->echo)
			fwrite(shown, 1, count, stdout);
		bytes += part;
		length -= part;
	} while (length);
	return out->echo && !bitnpu_output_flush() ? -EIO : 0;
}

/* Length of the longest end of @held that begins a stop string without being one. */
static size_t undecided(const struct bitnpu_text_out *out)
{
	size_t longest = 0;

	for (size_t i = 0; i < out->stops->count; i++) {
		const char *stop = out->stops->text[i];
		size_t length = strlen(stop) - 1;

		if (length > out->held_length)
			length = out->held_length;
		for (; length > longest; length--)
			if (!memcmp(out->held + out->held_length - length, stop, length))
				longest = length;
	}
	return longest;
}

/* Where the first stop string begins in @held, or SIZE_MAX. */
static size_t find_stop(const struct bitnpu_text_out *out)
{
	size_t first = SIZE_MAX;

	for (size_t i = 0; i < out->stops->count; i++) {
		const char *stop = out->stops->text[i];
		const char *found = memmem(out->held, out->held_length, stop, strlen(stop));

		if (found && (size_t)(found - out->held) < first)
			first = found - out->held;
	}
	return first;
}

int bitnpu_text_out_push(struct bitnpu_text_out *out, const char *bytes, size_t length)
{
	size_t stop, keep;

	append(&out->held, &out->held_length, &out->held_capacity, bytes, length);
	stop = find_stop(out);
	if (stop != SIZE_MAX) {
		if (emit(out, out->held, stop, true))
			return -EIO;
		out->held_length = 0;
		return 1;
	}
	keep = undecided(out);
	if (emit(out, out->held, out->held_length - keep, false))
		return -EIO;
	memmove(out->held, out->held + out->held_length - keep, keep);
	out->held_length = keep;
	return 0;
}

int bitnpu_text_out_end(struct bitnpu_text_out *out)
{
	size_t length = out->held_length;

	out->held_length = 0;
	return emit(out, out->held, length, true);
}
