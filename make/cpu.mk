# SPDX-License-Identifier: MIT
# Tests of the cpu engine's kernels: tests/cpu/*.c and what of the library kernels need become
# $(BUILD)/tests/cpu.

cpu_test_srcs	:= $(sort $(wildcard tests/cpu/*.c)) tests/support/plain_matmul.c \
		   tests/support/random.c libbitnpu/pool.c libbitnpu/error.c libbitnpu/datapath.c \
		   $(filter-out libbitnpu/cpu/engine.c,$(wildcard libbitnpu/cpu/*.c))
cpu_test	:= $(BUILD)/tests/cpu

$(cpu_test): $(call objs,$(cpu_test_srcs)) $(BUILD)/obj/link.stamp
	@mkdir -p $(@D)
	$(call say,LINK)$(link) -o $@ $(filter %.o,$^) -lm

tests: $(cpu_test)

suite_cpu	= -s cpu -t 600 $(cpu_test) \
		  -s cpu-asan "$(asan_env) $(cpu_test:$(BUILD)/%=$(asan_build)/%)"

.PHONY: check-cpu
check-cpu: $(cpu_test) ## run the cpu engine's kernels
	$(submake) BUILD=$(asan_build) SANITIZE=address,undefined $(cpu_test:$(BUILD)/%=$(asan_build)/%)
	@$(RUN_TESTS) $(suite_cpu)

-include $(patsubst %.o,%.d,$(call objs,$(wildcard tests/cpu/*.c)))
