/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VM that is tortured, and the record of its stores
 *
 * Each memslot has host memory of its own, of which it shows a part. One word of
 * each page is used: the record has its value, and whether the next collection
 * must report the page. A VM whose vCPUs run all the time stores to its first
 * memslot; what the logs reported is copied, and at the end the copy must equal
 * the memory.
 */
#ifndef TESTS_TORTURE_SUBJECT_H
#define TESTS_TORTURE_SUBJECT_H

#include "../ktap/nested.h"
#include "../ktap/vm.h"

#define SUBJECT_SLOTS	4	/* ids 1..SUBJECT_SLOTS */
#define SPARE_SLOT	(SUBJECT_SLOTS + 1)	/* of operations that fail, or undo */
#define SLOT_WINDOW	0x10000000ull	/* guest addresses of each memslot */
#define SLOT_ALIGN	0x10000ull	/* L1 maps such pages for L2 */
#define MAX_PAGES	1024
#define MAX_STORES	64

enum kind { KIND_RADIX, KIND_NESTED, KIND_HPT, NR_KINDS };

/**
 * struct subject_config - what a VM is
 * @kind: its MMU mode, or that it has an L2
 * @backing: memory of its memslots, if the host has as much of it
 * @vcpus: number of vCPUs
 * @stock: created before the module is loaded
 * @manual: with KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2
 * @running: its vCPUs store all the time
 */
struct subject_config {
	enum kind kind;
	enum backing backing;
	unsigned int vcpus;
	bool stock;
	bool manual;
	bool running;
};

/**
 * struct patch - a memslot and its record
 * @id: number of the memslot
 * @backing: kind of its host memory
 * @memory: host memory, all of it
 * @exists: there is such a memslot
 * @logged: it has a dirty log
 * @gpa: its guest address
 * @first: page of @memory with which it begins
 * @pages: its size
 * @value: value of each page of @memory
 * @maybe_zero: the host may have dropped the page meanwhile
 * @must: pages of @memory that the next collection must report
 * @copy: words of running vCPUs, copied from what the logs reported
 */
struct patch {
	unsigned int id;
	enum backing backing;
	char *memory;
	bool exists;
	bool logged;
	__u64 gpa;
	size_t first;
	size_t pages;
	__u64 value[MAX_PAGES];
	bool maybe_zero[MAX_PAGES];
	bool must[MAX_PAGES];
	__u64 copy[GUEST_MAX_VCPUS][MAX_PAGES];
};

/**
 * struct tally - what was done
 * @collections: successful KVM_GET_DIRTY_LOG
 * @stores: stores that a log was judged by
 * @extra: pages that were reported without a store
 * @loads: values compared
 * @unjudged: lost stores on a host that cannot be judged
 */
struct tally {
	unsigned long collections;
	unsigned long stores;
	unsigned long extra;
	unsigned long loads;
	unsigned long unjudged;
};

/**
 * struct subject - the VM
 * @config: what it is
 * @vm: the VM
 * @n: L1's tables, if it has an L2
 * @l2: its L2
 * @page: page size of the host
 * @total: pages of memory of each memslot
 * @patch: its memslots
 * @serial: the last value stored
 * @judged: the log of its memslots is the module's to answer for
 * @forget: record a store that is never made: a failure on purpose
 * @plain: it is stock's, or stock does a part of its memory tracking: only what
 *	stock survives
 * @faulty: calls may fail for want of memory, or because a copy faults
 * @tally: where to count
 */
struct subject {
	struct subject_config config;
	struct vm *vm;
	struct nested *n;
	struct l2 l2;
	size_t page;
	size_t total;
	struct patch patch[SUBJECT_SLOTS];
	__u64 serial;
	bool judged;
	bool forget;
	bool plain;
	bool faulty;
	struct tally *tally;
};

/* Ends the episode: this must not happen. */
#define fail(s, fmt, ...) \
	die("VM %d: " fmt, (s)->vm->fd, ##__VA_ARGS__)

/* Return NULL, or why the host cannot have such VMs. */
const char *subject_missing(const struct subject_config *config);

/*
 * Create the VM and its memslots; @geometry is a source of pseudo-random numbers,
 * @tracked says that the module does all of a VM's memory tracking.
 */
void subject_create(struct subject *s, const struct subject_config *config, __u64 geometry,
		    bool tracked, struct tally *tally);

/* Make the vCPUs run, and stop them, if it is such a VM. */
void subject_start(struct subject *s);
void subject_stop(struct subject *s);

/*
 * Collect all logs, compare the memory with the record, then close the file
 * descriptors and unmap the memory, in an order that @order chooses.
 */
void subject_end(struct subject *s, __u32 order);

/* Set or delete a memslot as the record says. Return 0 or -errno. */
int patch_set(struct subject *s, const struct patch *p);
__u64 patch_gpa(const struct subject *s, const struct patch *p, __u32 where);
void patch_begin_log(const struct subject *s, struct patch *p);

static inline __u64 *patch_word(const struct subject *s, const struct patch *p, size_t page)
{
	return (__u64 *)(p->memory + page * s->page + 0xc00 + page % 32 * sizeof(__u64));
}

static inline __u64 patch_word_gpa(const struct subject *s, const struct patch *p, size_t page)
{
	return p->gpa + ((char *)patch_word(s, p, page) - p->memory) - p->first * s->page;
}

/* A memslot that vCPUs store to all the time. */
static inline bool patch_is_busy(const struct subject *s, const struct patch *p)
{
	return s->config.running && p->id == 1;
}

/**
 * struct run - pages of a memslot that one operation uses
 * @first: page of the memory
 * @count: number of pages
 */
struct run {
	size_t first;
	size_t count;
};

/* At most @most pages, of the memslot, or of all memory. */
struct run patch_run(const struct patch *p, __u32 first, __u32 count, size_t most);

/*
 * Store to or load from these pages by a vCPU, or its L2. Return 0 or -errno of
 * KVM_RUN; pages that were not stored to are not recorded.
 */
int subject_store(struct subject *s, struct patch *p, struct run r, unsigned int vcpu);
int subject_load(struct subject *s, struct patch *p, struct run r, unsigned int vcpu);

/* Compare these pages with the record. */
void subject_compare(struct subject *s, struct patch *p, struct run r);

/* Collect the log; fails if a store is missing. Return 0 or -errno. */
int subject_collect(struct subject *s, struct patch *p);

/* Clear pages of a log: @words words from @word on, by the bits of @pattern. */
int subject_clear(struct subject *s, struct patch *p, size_t word, size_t words, __u64 pattern);

#endif
