// SPDX-License-Identifier: Apache-2.0
/*
 * Takes the program's own pages into the region and out again, under its running threads.
 *
 * A page's content is copied, then the copy is put in its place. What another thread writes in between would be
 * lost: while a piece is on its way, it can only be read, and a thread that writes waits in a handler of SIGSEGV.
 * The handler is installed when a program with several threads first needs it, stays, and passes on what is none
 * of its business. System calls that write into a piece on its way fail with EFAULT.
 *
 * The calling thread's own stack may be among the pages: they move while the thread is on another one (aside.h).
 * Another thread's must not be, while that runs on them: if it waits for a page of its stack, the kernel has no place
 * for the handler's frame. The main thread's is told by its name; those of others look as all memory does.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Why pages of this process cannot be taken into the region; NULL if they can: they are private, can be read and
 * written, and nothing in them depends on which pages they are. */
const char *replace_obstacle(uint64_t from, uint64_t to);

/* Replaces whole pages by those of the region at region, which get their content, or makes them private again.
 * Children are to inherit them. False if that cannot be: then all is as before. */
bool replace_by_region(uint64_t from, uint64_t to, uint64_t region);
bool replace_by_private(uint64_t from, uint64_t to, uint64_t region);

/* Makes pages of the region private for a while, copying what they hold to was, and puts the region's back, which
 * then have what either side has written meanwhile. Of 16 MiB at most. */
bool replace_lend(uint64_t from, uint64_t to, uint64_t region, uint8_t *was);
bool replace_return(uint64_t from, uint64_t to, uint64_t region, uint8_t *was);

/* Has a page of the region be another of its pages, too. Where its own is meanwhile, NULL if that cannot be. */
void *replace_join(uint64_t slot, uint64_t other);
void replace_part(uint64_t slot, void *kept);

/* In a child of fork: makes pages of the region private, with what they hold. */
void replace_in_child(uint64_t from, uint64_t to);
