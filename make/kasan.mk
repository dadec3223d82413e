# SPDX-License-Identifier: MIT
# The kernel tests, a soak and random ioctls on a kernel that watches: docs/sanitizers.md.

# How long each of the soak, the fuzzer and the fuzzer with failing allocations runs.
KASAN_SECONDS	?= 60

kasan_build	:= $(BUILD)/kasan
kasan_seed	= $(if $(KASAN_SEED),$(KASAN_SEED),$$(date +%s))
kasan_tests	= $(kselftests) \
		  "tests/vm/test_pci.sh" "$(kselftest_dir)/bitnpu_soak $(KASAN_SECONDS) $(kasan_seed)" \
		  "$(kselftest_dir)/bitnpu_fuzz $(KASAN_SECONDS) $(kasan_seed)" \
		  "$(kselftest_dir)/bitnpu_fuzz $(KASAN_SECONDS) $(kasan_seed) failslab"

.PHONY: check-kasan
check-kasan: ## kernel tests on a kernel with sanitizers, built first (KASAN_SECONDS=60)
	@tools/dependencies build vm kasan
	$(submake) kselftest
	+@kernel=$$(tests/vm/sanitizer-kernel) && \
	$(MAKE) --no-print-directory -s modules BUILD=$(kasan_build) KDIR=$$kernel && \
	boot="--memory 4096 --kernel $$kernel/arch/x86/boot/bzImage --modules $$kernel/root \
		--release $$(cat $$kernel/include/config/kernel.release)" && \
	$(RUN_TESTS) -j 1 -s kasan -t 600 "tests/vm/run-tests $(kasan_build) kasan-suspend --timeout 500 \
		$$boot $(call suspend_carry,$(kasan_build)) -- '$(suspend_test)'" \
		-t 3600 "tests/vm/run-tests $(kasan_build) kasan --timeout 3500 $(no_npus) $$boot \
		-- $(subst ",',$(kasan_tests))"
