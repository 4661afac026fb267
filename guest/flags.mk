# SPDX-License-Identifier: Apache-2.0
# How the guest's C libraries are compiled. SANITIZE=1 builds them under build/asan, for tests; V=1 shows commands.

ifndef GUEST_CFLAGS
BUILD ?= build
GUEST_BUILD := $(BUILD)$(if $(SANITIZE),/asan)
GUEST_LIB := $(GUEST_BUILD)/lib
GUEST_OBJ := $(GUEST_BUILD)/obj
GUEST_Q := $(if $(V),,@)

# The prefix map keeps the builder's folders out of the libraries; glibc.h binds to old symbol versions.
GUEST_CFLAGS := -std=gnu11 -O2 -g -fPIC -fvisibility=hidden -fno-plt -Wall -Wextra -Werror \
	-ffile-prefix-map=$(CURDIR)=. -include guest/glibc.h $(if $(RELEASE),-DORION_RELEASE='"$(RELEASE)"')
# Before glibc 2.34 threads and dlopen have libraries of their own, of which newer ones keep empty shells: libraries
# that use them name them.
# Calls within a library stay there, whatever else the program has loaded: -Bsymbolic.
GUEST_LDFLAGS := -shared -Wl,-Bsymbolic -Wl,-z,relro,-z,now -Wl,--no-undefined -Wl,--hash-style=gnu

ifdef SANITIZE
comma := ,
GUEST_CFLAGS += -fsanitize=address,undefined -fno-omit-frame-pointer
# The sanitizers' functions are the program's.
GUEST_LDFLAGS := $(filter-out -Wl$(comma)--no-undefined,$(GUEST_LDFLAGS)) -fsanitize=address,undefined
endif

$(GUEST_OBJ)/%.o: %.c guest/flags.mk
	@mkdir -p $(@D)
	@echo "  CC $<"
	$(GUEST_Q)$(CC) $(GUEST_CFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# libX.so beside libX.so.1, for those who link with -lX.
$(GUEST_LIB)/%.so: $(GUEST_LIB)/%.so.1
	@ln -sf $(<F) $@
endif
