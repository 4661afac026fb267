// SPDX-License-Identifier: Apache-2.0
/* The program's own memory, registered: its pages are the region's as long as it is. */
#pragma once

struct object;

/* Ends all registrations of a context that is about to end: the program keeps what it has there. */
void registered_forget_context(struct object *context);
