// SPDX-License-Identifier: GPL-2.0
/*
 * A hypervisor that refuses invalidations of guest translations: all of them,
 * every second or every fiftieth, or only those of page ranges.
 * tests/modules/refuse.c answers in the hypervisor's place; some hypervisors
 * serve none.
 *
 * Userspace is not at fault, so no ioctl may fail for it. No store may be lost,
 * as long as a vCPU that exits the guest re-enters it without stale
 * translations.
 */
#include "ktap.h"

#include <sys/mman.h>

#include "kernel_log.h"
#include "logged_vm.h"
#include "module.h"
#include "rounds.h"

#define HELPER		"kvm_hv_ext_refuse"
#define HELPER_FILE	"kvm-hv-ext-refuse.ko"
#define PARAMETERS	"/sys/module/" HELPER "/parameters/"
#define CONSOLE_LEVEL	"/proc/sys/kernel/printk"

#define NPAGES		128
#define SERVED_ROUNDS	200
#define TIMES		20	/* repetitions of drops and log switches */
#define TIMEOUT		300

/* Pages used by one command: too few for an invalidation of the whole LPID. */
#define STRIDE		8
#define USED		(NPAGES / STRIDE)

/*
 * The module's message has the hypercall and its return code. It is logged at
 * most once per VM, however often the hypervisor refuses.
 */
#define SAYS		"^[^;]*;kvm_hv_ext: .*refused .*H_(TLB|RPT)_INVALIDATE"
#define SAYS_WHY(rc)	SAYS ".*[^-0-9]" rc "([^0-9]|$)"

/* Saved console log level: stock logs every refusal. */
static char console_level[32];

static long parameter(const char *name)
{
	char path[128];
	FILE *file;
	long value;

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%ld", &value) != 1)
		die("read %s: %m", path);
	fclose(file);
	return value;
}

/* A destructor, so that it also runs if a test is aborted. */
static void __attribute__((destructor)) serve_again(void)
{
	module_remove_name(HELPER);
	if (console_level[0])
		write_file(CONSOLE_LEVEL, console_level);
}

static void __attribute__((constructor)) keep_quiet(void)
{
	const char *subject = getenv("KTAP_SUBJECT");
	FILE *file;

	if (!subject || strcmp(subject, "stock"))
		return;
	file = fopen(CONSOLE_LEVEL, "r");
	if (!file || !fgets(console_level, sizeof(console_level), file))
		die("read " CONSOLE_LEVEL ": %m");
	fclose(file);
	write_file(CONSOLE_LEVEL, "3");
}

FIXTURE(refused) {
	struct logged_vm *l;
	struct vm *vm;
	struct vcpu *vcpu;
	__u64 value;
	int log, log_again;
};

FIXTURE_VARIANT(refused) {
	unsigned int every;	/* 0: without the helper module */
	bool ranges;
	enum backing backing;
};

FIXTURE_VARIANT_ADD(refused, always) { 1, false, BACKING_SMALL };
FIXTURE_VARIANT_ADD(refused, always_thp) { 1, false, BACKING_THP };
FIXTURE_VARIANT_ADD(refused, second) { 2, false, BACKING_SMALL };
FIXTURE_VARIANT_ADD(refused, second_thp) { 2, false, BACKING_THP };
FIXTURE_VARIANT_ADD(refused, fiftieth) { 50, false, BACKING_SMALL };
FIXTURE_VARIANT_ADD(refused, fiftieth_thp) { 50, false, BACKING_THP };
FIXTURE_VARIANT_ADD(refused, ranges) { 1, true, BACKING_SMALL };
FIXTURE_VARIANT_ADD(refused, ranges_thp) { 1, true, BACKING_THP };
FIXTURE_VARIANT_ADD(refused, below) { 0, false, BACKING_SMALL };
FIXTURE_VARIANT_ADD(refused, below_thp) { 0, false, BACKING_THP };

FIXTURE_SETUP(refused)
{
	struct vm_config config = { 0 };
	char parameters[64];
	bool below;

	if (!host_is_lpar())
		SKIP(return, "bare metal has no hypervisor");
	if (!module_built(HELPER_FILE))
		SKIP(return, HELPER_FILE " was not built");
	snprintf(parameters, sizeof(parameters), "every=%u ranges=%d", variant->every,
		 variant->ranges);
	module_remove_name(HELPER);
	ASSERT_EQ(0, module_insert_file(HELPER_FILE, parameters));
	below = parameter("below");
	if (!variant->every)
		module_remove_name(HELPER);
	if (!variant->every && !below)
		SKIP(return, "this hypervisor refuses nothing");
	if (below && variant->every)
		SKIP(return, "this hypervisor serves nothing");

	self->log = kernel_log_open();
	self->log_again = kernel_log_open();
	SKIP_IF(return, logged_vm_create(&self->l, &config, NPAGES, variant->backing));
	self->vm = self->l->vm;
	self->vcpu = &self->vm->vcpu[0];
	self->value = 1;
}

FIXTURE_TEARDOWN(refused)
{
	logged_vm_destroy(self->l);
	module_remove_name(HELPER);
}

/* Checks for the end of each test. */
static void judge(struct __test_metadata *_metadata, struct _test_data_refused *self,
		  const struct _fixture_variant_refused *variant, unsigned int vms)
{
	long refused = 0, whole = 0;
	unsigned int lines;

	vcpu_store(self->vcpu, self->l->gpa, ~self->value);
	EXPECT_EQ(~self->value, vcpu_load(self->vcpu, self->l->gpa));
	EXPECT_EQ(~self->value, *(__u64 *)self->l->memory);
	if (variant->every) {
		refused = parameter("refused");
		whole = parameter("refused_whole");
		TH_LOG("%ld invalidations, %ld refused, %ld of these of a whole LPID",
		       parameter("calls"), refused, whole);
		EXPECT_LT(0, refused);
	}
	if (!self->vm->ours)
		return;
	lines = kernel_log_count(self->log, SAYS);
	EXPECT_EQ(lines, kernel_log_count(self->log_again, SAYS_WHY("-1")));
	/*
	 * The module logs nothing if the hypervisor serves its second attempt.
	 * If the hypervisor serves nothing at all, the module logged that when
	 * it was loaded, and makes no requests.
	 */
	EXPECT_LE(variant->every == 1 && !variant->ranges ? vms : 0, lines);
	EXPECT_GE(whole ? vms : 0, lines);
}

static void store_some(struct _test_data_refused *self, size_t first)
{
	vcpu_store_pages(self->vcpu, logged_vm_gpa(self->l, first),
			 STRIDE * self->l->page, USED, self->value);
}

/* Expect the stores in the dirty log, in memory, and in the guest's view. */
static void expect_some(struct __test_metadata *_metadata,
			struct _test_data_refused *self, size_t first)
{
	struct logged_vm *l = self->l;
	size_t i, page;

	ASSERT_EQ(0, logged_vm_collect(l));
	vcpu_load_pages(self->vcpu, logged_vm_gpa(l, first), STRIDE * l->page, USED);
	for (i = 0; i < USED; i++) {
		page = first + i * STRIDE;
		EXPECT_TRUE(test_bit(l->bitmap, page));
		EXPECT_EQ(self->value + i, *(__u64 *)(l->memory + page * l->page));
		EXPECT_EQ(self->value + i, self->vcpu->area->list[i].value);
	}
	self->value += USED;
}

static void store_and_collect(struct __test_metadata *_metadata, struct logged_vm *l)
{
	struct vcpu *vcpu = &l->vm->vcpu[0];
	struct served served = {
		.rounds = scaled(SERVED_ROUNDS),
		.pages = NPAGES,
		.random = option("KTAP_SEED", 1),
	};

	rounds_pin(vcpu);
	vcpu->area->count = 0;
	vcpu_start(vcpu, GUEST_SERVE);
	rounds_serve(l, vcpu->area, &served);
	vcpu_stop(vcpu);
	TH_LOG("%lu stores asked for, %lu missed, %lu lost", served.asked, served.missed,
	       served.lost);
	EXPECT_EQ(0, served.missed);
	EXPECT_EQ(0, served.lost);
}

/* KVM_GET_DIRTY_LOG, while the vCPU stores. */
TEST_F_TIMEOUT(refused, collected, TIMEOUT)
{
	store_and_collect(_metadata, self->l);
	judge(_metadata, self, variant, 1);
}

/* The same with KVM_CLEAR_DIRTY_LOG. */
TEST_F_TIMEOUT(refused, cleared, TIMEOUT)
{
	if (!self->vm->ours)
		SKIP(return, "stock has no manual protection");
	ASSERT_EQ(0, vm_manual_protect(self->vm, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
				       KVM_DIRTY_LOG_INITIALLY_SET));
	self->l->manual = true;
	store_and_collect(_metadata, self->l);
	judge(_metadata, self, variant, 1);
}

/* Pages in the second word of the bitmap are reported again, if that was refused. */
TEST_F(refused, cleared_in_part)
{
	const unsigned int first = 64, pages = 64;
	struct logged_vm *l = self->l;
	__u64 named = ~0ull;
	long refused = 0;
	unsigned int i;

	if (!self->vm->ours)
		SKIP(return, "stock has no manual protection");
	ASSERT_EQ(0, vm_manual_protect(self->vm, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE));
	vcpu_store_pages(self->vcpu, logged_vm_gpa(l, first), l->page, pages, self->value);
	if (variant->every)
		refused = -parameter("refused_whole");
	ASSERT_EQ(0, vm_clear_dirty_log(self->vm, LOGGED_SLOT, first, pages, &named));
	if (variant->every)
		refused += parameter("refused_whole");
	EXPECT_EQ(refused > 0, variant->every == 1 && !variant->ranges);
	ASSERT_EQ(0, logged_vm_collect(l));
	for (i = first; i < first + pages; i++)
		EXPECT_EQ(refused > 0, test_bit(l->bitmap, i));
}

/* Userspace may name bits behind the last page of a memslot: no page is reported there. */
TEST_F(refused, cleared_behind_the_end)
{
	const unsigned int pages = 8;
	const __u64 own = (1ull << pages) - 1;
	struct vm_config config = { 0 };
	struct logged_vm *l;
	__u64 named = ~0ull;

	if (!self->vm->ours)
		SKIP(return, "stock has no manual protection");
	SKIP_IF(return, logged_vm_create(&l, &config, pages, BACKING_SMALL));
	ASSERT_EQ(0, vm_manual_protect(l->vm, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE));
	vcpu_store_pages(&l->vm->vcpu[0], l->gpa, l->page, pages, self->value);
	ASSERT_EQ(0, vm_clear_dirty_log(l->vm, LOGGED_SLOT, 0, pages, &named));
	ASSERT_EQ(0, logged_vm_collect(l));
	EXPECT_EQ(0, l->bitmap[0] & ~own);
	if (variant->every == 1 && !variant->ranges)
		EXPECT_EQ(own, l->bitmap[0]);
	logged_vm_destroy(l);
}

/* Drop and refault memory, single pages first and then all of it. */
TEST_F_TIMEOUT(refused, memory_dropped, TIMEOUT)
{
	struct logged_vm *l = self->l;
	unsigned long time;
	size_t i;

	for (time = 0; time < scaled(TIMES); time++) {
		store_some(self, 0);
		store_some(self, 1);
		for (i = 0; i < USED; i++)
			ASSERT_EQ(0, madvise(l->memory + (i * STRIDE + 1) * l->page, l->page,
					     MADV_DONTNEED));
		expect_some(_metadata, self, 0);
		for (i = 0; i < USED; i++)
			EXPECT_TRUE(test_bit(l->bitmap, i * STRIDE + 1));
		vcpu_load_pages(self->vcpu, logged_vm_gpa(l, 1), STRIDE * l->page, USED);
		for (i = 0; i < USED; i++)
			EXPECT_EQ(0, self->vcpu->area->list[i].value);
		store_some(self, 1);
		expect_some(_metadata, self, 1);
	}
	vcpu_store_pages(self->vcpu, l->gpa, l->page, NPAGES, 1);
	ASSERT_EQ(0, madvise(l->memory, l->size, MADV_DONTNEED));
	ASSERT_EQ(0, logged_vm_collect(l));
	EXPECT_EQ(NPAGES, logged_vm_count(l));
	EXPECT_EQ(0, vcpu_load(self->vcpu, l->gpa));
	judge(_metadata, self, variant, 1);
}

/* Delete the memslot and recreate it with other memory. */
TEST_F_TIMEOUT(refused, slot_deleted, TIMEOUT)
{
	char *memory = self->l->memory, *other;
	struct logged_vm *l = self->l;
	const char *missing;
	unsigned long time;
	__u64 stored;

	other = mem_alloc(l->size, variant->backing, &missing);
	if (!other)
		SKIP(return, "%s", missing);
	for (time = 0; time < scaled(TIMES); time++) {
		stored = self->value;
		store_some(self, 0);
		expect_some(_metadata, self, 0);
		store_some(self, 0);
		ASSERT_EQ(0, vm_set_slot(self->vm, LOGGED_SLOT, l->gpa, 0, NULL, 0));
		l->memory = time % 2 ? memory : other;
		ASSERT_EQ(0, logged_vm_set_log(l, true));
		EXPECT_NE(stored + USED, vcpu_load(self->vcpu, l->gpa));
		store_some(self, 0);
		expect_some(_metadata, self, 0);
		EXPECT_EQ(stored + USED, *(__u64 *)(time % 2 ? other : memory));
	}
	l->memory = memory;
	ASSERT_EQ(0, vm_set_slot(self->vm, LOGGED_SLOT, l->gpa, 0, NULL, 0));
	ASSERT_EQ(0, logged_vm_set_log(l, true));
	mem_free(other, l->size);
	judge(_metadata, self, variant, 1);
}

/* In the thp variants large leaves map the memory while it is not logged. */
TEST_F_TIMEOUT(refused, log_switched, TIMEOUT)
{
	struct logged_vm *l = self->l;
	unsigned long time;

	for (time = 0; time < scaled(TIMES); time++) {
		ASSERT_EQ(0, logged_vm_set_log(l, false));
		store_some(self, 0);
		ASSERT_EQ(0, logged_vm_set_log(l, true));
		store_some(self, 1);
		expect_some(_metadata, self, 1);
		store_some(self, 0);
		expect_some(_metadata, self, 0);
	}
	judge(_metadata, self, variant, 1);
}

/* The module logs one message per affected VM. */
TEST_F_TIMEOUT(refused, several_vms, TIMEOUT)
{
	struct vm_config config = { 0 };
	struct logged_vm *first = self->l;
	unsigned int vm, time;

	for (vm = 0; vm < 3; vm++) {
		if (vm)
			logged_vm_create(&self->l, &config, NPAGES, variant->backing);
		self->vcpu = &self->l->vm->vcpu[0];
		for (time = 0; time < scaled(TIMES); time++) {
			store_some(self, 0);
			expect_some(_metadata, self, 0);
		}
		if (vm)
			logged_vm_destroy(self->l);
		self->l = first;
	}
	self->vcpu = &self->vm->vcpu[0];
	judge(_metadata, self, variant, 3);
}

TEST_HARNESS_MAIN
