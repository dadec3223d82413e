# SPDX-License-Identifier: MIT
# The kernel modules on a real kernel, in a virtual machine: tests/vm/README.md.

kselftest_dir	:= $(BUILD)/kselftest
kselftest_names	:= query reject submit sync memory isolation recovery lifetime abi

# Programs of 32 bits: the kernel sees another kind of caller.  Debian's gcc does not look for the headers of
# the machine with -m32, and the harness casts pointers to 64 bits.
compat_dir	:= $(BUILD)/kselftest32
compat_names	:= query reject submit sync memory isolation abi
compat_flags	= -m32 -Wno-pointer-to-int-cast -idirafter /usr/include/$(shell gcc -print-multiarch)

kselftest_make	= $(MAKE) -s -C tests/kselftest KSFT=$$selftests UAPI=$(abspath uapi)

.PHONY: kselftest
kselftest: ## build the kernel selftests
	+@selftests=$$(tests/vm/selftests $(abspath $(BUILD)/vm)) && \
		mkdir -p $(kselftest_dir) $(compat_dir) && \
		$(kselftest_make) OUTPUT=$(abspath $(kselftest_dir)) && \
		if printf '#include <sys/ioctl.h>\nint main(void) { return 0; }\n' | \
			gcc $(compat_flags) -x c - -o $(compat_dir)/probe 2>/dev/null; then \
			$(kselftest_make) OUTPUT=$(abspath $(compat_dir)) USERCFLAGS="$(compat_flags)"; \
		else rm -rf $(compat_dir); fi

# The one that suspends devices runs in a guest of its own, which shares no files with the host.
kselftests	= $(foreach name,$(kselftest_names),\
			"$(kselftest_dir)/test_$(name)$(if $(filter lifetime,$(name)), -T suspend)") \
		  $(foreach name,$(compat_names),"tests/vm/compat $(compat_dir)/test_$(name)")
suspend_test	:= $(kselftest_dir)/test_lifetime -t suspend
suspend_carry	= $(addprefix --carry ,$(firstword $(suspend_test)) $(1)/modules/bitnpu.ko \
			$(1)/modules/bitnpu_sim.ko $(addprefix tests/vm/,load guest-tests leaks))

# Each is a TAP program, run in the guest in this order with the modules loaded.
vm_tests	= $(kselftests) \
		  "BITNPU_MODULES=$(BUILD)/modules BITNPU_SELFTESTS=$(kselftest_dir) \
			tests/kselftest/test_reload.sh" \
		  "tests/vm/test_pci.sh" \
		  "tests/vm/test_counters.py" \
		  "tests/vm/model.sh $(BUILD)" \
		  "CMOCKA_MESSAGE_OUTPUT=TAP $(accel_test)" \
		  "$(conformance) --device accel --quick --cases 1"

# PCI devices for the glue to refuse.
no_npus		:= --device edu --device pci-testdev

suite_vm	= -s vm -t 900 "tests/vm/test_check_log.py" "tests/vm/test_leaks.py" \
		  'tests/vm/run-tests $(BUILD) kernel --timeout 840 $(no_npus) -- $(vm_tests)' \
		  'tests/vm/run-tests $(BUILD) suspend --timeout 300 $(call suspend_carry,$(BUILD)) \
			-- "$(suspend_test)"'

# What the host's golden engine writes; the guest's device is to write the same.
vm_text		:= $(BUILD)/vm/golden.txt
$(vm_text): $(BUILD)/bitnpu $(wildcard models/*.gguf)
	@mkdir -p $(@D)
	$(BUILD)/bitnpu run $(firstword $(wildcard models/*.gguf)) -p "In the beginning" -n 32 \
		--temp 0 --device golden > $@

.PHONY: check-vm
check-vm: ## boot a kernel with the modules and run the kernel tests
	@tools/dependencies build check vm
	$(submake) all tests modules kselftest $(vm_text)
	@$(RUN_TESTS) $(suite_vm)

# The command is an argument, so that it may contain any character.
.PHONY: vm
vm: ## a root shell in a guest that has the device; CMD= runs a command instead
	@tools/dependencies build vm
	$(submake) -s all modules
	@tests/vm/boot $(if $(CMD),,--interactive) --timeout 86400 sh -c \
		'tests/vm/load $(BUILD) && PATH=$(abspath $(BUILD)):$$PATH && \
		$(if $(CMD),eval "$$1",tests/vm/greet; exec bash -i || exec sh -i)' sh "$$CMD"
