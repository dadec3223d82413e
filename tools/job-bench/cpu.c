// SPDX-License-Identifier: MIT
/* Who spends CPU time on a job: /proc/PID/schedstat has it by the nanosecond. */
#include "cpu.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static int64_t to_ns(const struct timeval *t)
{
	return t->tv_sec * 1000000000LL + t->tv_usec * 1000LL;
}

/* Reads the first line of /proc/@pid/@file.  Return: whether there is one. */
static int read_line(const char *pid, const char *file, char *line, int size)
{
	char path[320];
	FILE *in;
	int good;

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, file);
	in = fopen(path, "r");
	if (!in)
		return 0;
	good = fgets(line, size, in) != NULL;
	fclose(in);
	return good;
}

static void add_thread(const char *pid, struct cpu_times *times)
{
	char name[64], line[128];
	long long ns;

	if (!read_line(pid, "comm", name, sizeof(name)) ||
	    !read_line(pid, "schedstat", line, sizeof(line)) ||
	    sscanf(line, "%lld", &ns) != 1)	/* NOLINT(cert-err34-c) */
		return;
	if (strncmp(name, "irq/", 4) == 0 && strstr(name, "bitnpu"))
		times->interrupt += ns;
	else if (strncmp(name, "kworker/", 8) == 0)
		times->workers += ns;
	else if (strncmp(name, "bitnpu_sim", 10) == 0)
		times->simulator += ns;
}

void cpu_times_get(struct cpu_times *times)
{
	struct dirent *entry;
	struct rusage usage;
	DIR *proc;

	memset(times, 0, sizeof(*times));
	getrusage(RUSAGE_SELF, &usage);
	times->user = to_ns(&usage.ru_utime);
	times->system = to_ns(&usage.ru_stime);
	proc = opendir("/proc");
	while (proc && (entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]))
			add_thread(entry->d_name, times);
	if (proc)
		closedir(proc);
}
