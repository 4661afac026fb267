// SPDX-License-Identifier: Apache-2.0
/* Which release the library is of, for who looks into its file: orion-check. */
#include "generated/calls.h"
#include "release.h"

#define TEXT(n) #n
#define NUMBER(n) TEXT(n)

__attribute__((section(".orion"), used)) static const char identity[] =
	"release=" ORION_RELEASE " commands=" NUMBER(ORION_SPEC_HASH);
