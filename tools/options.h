/* SPDX-License-Identifier: MIT */
/* Command lines: strict numbers, options parsed into a settings structure. */
#ifndef BITNPU_OPTIONS_H
#define BITNPU_OPTIONS_H

#include "command.h"

/** bitnpu_parse_u64() - a decimal number, nothing else; Return: false for anything else */
bool bitnpu_parse_u64(const char *text, uint64_t *value);
/** bitnpu_parse_size() - bytes, perhaps with a suffix K, M or G; Return: likewise */
bool bitnpu_parse_size(const char *text, uint64_t *value);
/** bitnpu_parse_double() - a finite decimal number; Return: false for anything else */
bool bitnpu_parse_double(const char *text, double *value);

/**
 * bitnpu_options_parse() - parse a command line
 * @command: whose
 * @argc: its own name first
 * @argv: options are moved before the arguments
 * @settings: defaults are applied first; bitnpu_options_free() also after an error
 * @help: --help was given; nothing else was checked
 *
 * Return: index of the first argument, or a negative number after printing one line on stderr.
 */
int bitnpu_options_parse(const struct bitnpu_command *command, int argc, char **argv,
			 void *settings, bool *help);
void bitnpu_options_free(const struct bitnpu_command *command, void *settings);

#endif /* BITNPU_OPTIONS_H */
