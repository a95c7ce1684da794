// SPDX-License-Identifier: GPL-2.0
/*
 * VMs that are tortured, and the record of their stores
 */
#define _GNU_SOURCE
#include "subject.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <unistd.h>

#include "../ktap/options.h"
#include "faults.h"

#define L2_LPID		1
#define BUSY_WORD	0x800	/* of a page: words of running vCPUs */

const char *subject_missing(const struct subject_config *config)
{
	if (config->kind == KIND_NESTED)
		return nested_missing();
	return vm_mmu_missing(config->kind == KIND_HPT ? VM_MMU_HPT : VM_MMU_RADIX);
}

int patch_set(struct subject *s, const struct patch *p)
{
	size_t size = p->exists ? p->pages * s->page : 0;
	bool placed = s->vm->slot[p->id].gpa == p->gpa && s->vm->slot[p->id].size == size;
	int ret = vm_set_memslot(s->vm, p->id, p->gpa, size, p->memory + p->first * s->page,
				 p->logged ? KVM_MEM_LOG_DIRTY_PAGES : 0);

	/* HPTEs must not fail: without them the guest cannot go on. */
	faults_allow(false);
	if (!ret && !placed && s->vm->mmu == VM_MMU_HPT)
		vm_map_hpt(s->vm, p->gpa, size);
	return ret;
}

/* Stock does not survive memslots that begin inside huge pages. */
__u64 patch_gpa(const struct subject *s, const struct patch *p, __u32 where)
{
	__u64 align = s->plain || where >> 31 ? THP_SIZE : SLOT_ALIGN;
	__u64 places = (SLOT_WINDOW - p->pages * s->page) / align;

	return p->id * SLOT_WINDOW + where % places * align;
}

static __u64 busy_word(const struct subject *s, const struct patch *p, size_t page,
		       unsigned int vcpu)
{
	return *(__u64 *)(p->memory + page * s->page + BUSY_WORD + vcpu * sizeof(__u64));
}

static void copy_page(const struct subject *s, struct patch *p, size_t page)
{
	unsigned int i;

	for (i = 0; i < s->vm->nr_vcpus; i++)
		p->copy[i][page] = busy_word(s, p, page, i);
}

void patch_begin_log(const struct subject *s, struct patch *p)
{
	size_t page;

	for (page = 0; page < s->total; page++) {
		p->must[page] = s->config.manual && p->logged && page >= p->first &&
				page < p->first + p->pages;
		copy_page(s, p, page);
	}
}

/* On a kick the guest's translations are dropped; exact hosts need none. */
static void kick(struct subject *s)
{
	if (s->config.running && !host_is_exact())
		vm_kick(s->vm);
}

static void create_patch(struct subject *s, struct patch *p, __u64 *random)
{
	const char *why;

	p->backing = s->config.backing;
	p->memory = mem_alloc(s->total * s->page, p->backing, &why);
	if (!p->memory) {
		p->backing = BACKING_SMALL;
		p->memory = mem_alloc(s->total * s->page, BACKING_SMALL, &why);
	}
	p->exists = true;
	p->logged = random_below(random, 4);
	p->pages = s->total;
	p->gpa = patch_gpa(s, p, random_u64(random));
	if (patch_set(s, p))
		fail(s, "memslot %u is refused", p->id);
	patch_begin_log(s, p);
}

void subject_create(struct subject *s, const struct subject_config *config, __u64 geometry,
		    bool tracked, struct tally *tally)
{
	struct vm_config vm = {
		.nr_vcpus = config->vcpus,
		.mmu = config->kind == KIND_HPT ? VM_MMU_HPT : VM_MMU_RADIX,
		.nested = config->kind == KIND_NESTED,
	};
	unsigned int i;

	*s = (struct subject){
		.config = *config,
		.page = page_size(),
		.judged = tracked && !config->stock,
		.plain = !tracked || config->stock,
		.tally = tally,
	};
	s->total = s->page == 0x10000 ? 128 : MAX_PAGES;
	s->vm = vm_create(&vm);
	if (s->vm->ours == config->stock)
		die("the module has %s VM", config->stock ? "an older" : "no new");
	if (config->manual && vm_manual_protect(s->vm, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
						KVM_DIRTY_LOG_INITIALLY_SET))
		s->config.manual = false;
	if (vm.nested)
		s->n = nested_create_one(s->vm, &s->l2, L2_LPID);
	for (i = 0; i < SUBJECT_SLOTS; i++) {
		s->patch[i].id = i + 1;
		create_patch(s, &s->patch[i], &geometry);
	}
}

void subject_start(struct subject *s)
{
	struct patch *p = &s->patch[0];
	struct guest_area *area;
	unsigned int i;

	if (!s->config.running)
		return;
	for (i = 0; i < s->vm->nr_vcpus; i++) {
		area = s->vm->vcpu[i].area;
		area->addr = p->gpa + BUSY_WORD + i * sizeof(__u64);
		area->stride = s->page;
		area->count = p->pages;
		area->seed = i + 1;
		s->vm->vcpu[i].patient = true;
		vcpu_start(&s->vm->vcpu[i], GUEST_REMEMBER);
	}
}

void subject_stop(struct subject *s)
{
	unsigned int i;

	if (!s->config.running)
		return;
	for (i = 0; i < s->vm->nr_vcpus; i++)
		vcpu_stop(&s->vm->vcpu[i]);
}

struct run patch_run(const struct patch *p, __u32 first, __u32 count, size_t most)
{
	size_t from = first % p->pages;

	return (struct run){
		.first = p->first + from,
		.count = 1 + count % MIN(most, p->pages - from),
	};
}

/* Let the guest, or its L2, work through its list. */
static int access_list(struct subject *s, enum guest_op op, unsigned int vcpu, size_t count,
		       bool l2)
{
	struct vcpu *v = &s->vm->vcpu[vcpu];
	__u64 trap;
	int ret;

	if (l2) {
		s->l2.area->count = count;
		trap = l2_run(&s->l2, op);
		if (trap)
			fail(s, "L2 left by interrupt 0x%llx", trap);
		return 0;
	}
	v->area->count = count;
	ret = vcpu_try(v, op);
	faults_allow(false);
	if (ret > 0)
		fail(s, "exit %d of vCPU %d", ret, v->id);
	if (ret < 0)
		vcpu_restart(v);
	return ret;
}

/* Every other access of a VM that has an L2 is the L2's; L1 maps what it needs. */
static bool by_l2(struct subject *s, const struct patch *p, struct run r, unsigned int vcpu)
{
	size_t i;

	if (s->config.kind != KIND_NESTED || vcpu % 2 || s->faulty)
		return false;
	for (i = 0; i < r.count; i++) {
		__u64 gpa = patch_word_gpa(s, p, r.first + i) & -NESTED_PAGE;

		nested_map(s->n, L2_LPID, gpa, gpa, NESTED_PAGE, NESTED_READ | NESTED_WRITE);
	}
	return true;
}

static void note_store(struct patch *p, size_t page, __u64 value)
{
	p->value[page] = value;
	p->maybe_zero[page] = false;
	p->must[page] |= p->logged;
}

int subject_store(struct subject *s, struct patch *p, struct run r, unsigned int vcpu)
{
	bool l2 = by_l2(s, p, r, vcpu);
	unsigned int v = vcpu / 2 % s->vm->nr_vcpus;
	struct guest_access *list;
	size_t i, page;
	__u64 value[MAX_STORES];
	int ret;

	list = l2 ? s->l2.area->list : s->vm->vcpu[v].area->list;
	for (i = 0; i < r.count; i++) {
		value[i] = ++s->serial;
		list[i] = (struct guest_access){
			.addr = patch_word_gpa(s, p, r.first + i),
			.value = value[i],
		};
	}
	if (s->forget) {
		note_store(p, r.first, value[0]);
		return 0;
	}
	ret = access_list(s, GUEST_STORE, v, r.count, l2);
	for (i = 0; i < r.count; i++) {
		page = r.first + i;
		if (*patch_word(s, p, page) == value[i])
			note_store(p, page, value[i]);
		else if (!ret)
			fail(s, "memslot %u page %zu: %llx stored, %llx in memory", p->id, page,
			     value[i], *patch_word(s, p, page));
	}
	return ret;
}

int subject_load(struct subject *s, struct patch *p, struct run r, unsigned int vcpu)
{
	bool l2 = by_l2(s, p, r, vcpu);
	unsigned int v = vcpu / 2 % s->vm->nr_vcpus;
	struct guest_access *list;
	size_t i;
	int ret;

	list = l2 ? s->l2.area->list : s->vm->vcpu[v].area->list;
	for (i = 0; i < r.count; i++)
		list[i].addr = patch_word_gpa(s, p, r.first + i);
	ret = access_list(s, GUEST_LOAD, v, r.count, l2);
	for (i = 0; i < r.count && !ret; i++)
		if (list[i].value != *patch_word(s, p, r.first + i))
			fail(s, "memslot %u page %zu: the guest has %llx, memory %llx", p->id,
			     r.first + i, list[i].value, *patch_word(s, p, r.first + i));
	subject_compare(s, p, r);
	return ret;
}

void subject_compare(struct subject *s, struct patch *p, struct run r)
{
	size_t page;
	__u64 now;

	for (page = r.first; page < r.first + r.count; page++) {
		now = *patch_word(s, p, page);
		s->tally->loads++;
		if (now == p->value[page] || (p->maybe_zero[page] && !now))
			continue;
		fail(s, "memslot %u page %zu: %llx in the record, %llx in memory", p->id, page,
		     p->value[page], now);
	}
}

static __u64 bitmap[MAX_PAGES / 64 + 1];

int subject_collect(struct subject *s, struct patch *p)
{
	size_t i, page;
	bool reported;
	int ret;

	memset(bitmap, 0, sizeof(bitmap));
	ret = vm_get_dirty_log(s->vm, p->id, bitmap);
	if (!ret && !(p->exists && p->logged))
		fail(s, "memslot %u has a log", p->id);
	if (ret && p->exists && p->logged && !s->faulty)
		fail(s, "the log of memslot %u cannot be collected: %s", p->id, strerror(-ret));
	/* What a failed call has copied is a part of what is still to be reported. */
	if (ret)
		return ret;
	s->tally->collections++;
	kick(s);
	for (i = 0; i < p->pages; i++) {
		page = p->first + i;
		reported = test_bit(bitmap, i);
		s->tally->stores += p->must[page];
		s->tally->extra += reported && !p->must[page];
		if (p->must[page] && !reported && s->judged)
			fail(s, "memslot %u page %zu: stored to, not reported", p->id, page);
		s->tally->unjudged += p->must[page] && !reported;
		if (!s->config.manual)
			p->must[page] = false;
	}
	if (s->config.manual && patch_is_busy(s, p)) {
		ret = vm_clear_dirty_log(s->vm, p->id, 0, p->pages, bitmap);
		if (ret)
			return ret;
		kick(s);
		for (page = 0; page < p->pages; page++)
			p->must[p->first + page] &= !test_bit(bitmap, page);
	}
	for (i = 0; patch_is_busy(s, p) && i < p->pages; i++)
		if (test_bit(bitmap, i))
			copy_page(s, p, p->first + i);
	return 0;
}

int subject_clear(struct subject *s, struct patch *p, size_t word, size_t words, __u64 pattern)
{
	size_t all = (p->pages + 63) / 64, first = word % all, count, pages, i;
	int ret;

	count = 1 + words % (all - first);
	pages = first + count < all ? count * 64 : p->pages - first * 64;
	for (i = 0; i < count; i++)
		bitmap[i] = pattern;
	ret = vm_clear_dirty_log(s->vm, p->id, first * 64, pages, bitmap);
	if (!ret && !(p->logged && p->exists))
		fail(s, "memslot %u has a log to clear", p->id);
	for (i = 0; i < pages && !ret; i++)
		if (test_bit(bitmap, i))
			p->must[p->first + first * 64 + i] = false;
	return ret;
}

/* The last copy of what running vCPUs stored must equal the memory. */
static void compare_copy(struct subject *s, struct patch *p)
{
	unsigned int i;
	size_t page;

	for (i = 0; i < s->vm->nr_vcpus; i++) {
		for (page = p->first; page < p->first + p->pages; page++) {
			if (p->logged && p->copy[i][page] != busy_word(s, p, page, i)) {
				if (host_is_exact())
					fail(s, "page %zu: vCPU %u stored, not reported", page, i);
				s->tally->unjudged++;
			}
			s->tally->stores++;
		}
		if (!s->vm->vcpu[i].area->wrong)
			continue;
		if (host_is_exact())
			fail(s, "vCPU %u has loaded %llu wrong values", i,
			     s->vm->vcpu[i].area->wrong);
		s->tally->unjudged += s->vm->vcpu[i].area->wrong;
	}
}

enum closing { CLOSE_VM, CLOSE_VCPUS, CLOSE_RUN, CLOSE_MEMORY, NR_CLOSINGS };

static void close_one(struct subject *s, enum closing what)
{
	struct vm *vm = s->vm;
	unsigned int i;

	if (what == CLOSE_VM)
		close(vm->fd);
	for (i = 0; i < vm->nr_vcpus; i++) {
		if (what == CLOSE_VCPUS)
			close(vm->vcpu[i].fd);
		if (what == CLOSE_RUN)
			munmap(vm->vcpu[i].run, vm->vcpu[i].run_size);
	}
	for (i = 0; i < SUBJECT_SLOTS && what == CLOSE_MEMORY; i++)
		mem_free(s->patch[i].memory, s->total * s->page);
	if (what == CLOSE_MEMORY)
		mem_free(vm->slot[VM_SYS_SLOT].hva, vm->system_size);
}

void subject_end(struct subject *s, __u32 order)
{
	struct run all = { 0, s->total };
	bool closed[NR_CLOSINGS] = { false };
	unsigned int i, next;

	s->faulty = false;
	for (i = 0; i < SUBJECT_SLOTS; i++) {
		subject_collect(s, &s->patch[i]);
		subject_compare(s, &s->patch[i], all);
	}
	if (s->config.running)
		compare_copy(s, &s->patch[0]);
	for (i = 0; i < NR_CLOSINGS; i++) {
		next = order % NR_CLOSINGS;
		while (closed[next])
			next = (next + 1) % NR_CLOSINGS;
		closed[next] = true;
		close_one(s, next);
		order /= NR_CLOSINGS;
	}
	if (s->n)
		nested_destroy(s->n);
	free(s->vm);
}
