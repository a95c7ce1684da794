// SPDX-License-Identifier: GPL-2.0
/*
 * A library to preload into QEMU. It copies the memory of the guest in rounds,
 * as a migration would: QEMU does not migrate a guest that runs nested guests.
 * Meanwhile a thread pages out memory at random.
 *
 * The environment variable COPIER is the file descriptor of a socket. Each byte
 * read from it is an order, answered by a line with a number:
 *	s	start the log, copy all memory, start paging out; answer: number
 *		of pages of the guest
 *	r	copy the pages that the log reports; answer: their number
 *	c	copy as for r while the vCPUs are stopped, and compare; answer:
 *		number of pages that differ from their copy. If any does, copy
 *		all memory again
 *	p	answer: number of passes of the nested guest
 *	w	answer: number of pages that the nested guest has found wrong
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../ktap/options.h"
#include "../ktap/rounds.h"
#include "../ktap/thief.h"
#include "guest/hypervisor.h"

#define SMALLEST_PAGE	4096	/* of a guest */

static int (*real_ioctl)(int fd, unsigned long request, ...);
/* The VM and the memslot of the guest's RAM. Other memslots are ignored. */
static struct vm vm;
static struct logged_vm ram = { .vm = &vm };
static char *copy;

static size_t start(void)
{
	static struct thief thief = {
		.l = &ram,
		.ways = 1 << THEFT_PAGE_OUT,
		/* few: a page must stay for some rounds to be missed */
		.most = 64,
		.rest_us = 20 * 1000,
	};

	ram.bitmap_bytes = bitmap_size(ram.size);
	ram.bitmap = malloc(ram.bitmap_bytes);
	copy = mem_alloc(ram.size, BACKING_SMALL, NULL);
	rounds_copy_all(&ram, copy);
	thief.random = option("KTAP_SEED", 1);
	thief_start(&thief);
	return ram.pages;
}

static size_t compare(void)
{
	size_t differing;

	rounds_copy_dirty(&ram, copy);
	differing = rounds_differing(&ram, copy);
	if (differing)
		memcpy(copy, ram.memory, ram.size);
	return differing;
}

static bool is_area(const struct guest_area *area)
{
	return area->op == GUEST_REWRITE && area->seed == NESTED_SEED;
}

/* The nested guest's area in the guest's memory, or one of zeros. */
static const struct guest_area *nested_area(void)
{
	static const struct guest_area none;
	static const struct guest_area *area = &none;
	size_t at;

	/* looked for once: this pages in all memory */
	for (at = 0; !is_area(area) && at < ram.size; at += SMALLEST_PAGE)
		area = (const struct guest_area *)(ram.memory + at);
	if (!is_area(area))
		area = &none;
	return area;
}

static size_t carry_out(char order)
{
	switch (order) {
	case 's':
		return start();
	case 'r':
		rounds_copy_dirty(&ram, copy);
		return logged_vm_count(&ram);
	case 'c':
		return compare();
	case 'p':
		return area_progress(nested_area());
	case 'w':
		return __atomic_load_n(&nested_area()->wrong, __ATOMIC_RELAXED);
	default:
		die("copier: unknown order: %c", order);
	}
}

static void *copier_thread(void *arg)
{
	int orders = (long)arg;
	char order;

	while (read(orders, &order, 1) == 1)
		dprintf(orders, "%zu\n", carry_out(order));
	return NULL;
}

/* Blocks all signals in the thread, so that QEMU's threads handle them. */
static void start_copier(void)
{
	sigset_t all, before;
	pthread_t thread;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, NULL, copier_thread, (void *)option("COPIER", -1)))
		die("copier: cannot create its thread");
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void note_slot(const struct kvm_userspace_memory_region *region)
{
	if (region->guest_phys_addr || !region->memory_size)
		return;
	ram.slot = region->slot;
	ram.size = region->memory_size;
	ram.memory = (char *)region->userspace_addr;
	ram.page = page_size();
	ram.pages = ram.size / ram.page;
}

/* With manual protection a page is reported until the copier clears it. */
static void note_capability(const struct kvm_enable_cap *cap)
{
	if (cap->cap == KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2)
		ram.manual = cap->args[0];
}

static __attribute__((constructor)) void set_up(void)
{
	real_ioctl = dlsym(RTLD_NEXT, "ioctl");
}

__attribute__((visibility("default"))) int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;
	int ret;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);

	ret = real_ioctl(fd, request, arg);
	if (ret < 0)
		return ret;
	/* QEMU keeps request numbers in an int, so they are sign-extended. */
	switch ((unsigned int)request) {
	case KVM_CREATE_VM:
		vm.fd = ret;
		start_copier();
		break;
	case KVM_ENABLE_CAP:
		note_capability(arg);
		break;
	case KVM_SET_USER_MEMORY_REGION:
		note_slot(arg);
		break;
	}
	return ret;
}
