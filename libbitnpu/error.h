/* SPDX-License-Identifier: MIT */
/* Error reporting shared by all of the library. */
#ifndef BITNPU_ERROR_H
#define BITNPU_ERROR_H

#include "bitnpu.h"

/**
 * bitnpu_fail() - fill @err and return @code
 * @err: may be NULL; a long message is cut, bytes that are not printable are shown as '?'
 * @code: negative errno
 * @fmt: one line that says what is wrong and where
 *
 * Return: @code, so that "return bitnpu_fail(err, -EINVAL, ...)" reads well.
 */
__attribute__((format(printf, 3, 4)))
int bitnpu_fail(struct bitnpu_error *err, int code, const char *fmt, ...);
#ifdef __clang_analyzer__
/* It looks at one file at a time: tell it that what failed does not return 0. */
#define bitnpu_fail(err, code, ...) ((void)bitnpu_fail(err, code, __VA_ARGS__), (code))
#endif

/** bitnpu_fail_command() - likewise for a command: the message names index, field and status */
int bitnpu_fail_command(struct bitnpu_error *err, int code, uint8_t opcode,
			const struct bitnpu_fault *fault);

/** bitnpu_fail_fault() - bitnpu_fail_command() for a MATMUL, or where no field is named */
int bitnpu_fail_fault(struct bitnpu_error *err, int code, const struct bitnpu_fault *fault);

/** bitnpu_error_clear() - nothing failed (NULL is ignored) */
void bitnpu_error_clear(struct bitnpu_error *err);

#endif /* BITNPU_ERROR_H */
