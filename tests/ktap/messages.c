// SPDX-License-Identifier: GPL-2.0
/*
 * The exact and complete messages that the module logs when it is loaded,
 * refuses to load, and is unloaded; what a VM does if the module had to say
 * that the hypervisor serves no invalidation; and that HPT guests are left to
 * kvm-hv if the parameters in the message say so
 *
 * Operators grep for these messages. A change of a message must also change it
 * here.
 */
#include "ktap.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "hist.h"
#include "kernel_log.h"
#include "logged_vm.h"
#include "module.h"

#define NR_PAGES	64
#define TIMEOUT		120	/* seconds: it loads the module eight times */

#define LOADED \
	"tracking VMs created from now on (areas=%d dirty_log=%d notifiers=%d nested=%d paging=%d; TLB invalidations by %s)"
#define UNLOADED \
	"detached from kvm-hv"

/* Before LOADED, on kernels other than 6.1, 6.12 and 7.2. */
#define UNTESTED \
	"Linux %s is not among the tested kernels (6.1, 6.12 and 7.2), but has all that is needed"

/* Logged before LOADED on some machines. */
#define AREAS_SECURE \
	"areas=0: this machine can run secure guests"
#define SERVES_NEITHER \
	"the hypervisor serves neither H_RPT_INVALIDATE nor H_TLB_INVALIDATE (-2): all CPUs exit their guests instead"

/* Refusals. */
#define SWITCHED_OFF \
	"not loaded: kvm_hv_ext=off is on the kernel command line"
#define PAGING_IMPOSSIBLE \
	"paging=0 needs notifiers=1 and a POWER9 or later"
#define NO_KVM_HV \
	"kvm-hv is not loaded, or this machine cannot run HV guests: try 'modprobe kvm-hv' first"
#define OPERATION_HELD \
	"cannot replace an operation of kvm-hv: another module has already replaced it with %s"
#define FUNCTION_HELD \
	"cannot redirect %s: a live patch, a direct call or another module holds it, or kernel.ftrace_enabled is 0"

/* The kernel's own message if it or the module rejects a parameter value. */
#define PARAMETER_INVALID \
	"`%s' invalid for parameter `%s'"

/* Values of the last argument of LOADED. */
#define BY_TLBIE	"tlbie"
#define BY_RPT		"H_RPT_INVALIDATE"
#define BY_TLB		"H_TLB_INVALIDATE"
#define BY_NEITHER	"entry into the guest"

/*
 * The first function to be redirected, and the one that the live patch holds.
 */
#define FIRST_FUNCTION	"khx_self_test"
#define HELD_FUNCTION	"kvmppc_free_radix"

/* The function that modules/member.c installs in kvm-hv's operations. */
#define HELD_BY		"held_init_vm [kvm_hv_ext_member]"

#define MEMBER		"kvm_hv_ext_member"
#define MEMBER_FILE	"kvm-hv-ext-member.ko"
#define REFUSE		"kvm_hv_ext_refuse"
#define REFUSE_FILE	"kvm-hv-ext-refuse.ko"

#define FTRACE_ENABLED	"/proc/sys/kernel/ftrace_enabled"

static bool file_has(const char *path, const char *text)
{
	char content[4096];
	FILE *file = fopen(path, "r");
	size_t size, at;

	if (!file)
		return false;
	size = fread(content, 1, sizeof(content), file);
	fclose(file);
	for (at = 0; at + strlen(text) <= size; at++)
		if (!memcmp(content + at, text, strlen(text)))
			return true;
	return false;
}

static bool booted_off(void)
{
	return file_has("/proc/cmdline", "kvm_hv_ext=off");
}

/* Ask modules/refuse.c: does its parameter @name have this value? */
static bool hypervisor_is(const char *name, const char *value)
{
	char path[100];
	bool is;

	snprintf(path, sizeof(path), "/sys/module/" REFUSE "/parameters/%s", name);
	module_remove_name(REFUSE);
	if (module_insert_file(REFUSE_FILE, ""))
		die("insert " REFUSE_FILE);
	is = file_has(path, value);
	module_remove_name(REFUSE);
	return is;
}

static const char *invalidations_by(void)
{
	if (!host_is_lpar())
		return BY_TLBIE;
	if (file_has("/proc/device-tree/rtas/ibm,hypertas-functions", "hcall-rpt-invalidate"))
		return BY_RPT;
	/* H_FUNCTION: it does not know H_TLB_INVALIDATE */
	return hypervisor_is("below", "-2\n") ? BY_NEITHER : BY_TLB;
}

FIXTURE(messages) {
	int log;
	const char *by;		/* BY_* of this machine */
	const char *no_areas;	/* AREAS_SECURE, NULL if areas work */
	char expected[2048];
};

static void expect(struct _test_data_messages *self, const char *format, ...)
{
	size_t used = strlen(self->expected);
	va_list args;

	va_start(args, format);
	vsnprintf(self->expected + used, sizeof(self->expected) - used, format, args);
	va_end(args);
	strcat(self->expected, "\n");
}

/* Expect exactly these messages of the module since the last check. */
static void check(struct __test_metadata *_metadata, struct _test_data_messages *self)
{
	char logged[4096];

	kernel_log_read(self->log, MODULE_NAME ": ", logged, sizeof(logged));
	EXPECT_STREQ(self->expected, logged);
	self->expected[0] = 0;
}

/* Logged whenever areas=1, even if the load is refused later. */
static void expect_areas(struct _test_data_messages *self)
{
	if (self->no_areas)
		expect(self, "%s", self->no_areas);
}

/* Logged by a load with valid parameters, even if it is refused later. */
static void expect_invalidations(struct _test_data_messages *self)
{
	if (!strcmp(self->by, BY_NEITHER))
		expect(self, SERVES_NEITHER);
}

/* Logged by a load that is not refused. */
static void expect_untested(struct _test_data_messages *self)
{
	struct utsname kernel;

	uname(&kernel);
	if (strncmp(kernel.release, "6.1.", 4) && strncmp(kernel.release, "6.12.", 5) &&
	    strncmp(kernel.release, "7.2.", 4))
		expect(self, UNTESTED, kernel.release);
}

/* Insert the module once to find out whether this machine supports areas. */
FIXTURE_SETUP(messages)
{
	ASSERT_FALSE(module_loaded());
	if (booted_off())
		SKIP(return, "the module is switched off");
	self->by = invalidations_by();
	ASSERT_EQ(0, module_insert(""));
	if (module_parameter("areas") == 'N')
		self->no_areas = AREAS_SECURE;
	ASSERT_EQ(0, module_remove());
	self->log = kernel_log_open();
}

FIXTURE_TEARDOWN(messages)
{
	close(self->log);
	if (module_loaded())
		EXPECT_EQ(0, module_remove());
	module_remove_name(REFUSE);
}

static const struct {
	const char *parameters;
	bool areas, dirty_log, notifiers, nested, paging;
} loads[] = {
	{ "",				true, true, true, true, true },
	{ "areas=0",			false, true, true, true, true },
	{ "dirty_log=0",		true, false, true, true, true },
	{ "notifiers=0",		true, true, false, true, true },
	{ "nested=0",			true, true, true, false, true },
	{ "paging=0",			true, true, true, true, false },
	{ "flush_ceiling=1",		true, true, true, true, true },
	{ "areas=n dirty_log=n notifiers=n nested=n", false, false, false, false, true },
};

TEST_F_TIMEOUT(messages, loaded_and_unloaded, TIMEOUT)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(loads); i++) {
		TH_LOG("parameters '%s'", loads[i].parameters);
		if (host_is_power8() && !loads[i].paging) {
			expect(self, PARAMETER_INVALID, "0", "paging");
			EXPECT_EQ(-EOPNOTSUPP, module_insert(loads[i].parameters));
			check(_metadata, self);
			continue;
		}
		if (loads[i].areas)
			expect_areas(self);
		expect_invalidations(self);
		expect_untested(self);
		expect(self, LOADED, loads[i].areas && !self->no_areas, loads[i].dirty_log,
		       loads[i].notifiers, loads[i].nested, loads[i].paging, self->by);
		ASSERT_EQ(0, module_insert(loads[i].parameters));
		check(_metadata, self);
		expect(self, UNLOADED);
		ASSERT_EQ(0, module_remove());
		check(_metadata, self);
	}
}

/* Has ftrace redirected calls of the function, or traced them? */
static bool redirected(const char *function)
{
	FILE *file = fopen(TRACEFS "enabled_functions", "r");
	size_t length = strlen(function);
	bool found = false;
	char line[512];

	if (!file)
		die("enabled_functions: %m");
	while (!found && fgets(line, sizeof(line), file))
		found = !strncmp(line, function, length) && line[length] == ' ';
	fclose(file);
	return found;
}

/* HPT guests are left to kvm-hv if all that the module does for them is off. */
TEST_F_TIMEOUT(messages, hpt_guests_left, TIMEOUT)
{
	struct vm_config config = { .mmu = VM_MMU_HPT };
	struct vm *vm;
	bool on;
	int i;

	SKIP_IF(return, vm_mmu_missing(VM_MMU_HPT));
	for (i = 0; i < 2; i++) {
		on = i;
		expect_areas(self);
		expect_invalidations(self);
		expect_untested(self);
		expect(self, LOADED, !self->no_areas, on, on, true, true, self->by);
		ASSERT_EQ(0, module_insert(on ? "" : "dirty_log=0 notifiers=0"));
		vm = vm_create(&config);
		EXPECT_EQ(on, redirected("kvmppc_do_h_enter"));
		vm_destroy(vm);
		expect(self, UNLOADED);
		ASSERT_EQ(0, module_remove());
		check(_metadata, self);
	}
}

/* No invalidation is served: all CPUs exit their guests instead, and the log is right. */
TEST_F(messages, serves_neither)
{
	struct vm_config config = { .mmu = VM_MMU_RADIX };
	struct logged_vm *l;
	size_t page;

	if (strcmp(self->by, BY_TLB))
		SKIP(return, "the host needs no hypervisor, or kvm-hv itself does not do without");
	ASSERT_EQ(0, module_insert_file(REFUSE_FILE, "every=1 rc=-2"));
	self->by = BY_NEITHER;
	ASSERT_EQ(0, module_insert(""));
	expect_areas(self);
	expect_invalidations(self);
	expect_untested(self);
	expect(self, LOADED, !self->no_areas, true, true, true, true, self->by);

	SKIP_IF(return, logged_vm_create(&l, &config, NR_PAGES, BACKING_SMALL));
	for (page = NR_PAGES; page; page /= 2) {
		vcpu_store_pages(&l->vm->vcpu[0], l->gpa, l->page, page, page);
		ASSERT_EQ(0, logged_vm_collect(l));
		EXPECT_EQ(page, logged_vm_count(l));
	}
	ASSERT_EQ(0, logged_vm_collect(l));
	EXPECT_EQ(0, logged_vm_count(l));
	logged_vm_destroy(l);
	expect(self, UNLOADED);
	EXPECT_EQ(0, module_remove());
	check(_metadata, self);
}

TEST_F(messages, loaded_already)
{
	ASSERT_EQ(0, module_insert(""));
	expect_areas(self);
	expect_invalidations(self);
	expect_untested(self);
	expect(self, LOADED, !self->no_areas, true, true, true, true, self->by);
	check(_metadata, self);
	EXPECT_EQ(-EEXIST, module_insert(""));
	check(_metadata, self);
}

/* The kernel itself refuses to remove a module that a VM uses. */
TEST_F(messages, in_use)
{
	struct vm_config config = { .mmu = VM_MMU_RADIX };
	struct vm *vm;

	if (vm_mmu_missing(VM_MMU_RADIX))
		config.mmu = VM_MMU_HPT;
	ASSERT_EQ(0, module_insert(""));
	vm = vm_create(&config);
	expect_areas(self);
	expect_invalidations(self);
	expect_untested(self);
	expect(self, LOADED, !self->no_areas, true, true, true, true, self->by);
	EXPECT_EQ(-EWOULDBLOCK, module_remove());
	check(_metadata, self);
	vm_destroy(vm);
	expect(self, UNLOADED);
	EXPECT_EQ(0, module_remove());
	check(_metadata, self);
}

TEST_F(messages, invalid_parameters)
{
	expect(self, PARAMETER_INVALID, "perhaps", "dirty_log");
	EXPECT_EQ(-EINVAL, module_insert("dirty_log=perhaps"));
	check(_metadata, self);

	expect(self, PARAMETER_INVALID, "0", "paging");
	EXPECT_EQ(-EOPNOTSUPP, module_insert("notifiers=0 paging=0"));
	check(_metadata, self);

	if (host_is_power8())
		return;
	/* each value is valid when it is parsed, but not the combination */
	expect_areas(self);
	expect(self, PAGING_IMPOSSIBLE);
	EXPECT_EQ(-EOPNOTSUPP, module_insert("paging=0 notifiers=0"));
	check(_metadata, self);
}

/* Expect the load to fail with @err and the expected messages. */
static void refused(struct __test_metadata *_metadata, struct _test_data_messages *self,
		    int err)
{
	EXPECT_EQ(err, module_insert(""));
	EXPECT_FALSE(module_loaded());
	check(_metadata, self);
}

TEST_F(messages, operation_held)
{
	if (!module_built(MEMBER_FILE))
		SKIP(return, MEMBER_FILE " was not built");
	expect_areas(self);
	expect_invalidations(self);
	expect(self, OPERATION_HELD, HELD_BY);
	ASSERT_EQ(0, module_insert_file(MEMBER_FILE, ""));
	refused(_metadata, self, -EBUSY);
	EXPECT_EQ(0, module_remove_name(MEMBER));
}

TEST_F(messages, function_held)
{
	if (!module_built(LIVEPATCH_FILE))
		SKIP(return, "the kernel has no live patching (CONFIG_LIVEPATCH)");
	expect_areas(self);
	expect_invalidations(self);
	expect(self, FUNCTION_HELD, HELD_FUNCTION);
	ASSERT_EQ(0, module_insert_file(LIVEPATCH_FILE, ""));
	refused(_metadata, self, -EBUSY);
	module_remove_livepatch();
}

TEST_F(messages, ftrace_disabled)
{
	if (access(FTRACE_ENABLED, W_OK))
		SKIP(return, "ftrace cannot be disabled");
	expect_areas(self);
	expect_invalidations(self);
	expect(self, FUNCTION_HELD, FIRST_FUNCTION);
	write_file(FTRACE_ENABLED, "0");
	refused(_metadata, self, -EBUSY);
	write_file(FTRACE_ENABLED, "1");
}

TEST_F(messages, no_kvm_hv)
{
	/* H_GUEST_SET_CAPABILITIES may be asked for once */
	if (hypervisor_is("nested_v2", "Y\n"))
		SKIP(return, "kvm-hv cannot be loaded again (nested API v2)");
	if (module_remove_name("kvm_hv"))
		SKIP(return, "kvm-hv is in use, or built in");
	expect_areas(self);
	expect_invalidations(self);
	expect(self, NO_KVM_HV);
	refused(_metadata, self, -ENODEV);
	EXPECT_EQ(0, system("modprobe kvm-hv"));
}

/* Needs a boot with kvm_hv_ext=off. */
TEST(switched_off)
{
	struct _test_data_messages data = { .log = kernel_log_open() };

	if (!booted_off())
		SKIP(return, "the kernel was not booted with kvm_hv_ext=off");
	expect(&data, SWITCHED_OFF);
	refused(_metadata, &data, -EPERM);
}

TEST_HARNESS_MAIN
