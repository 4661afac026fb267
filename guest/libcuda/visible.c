// SPDX-License-Identifier: Apache-2.0
#include "visible.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

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

int visible_devices(const char *list, int granted, uint8_t order[WIRE_MAX_DEVICES])
{
	uint64_t named = 0;
	int count = 0;
	for (int i = 0; !list && i < granted; i++)
		order[i] = (uint8_t)i;
	if (!list)
		return granted;
	for (const char *at = list; *at;) {
		long index;
		at += strspn(at, " \t");
		if (!strncmp(at, "GPU-", 4) || !strncmp(at, "MIG-", 4))
			return VISIBLE_UUIDS;
		if (!take(&at, &index) || index >= granted)
			break;
		if (named >> index & 1)
			return 0;
		named |= 1ull << index;
		order[count++] = (uint8_t)index;
	}
	return count;
}

bool visible_none(void)
{
	uint8_t order[WIRE_MAX_DEVICES];
	return !visible_devices(getenv("CUDA_VISIBLE_DEVICES"), WIRE_MAX_DEVICES, order);
}
