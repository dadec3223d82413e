// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdlib.h>

#include "labels.h"
#include "output.h"

/* Between a point and its label; places tried above and below, in parts of its height. */
#define GAP 9.0
#define FARTHEST 60
#define STEP 0.6

void bitnpu_labels_block_box(struct bitnpu_labels *labels, struct bitnpu_box box)
{
	labels->boxes = bitnpu_tool_realloc(labels->boxes, labels->box_count + 1, sizeof(box));
	labels->boxes[labels->box_count++] = box;
}

void bitnpu_labels_block_point(struct bitnpu_labels *labels, struct bitnpu_point at, double radius)
{
	struct bitnpu_box box = { { at.x - radius, at.y - radius },
				  { at.x + radius, at.y + radius } };

	labels->points = bitnpu_tool_realloc(labels->points, labels->point_count + 1, sizeof(box));
	labels->points[labels->point_count++] = box;
}

void bitnpu_labels_block_segment(struct bitnpu_labels *labels, struct bitnpu_segment segment)
{
	labels->segments = bitnpu_tool_realloc(labels->segments, labels->segment_count + 1,
					       sizeof(segment));
	labels->segments[labels->segment_count++] = segment;
}

void bitnpu_labels_free(struct bitnpu_labels *labels)
{
	free(labels->boxes);
	free(labels->points);
	free(labels->segments);
}

static bool overlap(const struct bitnpu_box *p, const struct bitnpu_box *q)
{
	return p->a.x < q->b.x && q->a.x < p->b.x && p->a.y < q->b.y && q->a.y < p->b.y;
}

/* Narrow the part [from, to] of a segment to where start + t * delta is in [low, high]. */
static bool narrow(double start, double delta, double low, double high, double *from, double *to)
{
	double p = (low - start) / delta, q = (high - start) / delta;

	if (fabs(delta) < 1e-9)
		return start > low && start < high;
	*from = fmax(*from, fmin(p, q));
	*to = fmin(*to, fmax(p, q));
	return *from < *to;
}

/* Liang and Barsky: a segment meets a box where it is within both pairs of its sides. */
static bool meets(const struct bitnpu_segment *s, const struct bitnpu_box *box)
{
	double from = 0, to = 1;

	return narrow(s->a.x, s->b.x - s->a.x, box->a.x, box->b.x, &from, &to) &&
	       narrow(s->a.y, s->b.y - s->a.y, box->a.y, box->b.y, &from, &to);
}

/* Twice the area of a triangle, positive when its corners run clockwise on a canvas. */
static double turn(struct bitnpu_point p, struct bitnpu_point q, struct bitnpu_point r)
{
	return (q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x);
}

/* Whether each has its ends on different sides of the other. */
static bool cross(const struct bitnpu_segment *s, const struct bitnpu_segment *t)
{
	return turn(s->a, s->b, t->a) * turn(s->a, s->b, t->b) < 0 &&
	       turn(t->a, t->b, s->a) * turn(t->a, t->b, s->b) < 0;
}

static bool is_free(const struct bitnpu_labels *labels, const struct bitnpu_label *label)
{
	const struct bitnpu_box *box = &label->box, *area = &labels->area;

	if (box->a.x < area->a.x || box->b.x > area->b.x || box->a.y < area->a.y ||
	    box->b.y > area->b.y)
		return false;
	for (size_t i = 0; i < labels->box_count; i++)
		if (overlap(box, &labels->boxes[i]) || meets(&label->leader, &labels->boxes[i]))
			return false;
	/* leaders may cross points: where they crowd, none can avoid them */
	for (size_t i = 0; i < labels->point_count; i++)
		if (overlap(box, &labels->points[i]))
			return false;
	for (size_t i = 0; i < labels->segment_count; i++)
		if (meets(&labels->segments[i], box) ||
		    cross(&labels->segments[i], &label->leader))
			return false;
	return true;
}

/* Upwards and downwards in turns, farther each time. */
static double shift_of(unsigned int ring, double height)
{
	return (ring % 2 ? 1 : -1) * (double)((ring + 1) / 2) * STEP * height;
}

/* Put a label's middle at height @y, @gap away from its point. */
static void put(struct bitnpu_label *label, double y, double height, double gap, bool right,
		bool leader)
{
	double x = right ? label->at.x + gap : label->at.x - gap - label->width;

	label->box = (struct bitnpu_box){ { x, y - height / 2 },
					  { x + label->width, y + height / 2 } };
	label->leader = (struct bitnpu_segment){ label->at, label->at };
	if (leader)
		label->leader.b = (struct bitnpu_point){ right ? x - 2 : x + label->width + 2, y };
}

static void take(struct bitnpu_labels *labels, const struct bitnpu_label *label)
{
	bitnpu_labels_block_box(labels, label->box);
	bitnpu_labels_block_segment(labels, label->leader);
}

static bool place_one(struct bitnpu_labels *labels, struct bitnpu_label *label, double height)
{
	for (unsigned int ring = 0; ring < FARTHEST; ring++) {
		double gap = GAP + (ring > 2 ? 2 * GAP : 0) + (ring > 12 ? 6 * GAP : 0);

		for (unsigned int side = 0; side < 2; side++) {
			put(label, label->at.y + shift_of(ring, height), height, gap, !side,
			    ring > 2);
			if (!is_free(labels, label))
				continue;
			take(labels, label);
			return true;
		}
	}
	put(label, label->at.y, height, GAP, true, false);
	return false;
}

/* A column of labels in the order of their points, so that no leaders cross. */
static bool place_column(struct bitnpu_labels *labels, struct bitnpu_label *label, size_t count,
			 double height)
{
	double middle = (label[0].at.y + label[count - 1].at.y) / 2, y;
	size_t i;

	for (unsigned int ring = 0; ring < FARTHEST; ring++) {
		for (unsigned int side = 0; side < 2; side++) {
			for (i = 0; i < count; i++) {
				y = middle + (i - (count - 1) / 2.0) * (height + 1) +
				    shift_of(ring, height);
				put(&label[i], y, height, 4 * GAP, !side, true);
				if (!is_free(labels, &label[i]))
					break;
			}
			if (i < count)
				continue;
			for (i = 0; i < count; i++)
				take(labels, &label[i]);
			return true;
		}
	}
	return false;
}

static int by_height(const void *a, const void *b)
{
	const struct bitnpu_label *p = a, *q = b;

	return (p->at.y > q->at.y) - (p->at.y < q->at.y);
}

/* Move the labels of points that crowd around the first one's to the front; Return: how many. */
static size_t gather(struct bitnpu_label *label, size_t count, double height)
{
	size_t crowd = 1;

	for (size_t i = 1; i < count; i++) {
		struct bitnpu_label next = label[i];

		if (fabs(next.at.x - label[0].at.x) > GAP ||
		    next.at.y - label[crowd - 1].at.y > height)
			continue;
		for (size_t j = i; j > crowd; j--)
			label[j] = label[j - 1];
		label[crowd++] = next;
	}
	return crowd;
}

bool bitnpu_labels_place(struct bitnpu_labels *labels, struct bitnpu_label *label, size_t count,
			 double height)
{
	bool *placed = bitnpu_tool_realloc(NULL, count, sizeof(*placed)), room = true;

	qsort(label, count, sizeof(*label), by_height);
	/* crowds first, as they need most room */
	for (size_t i = 0, crowd; i < count; i += crowd) {
		crowd = gather(label + i, count - i, height);
		placed[i] = crowd > 2 && place_column(labels, label + i, crowd, height);
		for (size_t j = 1; j < crowd; j++)
			placed[i + j] = placed[i];
	}
	for (size_t i = 0; i < count; i++)
		if (!placed[i])
			room = place_one(labels, &label[i], height) && room;
	free(placed);
	return room;
}
