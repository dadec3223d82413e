/* SPDX-License-Identifier: MIT */
/*
 * A picture being drawn: lines, discs and text, as SVG, or as PNG where the command was built with
 * cairo.  Lengths are pixels from the top left corner, colours are 0xRRGGBB.
 */
#ifndef BITNPU_CANVAS_H
#define BITNPU_CANVAS_H

#include <stdint.h>
#include <stdio.h>

#include "libbitnpu/bitnpu.h"

/** struct bitnpu_point - a place on a canvas */
struct bitnpu_point {
	double x, y;
};

/**
 * struct bitnpu_pen - how a line is drawn
 * @color: its colour
 * @width: of the line
 * @dash: length of its dashes, 0 for a whole line
 */
struct bitnpu_pen {
	uint32_t color;
	double width, dash;
};

/**
 * struct bitnpu_lettering - how text is written
 * @color: its colour
 * @size: of the font
 * @anchor: -1 when the text begins at its place, 0 when its middle is there, 1 when it ends there
 * @angle: clockwise, in degrees
 * @bold: or not
 */
struct bitnpu_lettering {
	uint32_t color;
	double size;
	int anchor;
	double angle;
	bool bold;
};

struct bitnpu_canvas;

/**
 * struct bitnpu_canvas_ops - a kind of picture
 * @line: from @a to @b
 * @disc: a filled circle
 * @text: UTF-8; @at is on its baseline
 * @finish: Return: the picture's bytes, to be freed by free(), or NULL without memory; drops the canvas
 */
struct bitnpu_canvas_ops {
	void (*line)(struct bitnpu_canvas *canvas, struct bitnpu_point a, struct bitnpu_point b,
		     const struct bitnpu_pen *pen);
	void (*disc)(struct bitnpu_canvas *canvas, struct bitnpu_point middle, double radius,
		     uint32_t color);
	void (*text)(struct bitnpu_canvas *canvas, struct bitnpu_point at, const char *text,
		     const struct bitnpu_lettering *lettering);
	void *(*finish)(struct bitnpu_canvas *canvas, size_t *bytes);
};

/** struct bitnpu_canvas - what all kinds share; the rest follows it */
struct bitnpu_canvas {
	const struct bitnpu_canvas_ops *ops;
};

/** bitnpu_canvas_svg() - Return: a white canvas, or NULL without memory */
struct bitnpu_canvas *bitnpu_canvas_svg(unsigned int width, unsigned int height);
/** bitnpu_canvas_png() - Return: likewise; also NULL when built without cairo */
struct bitnpu_canvas *bitnpu_canvas_png(unsigned int width, unsigned int height);
/** bitnpu_canvas_has_png() - Return: whether bitnpu_canvas_png() can work */
bool bitnpu_canvas_has_png(void);

/** bitnpu_text_width() - Return: what @text takes at most in a usual sans-serif font */
double bitnpu_text_width(const char *text, double size);

#endif /* BITNPU_CANVAS_H */
