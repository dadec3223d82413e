# SPDX-License-Identifier: MIT
# Tests of the cpu engine's kernels: tests/cpu/*.c and what of the library kernels need become
# $(BUILD)/tests/cpu.  Without the libraries that the rest is linked with, so it can be built for
# another machine and run by its emulator.

cpu_test_srcs	:= $(sort $(wildcard tests/cpu/*.c)) tests/support/plain_matmul.c \
		   tests/support/random.c libbitnpu/pool.c libbitnpu/error.c libbitnpu/command_field.c \
		   libbitnpu/datapath.c \
		   $(filter-out libbitnpu/cpu/engine.c,$(wildcard libbitnpu/cpu/*.c))
cpu_test	:= $(BUILD)/tests/cpu

# x86's newer levels once more, on instructions in portable C: SIMD Everywhere's, and of tiles our own.
# tests/cpu/emulated has the compiler's headers; where the library is missing their tests are skipped.
# Not optimized: gcc would take minutes.
ifeq ($(machine),x86_64)
ifneq ($(wildcard /usr/include/simde/x86/avx512/dpbusd.h),)
emulated_levels	:= avxvnni avx512vnni amx
endif
endif
emulated_objs	:= $(emulated_levels:%=$(BUILD)/obj/emulated/%.o)
emulated_objs	+= $(if $(emulated_levels),$(BUILD)/obj/emulated/scales_x86.o)
emulated_flags	= -O0 -Wno-psabi -Itests/cpu/emulated \
		  $(foreach l,$(emulated_levels) scales_avx2 scales_avx512,-Dbitnpu_cpu_$(l)=emulated_$(l))

$(emulated_objs): $(BUILD)/obj/emulated/%.o: libbitnpu/cpu/%.c $(BUILD)/obj/compile.stamp make/cpu.mk
	@mkdir -p $(@D)
	$(call say,CC)$(compile) $(emulated_flags) -c -o $@ $<

$(cpu_test): $(call objs,$(cpu_test_srcs)) $(emulated_objs) $(BUILD)/obj/link.stamp
	@mkdir -p $(@D)
	$(call say,LINK)$(link) -o $@ $(filter %.o,$^) -lm

tests: $(cpu_test)

suite_cpu	= -s cpu -t 600 $(cpu_test) "BITNPU=$(BUILD)/bitnpu tests/cpu/levels.sh $(conformance)" \
		  -s cpu-asan "$(asan_env) $(cpu_test:$(BUILD)/%=$(asan_build)/%)"

# Arm's levels on another machine.  Each on the oldest processor that has it, as QEMU knows it: one
# instruction too new ends the test.
# The C compiler is clang, which is there anyway: Debian's gcc-multilib excludes cross compilers.
ARM64_CC	?= $(CLANG) --target=aarch64-linux-gnu
arm64_build	:= $(BUILD)/arm64
arm64_test	:= $(cpu_test:$(BUILD)/%=$(arm64_build)/%)
arm64_run	= "qemu-aarch64 -cpu $(1) $(arm64_test) $(2)"
ifneq ($(machine),aarch64)
suite_cpu	+= -s cpu-arm64 -t 900 $(call arm64_run,cortex-a53,neon) \
		   $(call arm64_run,cortex-a76,dotprod) $(call arm64_run,max,i8mm)
endif

.PHONY: build-arm64
build-arm64:
ifneq ($(machine),aarch64)
	$(submake) BUILD=$(arm64_build) CC='$(ARM64_CC)' LDFLAGS=-static $(arm64_test)
endif

.PHONY: check-cpu
check-cpu: all $(cpu_test) $(conformance) build-arm64 ## run the cpu engine's levels, Arm's in an emulator
	$(submake) BUILD=$(asan_build) SANITIZE=address,undefined $(cpu_test:$(BUILD)/%=$(asan_build)/%)
	@$(RUN_TESTS) $(suite_cpu)

-include $(patsubst %.o,%.d,$(call objs,$(wildcard tests/cpu/*.c)) $(emulated_objs))
