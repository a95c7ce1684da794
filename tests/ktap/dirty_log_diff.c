// SPDX-License-Identifier: GPL-2.0
/*
 * The same random sequence of operations on stock and on the module
 *
 * A pseudo-random sequence of guest stores and loads, collections of the
 * dirty log, and changes of memslots and of the memory under them. The test
 * knows which pages were stored to, and every collection must report them. A
 * run on stock also records what each call returned. A run on the module with
 * the same seed must return the same, bit for bit, except that it may omit
 * pages without stores that stock reports: in a radix guest, pages that were
 * loaded from; in an HPT guest, pages whose rmap word keeps C, which stock
 * copies into each new HPTE. The sequence avoids the known defects of stock.
 *
 * Stock does not offer manual protection: there the test can only compare with
 * its own record of the dirty pages.
 */
#include "ktap.h"

#define STEPS		6000
#define TIMEOUT		600

#define NR_SLOTS	4		/* ids 1..NR_SLOTS */
#define AREA_SLOT	(NR_SLOTS + 1)	/* where the VPAs are */
#define ABSENT_SLOT	(AREA_SLOT + 1)
#define SLOT_PAGES	512
#define SLOT_WINDOW	0x10000000ull	/* guest addresses of each slot */
#define HOLE_GPA	(ABSENT_SLOT * SLOT_WINDOW)
#define MAX_ACCESSES	64
#define BITMAP_WORDS	(SLOT_PAGES / 64)
#define NR_VCPUS	2

/*
 * @must: pages stored to since the last collection or, with manual protection,
 * since they were last cleared. @may: pages that may be reported without a
 * store: on stock, a load maps a page writable if possible, with C set in
 * advance. HPTs keep C bits in more cases (a log that begins, a slot that
 * moves): the test judges only @must there.
 */
struct test_slot {
	unsigned int id;
	char *memory;		/* SLOT_PAGES pages */
	bool exists;
	bool logged;
	__u64 gpa;
	size_t first;		/* page of memory where it starts */
	size_t pages;
	__u64 must[BITMAP_WORDS];
	__u64 may[BITMAP_WORDS];
};

struct script {
	struct vm *vm;
	size_t page;
	size_t unit;		/* pages by which slots and holes are aligned */
	__u64 random;
	unsigned long step;
	struct test_slot slot[NR_SLOTS + 1];
	size_t vpa[NR_VCPUS];	/* page in the area slot, 0: none */
	FILE *record;
	bool compare;
	bool manual;
	unsigned long stores;
	unsigned long collections;
	unsigned long bits;
};

struct record {
	__u32 step;
	__u32 action;
	__s32 result;
	__u32 bytes;
	__u64 bitmap[BITMAP_WORDS];
};

#define fail(script, fmt, ...) \
	die("step %lu: " fmt, (script)->step, ##__VA_ARGS__)

/* Record what an action returned, or compare it with what stock returned. */
static void note(struct script *s, int action, int result,
		 const __u64 *bitmap, size_t bytes)
{
	struct record now = {
		.step = s->step, .action = action, .result = result,
		.bytes = bytes,
	}, then;
	size_t page;

	if (bitmap)
		memcpy(now.bitmap, bitmap, bytes);
	if (!s->record)
		return;
	if (!s->compare) {
		if (fwrite(&now, sizeof(now), 1, s->record) != 1)
			fail(s, "write the record: %m");
		return;
	}
	if (fread(&then, sizeof(then), 1, s->record) != 1)
		fail(s, "stock's record ends here");
	if (then.step != now.step || then.action != now.action ||
	    then.bytes != now.bytes)
		fail(s, "stock's record is for a different sequence");
	if (then.result != now.result)
		fail(s, "action %d returned %d, on stock %d", action, result,
		     then.result);
	/* collect() checks that no page with stores is missing */
	for (page = 0; page < bytes * 8; page++)
		if (test_bit(now.bitmap, page) && !test_bit(then.bitmap, page))
			fail(s, "bit %zu is set, on stock it is not", page);
}

static __u64 rnd(struct script *s, __u64 limit)
{
	return random_below(&s->random, limit);
}

static struct test_slot *random_slot(struct script *s)
{
	return &s->slot[rnd(s, NR_SLOTS)];
}

static struct vcpu *random_vcpu(struct script *s)
{
	return &s->vm->vcpu[rnd(s, NR_VCPUS)];
}

static void *slot_hva(const struct script *s, const struct test_slot *slot,
		      size_t page)
{
	return slot->memory + (slot->first + page) * s->page;
}

/* A random range of pages of a slot, aligned for its kind of memory. */
static size_t random_range(struct script *s, const struct test_slot *slot,
			   size_t unit, size_t *count)
{
	size_t units = slot->pages / unit;
	size_t first = rnd(s, units);

	*count = (1 + rnd(s, units - first)) * unit;
	return first * unit;
}

/* The host stores to the VPA whenever the vCPU runs. */
static void account_vpa(struct script *s, int vcpu)
{
	struct test_slot *areas = &s->slot[AREA_SLOT - 1];

	if (s->vpa[vcpu] && areas->logged)
		set_bit(areas->must, s->vpa[vcpu]);
}

static int run_vcpu(struct script *s, struct vcpu *vcpu, enum guest_op op)
{
	int reason = vcpu_run(vcpu, op);

	account_vpa(s, vcpu->id);
	return reason;
}

/* Access page[i] of the slot at offset 8 * i, for each i < count. */
static void access_pages(struct script *s, struct test_slot *slot,
			 enum guest_op op, const size_t *page, size_t count)
{
	struct vcpu *vcpu = random_vcpu(s);
	struct guest_access *list = vcpu->area->list;
	size_t i;
	int reason;

	vcpu->area->count = count;
	for (i = 0; i < count; i++) {
		list[i].addr = slot->gpa + page[i] * s->page + 8 * i;
		list[i].value = op == GUEST_STORE ? random_u64(&s->random) : 0;
	}
	reason = run_vcpu(s, vcpu, op);
	if (reason)
		fail(s, "unexpected exit %d", reason);
	for (i = 0; i < count; i++) {
		__u64 *hva = slot_hva(s, slot, page[i]) + 8 * i;

		if (list[i].value != *hva)
			fail(s, "slot %u page %zu: guest has %llx, memory %llx",
			     slot->id, page[i], list[i].value, *hva);
		if (slot->logged && op == GUEST_STORE)
			set_bit(slot->must, page[i]);
		else if (slot->logged && !s->vm->ours)
			set_bit(slot->may, page[i]);
	}
}

static void access_random(struct script *s, enum guest_op op)
{
	struct test_slot *slot = random_slot(s);
	size_t page[MAX_ACCESSES], count = 1 + rnd(s, MAX_ACCESSES), i;

	if (!slot->exists)
		return;
	for (i = 0; i < count; i++)
		page[i] = rnd(s, slot->pages);
	access_pages(s, slot, op, page, count);
}

static void do_store(struct script *s)
{
	access_random(s, GUEST_STORE);
	s->stores++;
}

static void do_load(struct script *s)
{
	access_random(s, GUEST_LOAD);
}

static void do_store_run(struct script *s)
{
	struct test_slot *slot = random_slot(s);
	size_t page[SLOT_PAGES], count, first, i;

	if (!slot->exists)
		return;
	first = random_range(s, slot, 1, &count);
	for (i = 0; i < count; i++)
		page[i] = first + i;
	access_pages(s, slot, GUEST_STORE, page, count);
	s->stores++;
}

/* Stores by the VMM: the dirty log must not report them. */
static void do_host_store(struct script *s)
{
	struct test_slot *slot = random_slot(s);

	if (slot->exists)
		*(__u64 *)slot_hva(s, slot, rnd(s, slot->pages)) = s->step;
}

static void collect(struct script *s, struct test_slot *slot, int action)
{
	size_t bytes = bitmap_size(slot->pages * s->page), page;
	__u64 bitmap[BITMAP_WORDS + 1];
	bool reported;
	int ret;

	memset(bitmap, 0xa5, sizeof(bitmap));
	ret = vm_get_dirty_log(s->vm, slot->id, bitmap);
	note(s, action, ret, ret ? NULL : bitmap, ret ? 0 : bytes);
	if (ret != (slot->exists && slot->logged ? 0 : -ENOENT))
		fail(s, "collection of slot %u: %s", slot->id, strerror(-ret));
	if (ret)
		return;
	for (page = 0; page < bytes * 8; page++) {
		reported = test_bit(bitmap, page);
		if (reported && page >= slot->pages)
			fail(s, "slot %u has no page %zu", slot->id, page);
		if (reported && !test_bit(slot->must, page) &&
		    !test_bit(slot->may, page) && s->vm->mmu == VM_MMU_RADIX)
			fail(s, "slot %u page %zu reported without a store",
			     slot->id, page);
		if (page < slot->pages && !reported &&
		    test_bit(slot->must, page))
			fail(s, "slot %u page %zu stored to, not reported",
			     slot->id, page);
	}
	if (*((unsigned char *)bitmap + bytes) != 0xa5)
		fail(s, "the bitmap of slot %u was overrun", slot->id);
	s->collections++;
	s->bits += count_bits(bitmap, bytes);
	if (s->manual)
		return;
	memset(slot->must, 0, sizeof(slot->must));
	memset(slot->may, 0, sizeof(slot->may));
}

/* Clear random pages of a random range. */
static void do_clear(struct script *s)
{
	struct test_slot *slot = &s->slot[rnd(s, NR_SLOTS + 1)];
	size_t words = (slot->pages + 63) / 64, first, count, pages, i;
	__u64 bitmap[BITMAP_WORDS];
	int ret;

	if (!s->manual || !slot->exists)
		return;
	first = rnd(s, words);
	count = 1 + rnd(s, words - first);
	for (i = 0; i < count; i++)
		bitmap[i] = rnd(s, 3) ? random_u64(&s->random) : rnd(s, 2) ? ~0ull : 0;
	pages = first + count < words ? count * 64 : slot->pages - first * 64;
	ret = vm_clear_dirty_log(s->vm, slot->id, first * 64, pages, bitmap);
	if (ret != (slot->logged ? 0 : -ENOENT))
		fail(s, "clear pages of slot %u: %s", slot->id, strerror(-ret));
	for (i = 0; i < count && !ret; i++) {
		slot->must[first + i] &= ~bitmap[i];
		slot->may[first + i] &= ~bitmap[i];
	}
}

static void do_collect(struct script *s)
{
	collect(s, &s->slot[rnd(s, NR_SLOTS + 1)], 1);
}

/* Collect from IDs that name no slot, and from the system slot, not logged. */
static void do_collect_wrong(struct script *s)
{
	static const __u32 wrong[] = { ABSENT_SLOT, 0, 32767, 65536 + 1, ~0u };
	__u32 id = wrong[rnd(s, ARRAY_SIZE(wrong))];
	__u64 bitmap[BITMAP_WORDS];

	note(s, 2, vm_get_dirty_log(s->vm, id, bitmap), NULL, 0);
}

/* Unmap memory; anonymous memory loses its contents too. */
static void do_unmap(struct script *s)
{
	struct test_slot *slot = random_slot(s);
	size_t first, count;

	if (!slot->exists)
		return;
	first = random_range(s, slot, rnd(s, 2) ? s->unit : 1, &count);
	if (madvise(slot_hva(s, slot, first), count * s->page, MADV_DONTNEED))
		fail(s, "MADV_DONTNEED: %m");
}

static void set_slot(struct script *s, struct test_slot *slot, int action)
{
	size_t size = slot->exists ? slot->pages * s->page : 0;
	int ret = vm_set_slot(s->vm, slot->id, slot->gpa, size,
			      slot_hva(s, slot, 0),
			      slot->logged ? KVM_MEM_LOG_DIRTY_PAGES : 0);

	note(s, action, ret, NULL, 0);
	if (ret)
		fail(s, "memslot %u: %s", slot->id, strerror(-ret));
}

static __u64 random_gpa(struct script *s, const struct test_slot *slot)
{
	size_t places = (SLOT_WINDOW / s->page - slot->pages) / s->unit;

	return slot->id * SLOT_WINDOW + rnd(s, places) * s->unit * s->page;
}

/* With manual protection (initially set) a new log has all pages dirty. */
static void begin_log(const struct script *s, struct test_slot *slot)
{
	size_t i;

	memset(slot->must, 0, sizeof(slot->must));
	memset(slot->may, 0, sizeof(slot->may));
	for (i = 0; s->manual && slot->logged && i < slot->pages; i++)
		set_bit(slot->must, i);
}

static void do_create_or_delete(struct script *s)
{
	struct test_slot *slot = random_slot(s);

	/* Let slots exist more often than not. */
	if (slot->exists && rnd(s, 3))
		return;
	slot->exists = !slot->exists;
	if (slot->exists) {
		slot->first = 0;
		slot->pages = SLOT_PAGES;
		slot->first = random_range(s, slot, s->unit, &slot->pages);
		slot->gpa = random_gpa(s, slot);
		slot->logged = rnd(s, 4);
	} else {
		slot->logged = false;
	}
	set_slot(s, slot, 3);
	begin_log(s, slot);
}

static void do_move(struct script *s)
{
	struct test_slot *slot = random_slot(s);

	if (!slot->exists)
		return;
	slot->gpa = random_gpa(s, slot);
	set_slot(s, slot, 4);
}

/*
 * Switch the log on or off. A new log may omit earlier stores, but may report
 * those of the host to areas.
 */
static void do_log(struct script *s)
{
	struct test_slot *slot = &s->slot[rnd(s, NR_SLOTS + 1)];
	size_t i;

	if (!slot->exists)
		return;
	slot->logged = !slot->logged;
	set_slot(s, slot, 5);
	begin_log(s, slot);
	if (slot->logged && slot->id == AREA_SLOT)
		for (i = 0; i < slot->pages; i++)
			set_bit(slot->may, i);
}

/*
 * Move or unregister a VPA. Stock applies this when the vCPU runs; the module
 * unregisters at once, as it has nothing to pin. If logging were switched on
 * between the two, only stock would report earlier stores of the host. So run
 * the vCPU at once if the area slot is not logged.
 */
static void do_vpa(struct script *s)
{
	struct test_slot *areas = &s->slot[AREA_SLOT - 1];
	struct vcpu *vcpu = random_vcpu(s);
	size_t page = 0;
	__u64 vpa = 0;

	if (rnd(s, 4)) {
		page = 2 + 2 * rnd(s, areas->pages / 2 - 1) + vcpu->id;
		vpa = areas->gpa + page * s->page;
	}
	note(s, 6, vcpu_set_one_reg(vcpu, KVM_REG_PPC_VPA_ADDR, &vpa), NULL, 0);
	s->vpa[vcpu->id] = page;
	if (!page && !areas->logged) {
		vcpu->area->count = 0;
		if (run_vcpu(s, vcpu, GUEST_LOAD))
			fail(s, "a vCPU without accesses exited");
	}
}

/* A store outside of all slots exits to the VMM, and no log reports it. */
static void do_hole(struct script *s)
{
	struct vcpu *vcpu = random_vcpu(s);
	int reason;

	vcpu->area->count = 1;
	vcpu->area->list[0].addr = HOLE_GPA;
	reason = run_vcpu(s, vcpu, GUEST_STORE);
	note(s, 7, reason, NULL, 0);
	if (reason != KVM_EXIT_MMIO)
		fail(s, "a store to no slot gave exit %d", reason);
	reason = run_vcpu(s, vcpu, GUEST_STORE);
	if (reason)
		fail(s, "unexpected exit %d", reason);
}

static const struct {
	void (*action)(struct script *s);
	unsigned int weight;
} actions[] = {
	{ do_store, 30 },
	{ do_store_run, 8 },
	{ do_load, 10 },
	{ do_host_store, 3 },
	{ do_collect, 25 },
	{ do_collect_wrong, 2 },
	{ do_unmap, 8 },
	{ do_create_or_delete, 3 },
	{ do_move, 3 },
	{ do_log, 4 },
	{ do_vpa, 4 },
	{ do_hole, 2 },
	{ do_clear, 15 },
};

static void step(struct script *s)
{
	unsigned int total = 0, i;
	__u64 choice;

	for (i = 0; i < ARRAY_SIZE(actions); i++)
		total += actions[i].weight;
	choice = rnd(s, total);
	for (i = 0; choice >= actions[i].weight; i++)
		choice -= actions[i].weight;
	actions[i].action(s);
}

FIXTURE(script) {
	struct script s;
};

FIXTURE_VARIANT(script) {
	enum vm_mmu mmu;
	enum backing backing;
	bool manual;
};

FIXTURE_VARIANT_ADD(script, small) { VM_MMU_RADIX, BACKING_SMALL };
FIXTURE_VARIANT_ADD(script, thp) { VM_MMU_RADIX, BACKING_THP };
FIXTURE_VARIANT_ADD(script, memfd) { VM_MMU_RADIX, BACKING_MEMFD };
FIXTURE_VARIANT_ADD(script, hpt) { VM_MMU_HPT, BACKING_SMALL };
FIXTURE_VARIANT_ADD(script, manual_small) { VM_MMU_RADIX, BACKING_SMALL, true };
FIXTURE_VARIANT_ADD(script, manual_thp) { VM_MMU_RADIX, BACKING_THP, true };
FIXTURE_VARIANT_ADD(script, manual_memfd) { VM_MMU_RADIX, BACKING_MEMFD, true };
FIXTURE_VARIANT_ADD(script, manual_hpt) { VM_MMU_HPT, BACKING_SMALL, true };

/* Records can be compared only between runs on the same host. */
static FILE *open_record(enum vm_mmu mmu, enum backing backing, bool compare)
{
	const char *dir = getenv("KTAP_RECORDS");
	char path[256];
	FILE *file;

	if (!dir)
		return NULL;
	snprintf(path, sizeof(path), "%s/%d-%s", dir, mmu,
		 backing_name(backing));
	file = fopen(path, compare ? "r" : "w");
	if (!file)
		die("open %s: %m", path);
	return file;
}

FIXTURE_SETUP(script)
{
	struct vm_config config = { .nr_vcpus = NR_VCPUS, .mmu = variant->mmu };
	struct script *s = &self->s;
	const char *why;
	unsigned int i;

	SKIP_IF(return, vm_mmu_missing(variant->mmu));
	s->page = page_size();
	s->unit = variant->backing == BACKING_THP ? THP_SIZE / s->page : 1;
	s->random = option("KTAP_SEED", 1);
	for (i = 0; i <= NR_SLOTS; i++) {
		s->slot[i].id = i + 1;
		s->slot[i].memory = mem_alloc(SLOT_PAGES * s->page,
					      variant->backing, &why);
		if (!s->slot[i].memory)
			SKIP(return, "%s", why);
	}
	s->vm = vm_create(&config);
	s->compare = s->vm->ours;
	s->manual = variant->manual;
	if (s->manual && !s->vm->ours)
		SKIP(return, "stock has no manual protection");
	if (s->manual) {
		ASSERT_EQ(0, vm_manual_protect(s->vm,
					       KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
					       KVM_DIRTY_LOG_INITIALLY_SET));
	} else {
		s->record = open_record(variant->mmu, variant->backing, s->compare);
	}
	if (variant->mmu == VM_MMU_HPT)
		vm_map_hpt(s->vm, HOLE_GPA, s->page);

	s->slot[AREA_SLOT - 1].gpa = AREA_SLOT * SLOT_WINDOW;
	s->slot[AREA_SLOT - 1].pages = SLOT_PAGES;
	s->slot[AREA_SLOT - 1].exists = true;
	s->slot[AREA_SLOT - 1].logged = true;
	set_slot(s, &s->slot[AREA_SLOT - 1], 0);
	begin_log(s, &s->slot[AREA_SLOT - 1]);
}

FIXTURE_TEARDOWN(script)
{
	unsigned int i;

	vm_destroy(self->s.vm);
	for (i = 0; i <= NR_SLOTS; i++)
		mem_free(self->s.slot[i].memory, SLOT_PAGES * self->s.page);
}

TEST_F_TIMEOUT(script, random, TIMEOUT)
{
	struct script *s = &self->s;
	unsigned long steps = scaled(STEPS);
	unsigned int i;

	TH_LOG("seed %lu, %lu steps", option("KTAP_SEED", 1), steps);
	for (s->step = 0; s->step < steps; s->step++)
		step(s);
	for (i = 0; i <= NR_SLOTS; i++)
		collect(s, &s->slot[i], 8);
	TH_LOG("%lu commands with stores, %lu collections, %lu bits%s",
	       s->stores, s->collections, s->bits,
	       s->record && s->compare ? ", all as on stock" : "");
	EXPECT_LT(steps / 100, s->collections);
	if (s->record)
		EXPECT_EQ(0, fclose(s->record));
}

TEST_HARNESS_MAIN
