// SPDX-License-Identifier: MIT
/* The bitnpu command: finds the subcommand and runs it. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "interrupt.h"
#include "options.h"
#include "output.h"

const struct bitnpu_command *const bitnpu_commands[] = {
	&bitnpu_command_run,
	&bitnpu_command_devices,
	&bitnpu_command_inspect,
	&bitnpu_command_pack,
	&bitnpu_command_verify,
	&bitnpu_command_bench,
	&bitnpu_command_help,
	&bitnpu_command_version,
	NULL,
};

const struct bitnpu_command *bitnpu_command_find(const char *name)
{
	for (size_t i = 0; bitnpu_commands[i]; i++)
		if (!strcmp(bitnpu_commands[i]->name, name))
			return bitnpu_commands[i];
	return NULL;
}

int bitnpu_command_main(const struct bitnpu_command *command, int argc, char **argv)
{
	void *settings = bitnpu_tool_realloc(NULL, 1, command->settings_size + 1);
	bool help = false;
	int first, code;

	memset(settings, 0, command->settings_size);
	first = bitnpu_options_parse(command, argc, argv, settings, &help);
	if (first < 0) {
		code = BITNPU_EXIT_USAGE;
	} else if (help) {
		bitnpu_help_print(command);
		code = BITNPU_EXIT_OK;
	} else {
		code = command->run(settings, argv + first);
	}
	if (!bitnpu_output_finish(command->name) && code == BITNPU_EXIT_OK)
		code = BITNPU_EXIT_FAILURE;
	bitnpu_options_free(command, settings);
	free(settings);
	return code;
}

int main(int argc, char **argv)
{
	const struct bitnpu_command *command;

	if (bitnpu_output_open_standard())
		return BITNPU_EXIT_FAILURE;
	/* a reader that went away and a file over its limit are write errors like any other */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	bitnpu_interrupt_catch();
	if (argc < 2) {
		bitnpu_complain(NULL, "no command given (see bitnpu help)");
		return BITNPU_EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		argv[1] = "help";
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		argv[1] = "version";
	command = bitnpu_command_find(argv[1]);
	if (!command) {
		bitnpu_complain(NULL, "unknown %s '%s' (see bitnpu help)",
				argv[1][0] == '-' ? "option" : "command", argv[1]);
		return BITNPU_EXIT_USAGE;
	}
	return bitnpu_command_main(command, argc - 1, argv + 1);
}
