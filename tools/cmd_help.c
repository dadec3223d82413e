// SPDX-License-Identifier: MIT
/* bitnpu help and --help: every text comes from the description of the subcommand. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "output.h"

#define HELP_COLUMN 27
#define HELP_WIDTH 80

static void print_program(void)
{
	printf("Usage: bitnpu COMMAND [OPTION]... [ARGUMENT]...\n\n"
	       "Runs 1-bit and ternary language models on an NPU, an OpenCL device or the golden\n"
	       "engine, with the same result bit for bit.\n\nCommands:\n");
	for (size_t i = 0; bitnpu_commands[i]; i++)
		printf("  %-10s %s\n", bitnpu_commands[i]->name, bitnpu_commands[i]->summary);
	printf("\nbitnpu COMMAND --help, or the manual page bitnpu-COMMAND(1), tells more.\n\n"
	       "Exit codes:\n"
	       "  0  done\n"
	       "  1  a file, device or output failed\n"
	       "  2  the command line makes no sense\n"
	       "  3  a verification found a difference\n"
	       "  128 + N  ended by signal N\n");
}

/* Words of @text, wrapped, the first at column @at. */
static void print_wrapped(const char *text, int at)
{
	bool first = true;

	while (*text) {
		int length = strcspn(text, " ");

		if (!first && at + 1 + length > HELP_WIDTH)
			at = printf("\n%*s", HELP_COLUMN, "") - 1;
		else if (!first)
			at += printf(" ");
		at += printf("%.*s", length, text);
		text += length;
		text += strspn(text, " ");
		first = false;
	}
	putchar('\n');
}

static void print_option(const struct bitnpu_option *option)
{
	const char *shown = option->shown ? option->shown : option->initial;
	char head[64], help[384];
	int at;

	snprintf(head, sizeof(head), "  %c%c%s--%s%s%s", option->letter ? '-' : ' ',
		 option->letter ? option->letter : ' ', option->letter ? ", " : "  ", option->name,
		 option->argument ? " " : "", option->argument ? option->argument : "");
	if (shown)
		snprintf(help, sizeof(help), "%s (default: %s)", option->help, shown);
	else
		snprintf(help, sizeof(help), "%s", option->help);
	at = printf("%-*s", HELP_COLUMN - 1, head);
	if (at > HELP_COLUMN - 1)
		at = printf("\n%*s", HELP_COLUMN - 1, "") - 1;
	at += printf(" ");
	print_wrapped(help, at);
}

static void print_command(const struct bitnpu_command *command)
{
	static const struct bitnpu_option help = {
		.name = "help", .letter = 'h', .help = "show this text and exit"
	};

	printf("Usage: bitnpu %s [OPTION]...%s%s\n\n%s\n\nOptions:\n", command->name,
	       *command->arguments ? " " : "", command->arguments, command->description);
	for (const struct bitnpu_option *option = command->options; option && option->name;
	     option++)
		print_option(option);
	print_option(&help);
	if (command->examples)
		printf("\nExamples:\n%s", command->examples);
	printf("\nExit codes:\n"
	       "  0  done\n"
	       "  1  a file, device or output failed; one line on standard error says which\n"
	       "  2  the command line makes no sense\n%s", command->exits ? command->exits : "");
}

void bitnpu_help_print(const struct bitnpu_command *command)
{
	if (command)
		print_command(command);
	else
		print_program();
}

static int help_run(const void *settings, char **args)
{
	const struct bitnpu_command *command = NULL;

	if (args[0]) {
		command = bitnpu_command_find(args[0]);
		if (!command) {
			bitnpu_complain("help", "unknown command '%s' (see bitnpu help)", args[0]);
			return BITNPU_EXIT_USAGE;
		}
	}
	bitnpu_help_print(command);
	return BITNPU_EXIT_OK;
}

const struct bitnpu_command bitnpu_command_help = {
	.name = "help",
	.summary = "show help of the program or of one command",
	.arguments = "[COMMAND]",
	.max_args = 1,
	.description =
		"Shows the list of commands, or the help of one of them.",
	.examples = "  bitnpu help run\n",
	.run = help_run,
};
