/* SPDX-License-Identifier: MIT */
/* Tables with aligned columns on stdout. */
#ifndef BITNPU_TABLE_H
#define BITNPU_TABLE_H

#include <stddef.h>

#define BITNPU_TABLE_COLUMNS 16

/**
 * struct bitnpu_table - cells gathered row by row; bitnpu_table_print() prints and frees them
 * @columns: how many
 * @align: 'l' or 'r' for each column
 */
struct bitnpu_table {
	size_t columns;
	const char *align;
	char **cells;
	size_t count, capacity;
};

/**
 * bitnpu_table_init() - as many columns as @align has letters, at most %BITNPU_TABLE_COLUMNS; the
 * first row is the header
 */
void bitnpu_table_init(struct bitnpu_table *table, const char *align);
/** bitnpu_table_add() - the next cell, from left to right */
__attribute__((format(printf, 2, 3)))
void bitnpu_table_add(struct bitnpu_table *table, const char *fmt, ...);
/** bitnpu_table_print() - print, then free; an unfinished row is left out */
void bitnpu_table_print(struct bitnpu_table *table);

#endif /* BITNPU_TABLE_H */
