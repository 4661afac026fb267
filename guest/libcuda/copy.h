// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where an address lies. */
enum place { PLACE_HOST, PLACE_PINNED, PLACE_DEVICE };

enum place place_of(uint64_t address);
/* Whether this process knows n bytes at address as its own device or pinned memory: a copy there will not be
 * refused for its address. */
bool known_range(uint64_t address, uint64_t n);

/* Waits for a stream, and returns its error or a deferred one. */
int stream_fence(void *stream);
/* The same, for the driver's word on what the stream was given last; a capture, which nothing may wait for, has it at once. */
int stream_word(void *stream);
/* The result of a command for n bytes at a device's address that a stream was given, or has refused with r: waits for the stream
 * if asked, and for the driver's word if that may be no. */
int stream_given(int r, uint64_t address, uint64_t n, void *stream, bool wait);

/* From now on there is somebody who does not come after what the default stream copies: a stream that does not wait for it,
 * another context, another program. Blocking copies of pageable memory, which otherwise return as soon as the memory has
 * been read, then wait to be complete, as those under way do here, within reason. */
void copies_beside(void);

int copy_in(uint64_t dst, const void *src, size_t n, void *stream, bool wait);
int copy_out(void *dst, uint64_t src, size_t n, void *stream, bool wait);
/* A copy whose direction the addresses tell. */
int copy_unified(uint64_t dst, uint64_t src, size_t n, void *stream, bool wait);

/* Whether a stream is being captured; nothing is asked while nothing is. */
bool stream_capturing(void *stream);
