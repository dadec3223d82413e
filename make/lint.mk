# SPDX-License-Identifier: MIT
# Static analysis and style.  Every tool must come out clean.

all_c		= $(lib_srcs) $(tool_srcs) $(program_srcs) $(unit_srcs) $(support_srcs) \
		  $(conformance_srcs) $(accel_test_srcs) $(wildcard tests/cpu/*.c) $(fuzz_srcs)
tidy_stamps	= $(patsubst %.c,$(BUILD)/lint/%.tidy,$(all_c))
lint_flags	= -D_GNU_SOURCE -std=gnu11 -Iuapi -I. $(drm_cflags) $(cairo_cflags)

.PHONY: lint lint-tidy lint-cppcheck lint-sparse lint-scripts lint-kernel
lint: ## clang-tidy, cppcheck, sparse, kernel style, shellcheck, pyflakes, tree checks
	@tools/dependencies build check lint
	$(submake) -k lint-tidy lint-cppcheck lint-sparse lint-scripts lint-kernel
	@$(RUN_TESTS) -s tree tests/test_tree.py

# One file at a time, so that only what changed is looked at again.
lint-tidy: $(tidy_stamps)
$(BUILD)/lint/%.tidy: %.c .clang-tidy $(wildcard */*.h uapi/drm/*.h tests/*/*.h)
	@mkdir -p $(@D)
	$(call say,TIDY)clang-tidy --quiet $< -- $(lint_flags) $(isa_flags_$*) 2>$@.log || \
		{ cat $@.log; exit 1; }
	@touch $@

# In kmod, what cppcheck does not know is left out: xa_for_each() and loops that fill what they count; the
# kernel is compiled with warnings about both.
# Left out: casts between element types, which is what reading a tensor in place means (mappings and
# strides are aligned), and bounds of arrays that .incbin makes.
lint-cppcheck:
	cppcheck --quiet --std=c11 --language=c --error-exitcode=1 --inline-suppr -j $(shell nproc) \
		--enable=warning,performance,portability \
		--suppress=missingIncludeSystem --suppress=unknownMacro \
		--suppress=invalidPointerCast --suppress=comparePointers \
		--suppress=uninitvar:kmod/bitnpu_queue.c --suppress=uninitvar:kmod/bitnpu_ring.c \
		-D__linux__ -D__x86_64__ -D_GNU_SOURCE -Iuapi -I. libbitnpu opencl tools tests kmod

# Only what the kernel compiles too: sparse knows no user-space headers of this age.
lint-sparse:
	sparse -Wsparse-error -Wno-decl $(lint_flags) -Wno-vla libbitnpu/datapath.c

lint-scripts:
	shellcheck .ci/run $$(git ls-files "*.sh") tools/dependencies tests/vm/kernel tests/vm/init \
		tests/vm/load tests/vm/guest-tests tests/vm/run-tests tests/vm/selftests \
		tests/vm/sanitizer-kernel tests/vm/leaks tests/vm/greet
	pyflakes3 tests/run tools/bench-peers tests/vm/boot tests/vm/check-log $$(git ls-files '*.py')

# checkpatch comes with kernel sources only: set CHECKPATCH, unpack linux-source-6.12, or make check-kasan.
CHECKPATCH ?= $(firstword $(wildcard /usr/src/linux-source-*/scripts/checkpatch.pl \
	$(HOME)/.cache/bitnpu/sanitizer-kernel-*/scripts/checkpatch.pl))
lint-kernel:
	@if [ -z "$(CHECKPATCH)" ]; then echo "skipped checkpatch: set CHECKPATCH to a kernel's" \
		"scripts/checkpatch.pl"; else $(CHECKPATCH) --strict --no-tree --no-summary --terse --quiet \
		--max-line-length=100 --file \
		--ignore $(checkpatch_ignore) \
		Kbuild $(wildcard kmod/*.[ch] kmod/*/*.[ch] uapi/drm/*.h libbitnpu/datapath.[ch]); fi
	$(if $(KERNEL_DOC),$(KERNEL_DOC) -none -Werror uapi/drm/*.h libbitnpu/bitnpu.h,\
		@echo "skipped kernel-doc: no kernel headers")

KERNEL_DOC = $(firstword $(wildcard $(KDIR)/scripts/kernel-doc \
	/usr/src/linux-headers-*-common/scripts/kernel-doc))
# The first two are about patches to the kernel tree.  The datapath's functions are exported from
# another file than theirs, which user space compiles too.  User space has no BIT(), and the macros that
# define configfs attributes use a name as every such macro does.
checkpatch_ignore := FILE_PATH_CHANGES,MAINTAINERS_OUTDATED,EXPORT_SYMBOL,BIT_MACRO,MACRO_ARG_REUSE
