# SPDX-License-Identifier: MIT
# Building and running the tests.  "make check" installs what they need, builds every variant of
# them, and runs them all in one tests/run, whose last line is the verdict.

FUZZ_CHECK_SECONDS ?= 10

# Caches of compiled kernels stay under $(BUILD), and no test sees what another build left there.
cache_env	= XDG_CACHE_HOME=$(abspath $(BUILD))/check/cache
RUN_TESTS	= $(cache_env) MAKE='$(MAKE)' CC='$(CC)' CXX='$(CXX)' PYTHON='$(PYTHON)' \
		  $(PYTHON) tests/run -o $(BUILD)/check

# Under the sanitizers PoCL alone: others load C++ libraries too late for AddressSanitizer, and leak.
pocl_env	:= OCL_ICD_VENDORS=$(firstword $(wildcard /etc/OpenCL/vendors/pocl.icd))
asan_env	:= $(pocl_env) ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 \
		   UBSAN_OPTIONS=print_stacktrace=1 \
		   LSAN_OPTIONS=suppressions=tests/support/lsan.supp:print_suppressions=0
tsan_env	:= $(pocl_env) TSAN_OPTIONS=suppressions=tests/support/tsan.supp:halt_on_error=0

asan_build	:= $(BUILD)/asan
tsan_build	:= $(BUILD)/tsan
# With as many jobs as there are processors, unless the command line says otherwise.
parallel	= $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))
submake		= +@$(MAKE) --no-print-directory $(parallel)

suite_unit	= -s unit -t 600 $(unit_tests)
suite_asan	= -s unit-asan -t 900 \
		  $(foreach t,$(unit_tests),"$(compile_kernels)$(asan_env) $(t:$(BUILD)/%=$(asan_build)/%)")
suite_tsan	= -s unit-tsan -t 600 \
		  $(foreach t,$(threaded_tests),\
			"$(compile_kernels)$(tsan_env) $(t:$(BUILD)/%=$(tsan_build)/%)")
suite_cli	= -s cli -t 300 $(foreach t,$(filter-out %/lib.sh,$(wildcard tests/cli/*.sh)),\
			"BITNPU=$(BUILD)/bitnpu $(t)")
# OpenCL once more, on Mesa's implementation and on a simulator that watches every access.
rusticl_env	:= RUSTICL_ENABLE=llvmpipe OCL_ICD_VENDORS=/etc/OpenCL/vendors/rusticl.icd
suite_opencl	= -s opencl -t 900 "$(rusticl_env) $(BUILD)/tests/test_opencl" \
		  -x $(foreach m,$(wildcard models/*.gguf),"$(BUILD)/bitnpu verify $(m)" \
			"$(rusticl_env) $(BUILD)/bitnpu verify $(m) --device opencl") -T \
		  -s oclgrind -t 900 -x "BITNPU_TEST_CASES=8 tests/oclgrind.sh $(BUILD)/check/oclgrind.log \
			$(BUILD)/tests/test_opencl" -T
suite_compilers	= -s compilers -t 600 tests/hostops-flags.sh -x \
		  "MAKEFLAGS= $(MAKE) -s BUILD=$(BUILD)/clang CC=$(CLANG) all tests programs" -T
suite_tree	= -s tree -t 120 tests/test_run.py tests/test_tree.py \
		  "tests/test_reference.py $(BUILD)" \
		  -t 300 "tests/install/test_install.sh $(BUILD)" "tests/kbuild.sh $(BUILD)" \
		  -t 600 "tests/install/test_modules.sh $(BUILD)"

# The tests whose sources match a pattern: those that start threads, where what races is found, and
# those that may compile kernels.  A run without a sanitizer fills the cache for these: LLVM is several
# times slower under AddressSanitizer, and ThreadSanitizer cannot see how its threads synchronise.
tests_matching	= $(shell grep -lE '$(1)' $(unit_srcs) /dev/null | \
			sed 's,tests/unit/\(.*\)\.c,$(BUILD)/tests/\1,')
threaded_tests	:= $(call tests_matching,pthread_create|queue_submit|session_eval)
opencl_tests	:= $(call tests_matching,opencl|device_list)
compile_kernels	= $(if $(filter $(opencl_tests),$(t)),$(pocl_env) $(t) >/dev/null 2>&1; )

.PHONY: tests
tests: $(unit_tests)

.PHONY: demo
demo: ## install what is missing, build, and let the shipped model write text
	@tools/dependencies build demo
	$(submake) all
	@$(cache_env) tools/demo $(BUILD)

.PHONY: check
check: ## install what is missing, build and run all tests
	@tools/dependencies build demo check vm
	$(submake) check-build
	+@$(MAKE) --no-print-directory check-run

# Apart from check, so that make looks for drivers and headers after they were installed.
.PHONY: check-run
check-run:
	@$(RUN_TESTS) $(suite_opencl) $(suite_asan) $(suite_tsan) $(suite_unit) \
		$(suite_conformance) $(suite_cpu) $(suite_cli) $(suite_tree) $(suite_compilers) $(suite_vm) \
		$(call suite_fuzz,$(FUZZ_CHECK_SECONDS))

.PHONY: check-build
check-build: all tests modules kselftest $(vm_text)
	$(submake) BUILD=$(asan_build) SANITIZE=address,undefined tests
	$(submake) BUILD=$(tsan_build) SANITIZE=thread tests
	$(submake) build-arm64 build-fuzz

.PHONY: check-unit
check-unit: tests ## run the unit tests
	@$(RUN_TESTS) $(suite_unit)

.PHONY: check-cli
check-cli: all ## run the tests of the command
	@$(RUN_TESTS) $(suite_cli)

.PHONY: check-install check-kbuild
check-install: all ## install into a staging directory and use what lies there
	@$(RUN_TESTS) -s install "tests/install/test_install.sh $(BUILD)"

check-kbuild: ## build the datapath as kernel code
	@$(RUN_TESTS) -s kbuild "tests/kbuild.sh $(BUILD)"

.PHONY: check-asan check-tsan check-valgrind
check-asan: tests ## run the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	$(submake) BUILD=$(asan_build) SANITIZE=address,undefined tests
	@$(RUN_TESTS) $(suite_asan)

check-tsan: tests ## run the threaded tests under ThreadSanitizer
	$(submake) BUILD=$(tsan_build) SANITIZE=thread tests
	@$(RUN_TESTS) $(suite_tsan)

check-valgrind: tests ## run the unit tests under valgrind (slow, not a part of check)
	@$(RUN_TESTS) -s valgrind -t 3000 $(foreach t,$(unit_tests),"valgrind -q \
		--error-exitcode=1 --leak-check=full --errors-for-leak-kinds=definite $(t)")
