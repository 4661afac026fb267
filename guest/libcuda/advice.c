// SPDX-License-Identifier: Apache-2.0
/* Advice by page ranges: a list ordered by address, disjoint. Pages that are not in it have no advice. */
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "advice.h"

enum { PAGE = 4096 };

struct piece {
	uint64_t from, to;
	struct advice advice;
	struct piece *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct piece *list;

static uint64_t page_down(uint64_t a) { return a & ~(uint64_t)(PAGE - 1); }
static uint64_t page_up(uint64_t a) { return page_down(a + PAGE - 1); }

static struct piece *insert(struct piece **at, uint64_t from, uint64_t to, struct advice advice)
{
	struct piece *p = malloc(sizeof *p);
	if (p) {
		*p = (struct piece){from, to, advice, *at};
		*at = p;
	}
	return p;
}

/* Makes an address the border of two pieces, if it is inside one. */
static bool cut(uint64_t address)
{
	for (struct piece *p = list; p && p->from < address; p = p->next)
		if (address < p->to) {
			if (!insert(&p->next, address, p->to, p->advice))
				return false;
			p->to = address;
		}
	return true;
}

bool advice_change(uint64_t base, uint64_t size, void (*change)(struct advice *a, const void *how), const void *how)
{
	uint64_t from = page_down(base), to = page_up(base + size);
	pthread_mutex_lock(&lock);
	bool ok = cut(from) && cut(to);
	struct piece **at = &list;
	while (ok && from < to) {
		while (*at && (*at)->to <= from)
			at = &(*at)->next;
		if (!*at || (*at)->from > from) {
			uint64_t end = *at && (*at)->from < to ? (*at)->from : to;
			ok = insert(at, from, end, (struct advice){0}) != NULL;
		}
		if (ok) {
			change(&(*at)->advice, how);
			from = (*at)->to;
		}
	}
	pthread_mutex_unlock(&lock);
	return ok;
}

void advice_unset_read_mostly(uint64_t base, uint64_t size)
{
	uint64_t from = page_down(base), to = page_up(base + size), end = 0;
	bool hit = false;
	pthread_mutex_lock(&lock);
	for (struct piece *p = list, *first = NULL; p; p = p->next) {
		if (!first || !p->advice.read_mostly || p->from != end) {
			first = p; /* of a stretch */
			hit = false;
		}
		end = p->to;
		hit = hit || (p->advice.read_mostly && p->from < to && p->to > from);
		bool last = !p->next || !p->next->advice.read_mostly || p->next->from != end;
		for (struct piece *q = first; hit && last; q = q->next) {
			q->advice.read_mostly = 0;
			if (q == p)
				break;
		}
	}
	pthread_mutex_unlock(&lock);
}

static bool same(struct location a, struct location b) { return a.type == b.type && a.id == b.id; }

struct advice advice_common(uint64_t base, uint64_t size)
{
	uint64_t at = page_down(base), end = page_up(base + size);
	struct advice all = {0};
	bool first = true;
	pthread_mutex_lock(&lock);
	for (struct piece *p = list; p && at < end; p = p->next) {
		if (p->to <= at)
			continue;
		if (p->from > at)
			break;
		if (first)
			all = p->advice;
		all.accessed_by &= p->advice.accessed_by;
		all.read_mostly &= p->advice.read_mostly;
		all.accessed_by_host &= p->advice.accessed_by_host;
		if (!same(all.preferred, p->advice.preferred))
			all.preferred = (struct location){0};
		if (!same(all.prefetched, p->advice.prefetched))
			all.prefetched = (struct location){0};
		first = false;
		at = p->to;
	}
	pthread_mutex_unlock(&lock);
	return at < end ? (struct advice){0} : all;
}

void advice_forget(uint64_t base, uint64_t size)
{
	uint64_t from = page_down(base), to = page_up(base + size);
	pthread_mutex_lock(&lock);
	cut(from); /* if there is no memory for it, more is forgotten */
	cut(to);
	for (struct piece **at = &list; *at && (*at)->from < to;) {
		struct piece *p = *at;
		if (p->to <= from) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		free(p);
	}
	pthread_mutex_unlock(&lock);
}
