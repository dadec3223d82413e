// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "libbitnpu/chat.h"
#include "tests/support/test_vocabulary.h"

/* Templates reduced to what they write. */
static const struct {
	const char *text;
	enum bitnpu_chat_style style;
} templates[] = {
	{ "{% for m in messages %}{{ m['role'] | capitalize + ': ' + m['content'] | trim + "
	  "'<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}",
	  BITNPU_CHAT_BITNET },
	{ "{{ 'Human: ' + m['content'] + '\\n\\nBITNETAssistant: ' + eos_token }}",
	  BITNPU_CHAT_BITNET },
	{ "{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\\n\\n' + m['content'] | trim "
	  "+ '<|eot_id|>' }}",
	  BITNPU_CHAT_LLAMA3 },
	{ "{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}",
	  BITNPU_CHAT_CHATML },
	{ "{{ m['role'] | capitalize + ': ' + m['content'] + '\\n' }}", BITNPU_CHAT_UNKNOWN },
	{ "[INST] {{ m['content'] }} [/INST]", BITNPU_CHAT_UNKNOWN },
	{ "<|im_start|>", BITNPU_CHAT_UNKNOWN },
	{ "", BITNPU_CHAT_UNKNOWN },
};

static void test_detect(void **state)
{
	size_t i;

	for (i = 0; i < sizeof(templates) / sizeof(templates[0]); i++)
		assert_int_equal(bitnpu_chat_detect(templates[i].text, strlen(templates[i].text)),
				 templates[i].style);
}

static void expect_turns(enum bitnpu_chat_style style, const char *expected)
{
	static const char *const turns[][2] = {
		{ "system", "Be terse." }, { "user", " Hi \n" }, { "assistant", "Hello." },
		{ "user", "" },
	};
	char out[512];
	size_t done = 0, i, bytes;

	for (i = 0; i < 4; i++) {
		assert_int_equal(bitnpu_chat_render(style, turns[i][0], turns[i][1], out + done,
						    sizeof(out) - done, &bytes, NULL), 0);
		done += bytes;
	}
	assert_int_equal(done, strlen(expected));
	assert_memory_equal(out, expected, done);
}

static void test_render(void **state)
{
	expect_turns(BITNPU_CHAT_BITNET,
		     "System: Be terse.<|eot_id|>User: Hi<|eot_id|>Assistant: Hello.<|eot_id|>"
		     "User: <|eot_id|>Assistant: ");
	expect_turns(BITNPU_CHAT_LLAMA3,
		     "<|start_header_id|>system<|end_header_id|>\n\nBe terse.<|eot_id|>"
		     "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
		     "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>"
		     "<|start_header_id|>user<|end_header_id|>\n\n<|eot_id|>"
		     "<|start_header_id|>assistant<|end_header_id|>\n\n");
	expect_turns(BITNPU_CHAT_CHATML,
		     "<|im_start|>system\nBe terse.<|im_end|>\n<|im_start|>user\n Hi \n<|im_end|>\n"
		     "<|im_start|>assistant\nHello.<|im_end|>\n"
		     "<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\n");
}

static void test_errors(void **state)
{
	struct bitnpu_error err;
	char out[64] = "untouched";
	size_t bytes = 5;

	assert_int_equal(bitnpu_chat_render(BITNPU_CHAT_NONE, "user", "a", out, 64, &bytes, &err),
			 -ENOTSUP);
	assert_non_null(strstr(err.message, "tokenizer.chat_template"));
	assert_int_equal(
		bitnpu_chat_render(BITNPU_CHAT_UNKNOWN, "user", "a", out, 64, &bytes, &err),
		-ENOTSUP);
	assert_int_equal(bitnpu_chat_render(BITNPU_CHAT_BITNET, "User", "a", out, 64, &bytes, &err),
			 -EINVAL);
	assert_non_null(strstr(err.message, "\"User\""));
	assert_int_equal(bytes, 5);
	assert_int_equal(bitnpu_chat_render(BITNPU_CHAT_BITNET, "user", "a", NULL, 0, &bytes, &err),
			 -ENOSPC);
	assert_int_equal(bytes, strlen("User: a<|eot_id|>Assistant: "));
	assert_int_equal(bitnpu_chat_render(BITNPU_CHAT_BITNET, "user", "a", out, bytes - 1, &bytes,
					    &err), -ENOSPC);
	assert_string_equal(out, "untouched");
	assert_int_equal(bitnpu_chat_render(BITNPU_CHAT_BITNET, "user", "a", out, bytes, &bytes,
					    NULL), 0);
}

static void test_from_metadata(void **state)
{
	struct test_vocabulary vocabulary;
	struct gguf_builder *builder;
	struct bitnpu_tokenizer *tokenizer;
	char out[64];
	size_t bytes, i;

	test_vocabulary_init(&vocabulary);
	for (i = 0; i < 3; i++) {
		static const int codes[] = { 0, -ENOTSUP, -ENOTSUP };

		builder = test_vocabulary_build(&vocabulary, "gpt-2");
		if (i < 2)
			gguf_builder_string(builder, "tokenizer.chat_template",
					    templates[i * 5].text);
		assert_int_equal(test_vocabulary_load(builder, &tokenizer, NULL), 0);
		assert_int_equal(bitnpu_tokenizer_chat(tokenizer, "user", "hi", out, sizeof(out),
						       &bytes, NULL), codes[i]);
		bitnpu_tokenizer_destroy(tokenizer);
		gguf_builder_free(builder);
	}
	test_vocabulary_free(&vocabulary);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_detect),
		cmocka_unit_test(test_render),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_from_metadata),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
