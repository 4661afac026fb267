// SPDX-License-Identifier: Apache-2.0
/* Opens a library as the CUDA runtime does, and prints where it was found. With a library of its own it does that
 * from there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>

#ifdef LIBRARY
const char *where(void)
#else
static const char *here(void)
#endif
{
	struct link_map *map;
	void *library = dlopen("libprobed.so.1", RTLD_NOW);
	if (!library || dlinfo(library, RTLD_DI_LINKMAP, &map))
		return "";
	return map->l_name;
}

#ifndef LIBRARY
#ifdef BY_LIBRARY
const char *where(void);
#else
static const char *where(void) { return here(); }
#endif

int main(void)
{
	(void)here;
	printf("%s\n", where());
	return 0;
}
#endif
