// SPDX-License-Identifier: MIT
/*
 * Roofline model: Williams, Waterman and Patterson, "Roofline: an insightful visual performance model
 * for multicore architectures", CACM 52(4), 2009.  A point can be no higher than its operations a byte
 * times the bandwidth, nor than the peak.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench_plot.h"
#include "canvas.h"
#include "labels.h"
#include "libbitnpu/error.h"
#include "output.h"

#define WIDTH 1000
#define HEIGHT 640
#define LEFT 76
#define RIGHT 24
#define TOP 92
#define BOTTOM 58
#define RADIUS 4.5
#define LABEL_SIZE 11.5
#define LABEL_BYTES 128
/* A picture grows by half this often until its labels have room. */
#define GROWTHS 6

#define INK 0x222222
#define FAINT 0x666666
#define GRID 0xe4e4e4
#define ROOF 0xb03030

/**
 * struct roofs - what bounds every point; NAN where it was not measured
 * @gbps: read bandwidth, median of the rows'
 * @gbps_low: lowest
 * @gbps_high: highest
 * @gops: peak, likewise
 */
struct roofs {
	double gbps, gbps_low, gbps_high;
	double gops, gops_low, gops_high;
};

/**
 * struct plot - a picture being laid out
 * @report: what it shows
 * @roofs: likewise
 * @canvas: where to
 * @area: of the axes
 * @low: values at its lower left corner: operations a byte, 10^9 operations a second
 * @high: at its upper right one
 * @labels: room taken
 */
struct plot {
	const struct bitnpu_bench_report *report;
	struct roofs roofs;
	struct bitnpu_canvas *canvas;
	struct bitnpu_box area;
	struct bitnpu_point low, high;
	struct bitnpu_labels labels;
};

static const uint32_t colors[] = { 0x1f5fa8, 0x2e8b3d, 0x8a3fa0, 0xb8860b, 0x008b8b, 0x555555 };

static bool ends_in(const char *path, const char *ending)
{
	size_t length = strlen(path), tail = strlen(ending);

	return length > tail && !strcmp(path + length - tail, ending);
}

bool bitnpu_bench_plot_check(const char *path, struct bitnpu_error *err)
{
	if (ends_in(path, ".svg") || (ends_in(path, ".png") && bitnpu_canvas_has_png()))
		return true;
	if (ends_in(path, ".png"))
		bitnpu_fail(err, -ENOTSUP, "--plot: %s: built without cairo, which draws PNG; "
			    "a name in .svg gives the same picture", path);
	else
		bitnpu_fail(err, -EINVAL, "--plot: %s: ends neither in .svg nor in .png", path);
	return false;
}

static bool is_drawn(const struct bitnpu_bench_row *row)
{
	return row->gbps > 0 && row->gops > 0;
}

static double find_median(const struct bitnpu_bench *bench, size_t member, double *low,
			  double *high)
{
	struct bitnpu_samples samples = { .count = 0 };

	*low = *high = NAN;
	for (size_t i = 0; i < bench->row_count; i++) {
		double value = *(const double *)((const char *)&bench->rows[i] + member);

		if (!isnan(value))
			bitnpu_samples_add(&samples, value);
	}
	if (!samples.count)
		return NAN;
	bitnpu_samples_sort(&samples);
	*low = bitnpu_samples_min(&samples);
	*high = bitnpu_samples_max(&samples);
	return bitnpu_samples_median(&samples);
}

static void find_roofs(const struct bitnpu_bench *bench, struct roofs *roofs)
{
	roofs->gbps = find_median(bench, offsetof(struct bitnpu_bench_row, roof_gbps),
				  &roofs->gbps_low, &roofs->gbps_high);
	roofs->gops = find_median(bench, offsetof(struct bitnpu_bench_row, roof_gops),
				  &roofs->gops_low, &roofs->gops_high);
}

static void include(struct plot *plot, double x, double y)
{
	plot->low = (struct bitnpu_point){ fmin(plot->low.x, x), fmin(plot->low.y, y) };
	plot->high = (struct bitnpu_point){ fmax(plot->high.x, x), fmax(plot->high.y, y) };
}

/* Values that the axes reach: all points, where the roofs meet, and some air. */
static void find_range(struct plot *plot)
{
	const struct bitnpu_bench *bench = plot->report->bench;
	double ridge = plot->roofs.gops / plot->roofs.gbps;

	plot->low = (struct bitnpu_point){ INFINITY, INFINITY };
	plot->high = (struct bitnpu_point){ 0, 0 };
	for (size_t i = 0; i < bench->row_count; i++)
		if (is_drawn(&bench->rows[i]))
			include(plot, bench->rows[i].gops / bench->rows[i].gbps,
				bench->rows[i].gops);
	if (!isnan(ridge))
		include(plot, ridge, plot->roofs.gops);
	if (isinf(plot->low.x))
		include(plot, 1, 1);
	plot->low = (struct bitnpu_point){ plot->low.x / 3, plot->low.y / 3 };
	plot->high = (struct bitnpu_point){ plot->high.x * 4, plot->high.y * 3 };
}

static double scale(double value, double low, double high, double from, double to)
{
	return from + (to - from) * log(value / low) / log(high / low);
}

static struct bitnpu_point place(const struct plot *plot, double x, double y)
{
	return (struct bitnpu_point){
		scale(x, plot->low.x, plot->high.x, plot->area.a.x, plot->area.b.x),
		scale(y, plot->low.y, plot->high.y, plot->area.b.y, plot->area.a.y),
	};
}

static void draw_line(struct plot *plot, struct bitnpu_point a, struct bitnpu_point b,
		      uint32_t color, double width)
{
	const struct bitnpu_pen pen = { .color = color, .width = width };

	plot->canvas->ops->line(plot->canvas, a, b, &pen);
}

static void write_text(struct plot *plot, struct bitnpu_point at, const char *text, double size,
		       int anchor, uint32_t color)
{
	const struct bitnpu_lettering lettering = { .color = color, .size = size,
						    .anchor = anchor };

	plot->canvas->ops->text(plot->canvas, at, text, &lettering);
}

static void draw_tick(struct plot *plot, bool vertical, double value)
{
	const struct bitnpu_box *area = &plot->area;
	struct bitnpu_point at;
	char text[24];

	snprintf(text, sizeof(text), value < 1e6 ? "%.6g" : "%.0e", value);
	if (vertical) {
		at = place(plot, plot->low.x, value);
		draw_line(plot, at, (struct bitnpu_point){ area->b.x, at.y }, GRID, 1);
		write_text(plot, (struct bitnpu_point){ at.x - 8, at.y + 4 }, text, 12, 1, INK);
	} else {
		at = place(plot, value, plot->low.y);
		draw_line(plot, at, (struct bitnpu_point){ at.x, area->a.y }, GRID, 1);
		write_text(plot, (struct bitnpu_point){ at.x, at.y + 18 }, text, 12, 0, INK);
	}
}

/* 1, 2 and 5 of each decade, only 1 where there are many. */
static void draw_ticks(struct plot *plot, bool vertical, double low, double high)
{
	static const double steps[] = { 1, 2, 5 };
	bool many = log10(high / low) > 4;

	for (int decade = (int)floor(log10(low)); decade <= log10(high); decade++) {
		for (unsigned int i = 0; i < (many ? 1 : 3); i++) {
			double value = steps[i] * pow(10, decade);

			if (value >= low && value <= high)
				draw_tick(plot, vertical, value);
		}
	}
}

static void draw_axes(struct plot *plot)
{
	const struct bitnpu_box *area = &plot->area;
	const struct bitnpu_lettering upright = { .color = INK, .size = 13, .angle = -90 };
	struct bitnpu_point corner = { area->a.x, area->b.y };

	draw_ticks(plot, false, plot->low.x, plot->high.x);
	draw_ticks(plot, true, plot->low.y, plot->high.y);
	draw_line(plot, corner, area->a, INK, 1.2);
	draw_line(plot, corner, area->b, INK, 1.2);
	write_text(plot, (struct bitnpu_point){ (area->a.x + area->b.x) / 2, area->b.y + 44 },
		   "operations per byte read", 13, 0, INK);
	plot->canvas->ops->text(plot->canvas,
				(struct bitnpu_point){ 20, (area->a.y + area->b.y) / 2 },
				"GOPS: 10\u2079 multiplications and additions a second", &upright);
}

/* Text along a roof from @a to @b, above it; a label may cross neither. */
static void draw_roof(struct plot *plot, struct bitnpu_point a, struct bitnpu_point b, bool at_end,
		      const char *text)
{
	double length = hypot(b.x - a.x, b.y - a.y), size = 12.5;
	double x = (b.x - a.x) / length, y = (b.y - a.y) / length;
	double width = bitnpu_text_width(text, size);
	double start = at_end ? length - width - 8 : (length - width) / 2;
	struct bitnpu_lettering lettering = { .color = ROOF, .size = size,
					      .anchor = at_end ? 1 : -1,
					      .angle = atan2(y, x) * 180 / M_PI };

	bitnpu_labels_block_segment(&plot->labels, (struct bitnpu_segment){ a, b });
	draw_line(plot, a, b, ROOF, 2);
	start = start > 8 ? start : 8;
	/* from the baseline, 6 pixels above the roof, to the top of the letters */
	for (unsigned int i = 0; i < 2; i++) {
		double up = 6 + i * size;
		struct bitnpu_point from = { a.x + start * x + up * y, a.y + start * y - up * x };
		struct bitnpu_point to = { from.x + width * x, from.y + width * y };

		bitnpu_labels_block_segment(&plot->labels, (struct bitnpu_segment){ from, to });
		if (!i)
			plot->canvas->ops->text(plot->canvas, at_end ? to : from, text, &lettering);
	}
}

static void draw_roofs(struct plot *plot)
{
	const struct roofs *roofs = &plot->roofs;
	double ridge = roofs->gops / roofs->gbps, begin, end;
	char text[128];

	if (!isnan(roofs->gbps)) {
		begin = fmax(plot->low.x, plot->low.y / roofs->gbps);
		end = isnan(ridge) ? fmin(plot->high.x, plot->high.y / roofs->gbps) : ridge;
		snprintf(text, sizeof(text), "read bandwidth %.1f GB/s", roofs->gbps);
		draw_roof(plot, place(plot, begin, begin * roofs->gbps),
			  place(plot, end, end * roofs->gbps), false, text);
	}
	if (!isnan(roofs->gops)) {
		begin = isnan(ridge) ? plot->low.x : ridge;
		snprintf(text, sizeof(text), "peak %.0f GOPS", roofs->gops);
		draw_roof(plot, place(plot, begin, roofs->gops),
			  place(plot, plot->high.x, roofs->gops), true, text);
	}
}

/* What a point is, and its share of the roof above it, as it was meanwhile. */
static void describe(const struct bitnpu_bench_row *row, char out[LABEL_BYTES])
{
	double roof = fmin(row->gops / row->gbps * row->roof_gbps, row->roof_gops);
	size_t size = LABEL_BYTES;
	int at;

	if (row->n)
		at = snprintf(out, size, "%s %u\u00d7%u\u00d7%u", row->format, row->m, row->n,
			      row->k);
	else if (!strcmp(row->kind, "prefill"))
		at = snprintf(out, size, "prefill %u", row->tokens);
	else if (row->parallel == 1)
		at = snprintf(out, size, "decode at %u", row->depth);
	else
		at = snprintf(out, size, "decode at %u, %u sequences", row->depth, row->parallel);
	if (!isnan(row->tokens_per_s))
		at += snprintf(out + at, size - at, ", %.4g tokens/s", row->tokens_per_s);
	if (!isnan(roof))
		snprintf(out + at, size - at, ": %.0f %%", 100 * row->gops / roof);
}

/* The number of a device among those measured, in the order they were. */
static unsigned int device_of(const struct bitnpu_bench *bench, size_t row)
{
	unsigned int number = 0;

	for (size_t i = 0; i < row; i++) {
		if (!strcmp(bench->rows[i].device, bench->rows[row].device))
			return device_of(bench, i);
		number += i == 0 || strcmp(bench->rows[i].device, bench->rows[i - 1].device);
	}
	return number;
}

static uint32_t color_of(const struct bitnpu_bench *bench, size_t row)
{
	return colors[device_of(bench, row) % (sizeof(colors) / sizeof(*colors))];
}

static struct bitnpu_point point_of(const struct plot *plot, const struct bitnpu_bench_row *row)
{
	return place(plot, row->gops / row->gbps, row->gops);
}

static void draw_label(struct plot *plot, const struct bitnpu_label *label, const char *text)
{
	const struct bitnpu_segment *leader = &label->leader;
	bool right = label->box.a.x > label->at.x;
	/* towards the point, as the text may be narrower than the room it has */
	struct bitnpu_point baseline = { right ? label->box.a.x : label->box.b.x,
					 label->box.b.y - 4 };

	if (leader->a.x < leader->b.x || leader->a.x > leader->b.x)
		draw_line(plot, leader->a, leader->b, 0xaaaaaa, 0.8);
	write_text(plot, baseline, text, LABEL_SIZE, right ? -1 : 1, INK);
}

/* Labels of all rows that have a point, with room for their texts; Return: how many. */
static size_t request_labels(struct plot *plot, struct bitnpu_label *labels)
{
	const struct bitnpu_bench *bench = plot->report->bench;
	char text[LABEL_BYTES];
	size_t count = 0;

	for (size_t i = 0; i < bench->row_count; i++) {
		if (!is_drawn(&bench->rows[i]))
			continue;
		describe(&bench->rows[i], text);
		labels[count++] = (struct bitnpu_label){
			.at = point_of(plot, &bench->rows[i]),
			.width = bitnpu_text_width(text, LABEL_SIZE),
			.row = i,
		};
		bitnpu_labels_block_point(&plot->labels, labels[count - 1].at, RADIUS + 1);
	}
	return count;
}

static bool draw_points(struct plot *plot)
{
	const struct bitnpu_bench *bench = plot->report->bench;
	struct bitnpu_label *labels = bitnpu_tool_realloc(NULL, bench->row_count, sizeof(*labels));
	size_t count = request_labels(plot, labels);
	bool room = bitnpu_labels_place(&plot->labels, labels, count, LABEL_SIZE + 3);
	char text[LABEL_BYTES];

	for (size_t i = 0; i < count; i++) {
		describe(&bench->rows[labels[i].row], text);
		draw_label(plot, &labels[i], text);
	}
	for (size_t i = 0; i < count; i++)
		plot->canvas->ops->disc(plot->canvas, labels[i].at, RADIUS,
					color_of(bench, labels[i].row));
	free(labels);
	return room;
}

static void draw_legend(struct plot *plot)
{
	const struct bitnpu_bench *bench = plot->report->bench;
	struct bitnpu_point at = { LEFT + RADIUS, 73 };
	unsigned int shown = 0;

	for (size_t i = 0; i < bench->row_count; i++) {
		if (device_of(bench, i) < shown)
			continue;
		shown++;
		plot->canvas->ops->disc(plot->canvas, at, RADIUS, color_of(bench, i));
		write_text(plot, (struct bitnpu_point){ at.x + 10, at.y + 4 },
			   bench->rows[i].device, 12, -1, INK);
		at.x += bitnpu_text_width(bench->rows[i].device, 12) + 30;
	}
}

static void draw_title(struct plot *plot)
{
	const struct bitnpu_bench *bench = plot->report->bench;
	const struct bitnpu_lettering bold = { .color = INK, .size = 17, .anchor = -1,
					       .bold = true };
	const struct roofs *roofs = &plot->roofs;
	const char *name = plot->report->model, *slash = name ? strrchr(name, '/') : NULL;
	unsigned int threads = bitnpu_pool_threads(bench->pool);
	char text[256], *title;
	int at;

	name = !name ? "matmuls" : slash ? slash + 1 : name;
	title = bitnpu_printable(name, strlen(name), 60);
	plot->canvas->ops->text(plot->canvas, (struct bitnpu_point){ LEFT, 30 }, title, &bold);
	free(title);
	at = snprintf(text, sizeof(text), "%u thread%s, medians of %u samples", threads,
		      threads == 1 ? "" : "s", bench->repeat);
	if (!isnan(roofs->gbps))
		at += snprintf(text + at, sizeof(text) - at, "; read %.1f to %.1f GB/s",
			       roofs->gbps_low, roofs->gbps_high);
	if (!isnan(roofs->gops))
		at += snprintf(text + at, sizeof(text) - at, "; peak %.0f to %.0f GOPS (%s)",
			       roofs->gops_low, roofs->gops_high, bitnpu_peak_name(&bench->peak));
	if (!isnan(roofs->gbps))
		snprintf(text + at, sizeof(text) - at, "; %% of the roof at that time");
	write_text(plot, (struct bitnpu_point){ LEFT, 51 }, text, 12, -1, FAINT);
}

static void *draw(const struct bitnpu_bench_report *report, bool png, unsigned int width,
		  unsigned int height, bool *room, size_t *bytes)
{
	struct plot plot = {
		.report = report,
		.area = { { LEFT, TOP }, { width - RIGHT, height - BOTTOM } },
		.canvas = png ? bitnpu_canvas_png(width, height) : bitnpu_canvas_svg(width, height),
	};

	if (!plot.canvas)
		return NULL;
	plot.labels.area = plot.area;
	find_roofs(report->bench, &plot.roofs);
	find_range(&plot);
	draw_axes(&plot);
	draw_title(&plot);
	draw_legend(&plot);
	draw_roofs(&plot);
	*room = draw_points(&plot);
	bitnpu_labels_free(&plot.labels);
	return plot.canvas->ops->finish(plot.canvas, bytes);
}

void *bitnpu_bench_plot(const struct bitnpu_bench_report *report, const char *path, size_t *bytes)
{
	unsigned int width = WIDTH, height = HEIGHT;
	bool png = ends_in(path, ".png"), room;
	void *picture = draw(report, png, width, height, &room, bytes);

	for (unsigned int i = 0; i < GROWTHS && picture && !room; i++) {
		free(picture);
		width += WIDTH / 4;
		height += HEIGHT / 2;
		picture = draw(report, png, width, height, &room, bytes);
	}
	return picture;
}
