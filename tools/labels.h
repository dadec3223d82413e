/* SPDX-License-Identifier: MIT */
/* Finds room for labels beside points, so that they overlap neither each other nor lines. */
#ifndef BITNPU_LABELS_H
#define BITNPU_LABELS_H

#include "canvas.h"

/** struct bitnpu_box - a rectangle; @a is its upper left corner, @b its lower right one */
struct bitnpu_box {
	struct bitnpu_point a, b;
};

/** struct bitnpu_segment - a line from @a to @b */
struct bitnpu_segment {
	struct bitnpu_point a, b;
};

/**
 * struct bitnpu_labels - what is taken already
 * @area: labels must lie in it
 * @boxes: taken by text
 * @box_count: how many
 * @points: taken by points, which leaders may cross
 * @point_count: how many
 * @segments: which labels may not cross
 * @segment_count: how many
 */
struct bitnpu_labels {
	struct bitnpu_box area, *boxes;
	size_t box_count;
	struct bitnpu_box *points;
	size_t point_count;
	struct bitnpu_segment *segments;
	size_t segment_count;
};

void bitnpu_labels_block_box(struct bitnpu_labels *labels, struct bitnpu_box box);
void bitnpu_labels_block_point(struct bitnpu_labels *labels, struct bitnpu_point at,
			       double radius);
void bitnpu_labels_block_segment(struct bitnpu_labels *labels, struct bitnpu_segment segment);

/**
 * struct bitnpu_label - a label and where it goes
 * @at: the point
 * @width: of the label
 * @row: the caller's number for it
 * @box: taken by it, on either side of the point
 * @leader: line from the point to the label, of no length when they are neighbours
 */
struct bitnpu_label {
	struct bitnpu_point at;
	double width;
	size_t row;
	struct bitnpu_box box;
	struct bitnpu_segment leader;
};

/**
 * bitnpu_labels_place() - find room for all labels and take it
 * @labels: what is taken
 * @label: their points and widths, in any order; is sorted, and where they go filled in
 * @count: how many
 * @height: of each
 *
 * Return: whether there is room; a label without any is put beside its point.
 */
bool bitnpu_labels_place(struct bitnpu_labels *labels, struct bitnpu_label *label, size_t count,
			 double height);
void bitnpu_labels_free(struct bitnpu_labels *labels);

#endif /* BITNPU_LABELS_H */
