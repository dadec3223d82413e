// SPDX-License-Identifier: MIT
/* Scalable Vector Graphics (SVG) 1.1, W3C Recommendation. */
#include <stdlib.h>

#include "canvas.h"

struct svg_canvas {
	struct bitnpu_canvas base;
	FILE *out;
	char *text;
	size_t bytes;
};

/* Of DejaVu Sans, the widest of the usual ones: a digit is 0.636 of the size, most letters less. */
double bitnpu_text_width(const char *text, double size)
{
	size_t characters = 0;

	for (; *text; text++)
		characters += ((unsigned char)*text & 0xc0) != 0x80;
	return 0.63 * size * characters;
}

static void svg_line(struct bitnpu_canvas *canvas, struct bitnpu_point a, struct bitnpu_point b,
		     const struct bitnpu_pen *pen)
{
	FILE *out = ((struct svg_canvas *)canvas)->out;

	fprintf(out, "<line x1=\"%.2f\" y1=\"%.2f\" x2=\"%.2f\" y2=\"%.2f\" stroke=\"#%06x\" "
		"stroke-width=\"%g\"", a.x, a.y, b.x, b.y, pen->color, pen->width);
	if (pen->dash > 0)
		fprintf(out, " stroke-dasharray=\"%g\"", pen->dash);
	fputs("/>\n", out);
}

static void svg_disc(struct bitnpu_canvas *canvas, struct bitnpu_point middle, double radius,
		     uint32_t color)
{
	fprintf(((struct svg_canvas *)canvas)->out,
		"<circle cx=\"%.2f\" cy=\"%.2f\" r=\"%g\" fill=\"#%06x\"/>\n", middle.x, middle.y,
		radius, color);
}

static void write_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

static void svg_text(struct bitnpu_canvas *canvas, struct bitnpu_point at, const char *text,
		     const struct bitnpu_lettering *lettering)
{
	static const char *const anchors[] = { "start", "middle", "end" };
	FILE *out = ((struct svg_canvas *)canvas)->out;

	fprintf(out, "<text x=\"%.2f\" y=\"%.2f\" font-size=\"%g\" fill=\"#%06x\" "
		"text-anchor=\"%s\"", at.x, at.y, lettering->size, lettering->color,
		anchors[lettering->anchor + 1]);
	if (lettering->angle < 0 || lettering->angle > 0)
		fprintf(out, " transform=\"rotate(%.2f %.2f %.2f)\"", lettering->angle, at.x, at.y);
	fprintf(out, "%s>", lettering->bold ? " font-weight=\"bold\"" : "");
	write_escaped(out, text);
	fputs("</text>\n", out);
}

static void *svg_finish(struct bitnpu_canvas *canvas, size_t *bytes)
{
	struct svg_canvas *svg = (struct svg_canvas *)canvas;
	char *text = NULL;

	fputs("</svg>\n", svg->out);
	if (fclose(svg->out))
		free(svg->text);
	else
		text = svg->text;
	*bytes = svg->bytes;
	free(svg);
	return text;
}

static const struct bitnpu_canvas_ops svg_ops = {
	.line = svg_line,
	.disc = svg_disc,
	.text = svg_text,
	.finish = svg_finish,
};

struct bitnpu_canvas *bitnpu_canvas_svg(unsigned int width, unsigned int height)
{
	struct svg_canvas *svg = calloc(1, sizeof(*svg));

	if (!svg)
		return NULL;
	svg->base.ops = &svg_ops;
	svg->out = open_memstream(&svg->text, &svg->bytes);
	if (!svg->out) {
		free(svg);
		return NULL;
	}
	fprintf(svg->out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" "
		"viewBox=\"0 0 %u %u\" font-family=\"DejaVu Sans, Verdana, sans-serif\">\n"
		"<rect width=\"%u\" height=\"%u\" fill=\"#ffffff\"/>\n", width, height, width,
		height, width, height);
	return &svg->base;
}
