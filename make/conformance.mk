# SPDX-License-Identifier: MIT
# The conformance program: tests/conformance/*.c becomes $(BUILD)/tests/conformance.

conformance_srcs	:= $(sort $(wildcard tests/conformance/*.c))
conformance		:= $(BUILD)/tests/conformance

$(conformance): $(call objs,$(conformance_srcs)) $(support_lib) $(static_lib) $(BUILD)/obj/link.stamp
	@mkdir -p $(@D)
	$(call say,LINK)$(link) -o $@ $(filter %.o %.a,$^) $(lib_libs)

# Every device, Mesa's too, and golden and PoCL under the sanitizers; the long form is for vendors and
# for nights.
suite_conformance	= -s conformance -t 900 "$(conformance) --quick" \
			  -s conformance-rusticl "$(rusticl_env) $(conformance) --quick --cases 2 \
				--device opencl" \
			  -s conformance-asan "$(asan_env) $(conformance:$(BUILD)/%=$(asan_build)/%) \
				--quick"

tests: $(conformance)

.PHONY: check-conformance
check-conformance: $(conformance) ## run the conformance tests on every device
	@$(RUN_TESTS) -s conformance -t 3600 $(conformance)

-include $(patsubst %.o,%.d,$(call objs,$(conformance_srcs)))
