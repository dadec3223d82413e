# SPDX-License-Identifier: MIT
# The kernel modules (Kbuild): built against the headers in KDIR, installed, handed to DKMS.

# The running kernel's headers, else the newest installed: CI's kernel has none of its own.
KDIR ?= $(firstword $(wildcard /lib/modules/$(shell uname -r)/build) \
	$(shell ls -d /usr/src/linux-headers-*/include/config/auto.conf 2>/dev/null | \
		sed 's,/include/.*,,' | sort -rV))

UDEVDIR		?= /lib/udev
MODPROBEDIR	?= /etc/modprobe.d

module_dir	:= $(BUILD)/modules
module_srcs	:= Kbuild libbitnpu/datapath.c libbitnpu/datapath.h \
		   $(wildcard kmod/*.[ch] kmod/*/*.[ch] uapi/drm/*.h)
dkms_name	:= bitnpu-$(VERSION)
dkms_dir	= $(DESTDIR)/usr/src/$(dkms_name)

$(module_dir)/%: %
	@$(INSTALL) -D -p -m 644 $< $@

.PHONY: modules
modules: $(addprefix $(module_dir)/,$(module_srcs)) ## build the kernel modules against KDIR
	$(if $(KDIR),,$(error no kernel headers found: install a linux-headers package or set KDIR))
	+$(MAKE) -C $(KDIR) M=$(abspath $(module_dir)) modules

# depmod runs where the kernel's build system runs it: not when DESTDIR stages a package.
.PHONY: modules_install
modules_install: modules install-module-files ## install the modules, the udev rule, modprobe's options
	+$(MAKE) -C $(KDIR) M=$(abspath $(module_dir)) modules_install \
		$(if $(DESTDIR),INSTALL_MOD_PATH=$(abspath $(DESTDIR)))

# An administrator's own options stay.
.PHONY: install-module-files
install-module-files:
	$(INSTALL) -D -m 644 packaging/60-bitnpu.rules $(DESTDIR)$(UDEVDIR)/rules.d/60-bitnpu.rules
	@[ -e $(DESTDIR)$(MODPROBEDIR)/bitnpu.conf ] || $(INSTALL) -D -v -m 644 \
		packaging/modprobe-bitnpu.conf $(DESTDIR)$(MODPROBEDIR)/bitnpu.conf

.PHONY: dkms-files dkms-install dkms-uninstall
dkms-files:
	rm -rf $(dkms_dir)
	@set -e; for file in $(module_srcs); do $(INSTALL) -D -m 644 $$file $(dkms_dir)/$$file; done
	sed 's/@VERSION@/$(VERSION)/' packaging/dkms.conf.in > $(dkms_dir)/dkms.conf

dkms-install: dkms-files install-module-files ## hand the modules to DKMS, which rebuilds them
	$(if $(DESTDIR),,dkms install --force -m bitnpu -v $(VERSION) \
		$(if $(KERNEL_VERSION),-k $(KERNEL_VERSION)))

dkms-uninstall: ## the reverse
	dkms remove -m bitnpu -v $(VERSION) --all
	rm -rf $(dkms_dir)

.PHONY: check-newest-kernel
check-newest-kernel: ## build the modules against Debian unstable's kernel (root, debootstrap)
	@tools/dependencies newest
	@$(RUN_TESTS) -s newest-kernel -t 1800 "tests/newest-kernel.sh $(abspath $(BUILD))"

.PHONY: print-kdir
print-kdir:
	@echo $(KDIR)
