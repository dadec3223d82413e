// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "table.h"

void bitnpu_table_init(struct bitnpu_table *table, const char *align)
{
	*table = (struct bitnpu_table){ .columns = strlen(align), .align = align };
	if (table->columns > BITNPU_TABLE_COLUMNS)
		abort();
}

void bitnpu_table_add(struct bitnpu_table *table, const char *fmt, ...)
{
	char *cell;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&cell, fmt, args) < 0)
		cell = bitnpu_tool_realloc(NULL, SIZE_MAX, 1);
	va_end(args);
	if (table->count == table->capacity) {
		table->capacity = table->capacity ? 2 * table->capacity : 64;
		table->cells = bitnpu_tool_realloc(table->cells, table->capacity,
						   sizeof(*table->cells));
	}
	table->cells[table->count++] = cell;
}

/* Characters, not bytes: continuation bytes of UTF-8 take no room. */
static size_t width_of(const char *cell)
{
	size_t width = 0;

	for (; *cell; cell++)
		width += ((unsigned char)*cell & 0xc0) != 0x80;
	return width;
}

static void print_cell(const struct bitnpu_table *table, size_t column, const char *cell,
		       size_t width)
{
	int padding = width - width_of(cell);
	bool last = column + 1 == table->columns;

	if (table->align[column] == 'r')
		printf("%*s%s", padding, "", cell);
	else
		printf("%s%*s", cell, last ? 0 : padding, "");
	fputs(last ? "\n" : "  ", stdout);
}

void bitnpu_table_print(struct bitnpu_table *table)
{
	size_t widths[BITNPU_TABLE_COLUMNS] = { 0 };

	for (size_t i = 0; i < table->count; i++) {
		size_t width = width_of(table->cells[i]);

		if (width > widths[i % table->columns])
			widths[i % table->columns] = width;
	}
	for (size_t i = 0; i < table->count - table->count % table->columns; i++)
		print_cell(table, i % table->columns, table->cells[i], widths[i % table->columns]);
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i]);
	free(table->cells);
	*table = (struct bitnpu_table){ 0 };
}
