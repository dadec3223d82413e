# SPDX-License-Identifier: MIT
# BitNPU's build.  "make help" lists the targets and what can be set.
#
# Everything it makes lies under $(BUILD); the source tree is never written to.

BUILD		?= build
DESTDIR		?=
PREFIX		?= /usr/local
LIBDIR		?= $(PREFIX)/lib
AR		?= ar
CLANG		?= clang
CXX		?= c++
PKG_CONFIG	?= pkg-config
# Debian's own: the tests use Python modules that Debian packages.
PYTHON		?= $(firstword $(wildcard /usr/bin/python3) python3)
CFLAGS		?= -O2 -g
SANITIZE	?=

VERSION		:= $(shell awk '/define BITNPU_VERSION_(MAJOR|MINOR|PATCH)/ { v = v s $$3; s = "." } \
				END { print v }' libbitnpu/bitnpu.h)
SOVERSION	:= $(firstword $(subst ., ,$(VERSION)))

LIB_PACKAGES	:= libpcre2-8 libxxhash OpenCL libdrm
TOOL_PACKAGES	:= jansson
TEST_PACKAGES	:= cmocka

WARNINGS	:= -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wundef \
		   -Wno-unused-parameter -Wno-sign-compare
BASE_CPPFLAGS	:= -D_GNU_SOURCE -Iuapi -I. -MMD -MP
# Contraction and excess precision would change the bits of float results (docs/numerics.md).
BASE_CFLAGS	:= -std=gnu11 -fPIC -pthread -fvisibility=hidden -ffp-contract=off \
		   -fno-strict-aliasing $(WARNINGS) \
		   $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer \
				    -fno-sanitize-recover=all)
compile		= $(CC) $(BASE_CPPFLAGS) $(CPPFLAGS) $(BASE_CFLAGS) $(CFLAGS)
link		= $(CC) $(BASE_CFLAGS) $(CFLAGS) $(LDFLAGS)

# Asked only when something is linked: "make demo" installs these packages first.
lib_libs	= $(shell $(PKG_CONFIG) --libs $(LIB_PACKAGES)) -lm
tool_libs	= $(shell $(PKG_CONFIG) --libs $(TOOL_PACKAGES)) $(cairo_libs)
test_libs	= $(shell $(PKG_CONFIG) --libs $(TEST_PACKAGES))

lib_srcs	:= $(sort $(wildcard libbitnpu/*.c libbitnpu/*/*.c opencl/*.c))
tool_srcs	:= $(sort $(wildcard tools/*.c))
unit_srcs	:= $(sort $(wildcard tests/unit/test_*.c))
support_srcs	:= $(sort $(wildcard tests/support/*.c tools/random-model/random_*.c))
objs		= $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
lib_objs	:= $(call objs,$(lib_srcs))
tool_objs	:= $(call objs,$(tool_srcs))
support_objs	:= $(call objs,$(support_srcs))
unit_tests	:= $(unit_srcs:tests/unit/%.c=$(BUILD)/tests/%)

static_lib	:= $(BUILD)/libbitnpu.a
support_lib	:= $(BUILD)/libsupport.a
shared_lib	:= $(BUILD)/libbitnpu.so.$(VERSION)
soname		:= libbitnpu.so.$(SOVERSION)

ifneq ($(V),1)
say = @printf '  %-8s%s\n' '$(1)' '$(@:$(BUILD)/%=%)';
endif

.DELETE_ON_ERROR:
.SUFFIXES:

.PHONY: all
all: lib $(if $(tool_srcs),$(BUILD)/bitnpu) ## build the libraries and the command (default)

.PHONY: lib
lib: $(static_lib) $(shared_lib)

# A stamp changes when its text does: what depends on it is then made again.
stamp = mkdir -p $(@D); printf '%s\n' '$(subst ','\'',$(1))' | cmp -s - $@ || \
	printf '%s\n' '$(subst ','\'',$(1))' > $@
.PHONY: FORCE
$(BUILD)/obj/compile.stamp: FORCE
	@$(call stamp,$(compile) $(shell $(CC) --version 2>/dev/null | head -n 1))
$(BUILD)/obj/link.stamp: FORCE
	@$(call stamp,$(link) $(LIB_PACKAGES) $(TOOL_PACKAGES) $(TEST_PACKAGES))
$(BUILD)/obj/lib.stamp: FORCE
	@$(call stamp,$(lib_objs))
$(BUILD)/obj/support.stamp: FORCE
	@$(call stamp,$(support_objs))
$(BUILD)/obj/tool.stamp: FORCE
	@$(call stamp,$(tool_objs))

$(BUILD)/obj/%.o: %.c $(BUILD)/obj/compile.stamp
	@mkdir -p $(@D)
	$(call say,CC)$(compile) $(isa_flags_$*) -c -o $@ $<

# The ioctls' header includes drm.h, which libdrm has in a place of its own.
drm_cflags	= $(shell $(PKG_CONFIG) --cflags libdrm)
drm_srcs	:= $(wildcard libbitnpu/accel/*.c tools/job-bench/*.c tests/unit/test_accel*.c)
$(call objs,$(drm_srcs)): private CPPFLAGS += $(drm_cflags)

# Pictures as PNG, where cairo is: asked each time, since it may come and go.
cairo_cflags	= $(shell $(PKG_CONFIG) --exists cairo && echo -DHAVE_CAIRO && \
			  $(PKG_CONFIG) --cflags cairo | sed 's/-I/-isystem /g')
cairo_libs	= $(shell $(PKG_CONFIG) --silence-errors --libs cairo)
$(BUILD)/obj/cairo.stamp: FORCE
	@$(call stamp,$(cairo_cflags))
$(BUILD)/obj/tools/canvas_png.o: private CPPFLAGS += $(cairo_cflags)
$(BUILD)/obj/tools/canvas_png.o: $(BUILD)/obj/cairo.stamp

# Kernels of an instruction set that not every processor has; libbitnpu/cpu/level.c asks before it calls.
# Apart from CFLAGS, which the command line may set.
machine		:= $(shell $(CC) -dumpmachine | cut -d- -f1)
ifeq ($(machine),x86_64)
isa_flags_libbitnpu/cpu/avx2 := -mavx2
isa_flags_libbitnpu/cpu/lookup_avx2 := -mavx2
isa_flags_libbitnpu/cpu/scales_x86 := -mavx2 -mf16c
isa_flags_libbitnpu/cpu/avxvnni := -mavx2 -mavxvnni
isa_flags_libbitnpu/cpu/avx512vnni := -mavx512f -mavx512vnni
isa_flags_libbitnpu/cpu/amx := -mavx512f -mamx-tile -mamx-int8
isa_flags_libbitnpu/hostops/avx2 := -mavx2 -mf16c -mfma
isa_flags_libbitnpu/hostops/avx512 := -mavx512f -mf16c -mfma
endif
ifeq ($(machine),aarch64)
isa_flags_libbitnpu/cpu/dotprod := -march=armv8.2-a+dotprod
isa_flags_libbitnpu/cpu/i8mm := -march=armv8.2-a+dotprod+i8mm
endif

# The OpenCL kernels are embedded with .incbin, which -MMD does not see.
$(BUILD)/obj/opencl/program.o: $(wildcard opencl/*.cl)

$(static_lib): $(lib_objs) $(BUILD)/obj/lib.stamp
	$(call say,AR)rm -f $@ && $(AR) rcs $@ $(lib_objs)

$(shared_lib): $(lib_objs) libbitnpu/libbitnpu.map $(BUILD)/obj/lib.stamp $(BUILD)/obj/link.stamp
	$(call say,LINK)$(link) -shared -Wl,-soname,$(soname) \
		-Wl,--version-script,libbitnpu/libbitnpu.map -o $@ $(lib_objs) $(lib_libs)
	@ln -sf $(@F) $(BUILD)/$(soname)
	@ln -sf $(soname) $(BUILD)/libbitnpu.so

$(BUILD)/bitnpu: $(tool_objs) $(static_lib) $(BUILD)/obj/tool.stamp $(BUILD)/obj/link.stamp
	$(call say,LINK)$(link) -o $@ $(tool_objs) $(static_lib) $(lib_libs) $(tool_libs)

$(support_lib): $(support_objs) $(BUILD)/obj/support.stamp
	$(call say,AR)rm -f $@ && $(AR) rcs $@ $(support_objs)

$(unit_tests): $(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(support_lib) $(static_lib) \
				 $(BUILD)/obj/link.stamp
	@mkdir -p $(@D)
	$(call say,LINK)$(link) -o $@ $(filter %.o %.a,$^) $(lib_libs) $(test_libs)

include make/programs.mk
include make/install.mk
include make/modules.mk
include make/conformance.mk
include make/cpu.mk
include make/accel.mk
include make/vm.mk
include make/kasan.mk
include make/check.mk
include make/fuzz.mk
include make/lint.mk

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BUILD) build-*/

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  %-18s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '%s\n' '' 'Set on the command line:' \
		'  BUILD=DIR         where to build (build)' \
		'  CC= CFLAGS= CPPFLAGS= LDFLAGS=   as everywhere; a change rebuilds what it concerns' \
		'  V=1               show the commands' \
		'  SANITIZE=LIST     address,undefined or thread; use another BUILD with it' \
		'  PREFIX= LIBDIR= DESTDIR=         where "make install" puts things' \
		'  FUZZ_SECONDS=N    how long "make fuzz" runs each target'

-include $(patsubst %.o,%.d,$(call objs,$(lib_srcs) $(tool_srcs) $(support_srcs) $(unit_srcs) \
	$(fuzz_srcs)))
