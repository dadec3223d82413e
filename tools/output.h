/* SPDX-License-Identifier: MIT */
/* What the command prints: results on stdout, one-line complaints on stderr, safe text, JSON. */
#ifndef BITNPU_OUTPUT_H
#define BITNPU_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/** bitnpu_complain() - print "bitnpu COMMAND: message" on stderr, hidden characters as \xNN */
__attribute__((format(printf, 2, 3)))
void bitnpu_complain(const char *command, const char *fmt, ...);
/** bitnpu_note() - print a line on stderr that is no error */
__attribute__((format(printf, 1, 2)))
void bitnpu_note(const char *fmt, ...);

/** bitnpu_tool_realloc() - like reallocarray(), but ends the program when memory is out */
void *bitnpu_tool_realloc(void *old, size_t count, size_t size);

/** bitnpu_output_open_standard() - fill closed standard descriptors, so that no file gets them */
int bitnpu_output_open_standard(void);
/** bitnpu_output_flush() - write what stdout holds back; Return: false if any of it was lost */
bool bitnpu_output_flush(void);
/**
 * bitnpu_output_finish() - flush stdout and see whether all of it was written
 * @command: for the complaint
 *
 * Return: false after complaining that it was not.
 */
bool bitnpu_output_finish(const char *command);

/**
 * bitnpu_printable() - text that is safe to show on a terminal
 * @text: bytes from a file
 * @length: how many
 * @limit: characters of output at most; what is cut ends in "..."; at least 16
 *
 * Control, formatting and ill-formed bytes come out as \xNN.
 *
 * Return: a string to free().
 */
char *bitnpu_printable(const char *text, size_t length, size_t limit);

/** bitnpu_format_bytes() - "1.50 MiB" */
const char *bitnpu_format_bytes(uint64_t bytes, char out[24]);

/** bitnpu_json_text() - any bytes as a JSON string; ill-formed UTF-8 becomes U+FFFD */
json_t *bitnpu_json_text(const char *text, size_t length);
/** bitnpu_json_real() - a number, or null when it is not finite */
json_t *bitnpu_json_real(double value);
/** bitnpu_json_format() - @json, which is dropped, as lines of printable ASCII to free() */
char *bitnpu_json_format(json_t *json);
/** bitnpu_json_print() - print them on stdout */
void bitnpu_json_print(json_t *json);

#endif /* BITNPU_OUTPUT_H */
