# SPDX-License-Identifier: MIT
# Tests of the accel engine on simulated NPUs: tests/accel/*.c becomes $(BUILD)/tests/accel, which
# needs a kernel with the modules.

accel_test_srcs	:= $(sort $(wildcard tests/accel/*.c))
accel_test	:= $(BUILD)/tests/accel

$(call objs,$(accel_test_srcs)): CPPFLAGS += $(drm_cflags)

# Wrapped, to count what the library asks of the kernel.
$(accel_test): $(call objs,$(accel_test_srcs)) $(static_lib) $(BUILD)/obj/link.stamp
	@mkdir -p $(@D)
	$(call say,LINK)$(link) -Wl,--wrap=drmIoctl,--wrap=mmap -o $@ $(filter %.o %.a,$^) $(lib_libs) \
		$(test_libs)

tests: $(accel_test)

-include $(patsubst %.o,%.d,$(call objs,$(accel_test_srcs)))
