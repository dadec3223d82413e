/* SPDX-License-Identifier: MIT */
/*
 * A second, independent definition of the float commands, from the text of the command set: one
 * element at a time.  It shares nothing with the engines but uapi/drm/bitnpu_isa.h and the
 * conversions of halves.
 */
#ifndef TEST_PLAIN_FLOAT_H
#define TEST_PLAIN_FLOAT_H

#include <stdbool.h>
#include <stdint.h>

#include <drm/bitnpu_isa.h>

/** typedef plain_at_fn - Return: the host address of device address @addr */
typedef uint8_t *plain_at_fn(void *user, uint64_t addr);

/**
 * plain_float_run() - run a float command that is right
 * @cmd: 64 bytes
 * @at: finds memory; an operand that begins there is contiguous
 * @user: handed to @at
 */
void plain_float_run(const void *cmd, plain_at_fn *at, void *user);

/** plain_has_address() - Return: whether a command of @opcode has an address at byte @field */
bool plain_has_address(uint8_t opcode, uint32_t field);

#endif /* TEST_PLAIN_FLOAT_H */
