// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <math.h>
#include <sys/resource.h>

#include "output.h"
#include "run.h"

/* @units a second; NaN when no time passed. */
static double rate(uint64_t units, uint64_t ns)
{
	return ns ? units * 1e9 / ns : NAN;
}

/* Bytes of weights read by decode steps, each of which reads them all once; GB/s, 10^9. */
static double weight_rate(const struct bitnpu_session_stats *stats)
{
	return rate(stats->weight_bytes * stats->decode_tokens, stats->decode_ns) * 1e-9;
}

static double device_share(const struct bitnpu_session_stats *stats)
{
	uint64_t total = stats->prefill_ns + stats->decode_ns;

	return total ? (double)stats->device_ns / total : NAN;
}

static uint64_t peak_rss(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_maxrss * 1024;
}

static void print_phase(const char *name, uint64_t tokens, uint64_t ns)
{
	if (tokens)
		bitnpu_note("%-9s %" PRIu64 " tokens in %.3f s, %.2f tokens/s", name, tokens,
			    ns * 1e-9, rate(tokens, ns));
	else
		bitnpu_note("%-9s none", name);
}

void bitnpu_run_print_stats(const struct bitnpu_session *session,
			    const struct bitnpu_device_info *device, uint64_t seed)
{
	struct bitnpu_session_stats stats;
	char weights[24], rss[24], kv[24], buffers[24];

	bitnpu_session_get_stats(session, &stats);
	print_phase("prefill", stats.prefill_tokens, stats.prefill_ns);
	print_phase("decode", stats.decode_tokens, stats.decode_ns);
	bitnpu_note("%-9s %s (%s), %.1f %% of the time, %" PRIu64 " submissions", "device",
		    device->name, device->description, 100 * device_share(&stats),
		    stats.submissions);
	bitnpu_note("%-9s on the %s", "step", bitnpu_step_choices[stats.step]);
	bitnpu_note("%-9s %s", "engine", device->detail);
	bitnpu_note("%-9s %s a token, %.3f GB/s while decoding", "weights",
		    bitnpu_format_bytes(stats.weight_bytes, weights), weight_rate(&stats));
	bitnpu_note("%-9s %s at its peak, KV cache %s, device buffers %s", "memory",
		    bitnpu_format_bytes(peak_rss(), rss), bitnpu_format_bytes(stats.kv_bytes, kv),
		    bitnpu_format_bytes(stats.device_bytes, buffers));
	bitnpu_note("%-9s %" PRIu64, "seed", seed);
}

json_t *bitnpu_run_stats_json(const struct bitnpu_session *session)
{
	struct bitnpu_session_stats stats;
	json_t *json = json_object();

	bitnpu_session_get_stats(session, &stats);
	json_object_set_new(json, "prefill_tokens", json_integer(stats.prefill_tokens));
	json_object_set_new(json, "prefill_seconds", json_real(stats.prefill_ns * 1e-9));
	json_object_set_new(json, "prefill_tokens_per_s",
			    bitnpu_json_real(rate(stats.prefill_tokens, stats.prefill_ns)));
	json_object_set_new(json, "decode_tokens", json_integer(stats.decode_tokens));
	json_object_set_new(json, "decode_seconds", json_real(stats.decode_ns * 1e-9));
	json_object_set_new(json, "decode_tokens_per_s",
			    bitnpu_json_real(rate(stats.decode_tokens, stats.decode_ns)));
	json_object_set_new(json, "device_share", bitnpu_json_real(device_share(&stats)));
	json_object_set_new(json, "submissions", json_integer(stats.submissions));
	json_object_set_new(json, "step", json_string(bitnpu_step_choices[stats.step]));
	json_object_set_new(json, "weight_bytes", json_integer(stats.weight_bytes));
	json_object_set_new(json, "weight_gbps", bitnpu_json_real(weight_rate(&stats)));
	json_object_set_new(json, "kv_bytes", json_integer(stats.kv_bytes));
	json_object_set_new(json, "device_bytes", json_integer(stats.device_bytes));
	json_object_set_new(json, "peak_rss_bytes", json_integer(peak_rss()));
	return json;
}
