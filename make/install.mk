# SPDX-License-Identifier: MIT
# Installing: libraries, headers, pkg-config file, command, manual pages, completion.

INSTALL		?= install
BINDIR		?= $(PREFIX)/bin
INCLUDEDIR	?= $(PREFIX)/include
DATADIR		?= $(PREFIX)/share
MANDIR		?= $(DATADIR)/man

man_pages	:= $(sort $(wildcard docs/man/*.[1-8]))
completions	:= $(sort $(wildcard tools/completion/*.bash))
man_targets	:= $(foreach page,$(man_pages),man$(subst .,,$(suffix $(page)))/$(notdir $(page)))
completion_targets := $(patsubst %.bash,%,$(notdir $(completions)))

pkg_config_lines = 'prefix=$(PREFIX)' \
	'libdir=$(LIBDIR:$(PREFIX)/%=$${prefix}/%)' \
	'includedir=$(INCLUDEDIR:$(PREFIX)/%=$${prefix}/%)' '' \
	'Name: libbitnpu' \
	'Description: Ternary and binary language models on NPUs, GPUs and CPUs' \
	'Version: $(VERSION)' 'Requires.private: $(LIB_PACKAGES)' \
	'Libs: -L$${libdir} -lbitnpu' 'Libs.private: -lm -pthread' \
	'Cflags: -I$${includedir}'

.PHONY: install
install: all ## install under DESTDIR and PREFIX
	+@$(MAKE) --no-print-directory install-files

# What is built, without building it.
.PHONY: install-files
install-files:
	$(INSTALL) -d $(addprefix $(DESTDIR),$(LIBDIR)/pkgconfig $(INCLUDEDIR)/drm)
	$(INSTALL) -m 644 $(static_lib) $(DESTDIR)$(LIBDIR)/
	$(INSTALL) -m 755 $(shared_lib) $(DESTDIR)$(LIBDIR)/
	ln -sf $(notdir $(shared_lib)) $(DESTDIR)$(LIBDIR)/$(soname)
	ln -sf $(soname) $(DESTDIR)$(LIBDIR)/libbitnpu.so
	@printf '%s\n' $(pkg_config_lines) > $(DESTDIR)$(LIBDIR)/pkgconfig/libbitnpu.pc
	$(INSTALL) -m 644 libbitnpu/bitnpu.h $(DESTDIR)$(INCLUDEDIR)/
	$(INSTALL) -m 644 uapi/drm/bitnpu_isa.h uapi/drm/bitnpu_accel.h $(DESTDIR)$(INCLUDEDIR)/drm/
ifneq ($(tool_srcs),)
	$(INSTALL) -D -m 755 $(BUILD)/bitnpu $(DESTDIR)$(BINDIR)/bitnpu
endif
	@set -e; for page in $(man_targets); do \
		$(INSTALL) -D -v -m 644 docs/man/$${page##*/} $(DESTDIR)$(MANDIR)/$$page; done
	@set -e; for name in $(completion_targets); do \
		$(INSTALL) -D -v -m 644 tools/completion/$$name.bash \
			$(DESTDIR)$(DATADIR)/bash-completion/completions/$$name; done

.PHONY: uninstall
uninstall: ## remove what install put there
	rm -f $(addprefix $(DESTDIR)$(LIBDIR)/,libbitnpu.a libbitnpu.so $(soname) \
		$(notdir $(shared_lib)) pkgconfig/libbitnpu.pc)
	rm -f $(addprefix $(DESTDIR)$(INCLUDEDIR)/,bitnpu.h drm/bitnpu_isa.h drm/bitnpu_accel.h)
	rm -f $(DESTDIR)$(BINDIR)/bitnpu
	rm -f $(addprefix $(DESTDIR)$(MANDIR)/,$(man_targets))
	rm -f $(addprefix $(DESTDIR)$(DATADIR)/bash-completion/completions/,$(completion_targets))
