// SPDX-License-Identifier: GPL-2.0
/*
 * The module's tracepoints and counters tell what was done to a VM, exactly: each
 * test does a known number of things, and compares every field, and every counter
 * with what it has done
 */
#include "ktap.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "area.h"
#include "idle.h"
#include "logged_vm.h"
#include "lru.h"
#include "module.h"
#include "nested.h"
#include "observe.h"
#include "tlb_count.h"

#define NR_PAGES	64
/* Pages in use: every fourth. */
#define STRIDE		4
#define USED		(NR_PAGES / STRIDE)
#define LARGE_LEAVES	4
#define TIMEOUT		300

#define HELPER		"kvm_hv_ext_refuse"
#define HELPER_FILE	"kvm-hv-ext-refuse.ko"

FIXTURE(observed) {
	struct logged_vm *l;
	struct vcpu *vcpu;
	struct counters before, after;
	struct events events;
};

FIXTURE_VARIANT(observed) {
	enum vm_mmu mmu;
	bool manual;
};

FIXTURE_VARIANT_ADD(observed, radix) { VM_MMU_RADIX, false };
FIXTURE_VARIANT_ADD(observed, radix_manual) { VM_MMU_RADIX, true };
FIXTURE_VARIANT_ADD(observed, hpt) { VM_MMU_HPT, false };
FIXTURE_VARIANT_ADD(observed, hpt_manual) { VM_MMU_HPT, true };

/* The host has all pages, the guest has used none. */
FIXTURE_SETUP(observed)
{
	struct vm_config config = { .mmu = variant->mmu };

	setenv("KTAP_MANUAL", variant->manual ? "1" : "0", 1);
	SKIP_IF(return, tlb_count_missing());
	SKIP_IF(return, logged_vm_create(&self->l, &config, NR_PAGES, BACKING_SMALL));
	self->vcpu = &self->l->vm->vcpu[0];
	memset(self->l->memory, 1, self->l->size);
	/* the guest's own memory is in use */
	vcpu_dispatch(self->vcpu);
}

FIXTURE_TEARDOWN(observed)
{
	events_free(&self->events);
	logged_vm_destroy(self->l);
}

static void begin(struct _test_data_observed *self)
{
	counters_read(&self->before, self->l->vm, "counters");
	events_start();
}

static void end(struct _test_data_observed *self)
{
	events_stop(&self->events);
	counters_read(&self->after, self->l->vm, "counters");
}

static __u64 grown(const struct _test_data_observed *self, const char *name)
{
	return counter(&self->after, name) - counter(&self->before, name);
}

static void use(struct _test_data_observed *self)
{
	vcpu_store_pages(self->vcpu, self->l->gpa, STRIDE * self->l->page, USED, 1);
}

static __u64 first_gfn(const struct logged_vm *l)
{
	return l->gpa / l->page;
}

/* Each event names the VM as the file with facts does. */
static void expect_named(struct __test_metadata *_metadata, const struct _test_data_observed *self)
{
	struct counters facts;
	size_t i;

	counters_read(&facts, self->l->vm, "vm");
	for (i = 0; i < self->events.nr; i++) {
		EXPECT_EQ(counter(&facts, "pid"), event_field(&self->events.event[i], "pid"));
		EXPECT_EQ(counter(&facts, "lpid"), event_field(&self->events.event[i], "lpid"));
	}
}

TEST_F(observed, facts)
{
	struct counters facts;
	char path[128];

	counters_read(&facts, self->l->vm, "vm");
	EXPECT_EQ(getpid(), counter(&facts, "pid"));
	EXPECT_STREQ(variant->mmu == VM_MMU_HPT ? "hpt" : "radix", counter_text(&facts, "mmu"));
	/* the clock of a host may begin at 0 */
	EXPECT_GE(time(NULL), (time_t)counter(&facts, "since"));
	EXPECT_LE(time(NULL) - 60, (time_t)counter(&facts, "since"));
	EXPECT_EQ(1, counter(&facts, "vcpus"));
	EXPECT_EQ(page_size(), counter(&facts, "page_size"));
	EXPECT_EQ(variant->manual, !!counter(&facts, "manual_protect"));
	EXPECT_EQ(module_parameter("areas") == 'Y', counter(&facts, "areas"));
	EXPECT_EQ(module_parameter("dirty_log") == 'Y', counter(&facts, "dirty_log"));
	EXPECT_EQ(module_parameter("notifiers") == 'Y', counter(&facts, "notifiers"));
	EXPECT_EQ(module_parameter("nested") == 'Y', counter(&facts, "nested"));
	EXPECT_EQ(module_parameter("paging") == 'Y', counter(&facts, "paging"));
	EXPECT_EQ(0, counter(&facts, "nested_allowed"));
	/* beside KVM's own */
	vm_debugfs_path(path, sizeof(path), self->l->vm, "remote_tlb_flush");
	EXPECT_EQ(0, access(path, R_OK));
}

/* Expect the events of one collection, whose result is in l->bitmap. */
static void expect_get(struct __test_metadata *_metadata, struct _test_data_observed *self,
		       __u64 dirty, __u64 cleaned, __u64 most_ns)
{
	const struct event *started = events_only(&self->events, "khx_dirty_log_get_begin");
	const struct event *e = events_only(&self->events, "khx_dirty_log_get");

	EXPECT_LT(started, e);
	EXPECT_EQ(LOGGED_SLOT, event_field(started, "slot"));
	EXPECT_EQ(0, event_field(started, "first"));
	EXPECT_EQ(NR_PAGES, event_field(started, "npages"));
	EXPECT_EQ(LOGGED_SLOT, event_field(e, "slot"));
	EXPECT_EQ(NR_PAGES, event_field(e, "npages"));
	EXPECT_EQ(dirty, event_field(e, "dirty"));
	EXPECT_EQ(cleaned, event_field(e, "cleaned"));
	EXPECT_TRUE(event_has(e, "err=0"));
	EXPECT_LT(0, event_field(e, "ns"));
	EXPECT_GE(most_ns, event_field(e, "ns"));
	EXPECT_LT(0, hist_bucket(self->l->vm, "log_ns", event_field(e, "ns")));
	EXPECT_LT(0, hist_bucket(self->l->vm, "log_requests", event_field(e, "requests")));
}

static void expect_clear(struct __test_metadata *_metadata, struct _test_data_observed *self,
			 __u64 named, __u64 cleaned, __u64 most_ns)
{
	const struct event *started = events_only(&self->events, "khx_dirty_log_clear_begin");
	const struct event *e = events_only(&self->events, "khx_dirty_log_clear");

	EXPECT_LT(events_only(&self->events, "khx_dirty_log_get"), started);
	EXPECT_LT(started, e);
	EXPECT_EQ(0, event_field(started, "first"));
	EXPECT_EQ(NR_PAGES, event_field(started, "npages"));
	EXPECT_EQ(LOGGED_SLOT, event_field(e, "slot"));
	EXPECT_EQ(0, event_field(e, "first"));
	EXPECT_EQ(NR_PAGES, event_field(e, "npages"));
	EXPECT_EQ(named, event_field(e, "named"));
	EXPECT_EQ(cleaned, event_field(e, "cleaned"));
	EXPECT_LT(0, event_field(e, "ns"));
	EXPECT_GE(most_ns, event_field(e, "ns"));
}

static __u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/*
 * The kernel counts hypercalls, and probes of the functions that invalidate HPTEs,
 * one by one. Of tlbie there may be several for each request.
 */
static bool requests_are_counted(enum vm_mmu mmu)
{
	return mmu == VM_MMU_HPT || host_is_lpar();
}

TEST_F(observed, collected)
{
	unsigned long kernel, collections = hist_all(self->l->vm, "log_ns");
	unsigned long holds = hist_all(self->l->vm, "log_hold_ns");
	struct slot_line slot = slot_read(self->l->vm, LOGGED_SLOT), then;
	__u64 requests, took;
	bool manual = variant->manual;

	use(self);
	begin(self);
	tlb_count_start(variant->mmu);
	took = now_ns();
	ASSERT_EQ(0, logged_vm_collect(self->l));
	took = now_ns() - took;
	kernel = tlb_count_stop(variant->mmu);
	end(self);

	ASSERT_EQ(USED, logged_vm_count(self->l));
	expect_named(_metadata, self);
	expect_get(_metadata, self, USED, manual ? 0 : USED, took);
	if (manual)
		expect_clear(_metadata, self, USED, USED, took);
	EXPECT_EQ(manual ? 4 : 2, self->events.nr);

	requests = events_sum(&self->events, "khx_dirty_log_get", "requests") +
		   events_sum(&self->events, "khx_dirty_log_clear", "requests");
	EXPECT_LT(0, requests);
	EXPECT_LE(requests, kernel);
	if (requests_are_counted(variant->mmu))
		EXPECT_EQ(kernel, requests);
	EXPECT_EQ(0, counters_differ(&self->before, &self->after, (struct change[]) {
		{ "log_collections", 1 }, { "log_clears", manual }, { "log_cleaned", USED },
		{ "log_requests", requests }, { "requests", requests }, { 0 }
	}));
	EXPECT_EQ(collections + 1 + manual, hist_all(self->l->vm, "log_ns"));
	EXPECT_EQ(holds + 1 + manual, hist_all(self->l->vm, "log_hold_ns"));

	then = slot_read(self->l->vm, LOGGED_SLOT);
	ASSERT_TRUE(then.found);
	EXPECT_EQ(first_gfn(self->l), then.gfn);
	EXPECT_EQ(NR_PAGES, then.npages);
	EXPECT_EQ(1, then.logged);
	EXPECT_EQ(slot.collections + 1, then.collections);
	EXPECT_EQ(slot.clears + manual, then.clears);
	EXPECT_EQ(slot.cleaned + USED, then.cleaned);
	EXPECT_EQ(slot.requests + requests, then.requests);
}

/* Nothing is dirty: a collection does nothing. */
TEST_F(observed, collected_clean)
{
	bool manual = variant->manual;
	__u64 requests;

	use(self);
	ASSERT_EQ(0, logged_vm_collect(self->l));
	begin(self);
	ASSERT_EQ(0, logged_vm_collect(self->l));
	end(self);
	/* before it reads C, hardware must have written it to the HPT */
	requests = events_sum(&self->events, "khx_dirty_log_get", "requests");
	EXPECT_TRUE(variant->mmu == VM_MMU_HPT || !requests);
	EXPECT_EQ(0, events_sum(&self->events, "khx_dirty_log_get", "dirty"));
	EXPECT_EQ(0, counters_differ(&self->before, &self->after, (struct change[]) {
		{ "log_collections", 1 }, { "log_clears", manual },
		{ "log_requests", requests }, { "requests", requests }, { 0 }
	}));
}

/* The bitmap cannot be written: the event has the errno. */
TEST_F(observed, collected_in_vain)
{
	const struct event *e;

	use(self);
	begin(self);
	ASSERT_EQ(-EFAULT, vm_get_dirty_log(self->l->vm, LOGGED_SLOT, NULL));
	end(self);
	e = events_only(&self->events, "khx_dirty_log_get");
	EXPECT_TRUE(event_has(e, "err=-14"));
	EXPECT_EQ(USED, event_field(e, "dirty"));
	EXPECT_EQ(1, grown(self, "log_collections"));
}

TEST_F(observed, switched)
{
	const struct event *e;

	use(self);
	begin(self);
	ASSERT_EQ(0, logged_vm_set_log(self->l, false));
	ASSERT_EQ(0, logged_vm_set_log(self->l, true));
	ASSERT_EQ(0, logged_vm_set_log(self->l, false));
	end(self);
	expect_named(_metadata, self);
	ASSERT_EQ(3, events_count(&self->events, "khx_log_switch"));
	e = events_next(&self->events, "khx_log_switch", NULL);
	EXPECT_EQ(LOGGED_SLOT, event_field(e, "slot"));
	EXPECT_EQ(first_gfn(self->l), event_field(e, "gfn"));
	EXPECT_EQ(NR_PAGES, event_field(e, "npages"));
	EXPECT_TRUE(event_has(e, "on=0"));
	EXPECT_LT(0, event_field(e, "ns"));
	e = events_next(&self->events, "khx_log_switch", e);
	EXPECT_TRUE(event_has(e, "on=1"));
	EXPECT_EQ(1, grown(self, "log_switched_on"));
	EXPECT_EQ(2, grown(self, "log_switched_off"));
	EXPECT_EQ(0, slot_read(self->l->vm, LOGGED_SLOT).logged);
}

/* Userspace drops the second quarter of the memory: a quarter of what is used. */
TEST_F(observed, unmapped)
{
	struct logged_vm *l = self->l;
	const struct event *e = NULL;

	use(self);
	begin(self);
	ASSERT_EQ(0, madvise(l->memory + l->size / 4, l->size / 4, MADV_DONTNEED));
	end(self);
	expect_named(_metadata, self);
	ASSERT_LT(0, events_count(&self->events, "khx_unmap"));
	while ((e = events_next(&self->events, "khx_unmap", e))) {
		EXPECT_EQ(LOGGED_SLOT, event_field(e, "slot"));
		EXPECT_LE(first_gfn(l) + NR_PAGES / 4, event_field(e, "gfn"));
		EXPECT_GE(first_gfn(l) + NR_PAGES / 2,
			  event_field(e, "gfn") + event_field(e, "npages"));
		EXPECT_LT(0, event_field(e, "ns"));
	}
	EXPECT_EQ(NR_PAGES / 4, events_sum(&self->events, "khx_unmap", "npages"));
	EXPECT_EQ(USED / 4, events_sum(&self->events, "khx_unmap", "pages"));
	EXPECT_EQ(events_count(&self->events, "khx_unmap"), self->events.nr);
	EXPECT_EQ(0, counters_differ(&self->before, &self->after, (struct change[]) {
		{ "unmapped", USED / 4 }, { "unmap_calls", self->events.nr },
		{ "requests", grown(self, "requests") }, { 0 }
	}));
	EXPECT_LT(0, grown(self, "requests"));
}

/* Idle page tracking ages two pages, of which the guest uses one. */
TEST_F(observed, aged)
{
	struct logged_vm *l = self->l;
	const struct event *e = NULL;
	int idle = idle_open();
	__u64 pfn[2];

	if (idle < 0)
		SKIP(return, "the host does not track idle pages (CONFIG_IDLE_PAGE_TRACKING)");
	use(self);
	lru_drain();
	pfn[0] = idle_pfn(l->memory);
	pfn[1] = idle_pfn(l->memory + l->page);
	begin(self);
	idle_set(idle, pfn[0]);
	idle_set(idle, pfn[1]);
	end(self);
	close(idle);
	expect_named(_metadata, self);
	while ((e = events_next(&self->events, "khx_age", e))) {
		__u64 page = event_field(e, "gfn") - first_gfn(l);

		EXPECT_EQ(LOGGED_SLOT, event_field(e, "slot"));
		EXPECT_EQ(1, event_field(e, "npages"));
		EXPECT_GE(1, page);
		EXPECT_EQ(page == 0, event_field(e, "pages"));
	}
	EXPECT_LE(2, events_count(&self->events, "khx_age"));
	EXPECT_EQ(1, grown(self, "aged"));
	EXPECT_EQ(self->events.nr, grown(self, "age_calls"));
}

/* First touches: stores to USED pages, and loads from the pages after them. */
TEST_F(observed, first_touches)
{
	struct logged_vm *l = self->l;
	unsigned long stores = 0, loads = 0;
	const struct event *e = NULL;
	const char *counted = variant->mmu == VM_MMU_HPT ? "fault_hpt" : "fault_map";

	/* the kernel enters HPTEs of present pages as valid ones */
	if (variant->mmu == VM_MMU_HPT)
		ASSERT_EQ(0, madvise(l->memory, l->size, MADV_DONTNEED));
	memset(l->memory, 1, l->size);
	begin(self);
	use(self);
	vcpu_load_pages(self->vcpu, l->gpa + l->page, STRIDE * l->page, USED);
	end(self);
	expect_named(_metadata, self);
	while ((e = events_next(&self->events, "khx_fault", e))) {
		__u64 page = event_field(e, "gpa") / l->page - first_gfn(l);
		bool store = event_has(e, "write=1");

		/* the command block and the stack, which were in use */
		ASSERT_GT(NR_PAGES, page);
		EXPECT_EQ(store ? 0 : 1, page % STRIDE);
		EXPECT_EQ(page_size(), 1ull << event_field(e, "shift"));
		EXPECT_TRUE(event_has(e, variant->mmu == VM_MMU_HPT ? "kind=hpt" : "kind=map"));
		EXPECT_EQ(0, event_field(e, "vcpu"));
		EXPECT_TRUE(event_has(e, "nested=0"));
		stores += store;
		loads += !store;
	}
	EXPECT_EQ(USED, stores);
	EXPECT_EQ(USED, loads);
	EXPECT_EQ(stores + loads, self->events.nr);
	EXPECT_EQ(0, counters_differ(&self->before, &self->after, (struct change[]) {
		{ counted, stores + loads }, { 0 }
	}));
}

/*
 * A child process makes the page read-only for a while. The guest's load maps it
 * so, and its store then gains W: the host has no other page for it, as nothing else
 * holds a reference to this one.
 */
TEST_F(observed, gained)
{
	struct logged_vm *l = self->l;
	const struct event *e;
	pid_t child;

	if (variant->mmu == VM_MMU_HPT)
		SKIP(return, "kvm-hv maps pages of HPT guests");
	lru_drain();
	child = fork();
	if (!child)
		_exit(0);
	ASSERT_EQ(child, waitpid(child, NULL, 0));
	begin(self);
	vcpu_load(self->vcpu, l->gpa);
	vcpu_store(self->vcpu, l->gpa, 2);
	end(self);
	e = events_next(&self->events, "khx_fault", NULL);
	ASSERT_NE(NULL, e);
	/* the pages of the command block were made read-only as well */
	while (event_field(e, "gpa") != l->gpa) {
		e = events_next(&self->events, "khx_fault", e);
		ASSERT_NE(NULL, e);
	}
	EXPECT_TRUE(event_has(e, "kind=map"));
	EXPECT_TRUE(event_has(e, "write=0"));
	do {
		e = events_next(&self->events, "khx_fault", e);
		ASSERT_NE(NULL, e);
	} while (event_field(e, "gpa") != l->gpa);
	EXPECT_TRUE(event_has(e, "kind=gain"));
	EXPECT_TRUE(event_has(e, "write=1"));
	EXPECT_LE(1, grown(self, "fault_gain"));
	EXPECT_EQ(events_count(&self->events, "khx_fault"),
		  grown(self, "fault_gain") + grown(self, "fault_map"));
}

/* KVM_RUN fails: the event says where, and why. */
TEST_F(observed, failed)
{
	struct logged_vm *l = self->l;
	const struct event *e;
	struct guest_area *area = self->vcpu->area;

	if (variant->mmu == VM_MMU_HPT)
		SKIP(return, "the host maps the pages of this HPT in advance");
	ASSERT_EQ(0, munmap(l->memory + 2 * l->page, l->page));
	begin(self);
	area_list(area, logged_vm_gpa(l, 2) + 8, l->page, 1, 1);
	EXPECT_EQ(-EFAULT, vcpu_try(self->vcpu, GUEST_STORE));
	end(self);
	expect_named(_metadata, self);
	e = events_only(&self->events, "khx_fault_failed");
	EXPECT_EQ(logged_vm_gpa(l, 2), event_field(e, "gpa") & ~(l->page - 1));
	EXPECT_EQ((__u64)l->memory + 2 * l->page, event_field(e, "hva"));
	EXPECT_EQ(0, event_field(e, "vcpu"));
	EXPECT_TRUE(event_has(e, "write=1"));
	EXPECT_TRUE(event_has(e, "nested=0"));
	EXPECT_TRUE(event_has(e, "err=-14"));
	EXPECT_EQ(1, grown(self, "fault_failed"));
	EXPECT_EQ(0, grown(self, "fault_map"));
	vcpu_restart(self->vcpu);
	ASSERT_EQ(l->memory + 2 * l->page,
		  mmap(l->memory + 2 * l->page, l->page, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
}

/* The area is put in place, used, moved by the guest, and taken away. */
TEST_F(observed, areas)
{
	struct logged_vm *l = self->l;
	const struct event *e;

	begin(self);
	ASSERT_EQ(0, area_set(self->vcpu, VPA, logged_vm_gpa(l, 8), 0));
	vcpu_dispatch(self->vcpu);
	end(self);
	expect_named(_metadata, self);
	e = events_only(&self->events, "khx_area_update");
	EXPECT_EQ(0, event_field(e, "vcpu"));
	EXPECT_EQ(logged_vm_gpa(l, 8), event_field(e, "gpa"));
	EXPECT_EQ(VPA_LENGTH, event_field(e, "len"));
	EXPECT_TRUE(event_has(e, "area=vpa"));
	EXPECT_TRUE(event_has(e, "update=restored"));
	EXPECT_TRUE(event_has(e, "pinned=1"));
	EXPECT_EQ(0, events_count(&self->events, "khx_area_handover"));
	EXPECT_EQ(1, grown(self, "areas"));
	EXPECT_EQ(1, grown(self, "area_updates"));
	EXPECT_EQ(0, grown(self, "area_failed"));
	events_free(&self->events);

	area_put_length(l->memory + 12 * l->page, VPA, VPA_LENGTH);
	begin(self);
	ASSERT_EQ(H_SUCCESS, h_register_vpa(self->vcpu, REG_VPA, 0, logged_vm_gpa(l, 12)));
	vcpu_dispatch(self->vcpu);
	end(self);
	e = events_only(&self->events, "khx_area_update");
	EXPECT_EQ(logged_vm_gpa(l, 12), event_field(e, "gpa"));
	EXPECT_TRUE(event_has(e, "update=new"));
	e = events_only(&self->events, "khx_area_handover");
	EXPECT_EQ(logged_vm_gpa(l, 8), event_field(e, "gpa"));
	EXPECT_TRUE(event_has(e, "area=vpa"));
	EXPECT_EQ(0, grown(self, "areas"));
	EXPECT_EQ(1, grown(self, "area_updates"));
	events_free(&self->events);

	begin(self);
	ASSERT_EQ(0, area_set(self->vcpu, VPA, 0, 0));
	end(self);
	e = events_only(&self->events, "khx_area_update");
	EXPECT_EQ(0, event_field(e, "gpa"));
	EXPECT_TRUE(event_has(e, "pinned=0"));
	EXPECT_EQ(1, events_count(&self->events, "khx_area_handover"));
	EXPECT_EQ(-1, (__s64)grown(self, "areas"));
	EXPECT_EQ(0, grown(self, "area_failed"));
}

TEST_F(observed, area_without_memory)
{
	struct logged_vm *l = self->l;
	const struct event *e;

	ASSERT_EQ(0, mprotect(l->memory + 8 * l->page, l->page, PROT_NONE));
	begin(self);
	ASSERT_EQ(0, area_set(self->vcpu, VPA, logged_vm_gpa(l, 8), 0));
	vcpu_dispatch(self->vcpu);
	end(self);
	e = events_only(&self->events, "khx_area_update");
	EXPECT_EQ(logged_vm_gpa(l, 8), event_field(e, "gpa"));
	EXPECT_TRUE(event_has(e, "pinned=0"));
	EXPECT_EQ(1, grown(self, "area_failed"));
	EXPECT_EQ(0, grown(self, "areas"));
	ASSERT_EQ(0, area_set(self->vcpu, VPA, 0, 0));
	ASSERT_EQ(0, mprotect(l->memory + 8 * l->page, l->page, PROT_READ | PROT_WRITE));
}

static unsigned long helper_count(const char *name)
{
	unsigned long count;
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/module/" HELPER "/parameters/%s", name);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%lu", &count) != 1)
		die("read %s: %m", path);
	fclose(file);
	return count;
}

TEST_F(observed, refused)
{
	unsigned long refused, whole, calls;
	const struct event *e = NULL;

	if (!host_is_lpar())
		SKIP(return, "bare metal has no hypervisor");
	if (!module_built(HELPER_FILE))
		SKIP(return, HELPER_FILE " was not built");
	use(self);
	module_remove_name(HELPER);
	ASSERT_EQ(0, module_insert_file(HELPER_FILE, "every=1 rc=-4"));
	calls = helper_count("calls");
	begin(self);
	ASSERT_EQ(0, logged_vm_collect(self->l));
	end(self);
	refused = helper_count("refused");
	whole = helper_count("refused_whole");
	calls = helper_count("calls") - calls;
	module_remove_name(HELPER);
	if (!calls)
		SKIP(return, "this hypervisor serves no invalidation");
	EXPECT_LT(0, whole);
	EXPECT_EQ(refused, events_count(&self->events, "khx_flush_refused"));
	EXPECT_EQ(whole, events_sum(&self->events, "khx_flush_refused", "whole"));
	while ((e = events_next(&self->events, "khx_flush_refused", e)))
		EXPECT_TRUE(event_has(e, "rc=-4"));
	EXPECT_EQ(whole, grown(self, "requests_refused"));
	EXPECT_EQ(calls, grown(self, "requests"));
	EXPECT_EQ(calls, grown(self, "log_requests"));
}

/* A VM whose leaves are large while it has no log. */
FIXTURE(large) {
	struct logged_vm *l;
};

FIXTURE_VARIANT(large) {
	enum backing backing;
};

FIXTURE_VARIANT_ADD(large, thp) { BACKING_THP };
FIXTURE_VARIANT_ADD(large, hugetlb) { BACKING_HUGETLB };

FIXTURE_SETUP(large)
{
	struct vm_config config = { 0 };

	SKIP_IF(return, logged_vm_create(&self->l, &config,
					 LARGE_LEAVES * THP_SIZE / page_size(),
					 variant->backing));
	ASSERT_EQ(0, logged_vm_set_log(self->l, false));
	memset(self->l->memory, 1, self->l->size);
	vcpu_store_pages(&self->l->vm->vcpu[0], self->l->gpa, self->l->page, self->l->pages, 1);
}

FIXTURE_TEARDOWN(large)
{
	logged_vm_destroy(self->l);
}

static unsigned long large_leaves(const struct vm *vm)
{
	unsigned long count;
	char path[128];
	FILE *file;

	vm_debugfs_path(path, sizeof(path), vm, "num_2M_pages");
	file = fopen(path, "r");
	if (!file || fscanf(file, "%lu", &count) != 1)
		die("read %s: %m", path);
	fclose(file);
	return count;
}

static void expect_resized(struct __test_metadata *_metadata, struct logged_vm *l,
			   const char *name, unsigned long leaves)
{
	const struct event *e = NULL;
	struct events events;

	events_stop(&events);
	EXPECT_EQ(leaves, events_count(&events, name));
	while ((e = events_next(&events, name, e))) {
		EXPECT_EQ(THP_SIZE, 1ull << event_field(e, "shift"));
		EXPECT_EQ(0, event_field(e, "gfn") * l->page % THP_SIZE);
		EXPECT_GT(l->size, event_field(e, "gfn") * l->page - l->gpa);
	}
	events_free(&events);
}

/* KVM's own count of large leaves agrees. */
TEST_F(large, split_and_joined)
{
	unsigned long leaves = large_leaves(self->l->vm);
	struct counters before, after;

	if (leaves != LARGE_LEAVES)
		SKIP(return, "the host has given no huge pages");
	counters_read(&before, self->l->vm, "counters");
	events_start();
	ASSERT_EQ(0, logged_vm_set_log(self->l, true));
	expect_resized(_metadata, self->l, "khx_split", LARGE_LEAVES);
	EXPECT_EQ(0, large_leaves(self->l->vm));
	events_start();
	ASSERT_EQ(0, logged_vm_set_log(self->l, false));
	expect_resized(_metadata, self->l, "khx_join", LARGE_LEAVES);
	EXPECT_EQ(LARGE_LEAVES, large_leaves(self->l->vm));
	counters_read(&after, self->l->vm, "counters");
	EXPECT_EQ(LARGE_LEAVES, counter(&after, "splits") - counter(&before, "splits"));
	EXPECT_EQ(LARGE_LEAVES, counter(&after, "joins") - counter(&before, "joins"));
}

#define LPID		9
#define L2_PAGES	16
#define CROWD		(4096 + 8)

FIXTURE(nested) {
	struct logged_vm *l;
	struct nested *n;
	struct l2 l2;
	struct counters before, after;
	struct events events;
};

FIXTURE_SETUP(nested)
{
	struct vm_config config = { .nested = true };

	SKIP_IF(return, logged_vm_create(&self->l, &config,
					 L2_PAGES * NESTED_PAGE / page_size(), BACKING_SMALL));
	memset(self->l->memory, 1, self->l->size);
	self->n = nested_create_one(self->l->vm, &self->l2, LPID);
	nested_map(self->n, LPID, VM_DATA_GPA, VM_DATA_GPA, self->l->size,
		   NESTED_READ | NESTED_WRITE);
	/* L2's own memory is in use */
	l2_load(&self->l2, VM_DATA_GPA + self->l->size - NESTED_PAGE);
	counters_read(&self->before, self->l->vm, "counters");
	events_start();
}

FIXTURE_TEARDOWN(nested)
{
	events_free(&self->events);
	logged_vm_destroy(self->l);
	nested_destroy(self->n);
}

static void nested_end(struct _test_data_nested *self)
{
	events_stop(&self->events);
	counters_read(&self->after, self->l->vm, "counters");
}

static __u64 nested_grown(const struct _test_data_nested *self, const char *name)
{
	return counter(&self->after, name) - counter(&self->before, name);
}

TEST_F(nested, inserted)
{
	unsigned int inserted[L2_PAGES] = { 0 }, i;
	const struct event *e = NULL;
	__u64 lpid = 0;

	l2_store_pages(&self->l2, VM_DATA_GPA, L2_PAGES - 1, 1);
	nested_end(self);
	while ((e = events_next(&self->events, "khx_nested_insert", e))) {
		__u64 l2_gpa = event_field(e, "l2_gpa");

		EXPECT_EQ(l2_gpa / page_size(), event_field(e, "gfn"));
		EXPECT_NE(event_field(e, "lpid"), event_field(e, "l2_lpid"));
		EXPECT_TRUE(!lpid || lpid == event_field(e, "l2_lpid"));
		lpid = event_field(e, "l2_lpid");
		if (l2_gpa >= VM_DATA_GPA && l2_gpa < VM_DATA_GPA + self->l->size) {
			EXPECT_EQ(page_size(), 1ull << event_field(e, "shift"));
			inserted[(l2_gpa - VM_DATA_GPA) / NESTED_PAGE]++;
		}
	}
	for (i = 0; i < L2_PAGES - 1; i++)
		EXPECT_EQ(1, inserted[i]);
	EXPECT_EQ(0, inserted[i]);
	EXPECT_EQ(events_count(&self->events, "khx_nested_insert"),
		  nested_grown(self, "nested_inserted"));
	EXPECT_EQ(events_count(&self->events, "khx_nested_insert"),
		  nested_grown(self, "nested_entries"));
	EXPECT_EQ(events_count(&self->events, "khx_nested_set_rc"),
		  nested_grown(self, "nested_set_rc"));
	/* L1's own leaves were installed for L2 */
	e = NULL;
	while ((e = events_next(&self->events, "khx_fault", e)))
		EXPECT_TRUE(event_has(e, "nested=1"));
	EXPECT_EQ(L2_PAGES - 1, nested_grown(self, "fault_map"));
}

/* After a collection the L2 stores again: C is set by a fault, where software does it. */
TEST_F(nested, set_rc)
{
	const struct event *e = NULL;
	unsigned long ours = 0;

	l2_store_pages(&self->l2, VM_DATA_GPA, L2_PAGES, 1);
	ASSERT_EQ(0, logged_vm_collect(self->l));
	nested_end(self);
	events_free(&self->events);
	counters_read(&self->before, self->l->vm, "counters");
	events_start();
	l2_store_pages(&self->l2, VM_DATA_GPA, L2_PAGES, 2);
	nested_end(self);
	while ((e = events_next(&self->events, "khx_nested_set_rc", e))) {
		EXPECT_TRUE(event_has(e, "write=1"));
		ours += event_field(e, "l2_gpa") - VM_DATA_GPA < self->l->size;
	}
	EXPECT_EQ(events_count(&self->events, "khx_nested_set_rc"),
		  nested_grown(self, "nested_set_rc"));
	EXPECT_TRUE(!host_is_exact() || ours == L2_PAGES);
	TH_LOG("%lu of %d pages by a fault", ours, L2_PAGES);
}

/* L1 invalidates all of its L2. */
TEST_F(nested, freed)
{
	const struct event *e;

	l2_store_pages(&self->l2, VM_DATA_GPA, L2_PAGES, 1);
	counters_read(&self->before, self->l->vm, "counters");
	ASSERT_EQ(0, nested_tlbie(self->l2.l1, NESTED_RIC_TLB, LPID, NESTED_RB_LPID));
	nested_end(self);
	e = events_only(&self->events, "khx_nested_free");
	EXPECT_LT(0, event_field(e, "tables"));
	EXPECT_EQ(counter(&self->before, "nested_tables"), event_field(e, "tables"));
	EXPECT_EQ(0, counter(&self->after, "nested_tables"));
	EXPECT_EQ(0, counter(&self->after, "nested_entries"));
}

/* L2 maps one page of L1 at more addresses than the reverse map holds. */
TEST_F_TIMEOUT(nested, evicted, TIMEOUT)
{
	const __u64 aliases = VM_DATA_GPA + (64ull << 20);
	const struct event *e = NULL;
	unsigned int i;
	__u64 gfn = VM_DATA_GPA / page_size();

	for (i = 0; i < CROWD; i++)
		nested_map(self->n, LPID, aliases + i * NESTED_PAGE, VM_DATA_GPA, NESTED_PAGE,
			   NESTED_READ);
	for (i = 0; i < CROWD; i += GUEST_LIST_MAX)
		l2_load_pages(&self->l2, aliases + i * NESTED_PAGE,
			      CROWD - i < GUEST_LIST_MAX ? CROWD - i : GUEST_LIST_MAX);
	nested_end(self);
	EXPECT_EQ(CROWD - 4096, events_count(&self->events, "khx_nested_evict"));
	EXPECT_EQ(CROWD - 4096, nested_grown(self, "nested_evicted"));
	while ((e = events_next(&self->events, "khx_nested_evict", e))) {
		EXPECT_EQ(gfn, event_field(e, "gfn"));
		EXPECT_LE(aliases, event_field(e, "l2_gpa"));
		EXPECT_GT(aliases + CROWD * NESTED_PAGE, event_field(e, "l2_gpa"));
	}
}

TEST_HARNESS_MAIN
