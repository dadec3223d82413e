# SPDX-License-Identifier: MIT
# BitNPU's build.  "make help" lists the targets.

BUILD		?= build
PREFIX		?= /usr/local
LIBDIR		?= $(PREFIX)/lib
CC		?= cc
CLANG		?= clang
PKG_CONFIG	?= pkg-config
SANITIZE	?=

VERSION		:= $(shell awk '/define BITNPU_VERSION_(MAJOR|MINOR|PATCH)/ { v = v s $$3; s = "." } \
				END { print v }' libbitnpu/bitnpu.h)
SOVERSION	:= $(firstword $(subst ., ,$(VERSION)))

LIB_PACKAGES	:= libpcre2-8 libxxhash OpenCL
TOOL_PACKAGES	:= jansson
TEST_PACKAGES	:= cmocka

WARNINGS	:= -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wundef \
		   -Wno-unused-parameter -Wno-sign-compare
CPPFLAGS	+= -D_GNU_SOURCE -Iuapi -I. -MMD -MP
CFLAGS		?= -O2 -g
# Contraction and excess precision would change the bits of float results (docs/numerics.md).
BASE_CFLAGS	:= -std=gnu11 -fPIC -pthread -fvisibility=hidden -ffp-contract=off \
		   -fno-strict-aliasing $(WARNINGS) \
		   $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer \
				    -fno-sanitize-recover=all)

lib_libs	= $(shell $(PKG_CONFIG) --libs $(LIB_PACKAGES))
tool_libs	= $(shell $(PKG_CONFIG) --libs $(TOOL_PACKAGES))
test_libs	= $(shell $(PKG_CONFIG) --libs $(TEST_PACKAGES))

lib_srcs	:= $(sort $(wildcard libbitnpu/*.c opencl/*.c))
tool_srcs	:= $(sort $(wildcard tools/*.c))
unit_srcs	:= $(sort $(wildcard tests/unit/test_*.c))
support_srcs	:= $(sort $(wildcard tests/support/*.c))
lib_objs	:= $(lib_srcs:%.c=$(BUILD)/obj/%.o)
tool_objs	:= $(tool_srcs:%.c=$(BUILD)/obj/%.o)
support_objs	:= $(support_srcs:%.c=$(BUILD)/obj/%.o)
unit_tests	:= $(unit_srcs:tests/unit/%.c=$(BUILD)/tests/%)

.PHONY: all
all: $(BUILD)/libbitnpu.a $(BUILD)/bitnpu

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(BASE_CFLAGS) $(CFLAGS) -c -o $@ $<

# The OpenCL kernels are embedded with .incbin, which -MMD does not see.
$(BUILD)/obj/opencl/program.o: $(wildcard opencl/*.cl)

$(BUILD)/libbitnpu.a: $(lib_objs)
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/bitnpu: $(tool_objs) $(BUILD)/libbitnpu.a
	$(CC) $(BASE_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(lib_libs) $(tool_libs) -lm

$(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(support_objs) $(BUILD)/libbitnpu.a
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(lib_libs) $(test_libs) -lm

.PHONY: tests check-unit clean
tests: $(unit_tests)

check-unit: tests
	@for t in $(unit_tests); do echo "== $$t"; $$t || exit 1; done

clean:
	rm -rf $(BUILD)

-include $(lib_objs:.o=.d) $(tool_objs:.o=.d) $(support_objs:.o=.d) \
	 $(unit_srcs:%.c=$(BUILD)/obj/%.d)
