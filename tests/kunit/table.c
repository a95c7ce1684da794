// SPDX-License-Identifier: GPL-2.0
/*
 * What the suites share: tables and recorded requests.
 */
#include <asm/pgalloc.h>

#include "compat.h"
#include "table.h"

static void *table_page(struct kunit *test, size_t size)
{
	/* kmalloc() aligns powers of two to their size, as tables need */
	void *p = kunit_kzalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_ASSERT_TRUE(test, IS_ALIGNED((unsigned long)p, size));
	return p;
}

pgd_t *test_table(struct kunit *test)
{
	if (!radix_enabled())
		kunit_skip(test, "the host uses the hash MMU");
	return table_page(test, sizeof(pgd_t) << RADIX_PGD_INDEX_SIZE);
}

pte_t *test_map(struct kunit *test, pgd_t *root, unsigned long gpa,
		unsigned int shift, unsigned long hpa, unsigned long bits)
{
	pte_t pte = pfn_pte(hpa >> PAGE_SHIFT,
			    __pgprot(_PAGE_PRESENT | _PAGE_READ | _PAGE_WRITE | bits));
	p4d_t *p4d = p4d_offset(pgd_offset_pgd(root, gpa), gpa);
	pte_t *ptep;
	pud_t *pud;
	pmd_t *pmd;

	if (!p4d_present(*p4d))
		p4d_populate(NULL, p4d, table_page(test, sizeof(pud_t) << RADIX_PUD_INDEX_SIZE));
	pud = pud_offset(p4d, gpa);
	if (shift == PUD_SHIFT) {
		ptep = (pte_t *)pud;
		goto set;
	}

	if (!pud_present(*pud))
		pud_populate(NULL, pud, table_page(test, sizeof(pmd_t) << RADIX_PMD_INDEX_SIZE));
	pmd = pmd_offset(pud, gpa);
	if (shift == PMD_SHIFT) {
		ptep = pmdp_ptep(pmd);
		goto set;
	}

	if (!pmd_present(*pmd))
		pmd_populate_kernel(NULL, pmd,
				    table_page(test, sizeof(pte_t) << RADIX_PTE_INDEX_SIZE));
	ptep = pte_offset_kernel(pmd, gpa);
set:
	*ptep = pte;
	return ptep;
}

struct test_requests test_requests;

void test_requests_reset(void)
{
	test_requests.nr = 0;
	test_requests.fail_range = 0;
	test_requests.fail_lpid = 0;
	test_requests.locked = NULL;
	test_requests.under_lock = 0;
}

static long record(u64 lpid, unsigned long start, unsigned long end,
		   unsigned int *fail)
{
	if (test_requests.locked)
		test_requests.under_lock +=
			arch_spin_is_locked(&test_requests.locked->rlock.raw_lock);
	if (*fail) {
		(*fail)--;
		return H_HARDWARE;
	}
	if (WARN_ON_ONCE(test_requests.nr == TEST_REQUESTS))
		return H_HARDWARE;
	test_requests.seen[test_requests.nr].lpid = lpid;
	test_requests.seen[test_requests.nr].start = start;
	test_requests.seen[test_requests.nr++].end = end;
	return 0;
}

static long record_range(u64 lpid, unsigned long start, unsigned long end,
			 unsigned int shift)
{
	return record(lpid, start, end, &test_requests.fail_range);
}

static long record_lpid(u64 lpid)
{
	return record(lpid, 0, -1UL, &test_requests.fail_lpid);
}

bool test_request_covers(u64 lpid, unsigned long gpa)
{
	unsigned int i;

	for (i = 0; i < test_requests.nr; i++)
		if (test_requests.seen[i].lpid == lpid &&
		    test_requests.seen[i].start <= gpa &&
		    gpa < test_requests.seen[i].end)
			return true;
	return false;
}

unsigned int test_requests_of(u64 lpid)
{
	unsigned int i, nr = 0;

	for (i = 0; i < test_requests.nr; i++)
		nr += test_requests.seen[i].lpid == lpid;
	return nr;
}

const struct kvm_ext_flush_backend test_backend_pages = {
	.name = "pages",
	.range_pages = 1,
	.ceiling = 33,
	.range = record_range,
	.lpid = record_lpid,
};

const struct kvm_ext_flush_backend test_backend_ranges = {
	.name = "ranges",
	.range_pages = 33,
	.range = record_range,
	.lpid = record_lpid,
};
