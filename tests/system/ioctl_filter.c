// SPDX-License-Identifier: GPL-2.0
/*
 * A library to preload into QEMU. It changes or records QEMU's ioctls as
 * environment variables say:
 *
 * LOSE_PAGE	hide one page, which the guest rewrites in each pass, from every
 *		dirty log. QEMU then sends it only once: the test of migration
 *		must detect this.
 *
 * HOST_TIME	keep the guest on the host's timebase: set its timebase offset
 *		to 0. Otherwise KVM changes the CPU's timebase at every entry
 *		and exit of a guest that has been migrated. This must take less
 *		than 2^24 ticks (33 ms), and on real hardware takes much less.
 *		The CPU of an emulated bare-metal host may stop for longer in
 *		between, and then loses time permanently: its kernel spins in
 *		timekeeping_advance(). KVM also rounds the offset that QEMU sets
 *		up to 2^24 ticks, which QEMU does not know. So on its second
 *		migration the timebase of a guest may go back by that much. A
 *		guest that watches its dispatch trace log would notice.
 *
 * AREAS	the name of a file. After each ioctl that reads or writes a
 *		register with the address of an area (VPA, SLB shadow, dispatch
 *		trace log), read the register and append a line "NAME ADDRESS
 *		LENGTH".
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "guest/pattern.h"

#define WORD_BITS	64
#define SMALLEST_PAGE	4096

static bool lose_page, host_time;
static int areas = -1;
static int (*real_ioctl)(int fd, unsigned long request, ...);
/* The memslot of the guest's RAM */
static struct kvm_userspace_memory_region ram;

static __attribute__((constructor)) void set_up(void)
{
	lose_page = getenv("LOSE_PAGE");
	host_time = getenv("HOST_TIME");
	real_ioctl = dlsym(RTLD_NEXT, "ioctl");
	if (getenv("AREAS"))
		areas = open(getenv("AREAS"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void note_slot(const struct kvm_userspace_memory_region *region)
{
	if (!region->guest_phys_addr && region->memory_size)
		ram = *region;
}

/*
 * Does this page of the host contain the guest's first watched page? Its first words
 * tell. The guest's pages may be smaller than the host's.
 */
static bool has_victim(unsigned long page)
{
	unsigned long size = sysconf(_SC_PAGESIZE), at;

	for (at = page * size; at < (page + 1) * size; at += SMALLEST_PAGE) {
		const uint64_t *word = (void *)(ram.userspace_addr + at);
		uint64_t first = __atomic_load_n(word, __ATOMIC_RELAXED);

		if (first <= UINT32_MAX && word[1] == word_of(0, first, 1))
			return true;
	}
	return false;
}

static void hide_victim(const struct kvm_dirty_log *log)
{
	unsigned long nr_pages = ram.memory_size / sysconf(_SC_PAGESIZE);
	unsigned long *map = log->dirty_bitmap;

	if (log->slot != ram.slot)
		return;
	for (unsigned long page = 0; page < nr_pages; page++) {
		unsigned long bit = 1UL << (page % WORD_BITS);

		if (map[page / WORD_BITS] & bit && has_victim(page))
			map[page / WORD_BITS] &= ~bit;
	}
}

static int set_one_reg(int fd, unsigned long request, const struct kvm_one_reg *reg)
{
	uint64_t none = 0;
	struct kvm_one_reg no_offset = { KVM_REG_PPC_TB_OFFSET, (uintptr_t)&none };

	if (reg->id == KVM_REG_PPC_TB_OFFSET)
		return real_ioctl(fd, request, &no_offset);
	return real_ioctl(fd, request, reg);
}

static void note_area(int fd, const struct kvm_one_reg *reg)
{
	uint64_t value[2] = { 0 };
	struct kvm_one_reg get = { reg->id, (uintptr_t)value };
	const char *name;

	if (reg->id == KVM_REG_PPC_VPA_ADDR)
		name = "VPA";
	else if (reg->id == KVM_REG_PPC_VPA_SLB)
		name = "SLB";
	else if (reg->id == KVM_REG_PPC_VPA_DTL)
		name = "DTL";
	else
		return;
	if (!real_ioctl(fd, KVM_GET_ONE_REG, &get))
		dprintf(areas, "%s %#lx %lu\n", name, value[0], value[1]);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;
	int ret;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);

	/* QEMU keeps request numbers in an int, so they are sign-extended. */
	if (host_time && (unsigned int)request == KVM_SET_ONE_REG)
		ret = set_one_reg(fd, request, arg);
	else
		ret = real_ioctl(fd, request, arg);
	if (areas >= 0 && !ret && ((unsigned int)request == KVM_SET_ONE_REG ||
				   (unsigned int)request == KVM_GET_ONE_REG))
		note_area(fd, arg);
	if (lose_page && !ret && (unsigned int)request == KVM_SET_USER_MEMORY_REGION)
		note_slot(arg);
	if (lose_page && !ret && (unsigned int)request == KVM_GET_DIRTY_LOG)
		hide_victim(arg);
	return ret;
}
