// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty log: what is common to all kinds of guests, and the copy to
 * userspace. KVM keeps two bitmaps for each logged slot. Bits accumulate in
 * the first where no C bit will tell later: pages that were unmapped while
 * dirty, areas that were unpinned. The second is where a collection is put
 * together, under slots_lock.
 *
 * With manual protection (KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) a collection leaves
 * everything as it is, and the bits of pages that userspace names are cleared
 * before it reads these.
 *
 * Lock order: kvm->arch.mmu_setup_lock, kvm->slots_lock, then kvm->mmu_lock or
 * a vCPU's vpa_update_lock.
 *
 * The order of a collection matters. C bits are harvested, and areas looked
 * at, before the accumulated bits are taken, so that a page which is unmapped,
 * or an area which is unpinned, while the harvest passes by is found in one of
 * the two places.
 */
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "areas.h"
#include "compat.h"
#include "dirty_log.h"
#include "hooks.h"
#include "kunit.h"
#include "mmu.h"
#include "vm.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* Word by word: the caller may hold mmu_lock, and a huge page is 512 pages of 4K. */
void khx_dirty_log_accumulate(const struct kvm_memory_slot *slot, gfn_t gfn, gfn_t end)
{
	unsigned long next = gfn - slot->base_gfn, word, bits;
	unsigned long last = min(end - slot->base_gfn, slot->npages);

	if (!slot->dirty_bitmap)
		return;
	for (; next < last; next = (word + 1) * BITS_PER_LONG) {
		word = next / BITS_PER_LONG;
		bits = BITMAP_FIRST_WORD_MASK(next);
		if (last - word * BITS_PER_LONG < BITS_PER_LONG)
			bits &= BITMAP_LAST_WORD_MASK(last);
		atomic_long_or(bits, (atomic_long_t *)&slot->dirty_bitmap[word]);
	}
}
EXPORT_SYMBOL_IF_KUNIT(khx_dirty_log_accumulate);

/* Take the accumulated bits. Others set bits in @from all the time. */
static void log_take_bits(unsigned long *to, unsigned long *from, unsigned long nr)
{
	unsigned long i;

	for (i = 0; i < nr; i++)
		if (READ_ONCE(from[i]))
			to[i] |= xchg(&from[i], 0);
}

/* The same, and leave them there. */
static void log_copy_bits(unsigned long *to, const unsigned long *from, unsigned long nr)
{
	unsigned long i;

	for (i = 0; i < nr; i++)
		to[i] |= READ_ONCE(from[i]);
}

/* Put collected bits where the next collection finds them. */
static void log_restore_bits(unsigned long *to, const unsigned long *from,
			     unsigned long nr)
{
	unsigned long i;

	for (i = 0; i < nr; i++)
		if (from[i])
			atomic_long_or(from[i], (atomic_long_t *)&to[i]);
}

/*
 * Who accumulates a bit has mmu_lock until what could still store to the page has been
 * flushed (khx_pass_found_dirty()); dirty_log=1 with stock's notifiers too. Bits that
 * were taken come from such a hold, or from an earlier one.
 */
static void log_wait_for_flushes(struct kvm *kvm)
{
	spin_lock(&kvm->mmu_lock);
	spin_unlock(&kvm->mmu_lock);
}

static int log_collect(struct khx_vm *vm, struct kvm_memory_slot *slot,
		       void __user *user)
{
	bool manual = READ_ONCE(vm->kvm->manual_dirty_log_protect), flushed = true;
	unsigned long bytes = kvm_dirty_bitmap_bytes(slot);
	unsigned long words = bytes / sizeof(long);
	unsigned long *map = kvm_second_dirty_bitmap(slot);
	unsigned long *harvested = NULL;
	int err = 0;

	memset(map, 0, bytes);

	if (manual) {
		khx_mmu_of(vm->kvm)->peek(vm, slot, map);
		/* areas forget */
		khx_areas_collect(vm, slot, slot->dirty_bitmap);
		log_copy_bits(map, slot->dirty_bitmap, words);
	} else {
		flushed = khx_mmu_of(vm->kvm)->harvest(vm, slot, map);
		if (!flushed)
			harvested = kvmalloc(bytes, GFP_KERNEL_ACCOUNT);
		if (harvested)
			memcpy(harvested, map, bytes);
		khx_areas_collect(vm, slot, map);
		log_take_bits(map, slot->dirty_bitmap, words);
		log_wait_for_flushes(vm->kvm);
	}

	if (copy_to_user(user, map, bytes)) {
		err = -EFAULT;
		if (!manual)
			log_restore_bits(slot->dirty_bitmap, map, words);
	} else if (!flushed) {
		/*
		 * Harvested pages are reported once more. Those that came from elsewhere
		 * need not be, or the log would never end.
		 */
		log_restore_bits(slot->dirty_bitmap, harvested ?: map, words);
	}
	kvfree(harvested);

	trace_khx_dirty_log_get(vm, slot, map, err);
	return err;
}

/* The slot, with slots_lock held, if it is logged. */
static struct kvm_memory_slot *log_lock_memslot(struct kvm *kvm, u32 id)
{
	struct kvm_memory_slot *slot;

	if (id >= KVM_USER_MEM_SLOTS)
		return ERR_PTR(-EINVAL);

	mutex_lock(&kvm->slots_lock);
	slot = id_to_memslot(kvm_memslots(kvm), id);
	if (slot && slot->dirty_bitmap)
		return slot;
	mutex_unlock(&kvm->slots_lock);
	return ERR_PTR(-ENOENT);
}

static int log_get(struct khx_vm *vm, struct kvm_dirty_log *log)
{
	struct kvm_memory_slot *slot = log_lock_memslot(vm->kvm, log->slot);
	int err;

	if (IS_ERR(slot))
		return PTR_ERR(slot);
	err = log_collect(vm, slot, log->dirty_bitmap);
	mutex_unlock(&vm->kvm->slots_lock);
	return err;
}

int khx_dirty_log_get(struct khx_vm *vm, struct kvm_dirty_log *log)
{
	struct kvm *kvm = vm->kvm;
	int err;

	/*
	 * The tables are freed when the guest changes between radix and HPT or
	 * gets a new HPT, all of which happens under this lock. Stock does not
	 * take it here, and may walk a table that is being freed.
	 */
	mutex_lock(&kvm->arch.mmu_setup_lock);

	/* areas of a machine that can run secure guests are kvm-hv's, too */
	if (!kvm->arch.secure_guest)
		err = log_get(vm, log);
	else
		err = khx_stock_ops.get_dirty_log(kvm, log);

	mutex_unlock(&kvm->arch.mmu_setup_lock);
	return err;
}

/* Is it a range of pages of the slot that words of a bitmap can name? */
static bool log_range_valid(const struct kvm_memory_slot *slot,
			    const struct kvm_clear_dirty_log *log)
{
	unsigned long rest;

	if (log->first_page > slot->npages)
		return false;
	rest = slot->npages - log->first_page;
	return log->num_pages == rest ||
	       (log->num_pages < rest && !(log->num_pages % BITS_PER_LONG));
}

/* Bits that are named are no longer set; but others may be setting them again. */
static void log_clear_bits(unsigned long *bits, const unsigned long *named,
			   unsigned long first, unsigned long nr)
{
	unsigned long i;

	for (i = first; i < first + nr; i++)
		if (named[i])
			atomic_long_andnot(named[i], (atomic_long_t *)&bits[i]);
}

/*
 * What is accumulated goes first: a page that is unmapped before its C bit is
 * cleared is then accumulated anew.
 */
static int log_clear(struct khx_vm *vm, struct kvm_memory_slot *slot,
		     const struct kvm_clear_dirty_log *log)
{
	unsigned long *named = kvm_second_dirty_bitmap(slot);
	unsigned long first = log->first_page / BITS_PER_LONG;
	unsigned long words = DIV_ROUND_UP(log->num_pages, BITS_PER_LONG);

	if (!log_range_valid(slot, log))
		return -EINVAL;
	if (copy_from_user(named + first, log->dirty_bitmap, words * sizeof(long)))
		return -EFAULT;
	if (log->num_pages % BITS_PER_LONG)
		named[first + words - 1] &= BITMAP_LAST_WORD_MASK(log->num_pages);

	/* what the host has written until now is in what userspace reads, too */
	khx_areas_collect(vm, slot, slot->dirty_bitmap);
	log_clear_bits(slot->dirty_bitmap, named, first, words);
	if (!khx_mmu_of(vm->kvm)->clean(vm, slot, named, log->first_page,
					log->first_page + log->num_pages))
		log_restore_bits(slot->dirty_bitmap + first, named + first, words);
	trace_khx_dirty_log_clear(vm, slot, log, named);
	return 0;
}

int khx_dirty_log_clear(struct khx_vm *vm, const struct kvm_clear_dirty_log *log)
{
	struct kvm *kvm = vm->kvm;
	struct kvm_memory_slot *slot;
	int err;

	if (log->first_page % BITS_PER_LONG)
		return -EINVAL;

	mutex_lock(&kvm->arch.mmu_setup_lock);
	slot = log_lock_memslot(kvm, log->slot);
	if (IS_ERR(slot)) {
		err = PTR_ERR(slot);
	} else {
		err = log_clear(vm, slot, log);
		mutex_unlock(&kvm->slots_lock);
	}
	mutex_unlock(&kvm->arch.mmu_setup_lock);
	return err;
}

void khx_dirty_log_save(struct khx_vm *vm, const struct khx_mmu *mmu)
{
	struct kvm *kvm = vm->kvm;
	struct kvm_memory_slot *slot;
	struct kvm_memslots *slots;
	int bkt, idx;

	/* At the end of the VM nobody will ask. */
	if (!refcount_read(&kvm->users_count))
		return;

	idx = srcu_read_lock(&kvm->srcu);
	/* one set: the macro would ask for it at each step, and they change places */
	slots = kvm_memslots(kvm);
	kvm_for_each_memslot(slot, bkt, slots)
		mmu->save_dirty(vm, slot);
	srcu_read_unlock(&kvm->srcu, idx);
}

/* What a log may be enabled with; kvm.ko looks at INITIALLY_SET, this file at the other. */
#define LOG_MANUAL_FLAGS	(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET)

/**
 * khx_hook_check_extension() - KVM_CHECK_EXTENSION of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2
 * @kvm:	a tracked VM, or NULL: one that is created now
 * @extension:	that capability
 *
 * Return: flags that it can be enabled with.
 */
int khx_hook_check_extension(struct kvm *kvm, long extension)
{
	return LOG_MANUAL_FLAGS;
}

/**
 * khx_hook_enable_cap() - KVM_ENABLE_CAP of it
 * @kvm:	a tracked VM
 * @cap:	that capability, and flags
 *
 * Context: any.
 * Return: 0; -EINVAL if there is no such flag, or one that needs another.
 */
int khx_hook_enable_cap(struct kvm *kvm, struct kvm_enable_cap *cap)
{
	u64 flags = cap->args[0];

	if (cap->flags || flags & ~LOG_MANUAL_FLAGS)
		return -EINVAL;
	if (flags && !(flags & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE))
		return -EINVAL;
	kvm->manual_dirty_log_protect = flags;
	return 0;
}
