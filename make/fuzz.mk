# SPDX-License-Identifier: MIT
# Fuzzing with libFuzzer.  The corpora of the tree are only read; what a run finds stays in
# $(BUILD)/fuzz.

FUZZ_SECONDS	?= 600

fuzz_srcs	:= $(sort $(wildcard tests/fuzz/fuzz_*.c))
fuzzers		:= $(fuzz_srcs:tests/fuzz/%.c=$(BUILD)/%)
fuzz_build	:= $(BUILD)/fuzz
fuzz_names	:= $(fuzz_srcs:tests/fuzz/fuzz_%.c=%)

$(fuzzers): $(BUILD)/fuzz_%: $(BUILD)/obj/tests/fuzz/fuzz_%.o $(support_lib) $(static_lib) \
			     $(BUILD)/obj/link.stamp
	$(call say,LINK)$(link) -fsanitize=fuzzer -o $@ $(filter %.o %.a,$^) \
		$(lib_libs) $(test_libs)

.PHONY: fuzzers
fuzzers: $(fuzzers)

.PHONY: build-fuzz
build-fuzz:
	$(submake) BUILD=$(fuzz_build) CC=$(CLANG) SANITIZE=address,undefined,fuzzer-no-link fuzzers

.PHONY: fuzz
fuzz: build-fuzz ## fuzz each target for FUZZ_SECONDS (600)
	@$(RUN_TESTS) $(call suite_fuzz,$(FUZZ_SECONDS))

suite_fuzz	= -s fuzz -t $(shell expr $(1) + 120) -x \
		  $(foreach name,$(fuzz_names),"tests/fuzz/run.sh $(fuzz_build) $(name) $(1)")
