// SPDX-License-Identifier: Apache-2.0
/*
 * Graphs that copy the program's own, pageable memory. The GPU cannot reach it, so the graph copies a pinned
 * shadow, and each launch is led by a host function that fills the shadows to be read, and followed by one
 * that empties those that were written. Within a graph, pageable memory is thus read when the graph starts.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "object.h"

struct box;
struct shadow;

/* Makes a shadow for the pageable side of a settled box, and puts it in that side's place. A CUresult. */
int shadow_make(struct box *b, bool in, struct shadow **s);
/* Gives a graph or instance the shadows of a node, of which there may be none, in the place of those it had. */
void shadows_replace(struct object *graph, void *node, struct shadow *const *list, size_t n);
/* Ends a shadow that no graph has been given. */
void shadow_discard(struct shadow *s);
/* Gives a shadow to a graph that is being captured. */
void shadow_attach(struct object *graph, struct shadow *s);
/* Gives a graph or instance what another graph has. */
void shadows_share(struct object *to, const struct object *from);
/* The graph or instance ends. Launches under way keep what they use. */
void shadows_drop(struct object *o);
/* Around a launch on a stream: CUresults. */
int shadows_before(struct object *exec, void *stream);
int shadows_after(struct object *exec, void *stream);

/* A copy on a stream in capture between device memory and n bytes of pageable memory. */
int shadow_copy_captured(uint64_t device, void *host, size_t n, void *stream, bool in);
