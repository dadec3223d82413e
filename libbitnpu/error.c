// SPDX-License-Identifier: MIT
/* Error reporting: a code, a line of text and, for command lists, the command at fault. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "command_field.h"
#include "error.h"

static const char *const status_names[] = {
	[BITNPU_STATUS_OK] = "ok",
	[BITNPU_STATUS_LENGTH] = "length",
	[BITNPU_STATUS_OPCODE] = "opcode",
	[BITNPU_STATUS_RESERVED] = "reserved",
	[BITNPU_STATUS_FORMAT] = "format",
	[BITNPU_STATUS_UNSUPPORTED] = "unsupported",
	[BITNPU_STATUS_DIMENSION] = "dimension",
	[BITNPU_STATUS_ALIGNMENT] = "alignment",
	[BITNPU_STATUS_STRIDE] = "stride",
	[BITNPU_STATUS_OVERFLOW] = "overflow",
	[BITNPU_STATUS_UNMAPPED] = "unmapped",
	[BITNPU_STATUS_READ_ONLY] = "read-only",
	[BITNPU_STATUS_OVERLAP] = "overlap",
	[BITNPU_STATUS_DEVICE] = "device",
};

static const char *const status_texts[] = {
	[BITNPU_STATUS_OK] = "no error",
	[BITNPU_STATUS_LENGTH] = "the list is empty or not a multiple of 64 bytes",
	[BITNPU_STATUS_OPCODE] = "undefined opcode",
	[BITNPU_STATUS_RESERVED] = "a reserved byte is not zero",
	[BITNPU_STATUS_FORMAT] = "undefined, or does not go with another field",
	[BITNPU_STATUS_UNSUPPORTED] = "this device lacks it",
	[BITNPU_STATUS_DIMENSION] = "zero or over the limit",
	[BITNPU_STATUS_ALIGNMENT] = "not a multiple of 64",
	[BITNPU_STATUS_STRIDE] = "smaller than its row",
	[BITNPU_STATUS_OVERFLOW] = "the range passes 2^64",
	[BITNPU_STATUS_UNMAPPED] = "the range is not inside one mapping",
	[BITNPU_STATUS_READ_ONLY] = "the result lies in a read-only mapping",
	[BITNPU_STATUS_OVERLAP] = "the result overlaps an operand",
	[BITNPU_STATUS_DEVICE] = "the device failed",
};

#define STATUS_COUNT	(sizeof(status_names) / sizeof(status_names[0]))

const char *bitnpu_status_name(uint32_t status)
{
	return status < STATUS_COUNT ? status_names[status] : "unknown";
}

int (bitnpu_fail)(struct bitnpu_error *err, int code, const char *fmt, ...)
{
	/* The arguments may point into err->message: errors are wrapped that way. */
	char message[sizeof(err->message)];
	va_list args;

	if (!err)
		return code;
	va_start(args, fmt);
	if (vsnprintf(message, sizeof(message), fmt, args) < 0)
		message[0] = '\0';
	va_end(args);
	bitnpu_error_clear(err);
	err->code = code;
	memcpy(err->message, message, strlen(message));
	/* Names come from files: a terminal must not obey them. */
	for (char *c = err->message; *c; c++)
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
	return code;
}

int bitnpu_fail_command(struct bitnpu_error *err, int code, uint8_t opcode,
			const struct bitnpu_fault *fault)
{
	const struct bitnpu_fault copy = *fault;	/* it may be err->fault itself */
	const char *name = bitnpu_status_name(copy.status);
	const char *text = copy.status < STATUS_COUNT ? status_texts[copy.status] : "unknown error";
	const char *field = copy.status == BITNPU_STATUS_RESERVED ? NULL :
			    bitnpu_command_field(opcode, copy.field);

	if (copy.status == BITNPU_STATUS_LENGTH)
		bitnpu_fail(err, code, "command list: length %llu: %s (%s)",
			    (unsigned long long)copy.addr, text, name);
	else if (copy.status == BITNPU_STATUS_DEVICE)
		bitnpu_fail(err, code, "command %u: %s (%s)", copy.index, text, name);
	else if (field)
		bitnpu_fail(err, code, "command %u: %s 0x%llx: %s (%s)", copy.index, field,
			    (unsigned long long)copy.addr, text, name);
	else
		bitnpu_fail(err, code, "command %u: byte %u is 0x%llx: %s (%s)", copy.index,
			    copy.field, (unsigned long long)copy.addr, text, name);
	if (err)
		err->fault = copy;
	return code;
}

int bitnpu_fail_fault(struct bitnpu_error *err, int code, const struct bitnpu_fault *fault)
{
	return bitnpu_fail_command(err, code, BITNPU_OP_MATMUL, fault);
}

void bitnpu_error_clear(struct bitnpu_error *err)
{
	if (err)
		memset(err, 0, sizeof(*err));
}
