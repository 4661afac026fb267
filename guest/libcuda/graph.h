// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "object.h"

/* Flag of a node whose data are the handles of the graphs within it, as many as its number says. */
enum { NODE_OF_GRAPHS = 1 };
/* Flag of a graph that a node has been given, with which it ends. */
enum { GRAPH_MOVED = 1 };

/* Notes that a node belongs to a graph, with which it ends. */
void graph_owns(void *graph, struct object *node);
/* Frees what is known of a graph's nodes. */
void graph_nodes_free(struct object *graph);
/* Frees the calling thread's list of what a capture depends on. */
void edges_free(void);
/* Adds a kernel node from CUDA_KERNEL_NODE_PARAMS, version 2 or 1; edges may be NULL. A CUresult. */
int graph_add_kernel(void **node, void *graph, void *const *deps, const void *edges, size_t n, const uint8_t *p, bool v2);
/* Keeps a copy of n bytes with a node, in the place of what was kept, until its end. */
void node_keep(struct object *node, const void *p, size_t n);
/* The graph of a node that was made here, else NULL. */
struct object *node_graph(const struct object *node);
