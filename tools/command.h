/* SPDX-License-Identifier: MIT */
/* What a subcommand of bitnpu is: its options, its help and its code, in one description. */
#ifndef BITNPU_COMMAND_H
#define BITNPU_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "libbitnpu/bitnpu.h"

/**
 * enum bitnpu_exit - exit codes of every subcommand
 * @BITNPU_EXIT_OK: done
 * @BITNPU_EXIT_FAILURE: a file, device or output failed; one line on stderr says which
 * @BITNPU_EXIT_USAGE: the command line makes no sense
 * @BITNPU_EXIT_DIFFERENT: a verification found a difference
 *
 * A run that a signal ended exits with 128 plus the signal's number.
 */
enum bitnpu_exit {
	BITNPU_EXIT_OK		= 0,
	BITNPU_EXIT_FAILURE	= 1,
	BITNPU_EXIT_USAGE	= 2,
	BITNPU_EXIT_DIFFERENT	= 3,
	BITNPU_EXIT_SIGNAL	= 128,
};

enum bitnpu_option_type {
	BITNPU_OPTION_FLAG,	/* bool */
	BITNPU_OPTION_TEXT,	/* const char * */
	BITNPU_OPTION_TEXTS,	/* struct bitnpu_texts, may be repeated */
	BITNPU_OPTION_U32,	/* uint32_t */
	BITNPU_OPTION_NUMBERS,	/* struct bitnpu_numbers, "N[,N...]" */
	BITNPU_OPTION_U64,	/* uint64_t; @max is not applied */
	BITNPU_OPTION_SIZE,	/* uint64_t with an optional suffix K, M or G (powers of 1024) */
	BITNPU_OPTION_FLOAT,	/* float */
	BITNPU_OPTION_CHOICE,	/* uint32_t, the index of one of @choices */
};

/** struct bitnpu_texts - the values of a repeatable option, in order */
struct bitnpu_texts {
	const char **text;
	size_t count;
};

/** struct bitnpu_numbers - the numbers of an option that takes several, in order */
struct bitnpu_numbers {
	uint32_t *value;
	size_t count;
};

/**
 * struct bitnpu_option - one option of a subcommand; an array ends with a NULL @name
 * @name: long name without dashes
 * @letter: short name, 0 for none
 * @type: of the member of the settings at @offset
 * @argument: what help calls the argument, NULL for a flag
 * @offset: into the subcommand's settings
 * @min: smallest number allowed
 * @max: largest number allowed
 * @initial: default, parsed like an argument; NULL leaves zero
 * @shown: what help says the default is when @initial does not say it well
 * @help: one sentence, no full stop
 * @choices: of BITNPU_OPTION_CHOICE: texts, ended by NULL
 */
struct bitnpu_option {
	const char *name;
	char letter;
	enum bitnpu_option_type type;
	const char *argument;
	size_t offset;
	double min, max;
	const char *initial;
	const char *shown;
	const char *help;
	const char *const *choices;
};

/**
 * struct bitnpu_command - a subcommand
 * @name: as typed
 * @summary: a few words for the list of subcommands
 * @arguments: what follows the options in the usage line
 * @min_args: arguments it needs
 * @max_args: arguments it takes
 * @settings_size: of its settings structure, zeroed before the defaults are applied
 * @options: besides --help, which every subcommand has
 * @description: paragraphs for --help
 * @examples: lines for --help
 * @exits: exit codes besides 0, 1 and 2, lines for --help, may be NULL
 * @run: does it; settings and NULL-terminated @args live until it returns
 */
struct bitnpu_command {
	const char *name;
	const char *summary;
	const char *arguments;
	unsigned int min_args, max_args;
	size_t settings_size;
	const struct bitnpu_option *options;
	const char *description;
	const char *examples;
	const char *exits;
	int (*run)(const void *settings, char **args);
};

extern const struct bitnpu_command bitnpu_command_devices;
extern const struct bitnpu_command bitnpu_command_pack;
extern const struct bitnpu_command bitnpu_command_inspect;
extern const struct bitnpu_command bitnpu_command_run;
extern const struct bitnpu_command bitnpu_command_verify;
extern const struct bitnpu_command bitnpu_command_bench;
extern const struct bitnpu_command bitnpu_command_help;
extern const struct bitnpu_command bitnpu_command_version;

/** bitnpu_step_choices - of options whose value is an &enum bitnpu_step */
extern const char *const bitnpu_step_choices[];

/** bitnpu_commands - all of them, ended by NULL */
extern const struct bitnpu_command *const bitnpu_commands[];

/** bitnpu_command_find() - Return: the subcommand of that name, or NULL */
const struct bitnpu_command *bitnpu_command_find(const char *name);

/**
 * bitnpu_command_main() - parse a subcommand's command line and run it
 * @command: the subcommand
 * @argc: of its part of the command line, its own name first
 * @argv: likewise
 *
 * Return: an exit code.
 */
int bitnpu_command_main(const struct bitnpu_command *command, int argc, char **argv);

/** bitnpu_help_print() - help of @command on stdout, or of the whole program when it is NULL */
void bitnpu_help_print(const struct bitnpu_command *command);

#endif /* BITNPU_COMMAND_H */
