# SPDX-License-Identifier: MIT
# Programs beside the command, each in a folder of its own: tools/NAME/*.c becomes $(BUILD)/NAME.

programs	:= $(sort $(patsubst tools/%/,%,$(dir $(wildcard tools/*/*.c))))
program_srcs	:= $(wildcard $(programs:%=tools/%/*.c))

.PHONY: programs
programs: $(programs:%=$(BUILD)/%) ## build the programs in tools/*/ (benchmarks, generators)

.SECONDEXPANSION:
$(programs:%=$(BUILD)/%): $(BUILD)/%: $$(call objs,$$(wildcard tools/$$*/*.c)) $(static_lib) \
				      $(BUILD)/obj/link.stamp
	$(call say,LINK)$(link) -o $@ $(filter %.o %.a,$^) $(lib_libs)

# Embedded with .incbin, which -MMD does not see.
$(BUILD)/obj/tools/layout-bench/opencl.o: tools/layout-bench/layouts.cl

-include $(patsubst %.o,%.d,$(call objs,$(program_srcs)))
