// SPDX-License-Identifier: MIT
#include <signal.h>
#include <stddef.h>

#include "interrupt.h"

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
	caught = number;
}

void bitnpu_interrupt_catch(void)
{
	/* one-shot and without SA_RESTART: reads return, and the second signal kills */
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESETHAND };

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

int bitnpu_interrupted(void)
{
	return caught;
}

void bitnpu_interrupt_clear(void)
{
	caught = 0;
	bitnpu_interrupt_catch();
}
