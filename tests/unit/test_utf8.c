// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "libbitnpu/bitnpu.h"
#include "libbitnpu/utf8.h"
#include "tests/support/random.h"

#define FFFD "\xef\xbf\xbd"
#define MAX_BYTES 64

/* The Unicode Standard, table 3-7, row by row: ranges of each byte. */
static const struct row {
	unsigned int length;
	unsigned char low[4], high[4];
} rows[] = {
	{ 1, { 0x00 }, { 0x7f } },
	{ 2, { 0xc2, 0x80 }, { 0xdf, 0xbf } },
	{ 3, { 0xe0, 0xa0, 0x80 }, { 0xe0, 0xbf, 0xbf } },
	{ 3, { 0xe1, 0x80, 0x80 }, { 0xec, 0xbf, 0xbf } },
	{ 3, { 0xed, 0x80, 0x80 }, { 0xed, 0x9f, 0xbf } },
	{ 3, { 0xee, 0x80, 0x80 }, { 0xef, 0xbf, 0xbf } },
	{ 4, { 0xf0, 0x90, 0x80, 0x80 }, { 0xf0, 0xbf, 0xbf, 0xbf } },
	{ 4, { 0xf1, 0x80, 0x80, 0x80 }, { 0xf3, 0xbf, 0xbf, 0xbf } },
	{ 4, { 0xf4, 0x80, 0x80, 0x80 }, { 0xf4, 0x8f, 0xbf, 0xbf } },
};

/* Longest prefix of @bytes that is a prefix of a row; whether it is a whole one. */
static size_t longest(const unsigned char *bytes, size_t count, bool *whole)
{
	size_t best = 0, i, k;

	*whole = false;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (k = 0; k < rows[i].length && k < count; k++) {
			if (bytes[k] < rows[i].low[k] || bytes[k] > rows[i].high[k])
				break;
		}
		if (k > best) {
			best = k;
			*whole = k == rows[i].length;
		}
	}
	return best;
}

/* All of @bytes at once, by the table; an incomplete end counts as ill-formed. */
static size_t reference(const unsigned char *bytes, size_t count, char *out)
{
	size_t done = 0, written = 0;

	while (done < count) {
		bool whole;
		size_t used = longest(bytes + done, count - done, &whole);

		if (whole) {
			memcpy(out + written, bytes + done, used);
			written += used;
		} else {
			memcpy(out + written, FFFD, 3);
			written += 3;
		}
		done += used ? used : 1;
	}
	return written;
}

/* Push in pieces of at most @step bytes and compare with the reference. */
static void expect_stream(const unsigned char *bytes, size_t count, size_t step)
{
	struct bitnpu_utf8_stream stream = { .count = 0 };
	char expected[3 * MAX_BYTES], out[3 * MAX_BYTES + 64];
	size_t length = reference(bytes, count, expected);
	size_t done = 0, written = 0;

	while (done < count) {
		size_t piece = count - done < step ? count - done : step;
		char *limited = malloc(3 * (piece + 4));
		size_t got;

		assert_non_null(limited);
		got = bitnpu_utf8_push(&stream, (const char *)bytes + done, piece, limited, false);
		memcpy(out + written, limited, got);
		free(limited);
		written += got;
		done += piece;
		assert_true(stream.count < 4);
	}
	written += bitnpu_utf8_push(&stream, NULL, 0, out + written, true);
	assert_int_equal(stream.count, 0);
	assert_int_equal(written, length);
	assert_memory_equal(out, expected, length);
}

static void test_examples(void **state)
{
	/* Section 3.9, tables 3-8 to 3-11 */
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "\xc0\xaf\xe0\x80\xbf\xf0\x81\x82"
		  "A",
		  FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A" },
		{ "\xed\xa0\x80\xed\xbf\xbf\xed\xaf"
		  "A",
		  FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A" },
		{ "\xf4\x91\x92\x93\xff"
		  "A\x80\xbf"
		  "B",
		  FFFD FFFD FFFD FFFD FFFD "A" FFFD FFFD "B" },
		{ "\xe1\x80\xe2\xf0\x91\x92\xf1\xbf"
		  "A",
		  FFFD FFFD FFFD FFFD "A" },
		{ "a\xf0\x9f\x98\x80z", "a\xf0\x9f\x98\x80z" },
		{ "\xf0\x9f\x98", FFFD },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bitnpu_utf8_stream stream = { .count = 0 };
		char out[64];
		size_t count =
			bitnpu_utf8_push(&stream, cases[i].in, strlen(cases[i].in), out, true);

		assert_int_equal(count, strlen(cases[i].out));
		assert_memory_equal(out, cases[i].out, count);
	}
}

static void test_holds_back(void **state)
{
	struct bitnpu_utf8_stream stream = { .count = 0 };
	char out[16];

	assert_int_equal(bitnpu_utf8_push(&stream, "a\xe2", 2, out, false), 1);
	assert_int_equal(bitnpu_utf8_push(&stream, "\x82", 1, out, false), 0);
	assert_int_equal(bitnpu_utf8_push(&stream, "", 0, out, false), 0);
	assert_int_equal(bitnpu_utf8_push(&stream, "\xac", 1, out, false), 3);
	assert_memory_equal(out, "\xe2\x82\xac", 3);
	assert_int_equal(bitnpu_utf8_push(&stream, NULL, 0, out, true), 0);
	/* flushed: the next byte starts afresh */
	assert_int_equal(bitnpu_utf8_push(&stream, "\xe2\x82", 2, out, true), 3);
	assert_int_equal(bitnpu_utf8_push(&stream, "\xac", 1, out, false), 3);
	assert_memory_equal(out, FFFD, 3);
}

static void test_every_start(void **state)
{
	unsigned int start, third;

	for (start = 0; start < 1 << 16; start++) {
		for (third = 0x3f; third < 0x100; third += 0x41) {
			const unsigned char bytes[] = { start >> 8, start, third, 0x80 };

			expect_stream(bytes, 4, 1);
			expect_stream(bytes, 3, 2);
		}
	}
}

static void test_random_streams(void **state)
{
	static const unsigned char likely[] = { 0x80, 0xbf, 0x9f, 0xa0, 0x8f, 0x90, 0xc2, 0xe0,
						0xe1, 0xed, 0xf0, 0xf4, 0xf5, 'a',  0xc1, 0xef };
	struct test_random random;
	unsigned int round;

	test_random_init(&random, 1);
	for (round = 0; round < 20000; round++) {
		unsigned char bytes[MAX_BYTES];
		size_t count = test_random_below(&random, MAX_BYTES), i;

		test_random_bytes(&random, bytes, count);
		for (i = 0; i < count; i++) {
			if (bytes[i] & 1)
				bytes[i] = likely[test_random_below(&random, sizeof(likely))];
		}
		expect_stream(bytes, count, 1 + test_random_below(&random, 8));
	}
}

static void test_decode(void **state)
{
	uint32_t code, got = 0;

	for (code = 0; code < 0x110000; code++) {
		char text[4];
		unsigned int length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
		static const unsigned char mark[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
		unsigned int i;
		uint32_t rest = code;

		for (i = length; i-- > 1; rest >>= 6)
			text[i] = 0x80 | (rest & 0x3f);
		text[0] = mark[length] | rest;
		if (code >= 0xd800 && code < 0xe000) {
			assert_int_equal(bitnpu_utf8_decode(text, length, &got), 0);
			continue;
		}
		assert_int_equal(bitnpu_utf8_decode(text, length, &got), length);
		assert_int_equal(got, code);
		if (length > 1)
			assert_int_equal(bitnpu_utf8_decode(text, length - 1, &got), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_holds_back),
		cmocka_unit_test(test_every_start),
		cmocka_unit_test(test_random_streams),
		cmocka_unit_test(test_decode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
