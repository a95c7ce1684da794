// SPDX-License-Identifier: GPL-2.0
/*
 * A VM that does what its standard input says, one command a line, and answers each
 * with a line: "ok", or what it knows
 *
 *	store N		the guest stores to the first N pages
 *	collect		KVM_GET_DIRTY_LOG: answers the number of pages reported
 *	log on|off	switch the log
 *	drop N		userspace drops the first N pages
 *	hole		KVM_RUN must fail: answers the address without memory
 *	end		end the VM
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "../ktap/logged_vm.h"

#define NR_PAGES	512

static void answer(const char *text)
{
	puts(text);
	fflush(stdout);
}

static void answer_number(const char *format, unsigned long long number)
{
	char text[64];

	snprintf(text, sizeof(text), format, number);
	answer(text);
}

static void store(struct logged_vm *l, unsigned int pages)
{
	vcpu_store_pages(&l->vm->vcpu[0], l->gpa, l->page, pages, 1);
	answer("ok");
}

static void collect(struct logged_vm *l)
{
	if (logged_vm_collect(l))
		die("KVM_GET_DIRTY_LOG: %m");
	answer_number("%llu", logged_vm_count(l));
}

static void set_log(struct logged_vm *l, bool on)
{
	if (logged_vm_set_log(l, on))
		die("KVM_SET_USER_MEMORY_REGION: %m");
	answer("ok");
}

static void drop(struct logged_vm *l, unsigned int pages)
{
	if (madvise(l->memory, pages * l->page, MADV_DONTNEED))
		die("madvise: %m");
	answer("ok");
}

static void hole(struct logged_vm *l)
{
	size_t page = NR_PAGES - 1;
	char *at = l->memory + page * l->page;

	if (munmap(at, l->page))
		die("munmap: %m");
	area_list(l->vm->vcpu[0].area, logged_vm_gpa(l, page), l->page, 1, 1);
	if (vcpu_try(&l->vm->vcpu[0], GUEST_STORE) != -EFAULT)
		die("KVM_RUN does not fail");
	vcpu_restart(&l->vm->vcpu[0]);
	if (mmap(at, l->page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) != at)
		die("mmap: %m");
	answer_number("%llu", logged_vm_gpa(l, page));
}

int main(void)
{
	struct vm_config config = { 0 };
	struct logged_vm *l;
	const char *why = logged_vm_create(&l, &config, NR_PAGES, BACKING_SMALL);
	char line[64], word[16];
	unsigned int pages;

	if (why)
		die("%s", why);
	memset(l->memory, 1, l->size);
	answer("ok");
	while (fgets(line, sizeof(line), stdin) && strcmp(line, "end\n")) {
		if (sscanf(line, "store %u", &pages) == 1 && pages <= NR_PAGES)
			store(l, pages);
		else if (sscanf(line, "drop %u", &pages) == 1 && pages <= NR_PAGES)
			drop(l, pages);
		else if (sscanf(line, "log %15s", word) == 1)
			set_log(l, !strcmp(word, "on"));
		else if (!strcmp(line, "collect\n"))
			collect(l);
		else if (!strcmp(line, "hole\n"))
			hole(l);
		else
			die("no such command: %s", line);
	}
	logged_vm_destroy(l);
	answer("ok");
	return 0;
}
