// SPDX-License-Identifier: GPL-2.0
/*
 * Pages of L1 that its guests map at several addresses at once
 */
#include "nested_pages.h"

#include <string.h>

#include "options.h"

#define SIZE		(NESTED_NR_PAGES * NESTED_PAGE)
#define LPID(i)		(9 + (i))
#define L2_AREA(i)	(GUEST_MAX_VCPUS - 1 - (i))

const char *nested_pages_create(struct nested_pages *p, enum backing backing)
{
	struct vm_config config = {
		.nr_vcpus = NESTED_NR_L2,
		.mmu = VM_MMU_RADIX,
		.nested = true,
	};
	const unsigned int access = NESTED_READ | NESTED_WRITE;
	const char *why = logged_vm_create(&p->l, &config, SIZE / page_size(), backing);
	unsigned int i;

	if (why)
		return why;
	p->n = nested_create(p->l->vm);
	for (i = 0; i < NESTED_NR_L2; i++) {
		nested_add_guest(p->n, LPID(i));
		nested_map(p->n, LPID(i), VM_DATA_GPA, VM_DATA_GPA, SIZE, access);
		nested_map(p->n, LPID(i), NESTED_ALIAS, VM_DATA_GPA, SIZE, access);
		l2_init(&p->l2[i], p->n, i, LPID(i), L2_AREA(i));
	}
	nested_map(p->n, LPID(0), NESTED_HIGH, VM_DATA_GPA, SIZE, access);
	translate_l2(&p->l2[0], 0);
	p->way[0].l2 = &p->l2[0];
	p->way[0].gpa = VM_DATA_GPA;
	p->way[1].l2 = &p->l2[0];
	p->way[1].gpa = NESTED_ALIAS;
	p->way[2].l2 = &p->l2[1];
	p->way[2].gpa = VM_DATA_GPA;
	p->way[3].l2 = &p->l2[0];
	p->way[3].gpa = NESTED_HIGH;
	p->random = option("KTAP_SEED", 1);
	return NULL;
}

void nested_pages_destroy(struct nested_pages *p)
{
	logged_vm_destroy(p->l);
	nested_destroy(p->n);
}

struct guest_access *nested_list(struct nested_pages *p, unsigned int way,
				 __u64 pages, __u64 value)
{
	struct guest_area *area = p->way[way].l2->area;
	unsigned int page;

	area->count = 0;
	for (page = 0; page < NESTED_NR_PAGES; page++)
		if (pages >> page & 1)
			area->list[area->count++] = (struct guest_access){
				.addr = translate_ea(nested_gpa(p, page, way)),
				.value = value + page,
			};
	return area->list;
}

struct guest_access *nested_access(struct nested_pages *p, unsigned int way,
				   enum guest_op op, __u64 pages, __u64 value)
{
	struct guest_access *list = nested_list(p, way, pages, value);

	l2_do(p->way[way].l2, op);
	return list;
}

void nested_populate(struct nested_pages *p)
{
	unsigned int way;

	for (way = 0; way < NESTED_NR_WAYS; way++)
		nested_access(p, way, GUEST_STORE, NESTED_ALL, 1);
}

__u64 nested_some(struct nested_pages *p)
{
	return random_u64(&p->random) & random_u64(&p->random);
}

unsigned int nested_any_way(struct nested_pages *p)
{
	return random_below(&p->random, NESTED_NR_WAYS);
}

__u64 nested_collect(struct nested_pages *p)
{
	int ret = logged_vm_collect(p->l);
	__u64 pages = 0;
	size_t i;

	if (ret)
		die("KVM_GET_DIRTY_LOG: %s", strerror(-ret));
	for (i = 0; i < p->l->pages; i++)
		if (test_bit(p->l->bitmap, i))
			pages |= 1ull << i * p->l->page / NESTED_PAGE;
	return pages;
}

unsigned long nested_differing(struct nested_pages *p, unsigned int way, __u64 pages)
{
	struct guest_access *seen = nested_access(p, way, GUEST_LOAD, pages, 0);
	unsigned long differing = 0;
	unsigned int page;

	for (page = 0; page < NESTED_NR_PAGES; page++)
		if (pages >> page & 1)
			differing += (seen++)->value != *nested_word(p, page, way);
	return differing;
}

unsigned long nested_lost(struct nested_pages *p, unsigned int way, __u64 pages,
			  __u64 value)
{
	unsigned long lost = 0;
	unsigned int page;

	for (page = 0; page < NESTED_NR_PAGES; page++)
		if (pages >> page & 1)
			lost += *nested_word(p, page, way) != value + page;
	return lost;
}
