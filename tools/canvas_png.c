// SPDX-License-Identifier: MIT
/* PNG by cairo, which is optional: it brings a dozen libraries, and SVG says the same. */
#include "canvas.h"

#if defined(HAVE_CAIRO)

#include <cairo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Pixels of the picture for one of the canvas: text of its size would be rough. */
#define SCALE 2

struct png_canvas {
	struct bitnpu_canvas base;
	cairo_surface_t *surface;
	cairo_t *cairo;
};

static void set_color(cairo_t *cairo, uint32_t color)
{
	cairo_set_source_rgb(cairo, (color >> 16) / 255.0, (color >> 8 & 0xff) / 255.0,
			     (color & 0xff) / 255.0);
}

static void png_line(struct bitnpu_canvas *canvas, struct bitnpu_point a, struct bitnpu_point b,
		     const struct bitnpu_pen *pen)
{
	cairo_t *cairo = ((struct png_canvas *)canvas)->cairo;

	set_color(cairo, pen->color);
	cairo_set_line_width(cairo, pen->width);
	cairo_set_dash(cairo, &pen->dash, pen->dash > 0, 0);
	cairo_move_to(cairo, a.x, a.y);
	cairo_line_to(cairo, b.x, b.y);
	cairo_stroke(cairo);
}

static void png_disc(struct bitnpu_canvas *canvas, struct bitnpu_point middle, double radius,
		     uint32_t color)
{
	cairo_t *cairo = ((struct png_canvas *)canvas)->cairo;

	set_color(cairo, color);
	cairo_arc(cairo, middle.x, middle.y, radius, 0, 2 * M_PI);
	cairo_fill(cairo);
}

static void png_text(struct bitnpu_canvas *canvas, struct bitnpu_point at, const char *text,
		     const struct bitnpu_lettering *lettering)
{
	cairo_t *cairo = ((struct png_canvas *)canvas)->cairo;
	cairo_text_extents_t extents;

	cairo_save(cairo);
	set_color(cairo, lettering->color);
	cairo_select_font_face(cairo, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
			       lettering->bold ? CAIRO_FONT_WEIGHT_BOLD :
						 CAIRO_FONT_WEIGHT_NORMAL);
	cairo_set_font_size(cairo, lettering->size);
	cairo_text_extents(cairo, text, &extents);
	cairo_translate(cairo, at.x, at.y);
	cairo_rotate(cairo, lettering->angle * M_PI / 180);
	cairo_move_to(cairo, -(lettering->anchor + 1) / 2.0 * extents.x_advance, 0);
	cairo_show_text(cairo, text);
	cairo_restore(cairo);
}

static cairo_status_t write_bytes(void *out, const unsigned char *data, unsigned int length)
{
	return fwrite(data, 1, length, out) == length ? CAIRO_STATUS_SUCCESS :
							CAIRO_STATUS_WRITE_ERROR;
}

static void *png_finish(struct bitnpu_canvas *canvas, size_t *bytes)
{
	struct png_canvas *png = (struct png_canvas *)canvas;
	char *data = NULL;
	FILE *out = open_memstream(&data, bytes);
	bool failed = !out || cairo_status(png->cairo) ||
		      cairo_surface_write_to_png_stream(png->surface, write_bytes, out);

	if (out && fclose(out))
		failed = true;
	if (failed) {
		free(data);
		data = NULL;
	}
	cairo_destroy(png->cairo);
	cairo_surface_destroy(png->surface);
	free(png);
	return data;
}

static const struct bitnpu_canvas_ops png_ops = {
	.line = png_line,
	.disc = png_disc,
	.text = png_text,
	.finish = png_finish,
};

struct bitnpu_canvas *bitnpu_canvas_png(unsigned int width, unsigned int height)
{
	struct png_canvas *png = calloc(1, sizeof(*png));

	if (!png)
		return NULL;
	png->base.ops = &png_ops;
	/* an error stays in these objects until the end */
	png->surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, SCALE * (int)width,
						  SCALE * (int)height);
	png->cairo = cairo_create(png->surface);
	cairo_scale(png->cairo, SCALE, SCALE);
	cairo_set_source_rgb(png->cairo, 1, 1, 1);
	cairo_paint(png->cairo);
	return &png->base;
}

bool bitnpu_canvas_has_png(void)
{
	return true;
}

#else

struct bitnpu_canvas *bitnpu_canvas_png(unsigned int width, unsigned int height)
{
	return NULL;
}

bool bitnpu_canvas_has_png(void)
{
	return false;
}

#endif
