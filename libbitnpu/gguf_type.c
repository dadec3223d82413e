// SPDX-License-Identifier: MIT
/*
 * ggml's tensor types.  Block layouts: ggml/src/ggml-common.h; I2_S: microsoft/BitNet,
 * src/ggml-bitnet-mad.cpp (codes at two bits, then 32 bytes that begin with the float scale).
 */
#include "gguf_internal.h"

#include <stdio.h>

const struct bitnpu_ggml_layout *bitnpu_ggml_layout(uint32_t type)
{
	static const struct bitnpu_ggml_layout layouts[] = {
		[BITNPU_GGML_F32]	= { "F32", 1, 4, 0 },
		[BITNPU_GGML_F16]	= { "F16", 1, 2, 0 },
		[BITNPU_GGML_Q8_0]	= { "Q8_0", 32, 34, 0 },
		[BITNPU_GGML_Q6_K]	= { "Q6_K", 256, 210, 0 },
		[BITNPU_GGML_I8]	= { "I8", 1, 1, 0 },
		[BITNPU_GGML_BF16]	= { "BF16", 1, 2, 0 },
		[BITNPU_GGML_TQ1_0]	= { "TQ1_0", 256, 54, 0 },
		[BITNPU_GGML_TQ2_0]	= { "TQ2_0", 256, 66, 0 },
		[BITNPU_GGML_I2_S]	= { "I2_S", 128, 32, 32 },
		[BITNPU_GGML_Q1_0]	= { "Q1_0", 128, 18, 0 },
	};

	if (type >= sizeof(layouts) / sizeof(layouts[0]) || !layouts[type].name)
		return NULL;
	return &layouts[type];
}

const char *bitnpu_ggml_type_name(uint32_t type, char buffer[16])
{
	const struct bitnpu_ggml_layout *layout = bitnpu_ggml_layout(type);

	if (layout)
		return layout->name;
	snprintf(buffer, 16, "type %u", type);
	return buffer;
}
