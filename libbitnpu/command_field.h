/* SPDX-License-Identifier: MIT */
#ifndef BITNPU_COMMAND_FIELD_H
#define BITNPU_COMMAND_FIELD_H

#include <stdint.h>

/**
 * bitnpu_command_field() - name a field of a command
 * @opcode: of the command
 * @offset: of the field
 *
 * Return: the name, or NULL.
 */
const char *bitnpu_command_field(uint8_t opcode, uint32_t offset);

#endif /* BITNPU_COMMAND_FIELD_H */
