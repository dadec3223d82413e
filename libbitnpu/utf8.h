/* SPDX-License-Identifier: MIT */
/* UTF-8 as the Unicode Standard, version 15, table 3-7 defines it. */
#ifndef BITNPU_UTF8_H
#define BITNPU_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** bitnpu_utf8_lead() - Return: length of the sequences that start with @byte, 0 if none do */
unsigned int bitnpu_utf8_lead(unsigned char byte);

/**
 * bitnpu_utf8_continues() - whether a sequence may go on
 * @head: its first bytes, valid so far
 * @count: how many, at least 1
 * @byte: the next one
 *
 * Return: whether @head and @byte together begin, or are, a well-formed sequence.
 */
bool bitnpu_utf8_continues(const unsigned char *head, unsigned int count, unsigned char byte);

/**
 * bitnpu_utf8_decode() - one code point
 * @text: at least one byte
 * @bytes: how many there are
 * @code: the code point; untouched when the sequence is ill-formed
 *
 * Return: length of the well-formed sequence at @text, 0 when it is ill-formed or cut.
 */
unsigned int bitnpu_utf8_decode(const char *text, size_t bytes, uint32_t *code);

#endif /* BITNPU_UTF8_H */
