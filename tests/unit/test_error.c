// SPDX-License-Identifier: MIT
/* Errors: one printable line, wrapping, faults in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "libbitnpu/error.h"

static void test_fail(void **state)
{
	struct bitnpu_error err;

	memset(&err, 0xee, sizeof(err));
	assert_int_equal(bitnpu_fail(&err, -EIO, "%s: %d", "file", 7), -EIO);
	assert_int_equal(err.code, -EIO);
	assert_string_equal(err.message, "file: 7");
	assert_int_equal(err.fault.status, 0);
	assert_int_equal(bitnpu_fail(&err, -EINVAL, "x: %s", err.message), -EINVAL);
	assert_string_equal(err.message, "x: file: 7");
	assert_int_equal(bitnpu_fail(NULL, -EIO, "nobody reads this"), -EIO);
	bitnpu_error_clear(&err);
	assert_int_equal(err.code, 0);
	assert_string_equal(err.message, "");
	bitnpu_error_clear(NULL);
}

static void test_long_and_unprintable(void **state)
{
	struct bitnpu_error err;
	char text[1000];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	bitnpu_fail(&err, -EIO, "%s", text);
	assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
	bitnpu_fail(&err, -EIO, "a\nb\x1b[31m\x7f\x80\xff~");
	assert_string_equal(err.message, "a?b?[31m???~");
}

static void test_fault(void **state)
{
	struct bitnpu_error err;
	const struct bitnpu_fault fault = {
		.status = BITNPU_STATUS_ALIGNMENT,
		.index = 12,
		.field = offsetof(struct bitnpu_cmd_matmul, y_addr),
		.addr = 0x1001,
	};

	assert_int_equal(bitnpu_fail_fault(&err, -EINVAL, &fault), -EINVAL);
	assert_memory_equal(&err.fault, &fault, sizeof(fault));
	assert_string_equal(err.message,
			    "command 12: y_addr 0x1001: not a multiple of 64 (alignment)");
	assert_int_equal(bitnpu_fail_fault(&err, -EIO, &err.fault), -EIO);
	assert_memory_equal(&err.fault, &fault, sizeof(fault));
	assert_int_equal(bitnpu_fail_fault(NULL, -EIO, &fault), -EIO);
}

/* A field is named by its command's own names; where there is none, by its place. */
static void test_fields(void **state)
{
	static const struct {
		uint8_t opcode;
		uint32_t field;
		const char *said;
	} cases[] = {
		{ BITNPU_OP_MATMUL, 56, "command 3: group_shift 0x40: " },
		{ BITNPU_OP_NORM_QUANTIZE, 12, "command 3: eps 0x40: " },
		{ BITNPU_OP_SCALE, 48, "command 3: slice_stride 0x40: " },
		{ BITNPU_OP_HEADS, 10, "command 3: head_dim 0x40: " },
		{ BITNPU_OP_ATTENTION, 2, "command 3: group 0x40: " },
		{ BITNPU_OP_GATE, 60, "command 3: activation 0x40: " },
		{ BITNPU_OP_GATE, 62, "command 3: byte 62 is 0x40: " },
		{ BITNPU_OP_GATE + 1, 0, "command 3: opcode 0x40: " },
		{ 0xff, 0, "command 3: opcode 0x40: " },
		{ 0xff, 8, "command 3: byte 8 is 0x40: " },
		{ BITNPU_OP_NOP, 8, "command 3: byte 8 is 0x40: " },
	};
	struct bitnpu_error err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct bitnpu_fault fault = {
			.status = BITNPU_STATUS_FORMAT,
			.index = 3,
			.field = cases[i].field,
			.addr = 0x40,
		};

		bitnpu_fail_command(&err, -EINVAL, cases[i].opcode, &fault);
		if (strncmp(err.message, cases[i].said, strlen(cases[i].said)))
			fail_msg("\"%s\" should begin with \"%s\"", err.message, cases[i].said);
	}
}

static void test_every_status(void **state)
{
	struct bitnpu_error err;

	for (uint32_t status = 0; status < 20; status++) {
		for (uint32_t field = 0; field < 70; field++) {
			const struct bitnpu_fault fault = {
				.status = status,
				.field = field,
				.addr = UINT64_MAX,
			};

			bitnpu_fail_fault(&err, -EINVAL, &fault);
			assert_non_null(strstr(err.message, bitnpu_status_name(status)));
		}
		for (uint32_t other = 0; other < status && status <= 13; other++)
			assert_string_not_equal(bitnpu_status_name(status),
						bitnpu_status_name(other));
	}
	assert_string_equal(bitnpu_status_name(BITNPU_STATUS_OK), "ok");
	assert_string_equal(bitnpu_status_name(UINT32_MAX), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fail),
		cmocka_unit_test(test_long_and_unprintable),
		cmocka_unit_test(test_fault),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_every_status),
	};

	return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
