# SPDX-License-Identifier: Apache-2.0
# The guest's libcuda.so.1. The top Makefile includes this; `make guest-libcuda` builds it alone.
include guest/flags.mk

LIBCUDA := $(GUEST_LIB)/libcuda.so.1
LIBCUDA_SOURCES := $(wildcard guest/libcuda/*.c guest/libcuda/generated/*.c)
LIBCUDA_OBJECTS := $(LIBCUDA_SOURCES:%.c=$(GUEST_OBJ)/%.o)
LIBCUDA_MAP := guest/libcuda/generated/libcuda.map
LIBCUDA_ALIASES := guest/libcuda/generated/aliases.ld

$(LIBCUDA): $(LIBCUDA_OBJECTS) $(LIBCUDA_MAP) $(LIBCUDA_ALIASES)
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(GUEST_Q)$(CC) $(GUEST_LDFLAGS) $(LDFLAGS) -Wl,-soname,$(@F) -Wl,--version-script=$(LIBCUDA_MAP) \
		-o $@ $(LIBCUDA_OBJECTS) $(LIBCUDA_ALIASES) -Wl,--no-as-needed -l:libpthread.so.0

.PHONY: guest-libcuda
guest-libcuda: $(LIBCUDA) $(LIBCUDA:.1=)

-include $(LIBCUDA_OBJECTS:.o=.d)
