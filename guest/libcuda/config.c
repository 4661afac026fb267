// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "generated/wire.h"
#include "keyfile.h"
#include "log.h"

#define SYSTEM_FILE "/etc/orion/client.conf"
#define USER_FILE ".orion/client.conf"
#define DEFAULT_SOCKET "/run/orion/oriond.sock"
#define DEFAULT_RELAY_SOCKET "/run/orion/relay.sock"
#define MAX_GMEM_MIB (1 << 24)

/* What the files say; switches and levels are put together once all have been read. */
struct files {
	struct config *config;
	bool log_time, to_screen, to_file;
	int screen_level, file_level;
};

/* Reads decimal digits. strtoul would tie the library to new versions of glibc, and allows signs and spaces. */
static bool number(const char *text, unsigned high, unsigned *into)
{
	unsigned long n = 0;
	const char *p = text;
	for (; *p >= '0' && *p <= '9' && n <= high; p++)
		n = 10 * n + (unsigned long)(*p - '0');
	*into = (unsigned)n;
	return p != text && !*p && n <= high;
}

static const char *set_bool(bool *into, const char *value)
{
	static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no", "off", "0"};
	for (int i = 0; i < 4; i++) {
		if (!strcasecmp(value, yes[i]) || !strcasecmp(value, no[i])) {
			*into = !strcasecmp(value, yes[i]);
			return NULL;
		}
	}
	return "true or false";
}

static const char *set_level(int *into, const char *value)
{
	static const char *const names[] = {"ERROR", "WARNING", "INFO", "DEBUG"}; /* as enum log_level */
	for (int i = 0; i < 4; i++) {
		if (!strcasecmp(value, names[i])) {
			*into = i;
			return NULL;
		}
	}
	return "one of DEBUG, INFO, WARNING, ERROR";
}

enum { PATH_BYTES = sizeof ((struct config *)0)->socket };

static bool is_path(const char *value) { return *value == '/' && strlen(value) < PATH_BYTES; }

static const char *set_socket(void *into, const char *value)
{
	if (!is_path(value))
		return "the absolute path of oriond's socket, of at most 107 characters, such as " DEFAULT_SOCKET;
	strcpy(((struct files *)into)->config->socket, value);
	return NULL;
}

static const char *set_relay_socket(void *into, const char *value)
{
	if (!is_path(value))
		return "the absolute path of orion-relay's socket, of at most 107 characters, such as " DEFAULT_RELAY_SOCKET;
	strcpy(((struct files *)into)->config->relay_socket, value);
	return NULL;
}

/* Of the client's keys, oriond and the Go programs use the addresses; here they are only checked. */
static const char *check_address(void *into, const char *value)
{
	const char *colon = strrchr(value, ':');
	unsigned port;
	(void)into;
	return colon && number(colon + 1, 65535, &port) ? NULL : "an address and a port, such as 127.0.0.1:9123 or [::1]:9123";
}

static const char *check_optional_address(void *into, const char *value) { return *value ? check_address(into, value) : NULL; }

static const char *check_bool(void *into, const char *value)
{
	bool ignored;
	(void)into;
	return set_bool(&ignored, value);
}

static const char *set_log_time(void *f, const char *v) { return set_bool(&((struct files *)f)->log_time, v); }
static const char *set_to_screen(void *f, const char *v) { return set_bool(&((struct files *)f)->to_screen, v); }
static const char *set_to_file(void *f, const char *v) { return set_bool(&((struct files *)f)->to_file, v); }
static const char *set_screen_level(void *f, const char *v) { return set_level(&((struct files *)f)->screen_level, v); }
static const char *set_file_level(void *f, const char *v) { return set_level(&((struct files *)f)->file_level, v); }

static const struct key keys[] = {
	{"log", "log_with_time", set_log_time},
	{"log", "log_to_screen", set_to_screen},
	{"log", "log_to_file", set_to_file},
	{"log", "log_level", set_screen_level},
	{"log", "file_log_level", set_file_level},
	{"controller", "controller_addr", check_address},
	{"client", "enable_net", check_bool},
	{"client", "server_addr", check_optional_address},
	{"client", "relay_socket", set_relay_socket},
	{"client", "socket", set_socket},
};

static bool read_files(struct config *c, char *message, size_t room)
{
	struct files f = {c, true, true, true, LOG_WARN, LOG_INFO};
	const char *named = secure_getenv("ORION_CONFIG"), *home = secure_getenv("HOME");
	char user[4096];

	strcpy(c->socket, DEFAULT_SOCKET);
	strcpy(c->relay_socket, DEFAULT_RELAY_SOCKET);
	if (!keyfile_read(named && *named ? named : SYSTEM_FILE, !named || !*named, keys, sizeof keys / sizeof *keys, &f, message, room))
		return false;
	if (home && *home && snprintf(user, sizeof user, "%s/" USER_FILE, home) < (int)sizeof user &&
	    !keyfile_read(user, true, keys, sizeof keys / sizeof *keys, &f, message, room))
		return false;
	c->log_time = f.log_time;
	c->screen_level = f.to_screen ? f.screen_level : -1;
	c->file_level = f.to_file ? f.file_level : -1;
	return true;
}

/* Reads a whole number from low to high; a variable that is unset or empty leaves it as it is. */
static bool read_number(const char *name, unsigned low, unsigned high, unsigned *into, char *message, size_t room)
{
	const char *value = getenv(name);
	if (!value || !*value)
		return true;
	if (number(value, high, into) && *into >= low)
		return true;
	snprintf(message, room, "%s is \"%.64s\": want a whole number from %u to %u", name, value, low, high);
	return false;
}

static bool read_demand(struct config *c, char *message, size_t room)
{
	unsigned vgpus = 0, cross = 0;
	if (!read_number("ORION_VGPU", 1, WIRE_MAX_DEVICES, &vgpus, message, room) ||
	    !read_number("ORION_GMEM", 1, MAX_GMEM_MIB, &c->gmem_mib, message, room) ||
	    !read_number("ORION_RATIO", 1, 100, &c->ratio, message, room) ||
	    !read_number("ORION_CROSS_NODE", 0, 1, &cross, message, room))
		return false;
	if (!vgpus) {
		snprintf(message, room, "ORION_VGPU is not set: say how many vGPUs this program wants, e.g. ORION_VGPU=1 ./program");
		return false;
	}
	if (cross && c->ratio != 100) {
		snprintf(message, room, "ORION_CROSS_NODE=1 needs whole GPUs: set ORION_RATIO=100");
		return false;
	}
	c->vgpus = (int)vgpus;
	c->cross_node = cross;
	return true;
}

static bool read_socket(struct config *c, char *message, size_t room)
{
	struct files f = {.config = c};
	const char *value = secure_getenv("ORION_SOCKET"), *want;
	if (!value || !*value || !(want = set_socket(&f, value)))
		return true;
	snprintf(message, room, "ORION_SOCKET is \"%.128s\": want %s", value, want);
	return false;
}

bool config_load(struct config *c, char *message, size_t room)
{
	memset(c, 0, sizeof *c);
	if (!read_files(c, message, room))
		return false;
	log_configure(c->screen_level, c->file_level, c->log_time);
	return read_socket(c, message, room) && read_demand(c, message, room);
}
