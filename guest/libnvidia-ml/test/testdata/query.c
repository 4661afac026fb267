// SPDX-License-Identifier: Apache-2.0
/* Asks libnvidia-ml.so.1, found as a program finds it, and checks each answer. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../../libcuda/test/testdata/check.h"

static void *library;

static void *find(const char *name)
{
	void *f = dlsym(library, name);
	if (!f) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	return f;
}

/* Calls a function by name. All arguments are words; on both machines that suits them. */
#define CALL(name, ...) ((int (*)(uintptr_t, uintptr_t, uintptr_t, uintptr_t))find(#name))(WORDS(__VA_ARGS__, 0, 0, 0, 0))
#define WORDS(a, b, c, d, ...) (uintptr_t)(a), (uintptr_t)(b), (uintptr_t)(c), (uintptr_t)(d)

static void *device(int index)
{
	void *d = NULL;
	CHECK_INT(CALL(nvmlDeviceGetHandleByIndex_v2, index, &d), 0);
	return d;
}

static void check_identity(void)
{
	void *d, *first = device(0), *second = device(1);
	unsigned int n = 9;
	char text[96], small[4];

	CHECK(CALL(nvmlDeviceGetCount_v2, &n) == 0 && n == 2);
	CHECK_INT(CALL(nvmlDeviceGetHandleByIndex, 2, &d), 2);
	CHECK(CALL(nvmlDeviceGetName, second, text, sizeof text) == 0 && !strcmp(text, "Test GPU 1"));
	CHECK_INT(CALL(nvmlDeviceGetName, second, small, sizeof small), 7);
	CHECK(CALL(nvmlDeviceGetUUID, second, text, sizeof text) == 0 && !strcmp(text, "GPU-f1e1d1c1-b1a1-9181-7161-514131211101"));
	CHECK(CALL(nvmlDeviceGetHandleByUUID, text, &d) == 0 && d == second);
	text[4] = 'F';
	CHECK(CALL(nvmlDeviceGetHandleByUUID, text, &d) == 0 && d == second);
	CHECK(CALL(nvmlDeviceGetHandleByUUID, text + 4, &d) == 0 && d == second); /* as CUDA's own text of it */
	CHECK_INT(CALL(nvmlDeviceGetHandleByUUID, "GPU-", &d), 6);
	text[5] = 'x';
	CHECK_INT(CALL(nvmlDeviceGetHandleByUUID, text, &d), 6);
	CHECK(CALL(nvmlDeviceGetIndex, second, &n) == 0 && n == 1);

	CHECK(CALL(nvmlDeviceGetHandleByPciBusId_v2, "00000001:A1:1F.0", &d) == 0 && d == second);
	CHECK(CALL(nvmlDeviceGetHandleByPciBusId_v2, "0001:a1:1f.0", &d) == 0 && d == second);
	CHECK(CALL(nvmlDeviceGetHandleByPciBusId, "a0:1f.0", &d) == 0 && d == first);
	CHECK_INT(CALL(nvmlDeviceGetHandleByPciBusId_v2, "0000:a1:1f.0", &d), 6);
	CHECK_INT(CALL(nvmlDeviceGetHandleByPciBusId_v2, "nonsense", &d), 2);

	struct {
		char legacy[16];
		unsigned int domain, bus, slot, id, subsystem;
		char text[32];
	} pci, untouched;
	CHECK_INT(CALL(nvmlDeviceGetPciInfo_v3, second, &pci), 0);
	CHECK(pci.domain == 1 && pci.bus == 0xa1 && pci.slot == 0x1f && pci.id == 0x20b010de);
	CHECK(!strcmp(pci.legacy, "0001:A1:1F.0") && !strcmp(pci.text, "00000001:A1:1F.0"));
	memset(&pci, 0x77, sizeof pci);
	memset(&untouched, 0x77, sizeof untouched);
	CHECK_INT(CALL(nvmlDeviceGetPciInfo_v2, second, &pci), 0);
	CHECK(!strcmp(pci.legacy, "0001:A1:1F.0") && !memcmp(pci.text, untouched.text, sizeof pci.text));

	struct {
		unsigned int version, domain, bus, slot, id, subsystem, base_class, sub_class;
		char text[32];
	} ext = {.version = 1};
	CHECK_INT(CALL(nvmlDeviceGetPciInfoExt, second, &ext), 25);
	ext.version = sizeof ext | 1 << 24;
	CHECK(CALL(nvmlDeviceGetPciInfoExt, second, &ext) == 0 && ext.bus == 0xa1 && ext.base_class == 3);
	CHECK(!strcmp(ext.text, "00000001:A1:1F.0"));

	struct {
		unsigned int version, type;
		unsigned char value[41];
	} uuid = {.version = 1, .type = 2};
	CHECK_INT(CALL(nvmlDeviceGetHandleByUUIDV, &uuid, &d), 25);
	uuid.version = sizeof uuid | 1 << 24;
	CHECK_INT(CALL(nvmlDeviceGetHandleByUUIDV, &uuid, &d), 6);
	for (int i = 0; i < 16; i++)
		uuid.value[i] = (unsigned char)(16 * (15 - i) + 1);
	CHECK(CALL(nvmlDeviceGetHandleByUUIDV, &uuid, &d) == 0 && d == second);
	uuid.type = 1;
	memcpy(uuid.value, "GPU-f0e0d0c0-b0a0-9080-7060-504030201000", sizeof uuid.value);
	CHECK(CALL(nvmlDeviceGetHandleByUUIDV, &uuid, &d) == 0 && d == first);
	memset(uuid.value, 'x', sizeof uuid.value); /* no end */
	CHECK_INT(CALL(nvmlDeviceGetHandleByUUIDV, &uuid, &d), 6);
	uuid.type = 3;
	CHECK_INT(CALL(nvmlDeviceGetHandleByUUIDV, &uuid, &d), 2);

	/* What is no handle of this library. */
	CHECK_INT(CALL(nvmlDeviceGetIndex, NULL, &n), 2);
	CHECK_INT(CALL(nvmlDeviceGetIndex, (char *)first + 1, &n), 2);
	CHECK_INT(CALL(nvmlDeviceGetIndex, (char *)first + 2 * ((char *)second - (char *)first), &n), 2);
	CHECK_INT(CALL(nvmlDeviceGetIndex, (char *)first - ((char *)second - (char *)first), &n), 2);
}

static void check_facts(void)
{
	void *first = device(0), *second = device(1);
	int a, b;

	CHECK(CALL(nvmlDeviceGetCudaComputeCapability, first, &a, &b) == 0 && a == 9 && b == 0);
	CHECK(CALL(nvmlDeviceGetArchitecture, first, &a) == 0 && a == 9);
	CHECK(CALL(nvmlDeviceGetNumGpuCores, first, &a) == 0 && a == 132 * 128);
	CHECK_INT(CALL(nvmlDeviceGetArchitecture, second, &a), 3); /* of the future */
	CHECK(CALL(nvmlDeviceGetMemoryBusWidth, first, &a) == 0 && a == 5120);
	CHECK(CALL(nvmlDeviceGetMaxClockInfo, first, 1, &a) == 0 && a == 1980);
	CHECK(CALL(nvmlDeviceGetMaxClockInfo, first, 2, &a) == 0 && a == 2619);
	CHECK_INT(CALL(nvmlDeviceGetMaxClockInfo, first, 3, &a), 3);
	CHECK(CALL(nvmlDeviceGetEccMode, first, &a, &b) == 0 && a == 1 && b == 1);
	CHECK(CALL(nvmlDeviceGetComputeMode, first, &a) == 0 && a == 0);
	CHECK(CALL(nvmlDeviceGetDisplayMode, first, &a) == 0 && a == 0);
	CHECK(CALL(nvmlDeviceGetP2PStatus, first, second, 0, &a) == 0 && a == 0);
	CHECK(CALL(nvmlDeviceGetP2PStatus, first, second, 2, &a) == 0 && a == 5);
	CHECK(CALL(nvmlDeviceGetP2PStatus, first, first, 0, &a) == 0 && a == 5);
	CHECK(CALL(nvmlDeviceGetTopologyCommonAncestor, first, second, &a) == 0 && a == 50);
	CHECK(CALL(nvmlDeviceGetTopologyCommonAncestor, first, first, &a) == 0 && a == 0);
	CHECK_INT(CALL(nvmlDeviceGetTopologyCommonAncestor, first, NULL, &a), 2);
	CHECK_INT(CALL(nvmlDeviceGetFanSpeed, first, &a), 3);
	CHECK_INT(CALL(nvmlDeviceSetComputeMode, first, 0), 4);
	CHECK(CALL(nvmlDeviceGetVirtualizationMode, first, &a) == 0 && a == 2);
	unsigned int capabilities[2] = {sizeof capabilities, 9}, features[3] = {9, 9, 9};
	CHECK_INT(CALL(nvmlDeviceGetCapabilities, first, capabilities), 25);
	capabilities[0] |= 1 << 24;
	CHECK(CALL(nvmlDeviceGetCapabilities, first, capabilities) == 0 && capabilities[1] == 0);
	CHECK(CALL(nvmlDeviceGetGridLicensableFeatures_v4, first, features) == 0 && !features[0] && !features[1] && features[2] == 9);
}

/* What each function tells of each link: the answers of a machine of two H200 (0 to 17 lead to switches, more are not
 * there), of one with a bridge (1 is down, 2 leads to a GPU that is not ours), and of one without links. */
static void check_links(void)
{
	enum { NONE, SWITCHES, BRIDGE };
	enum { ABSENT = -3, BAD = -2 }; /* errors, negative */
	static const struct {
		int machine, link, active, version, type, p2p, sli;
		unsigned int speed;
		const char *remote; /* at its place on the bus, in the third form's letters */
	} table[] = {
		{SWITCHES, 0, 1, 6, 2, 1, 0, 26562, "00000000:07:00.0"},
		{SWITCHES, 17, 1, 6, 2, 1, 0, 26562, "00000000:0A:00.0"},
		{SWITCHES, 18, ABSENT, ABSENT, ABSENT, 0, 0, 0, NULL},
		{SWITCHES, 36, BAD, BAD, BAD, BAD, BAD, 0, NULL},
		{BRIDGE, 0, 1, 5, 0, 1, 0, 25781, "00000001:A1:1F.0"},
		{BRIDGE, 1, 0, ABSENT, ABSENT, 1, 0, 0, NULL},
		{BRIDGE, 2, ABSENT, ABSENT, ABSENT, 0, 0, 0, NULL},
		{NONE, 0, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, 0, NULL},
	};
	int *machine = dlsym(dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD), "fake_links");
	void *first = device(0), *second = device(1);
	struct {
		char legacy[16];
		unsigned int domain, bus, slot, id, subsystem;
		char text[32];
	} pci;
	unsigned int a;

#define ANSWER(...) (a = 99, answer = CALL(__VA_ARGS__), answer ? -answer : (int)a)
	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		int answer, link = table[i].link, failures = check_failures;
		*machine = table[i].machine;
		check_failures = 0;
		CHECK_INT(ANSWER(nvmlDeviceGetNvLinkState, first, link, &a), table[i].active);
		CHECK_INT(ANSWER(nvmlDeviceGetNvLinkVersion, first, link, &a), table[i].version);
		CHECK_INT(ANSWER(nvmlDeviceGetNvLinkRemoteDeviceType, first, link, &a), table[i].type);
		CHECK_INT(ANSWER(nvmlDeviceGetNvLinkCapability, first, link, 0, &a), table[i].p2p);
		CHECK_INT(ANSWER(nvmlDeviceGetNvLinkCapability, first, link, 4, &a), table[i].sli);
		memset(&pci, 0x77, sizeof pci);
		if (table[i].remote) {
			CHECK_INT(CALL(nvmlDeviceGetNvLinkRemotePciInfo_v2, first, link, &pci), 0);
			CHECK(!strcmp(pci.text, table[i].remote) && !strcmp(pci.legacy, table[i].remote + 4));
			/* The first function has the second form, in which NCCL reads it. */
			memset(&pci, 0x77, sizeof pci);
			CHECK_INT(CALL(nvmlDeviceGetNvLinkRemotePciInfo, first, link, &pci), 0);
			CHECK(!strcmp(pci.legacy, table[i].remote + 4) && pci.subsystem && pci.text[0] == 0x77);
		} else {
			CHECK_INT(CALL(nvmlDeviceGetNvLinkRemotePciInfo_v2, first, link, &pci), table[i].active == BAD ? 2 : 3);
		}
		struct {
			unsigned int field, scope;
			int64_t when, took;
			unsigned int type;
			int result;
			uint64_t value;
		} fields[] = {{.field = 164, .scope = (unsigned)link}, {.field = 165, .scope = (unsigned)link}, {.field = 166, .scope = (unsigned)link}};
		CHECK_INT(CALL(nvmlDeviceGetFieldValues, first, 3, fields), 0);
		CHECK(table[i].speed ? !fields[0].result && fields[0].value == table[i].speed : fields[0].result);
		CHECK_INT(fields[1].result ? -fields[1].result : (int)fields[1].value, table[i].active);
		CHECK_INT(fields[2].result ? -fields[2].result : (int)fields[2].value, table[i].version);
		if (check_failures)
			fprintf(stderr, "that is of machine %d, link %d\n", table[i].machine, link);
		check_failures |= failures;
	}
	CHECK_INT(CALL(nvmlDeviceGetNvLinkCapability, first, 0, 6, &a), 2);

	static const struct {
		int machine, links, status[7]; /* by capability, -2 where there is none */
	} pairs[] = {
		{NONE, -3, {0, 0, 5, 5, 5, 5, -2}},
		{SWITCHES, 18, {0, 0, 0, 0, 5, 5, -2}},
		{BRIDGE, 4, {0, 0, 0, 0, 5, 5, -2}},
	};
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		int answer;
		*machine = pairs[i].machine;
		for (int c = 0; c < 7; c++) {
			CHECK_INT(ANSWER(nvmlDeviceGetP2PStatus, first, second, c, &a), pairs[i].status[c]);
			CHECK_INT(ANSWER(nvmlDeviceGetP2PStatus, second, first, c, &a), pairs[i].status[c]);
			CHECK_INT(ANSWER(nvmlDeviceGetP2PStatus, first, first, c, &a), c < 6 ? 5 : -2);
		}
		struct {
			unsigned int field, scope;
			int64_t when, took;
			unsigned int type;
			int result;
			uint64_t value;
		} fields[2] = {{.field = 91}, {.field = 86}};
		CHECK_INT(CALL(nvmlDeviceGetFieldValues, second, 2, fields), 0);
		CHECK_INT(fields[0].result ? -fields[0].result : (int)fields[0].value, pairs[i].links);
		CHECK_INT(!fields[1].result, pairs[i].links > 0);
	}
	*machine = NONE;
}

static void check_state(void)
{
	void *first = device(0), *second = device(1);
	unsigned int a, pair[2];
	char text[80];
	struct {
		unsigned int version, sensor;
		int celsius;
	} t = {.version = 1};

	CHECK(CALL(nvmlSystemGetDriverVersion, text, sizeof text) == 0 && !strcmp(text, "580.159.04"));
	CHECK_INT(CALL(nvmlSystemGetDriverVersion, text, 3), 7);
	struct {
		unsigned int version;
		char branch[80];
	} branch = {.version = 7};
	CHECK_INT(CALL(nvmlSystemGetDriverBranch, &branch, sizeof branch.branch), 25);
	branch.version = sizeof branch | 1 << 24;
	CHECK(CALL(nvmlSystemGetDriverBranch, &branch, sizeof branch.branch) == 0 && !strcmp(branch.branch, "r580_00"));
	CHECK_INT(CALL(nvmlSystemGetDriverBranch, &branch, 3), 7);
	CHECK_INT(CALL(nvmlSystemGetDriverBranch, NULL, 80), 2);
	CHECK(CALL(nvmlDeviceGetUtilizationRates, first, pair) == 0 && pair[0] == 87 && pair[1] == 41);
	CHECK_INT(CALL(nvmlDeviceGetUtilizationRates, second, pair), 3);
	CHECK(CALL(nvmlDeviceGetTemperature, first, 0, &a) == 0 && a == 36);
	CHECK_INT(CALL(nvmlDeviceGetTemperature, first, 1, &a), 2);
	CHECK_INT(CALL(nvmlDeviceGetTemperature, second, 0, &a), 3);
	CHECK_INT(CALL(nvmlDeviceGetTemperatureV, first, &t), 25);
	t.version = sizeof t | 1 << 24;
	CHECK(CALL(nvmlDeviceGetTemperatureV, first, &t) == 0 && t.celsius == 36);
	CHECK(CALL(nvmlDeviceGetPowerUsage, first, &a) == 0 && a == 312500);
	CHECK(CALL(nvmlDeviceGetPowerManagementLimit, first, &a) == 0 && a == 700000);
	CHECK(CALL(nvmlDeviceGetEnforcedPowerLimit, first, &a) == 0 && a == 650000);
	CHECK_INT(CALL(nvmlDeviceGetPowerUsage, second, &a), 3);
	CHECK_INT(CALL(nvmlDeviceGetPowerUsage, first, NULL), 2);
	CHECK(CALL(nvmlDeviceGetClockInfo, first, 2, &a) == 0 && a == 3201);
	CHECK(CALL(nvmlDeviceGetClock, first, 1, 0, &a) == 0 && a == 1979);
	CHECK_INT(CALL(nvmlDeviceGetClock, first, 1, 3, &a), 3);
	CHECK_INT(CALL(nvmlDeviceGetClockInfo, first, 4, &a), 2);
	CHECK(CALL(nvmlDeviceGetPerformanceState, first, &a) == 0 && a == 0);
	CHECK(CALL(nvmlDeviceGetCurrPcieLinkGeneration, first, &a) == 0 && a == 4);
	CHECK(CALL(nvmlDeviceGetMaxPcieLinkWidth, first, &a) == 0 && a == 16);
	CHECK(CALL(nvmlDeviceGetBrand, first, &a) == 0 && a == 14);
	CHECK(CALL(nvmlDeviceGetPersistenceMode, first, &a) == 0 && a == 1);

	struct {
		unsigned int field, scope;
		int64_t when, took;
		unsigned int type;
		int result;
		uint64_t value;
	} fields[5] = {{.field = 1}, {.field = 186}, {.field = 186, .scope = 1}, {.field = 190}, {.field = 83}};
	unsigned long long energy;
	CHECK(CALL(nvmlDeviceGetTotalEnergyConsumption, first, &energy) == 0 && energy == 1ull << 40);
	CHECK_INT(CALL(nvmlDeviceGetTotalEnergyConsumption, second, &energy), 3);
	CHECK_INT(CALL(nvmlDeviceGetFieldValues, first, 0, fields), 0);
	CHECK_INT(CALL(nvmlDeviceGetFieldValues, first, -1, fields), 2);
	CHECK_INT(CALL(nvmlDeviceGetFieldValues, first, 1, NULL), 2);
	CHECK_INT(CALL(nvmlDeviceGetFieldValues, first, 5, fields), 0);
	CHECK(fields[4].result == 0 && fields[4].type == 3 && fields[4].value == 1ull << 40);
	CHECK(fields[0].result == 3 && fields[2].result == 3);
	CHECK(fields[1].result == 0 && fields[1].type == 1 && fields[1].value == 312500);
	CHECK(fields[3].result == 0 && fields[3].value == 650000);
	CHECK_INT(CALL(nvmlDeviceGetFieldValues, second, 2, fields), 0);
	CHECK(fields[1].result == 3);
}

static void check_usage(void)
{
	uint64_t *used = dlsym(dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD), "fake_used"), memory[4];
	struct {
		unsigned int pid;
		uint64_t used;
		unsigned int gpu, compute;
	} p[2];
	unsigned int n = 2;

	CHECK(CALL(nvmlDeviceGetMemoryInfo, device(1), memory) == 0 && memory[0] == 2000 && memory[1] == 2000 && memory[2] == 0);
	CHECK(CALL(nvmlDeviceGetComputeRunningProcesses_v3, device(1), &n, p) == 0 && n == 0);
	*used = 500;
	CHECK(CALL(nvmlDeviceGetMemoryInfo, device(1), memory) == 0 && memory[0] == 2000 && memory[1] == 1500 && memory[2] == 500);
	struct {
		unsigned int version;
		uint64_t total, reserved, free, used;
	} v2 = {.version = sizeof v2 | 2 << 24};
	CHECK(CALL(nvmlDeviceGetMemoryInfo_v2, device(1), &v2) == 0 && v2.total == 2000 && v2.free == 1500 && v2.used == 500);
	v2.version = 7;
	CHECK_INT(CALL(nvmlDeviceGetMemoryInfo_v2, device(1), &v2), 25);

	n = 0;
	CHECK(CALL(nvmlDeviceGetComputeRunningProcesses_v3, device(1), &n, NULL) == 7 && n == 1);
	n = 2;
	CHECK(CALL(nvmlDeviceGetComputeRunningProcesses_v3, device(1), &n, p) == 0 && n == 1);
	CHECK(p[0].pid == (unsigned)getpid() && p[0].used == 500);
	n = 2;
	CHECK(CALL(nvmlDeviceGetGraphicsRunningProcesses_v3, device(1), &n, p) == 0 && n == 0);

	struct {
		unsigned int pid;
		uint64_t used;
		unsigned int gpu, compute;
		uint64_t guarded;
	} detail;
	struct {
		unsigned int version, mode, room;
		void *list;
	} details = {.version = sizeof details | 2 << 24, .room = 1, .list = &detail};
	CHECK_INT(CALL(nvmlDeviceGetRunningProcessDetailList, device(1), &details), 25);
	details.version = sizeof details | 1 << 24;
	CHECK(CALL(nvmlDeviceGetRunningProcessDetailList, device(1), &details) == 0 && details.room == 1 && detail.used == 500);
	details.room = 0;
	CHECK(CALL(nvmlDeviceGetRunningProcessDetailList, device(1), &details) == 7 && details.room == 1);
	details.mode = 1;
	CHECK(CALL(nvmlDeviceGetRunningProcessDetailList, device(1), &details) == 0 && details.room == 0);
	*used = 0;
}

/* The table without which nvidia-smi does not start. */
static void check_private_table(void)
{
	static const unsigned char id[16] = {0xc4, 0xfe, 0x3e, 0x6c, 0xc9, 0x8f, 0x6c, 0x4e, 0xa3, 0x27, 0xee, 0x69, 0x6e, 0x12, 0xf7, 0xc4};
	uint64_t *used = dlsym(dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD), "fake_used");
	struct {
		unsigned int pid;
		uint64_t used;
		unsigned int gpu, compute;
		uint64_t guarded;
		char name[4096];
	} list[2];
	const void **table;
	unsigned int n = 9;
	void *d;

	CHECK(CALL(nvmlInternalGetExportTable, &table, list) == 13 && !table);
	CHECK(CALL(nvmlInternalGetExportTable, &table, id) == 0 && (uintptr_t)table[0] / sizeof *table > 215);
#define ENTRY(i, ...) ((int (*)(uintptr_t, uintptr_t, uintptr_t, uintptr_t))table[i])(WORDS(__VA_ARGS__, 0, 0, 0, 0))
	for (size_t i = 1; i < (uintptr_t)table[0] / sizeof *table; i++)
		CHECK(table[i] != NULL);
	CHECK(ENTRY(81, 1, &d, 0x22) == 0 && d == device(1));
	CHECK_INT(ENTRY(81, 2, &d, 0x22), 2);
	CHECK(ENTRY(72, d, &n) == 0 && n == 1);
	CHECK_INT(ENTRY(72, NULL, &n), 2);
	CHECK_INT(ENTRY(100, d, &n), 3);
	CHECK(ENTRY(23, "00000000:A0:1F.0", "00000001:A1:1F.0", &n) == 0 && n == 4);
	CHECK_INT(ENTRY(23, "00000000:A0:1F.0", "00000001:A2:1F.0", &n), 6);

	*used = 500;
	n = 2;
	CHECK(ENTRY(213, d, &n, list) == 0 && n == 1 && list[0].pid == (unsigned)getpid() && list[0].used == 500);
	CHECK(strstr(list[0].name, "query") != NULL);
	n = 0;
	CHECK(ENTRY(213, d, &n, list) == 7 && n == 1);
	n = 2;
	CHECK(ENTRY(214, d, &n, list) == 0 && n == 0);
	*used = 0;
	n = 2;
	CHECK(ENTRY(213, d, &n, list) == 0 && n == 0);
}

static void check_events(void)
{
	unsigned long long types = 1;
	void *set = NULL, *d = device(0);
	char data[64];

	CHECK(CALL(nvmlEventSetCreate, &set) == 0 && set);
	CHECK(CALL(nvmlDeviceGetSupportedEventTypes, d, &types) == 0 && types == 0);
	CHECK_INT(CALL(nvmlDeviceRegisterEvents, d, 8, set), 3);
	CHECK_INT(CALL(nvmlEventSetWait_v2, set, data, 20), 10);
	CHECK_INT(CALL(nvmlEventSetWait, set, NULL, 20), 2);
	CHECK_INT(CALL(nvmlEventSetFree, set), 0);
}

static void check_life(void)
{
	void *cuda = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
	int *lines = dlsym(cuda, "fake_lines"), before = *lines, *releases = dlsym(cuda, "fake_releases"), version;
	char text[80];

	CHECK(CALL(nvmlSystemGetCudaDriverVersion_v2, &version) == 0 && version == 13000);
	CHECK(CALL(nvmlSystemGetNVMLVersion, text, sizeof text) == 0 && !strncmp(text, "13.", 3));
	CHECK_INT(CALL(nvmlDeviceGetBAR1MemoryInfo, device(0), text), 3); /* not served */
	CHECK_INT(CALL(nvmlDeviceGetBAR1MemoryInfo, device(0), text), 3);
	CHECK_INT(*lines, before + 1);

	unsigned int conf[5] = {sizeof conf, 9, 9, 9, 9};
	CHECK_INT(CALL(nvmlSystemGetConfComputeSettings, conf), 25);
	CHECK(CALL(nvmlSystemGetConfComputeState, conf + 1) == 0 && !conf[1] && !conf[3] && conf[4] == 9);
	conf[0] |= 1 << 24;
	CHECK(CALL(nvmlSystemGetConfComputeSettings, conf) == 0 && conf[0] && !conf[4]);

	CHECK_INT(CALL(nvmlInit_v2, 0), 0); /* a second user */
	CHECK_INT(CALL(nvmlShutdown, 0), 0);
	CHECK_INT(CALL(nvmlSystemGetCudaDriverVersion, &version), 0);
	void *d = device(0);
	CHECK_INT(*releases, 0);
	CHECK_INT(CALL(nvmlShutdown, 0), 0);
	CHECK_INT(*releases, 1);
	CHECK_INT(CALL(nvmlShutdown, 0), 1);
	CHECK_INT(CALL(nvmlSystemGetCudaDriverVersion, &version), 1);
	CHECK_INT(CALL(nvmlDeviceGetIndex, d, &version), 1);
	CHECK_INT(CALL(nvmlInit, 0), 0);
	CHECK_INT(CALL(nvmlShutdown, 0), 0);

	char name[4096];
	CHECK_INT(CALL(nvmlInit, 0), 0);
	CHECK(CALL(nvmlSystemGetProcessName, getpid(), name, sizeof name) == 0 && strstr(name, "query"));
	CHECK(CALL(nvmlSystemGetProcessName, getpid(), name, 4) == 0 && strlen(name) == 3);
	CHECK_INT(CALL(nvmlSystemGetProcessName, 0, name, sizeof name), 6);
	CHECK(CALL(nvmlUnitGetCount, &version) == 0 && version == 0);
	CHECK_INT(CALL(nvmlShutdown, 0), 0);

	const char *(*error)(int) = (const char *(*)(int))find("nvmlErrorString");
	CHECK(!strcmp(error(0), "Success") && !strcmp(error(999), "Unknown Error") && !strcmp(error(-1), "Unknown Error"));
	for (int i = 0; i <= 30; i++)
		CHECK(error(i) && *error(i));
}

int main(int argc, char **argv)
{
	library = dlopen("libnvidia-ml.so.1", RTLD_NOW);
	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	if (argc > 1) { /* only what nvmlInit answers, with flags */
		printf("%d\n", CALL(nvmlInitWithFlags, atoi(argv[1])));
		return 0;
	}
	unsigned int n;
	CHECK_INT(CALL(nvmlDeviceGetCount_v2, &n), 1);
	CHECK_INT(CALL(nvmlInit_v2, 0), 0);
	check_identity();
	check_facts();
	check_links();
	check_state();
	check_usage();
	check_private_table();
	check_events();
	check_life();
	return check_failures;
}
