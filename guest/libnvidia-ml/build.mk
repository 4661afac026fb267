# SPDX-License-Identifier: Apache-2.0
# The guest's libnvidia-ml.so.1. The top Makefile includes this; `make guest-libnvidia-ml` builds it alone.
include guest/flags.mk

LIBNVML := $(GUEST_LIB)/libnvidia-ml.so.1
LIBNVML_SOURCES := $(wildcard guest/libnvidia-ml/*.c)
LIBNVML_OBJECTS := $(LIBNVML_SOURCES:%.c=$(GUEST_OBJ)/%.o)
LIBNVML_MAP := guest/libnvidia-ml/libnvidia-ml.map

$(LIBNVML): $(LIBNVML_OBJECTS) $(LIBNVML_MAP)
	@mkdir -p $(@D)
	@echo "  LD $@"
	$(GUEST_Q)$(CC) $(GUEST_LDFLAGS) $(LDFLAGS) -Wl,-soname,$(@F) -Wl,--version-script=$(LIBNVML_MAP) \
		-o $@ $(LIBNVML_OBJECTS) -Wl,--no-as-needed -l:libpthread.so.0 -l:libdl.so.2

.PHONY: guest-libnvidia-ml
guest-libnvidia-ml: $(LIBNVML) $(LIBNVML:.1=)

-include $(LIBNVML_OBJECTS:.o=.d)
