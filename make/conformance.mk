# SPDX-License-Identifier: MIT
# The conformance program: tests/conformance/*.c becomes $(BUILD)/tests/conformance.

conformance_srcs	:= $(sort $(wildcard tests/conformance/*.c))
conformance		:= $(BUILD)/tests/conformance

$(conformance): $(call objs,$(conformance_srcs)) $(support_lib) $(static_lib) $(BUILD)/obj/link.stamp
	@mkdir -p $(@D)
	$(call say,LINK)$(link) -o $@ $(filter %.o %.a,$^) $(lib_libs)

# Every device; the long form is for vendors and for nights.
suite_conformance	= -s conformance -t 900 "$(conformance) --quick"

.PHONY: check-conformance
check-conformance: $(conformance) ## run the conformance tests on every device
	@$(RUN_TESTS) -s conformance -t 3600 $(conformance)

-include $(patsubst %.o,%.d,$(call objs,$(conformance_srcs)))
