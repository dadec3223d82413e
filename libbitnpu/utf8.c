// SPDX-License-Identifier: MIT
/*
 * UTF-8 decoding, and a stream that shows only whole characters.
 *
 * Ill-formed input is replaced as the Unicode Standard, version 15, section 3.9 recommends: one
 * U+FFFD for each maximal subpart of a sequence, so that a byte which ends a broken sequence is
 * looked at again as the start of the next one.
 */
#include <string.h>

#include "bitnpu.h"
#include "utf8.h"

unsigned int bitnpu_utf8_lead(unsigned char byte)
{
	if (byte < 0x80)
		return 1;
	if (byte < 0xc2)	/* continuations, and leads of overlong forms */
		return 0;
	if (byte < 0xe0)
		return 2;
	if (byte < 0xf0)
		return 3;
	return byte < 0xf5 ? 4 : 0;
}

bool bitnpu_utf8_continues(const unsigned char *head, unsigned int count, unsigned char byte)
{
	unsigned char low = 0x80, high = 0xbf;

	if (count >= bitnpu_utf8_lead(head[0]))
		return false;
	if (count == 1) {
		switch (head[0]) {
		case 0xe0:	/* shorter forms exist */
			low = 0xa0;
			break;
		case 0xed:	/* surrogates */
			high = 0x9f;
			break;
		case 0xf0:	/* shorter forms exist */
			low = 0x90;
			break;
		case 0xf4:	/* above U+10FFFF */
			high = 0x8f;
			break;
		}
	}
	return byte >= low && byte <= high;
}

unsigned int bitnpu_utf8_decode(const char *text, size_t bytes, uint32_t *code)
{
	const unsigned char *head = (const unsigned char *)text;
	unsigned int length = bitnpu_utf8_lead(head[0]);
	unsigned int i;
	uint32_t value;

	if (!length || length > bytes)
		return 0;
	value = length == 1 ? head[0] : head[0] & (0x7f >> length);
	for (i = 1; i < length; i++) {
		if (!bitnpu_utf8_continues(head, i, head[i]))
			return 0;
		value = value << 6 | (head[i] & 0x3f);
	}
	*code = value;
	return length;
}

static size_t put_replacement(char *out)
{
	memcpy(out, "\xef\xbf\xbd", 3);
	return 3;
}

size_t bitnpu_utf8_push(struct bitnpu_utf8_stream *stream, const char *bytes, size_t length,
			char *out, bool flush)
{
	size_t written = 0;
	size_t i;

	for (i = 0; i < length; i++) {
		unsigned char byte = (unsigned char)bytes[i];

		if (stream->count && !bitnpu_utf8_continues(stream->held, stream->count, byte)) {
			written += put_replacement(out + written);
			stream->count = 0;
		}
		if (!stream->count && !bitnpu_utf8_lead(byte)) {
			written += put_replacement(out + written);
			continue;
		}
		stream->held[stream->count++] = byte;
		if (stream->count == bitnpu_utf8_lead(stream->held[0])) {
			memcpy(out + written, stream->held, stream->count);
			written += stream->count;
			stream->count = 0;
		}
	}
	if (flush && stream->count) {
		written += put_replacement(out + written);
		stream->count = 0;
	}
	return written;
}
