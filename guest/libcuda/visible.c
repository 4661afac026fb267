// SPDX-License-Identifier: Apache-2.0
#include "visible.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "generated/wire.h"

/* Reads a number and the comma or end behind it; false if something else stands there. */
static bool take(const char **at, long *index)
{
	char *end;
	if (!isdigit((unsigned char)**at))
		return false;
	*index = strtol(*at, &end, 10);
	end += strspn(end, " \t");
	if (*end && *end != ',')
		return false;
	*at = *end ? end + 1 : end;
	return true;
}

int visible_devices(const char *list, int granted, bool *exact)
{
	uint64_t named = 0;
	int count = 0;
	*exact = true;
	if (!list)
		return granted;
	for (const char *at = list; *at;) {
		long index;
		at += strspn(at, " \t");
		if (!strncmp(at, "GPU-", 4) || !strncmp(at, "MIG-", 4)) {
			*exact = false;
			return granted;
		}
		if (!take(&at, &index) || index >= granted)
			break;
		if (named >> index & 1)
			return 0;
		named |= 1ull << index;
		*exact = *exact && index == count;
		count++;
	}
	return count;
}

bool visible_none(void)
{
	bool exact;
	return !visible_devices(getenv("CUDA_VISIBLE_DEVICES"), WIRE_MAX_DEVICES, &exact);
}
