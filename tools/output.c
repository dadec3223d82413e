// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libbitnpu/bitnpu.h"
#include "output.h"

#define MESSAGE_BYTES 1024

/* Messages quote the command line and files: no line breaks, no escape sequences. */
static void print_line(const char *prefix, const char *line)
{
	char *shown = bitnpu_printable(line, strlen(line), MESSAGE_BYTES);

	fprintf(stderr, "%s%s\n", prefix, shown);
	free(shown);
}

void bitnpu_complain(const char *command, const char *fmt, ...)
{
	char prefix[32], line[MESSAGE_BYTES];
	va_list args;

	if (command)
		snprintf(prefix, sizeof(prefix), "bitnpu %s: ", command);
	else
		snprintf(prefix, sizeof(prefix), "bitnpu: ");
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	print_line(prefix, line);
}

void bitnpu_note(const char *fmt, ...)
{
	char line[MESSAGE_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	print_line("", line);
}

void *bitnpu_tool_realloc(void *old, size_t count, size_t size)
{
	void *memory = reallocarray(old, count ? count : 1, size);

	if (!memory) {
		fprintf(stderr, "bitnpu: out of memory (%zu x %zu bytes)\n", count, size);
		exit(1);
	}
	return memory;
}

int bitnpu_output_open_standard(void)
{
	/*
	 * A descriptor that the caller closed would be given to the next file opened, and results
	 * would be written into it.  The wrong direction makes every use of it fail instead.
	 */
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) != fd)
			return -1;
	return 0;
}

/* Why stdout first failed; later failures only say that it did. */
static int output_error;

bool bitnpu_output_flush(void)
{
	errno = 0;
	if (!fflush(stdout) && !ferror(stdout))
		return true;
	if (!output_error)
		output_error = errno ? errno : EIO;
	return false;
}

bool bitnpu_output_finish(const char *command)
{
	if (bitnpu_output_flush())
		return true;
	bitnpu_complain(command, "standard output: %s", strerror(output_error));
	return false;
}

/* Length of the well-formed UTF-8 sequence at @s, 0 when there is none; its character in @c. */
static size_t utf8_decode(const unsigned char *s, size_t left, uint32_t *c)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t length = *s < 0x80 ? 1 : *s < 0xc2 ? 0 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 :
			*s < 0xf5 ? 4 : 0;

	if (!length || length > left)
		return 0;
	*c = length == 1 ? *s : *s & (0xff >> (length + 1));
	for (size_t i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (s[i] & 0x3f);
	}
	if (*c < smallest[length] || *c > 0x10ffff || (*c >= 0xd800 && *c < 0xe000))
		return 0;
	return length;
}

/* Controls, and what changes the direction of the text around it or has no width. */
static bool is_hidden(uint32_t c)
{
	return c < ' ' || (c >= 0x7f && c < 0xa0) || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       (c >= 0xfff9 && c <= 0xfffb);
}

char *bitnpu_printable(const char *text, size_t length, size_t limit)
{
	const unsigned char *s = (const unsigned char *)text;
	/* no step adds more than four escapes of four bytes */
	char *out = bitnpu_tool_realloc(NULL, limit + 20, 4);
	size_t shown = 0, at = 0;

	for (size_t i = 0; i < length;) {
		uint32_t c = 0;
		size_t step = utf8_decode(s + i, length - i, &c);

		if (shown + 4 >= limit && length - i > 4) {
			at += sprintf(out + at, "...");
			break;
		}
		if (step && !is_hidden(c)) {
			memcpy(out + at, s + i, step);
			at += step;
			shown++;
			i += step;
			continue;
		}
		for (step = step ? step : 1; step; step--, shown += 4)
			at += sprintf(out + at, "\\x%02x", s[i++]);
	}
	out[at] = '\0';
	return out;
}

const char *bitnpu_format_bytes(uint64_t bytes, char out[24])
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	double value = bytes;
	unsigned int unit = 0;

	while (value >= 1024 && unit < 4) {
		value /= 1024;
		unit++;
	}
	snprintf(out, 24, unit ? "%.2f %s" : "%.0f %s", value, units[unit]);
	return out;
}

json_t *bitnpu_json_text(const char *text, size_t length)
{
	struct bitnpu_utf8_stream stream = { 0 };
	char *out = bitnpu_tool_realloc(NULL, length + 8, 3);
	size_t at = 0;
	json_t *json;

	for (size_t done = 0, part; done < length; done += part) {
		part = length - done < 1024 ? length - done : 1024;
		at += bitnpu_utf8_push(&stream, text + done, part, out + at, false);
	}
	at += bitnpu_utf8_push(&stream, "", 0, out + at, true);
	json = json_stringn(out, at);
	free(out);
	return json;
}

json_t *bitnpu_json_real(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

char *bitnpu_json_format(json_t *json)
{
	char *text = json_dumps(json, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9));
	size_t deletes = 0, at = 0;
	char *out;

	json_decref(json);
	if (!text) {
		bitnpu_complain(NULL, "out of memory while writing JSON");
		exit(1);
	}
	for (const char *c = text; *c; c++)
		deletes += *c == 0x7f;
	out = bitnpu_tool_realloc(NULL, strlen(text) + 5 * deletes + 2, 1);
	/* jansson writes DEL as it is; it can only occur inside a string */
	for (const char *c = text; *c; c++) {
		if (*c == 0x7f)
			at += sprintf(out + at, "\\u007f");
		else
			out[at++] = *c;
	}
	strcpy(out + at, "\n");
	free(text);
	return out;
}

void bitnpu_json_print(json_t *json)
{
	char *text = bitnpu_json_format(json);

	fputs(text, stdout);
	free(text);
}
