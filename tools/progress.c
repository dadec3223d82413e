// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "interrupt.h"
#include "progress.h"

#define NS_PER_S 1000000000ull
#define FIRST_DRAW_NS (NS_PER_S / 2)
#define REDRAW_NS (NS_PER_S / 10)
#define LINE_BYTES 256

struct bitnpu_progress {
	const char *label;
	_Atomic uint64_t done, total;
	uint64_t start_ns;
	bool drawn;			/* of the drawing thread, and of stop() after it ended */
	bool stop;			/* under @lock */
	pthread_mutex_t lock;
	pthread_cond_t wake;		/* on CLOCK_MONOTONIC */
	pthread_t thread;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static unsigned int terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || size.ws_col < 20)
		return 80;
	return size.ws_col < LINE_BYTES - 16 ? size.ws_col : LINE_BYTES - 16;
}

static void format_seconds(double seconds, char out[16])
{
	if (seconds < 10)
		snprintf(out, 16, "%.1f s", seconds);
	else if (seconds < 60)
		snprintf(out, 16, "%.0f s", seconds);
	else if (seconds < 3600)
		snprintf(out, 16, "%.0f:%02u min", seconds / 60 - 0.5, (unsigned int)seconds % 60);
	else
		snprintf(out, 16, "%.1f h", seconds < 3.6e6 ? seconds / 3600 : 999.0);
}

/* "label [#####.....]  42 %  3 s left", one column short of the terminal's width. */
static void draw_bar(const struct bitnpu_progress *progress, double share, double seconds)
{
	unsigned int width = terminal_width() - 1;
	char tail[48], left[16], line[LINE_BYTES];
	int room, filled, at;

	format_seconds(share > 0 ? seconds * (1 - share) / share : 0, left);
	snprintf(tail, sizeof(tail), "] %3.0f %%  %s left", 100 * share,
		 share > 0.005 ? left : "?");
	room = (int)width - (int)strlen(progress->label) - 2 - (int)strlen(tail);
	if (room < 4) {
		fprintf(stderr, "\r\033[K%.*s %3.0f %%", (int)width - 6, progress->label,
			100 * share);
		return;
	}
	room = room > 40 ? 40 : room;
	filled = share * room;
	for (at = 0; at < room; at++)
		line[at] = at < filled ? '#' : '.';
	line[at] = '\0';
	fprintf(stderr, "\r\033[K%s [%s%s", progress->label, line, tail);
}

static void draw(struct bitnpu_progress *progress)
{
	double seconds = (now_ns() - progress->start_ns) * 1e-9;
	uint64_t total = atomic_load(&progress->total), done = atomic_load(&progress->done);
	char passed[16];

	progress->drawn = true;
	if (total) {
		draw_bar(progress, done < total ? (double)done / total : 1, seconds);
	} else {
		format_seconds(seconds, passed);
		fprintf(stderr, "\r\033[K%.*s ... %s", (int)terminal_width() - 20, progress->label,
			passed);
	}
	fflush(stderr);
}

static void *draw_thread(void *user)
{
	struct bitnpu_progress *progress = user;
	uint64_t next = progress->start_ns + FIRST_DRAW_NS;

	pthread_mutex_lock(&progress->lock);
	while (!progress->stop) {
		struct timespec until = { next / NS_PER_S, next % NS_PER_S };

		if (!pthread_cond_timedwait(&progress->wake, &progress->lock, &until))
			continue;
		draw(progress);
		next = now_ns() + REDRAW_NS;
	}
	pthread_mutex_unlock(&progress->lock);
	return NULL;
}

static bool wanted(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb");
}

/* Signals are for the main thread, whose system calls they are to interrupt. */
static int start_thread(struct bitnpu_progress *progress)
{
	sigset_t all, old;
	int failed;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	failed = pthread_create(&progress->thread, NULL, draw_thread, progress);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return failed;
}

struct bitnpu_progress *bitnpu_progress_start(const char *label)
{
	struct bitnpu_progress *progress;
	pthread_condattr_t attr;

	if (!wanted())
		return NULL;
	progress = calloc(1, sizeof(*progress));
	if (!progress)
		return NULL;
	progress->label = label;
	progress->start_ns = now_ns();
	pthread_mutex_init(&progress->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&progress->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (!start_thread(progress))
		return progress;
	pthread_cond_destroy(&progress->wake);
	pthread_mutex_destroy(&progress->lock);
	free(progress);
	return NULL;
}

void bitnpu_progress_update(struct bitnpu_progress *progress, uint64_t done, uint64_t total)
{
	if (!progress)
		return;
	atomic_store(&progress->done, done);
	atomic_store(&progress->total, total);
}

void bitnpu_progress_stop(struct bitnpu_progress *progress)
{
	if (!progress)
		return;
	pthread_mutex_lock(&progress->lock);
	progress->stop = true;
	pthread_cond_signal(&progress->wake);
	pthread_mutex_unlock(&progress->lock);
	pthread_join(progress->thread, NULL);
	if (progress->drawn) {
		fputs("\r\033[K", stderr);
		fflush(stderr);
	}
	pthread_cond_destroy(&progress->wake);
	pthread_mutex_destroy(&progress->lock);
	free(progress);
}

int bitnpu_progress_report(void *progress, uint64_t done, uint64_t total)
{
	bitnpu_progress_update(progress, done, total);
	return bitnpu_interrupted();
}
