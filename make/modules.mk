# SPDX-License-Identifier: MIT
# The kernel modules (Kbuild), built against the headers in KDIR.

# The running kernel's headers, else the newest installed: CI's kernel has none of its own.
KDIR ?= $(firstword $(wildcard /lib/modules/$(shell uname -r)/build) \
	$(shell ls -d /usr/src/linux-headers-*/include/config/auto.conf 2>/dev/null | \
		sed 's,/include/.*,,' | sort -rV))

module_dir	:= $(BUILD)/modules
module_srcs	:= Kbuild libbitnpu/datapath.c libbitnpu/datapath.h \
		   $(wildcard kmod/*.[ch] kmod/*/*.[ch] uapi/drm/*.h)

$(module_dir)/%: %
	@$(INSTALL) -D -p -m 644 $< $@

.PHONY: modules
modules: $(addprefix $(module_dir)/,$(module_srcs)) ## build the kernel modules against KDIR
	$(if $(KDIR),,$(error no kernel headers found: install a linux-headers package or set KDIR))
	+$(MAKE) -C $(KDIR) M=$(abspath $(module_dir)) modules

.PHONY: print-kdir
print-kdir:
	@echo $(KDIR)
