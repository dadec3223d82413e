// SPDX-License-Identifier: MIT
#include <signal.h>
#include <stddef.h>
#include <time.h>

#include "interrupt.h"

/* timeout(1) and some terminals send a signal twice for one request. */
#define SAME_REQUEST_NS 300000000ll

static volatile sig_atomic_t caught;
static volatile long long caught_ns;

static long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static void on_signal(int number)
{
	if (!caught) {
		caught_ns = now_ns();
		caught = number;
	} else if (now_ns() - caught_ns > SAME_REQUEST_NS) {
		signal(number, SIG_DFL);
		raise(number);
	}
}

static void catch_signal(int number)
{
	/* without SA_RESTART, so that reads return */
	struct sigaction action = { .sa_handler = on_signal }, old;

	/* one at a time, because they share the variables above */
	sigemptyset(&action.sa_mask);
	sigaddset(&action.sa_mask, SIGINT);
	sigaddset(&action.sa_mask, SIGTERM);
	/* a signal that the parent ignores, as nohup does, stays ignored */
	if (!sigaction(number, NULL, &old) && old.sa_handler != SIG_IGN)
		sigaction(number, &action, NULL);
}

void bitnpu_interrupt_catch(void)
{
	catch_signal(SIGINT);
	catch_signal(SIGTERM);
}

int bitnpu_interrupted(void)
{
	return caught;
}

void bitnpu_interrupt_clear(void)
{
	caught = 0;
}
