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
#include "kunit.h"
#include "mmu.h"
#include "stock.h"
#include "vm.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* Word by word: the caller may hold mmu_lock, and a huge page is 512 pages of 4K. */
void kvm_ext_accumulate(const struct kvm_memory_slot *slot, gfn_t gfn, gfn_t end)
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
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_accumulate);

/* Take the accumulated bits. Others set bits in @from all the time. */
static void take_bits(unsigned long *to, unsigned long *from, unsigned long nr)
{
	unsigned long i;

	for (i = 0; i < nr; i++)
		if (READ_ONCE(from[i]))
			to[i] |= xchg(&from[i], 0);
}

/* The same, and leave them there. */
static void see_bits(unsigned long *to, const unsigned long *from, unsigned long nr)
{
	unsigned long i;

	for (i = 0; i < nr; i++)
		to[i] |= READ_ONCE(from[i]);
}

/* Put collected bits where the next collection finds them. */
static void give_bits_back(unsigned long *to, const unsigned long *from,
			   unsigned long nr)
{
	unsigned long i;

	for (i = 0; i < nr; i++)
		if (from[i])
			atomic_long_or(from[i], (atomic_long_t *)&to[i]);
}

/*
 * Who accumulates a bit has mmu_lock until what could still store to the page has been
 * flushed (kvm_ext_pass_found_dirty()); dirty_log=1 with stock's notifiers too. Bits that
 * were taken come from such a hold, or from an earlier one.
 */
static void wait_for_flushes(struct kvm *kvm)
{
	spin_lock(&kvm->mmu_lock);
	spin_unlock(&kvm->mmu_lock);
}

static int collect(struct kvm_ext_vm *vm, struct kvm_memory_slot *slot,
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
		kvm_ext_mmu(vm->kvm)->peek(vm, slot, map);
		/* areas forget */
		kvm_ext_areas_collect(vm, slot, slot->dirty_bitmap);
		see_bits(map, slot->dirty_bitmap, words);
	} else {
		flushed = kvm_ext_mmu(vm->kvm)->harvest(vm, slot, map);
		if (!flushed)
			harvested = kvmalloc(bytes, GFP_KERNEL_ACCOUNT);
		if (harvested)
			memcpy(harvested, map, bytes);
		kvm_ext_areas_collect(vm, slot, map);
		take_bits(map, slot->dirty_bitmap, words);
		wait_for_flushes(vm->kvm);
	}

	if (copy_to_user(user, map, bytes)) {
		err = -EFAULT;
		if (!manual)
			give_bits_back(slot->dirty_bitmap, map, words);
	} else if (!flushed) {
		/*
		 * Harvested pages are reported once more. Those that came from elsewhere
		 * need not be, or the log would never end.
		 */
		give_bits_back(slot->dirty_bitmap, harvested ?: map, words);
	}
	kvfree(harvested);

	trace_kvm_ext_get_dirty_log(vm, slot, map, err);
	return err;
}

/* The slot, with slots_lock held, if it is logged. */
static struct kvm_memory_slot *lock_logged_slot(struct kvm *kvm, u32 id)
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

static int our_get_dirty_log(struct kvm_ext_vm *vm, struct kvm_dirty_log *log)
{
	struct kvm_memory_slot *slot = lock_logged_slot(vm->kvm, log->slot);
	int err;

	if (IS_ERR(slot))
		return PTR_ERR(slot);
	err = collect(vm, slot, log->dirty_bitmap);
	mutex_unlock(&vm->kvm->slots_lock);
	return err;
}

int kvm_ext_get_dirty_log(struct kvm_ext_vm *vm, struct kvm_dirty_log *log)
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
		err = our_get_dirty_log(vm, log);
	else
		err = kvm_ext_stock.get_dirty_log(kvm, log);

	mutex_unlock(&kvm->arch.mmu_setup_lock);
	return err;
}

/* Is it a range of pages of the slot that words of a bitmap can name? */
static bool range_is_right(const struct kvm_memory_slot *slot,
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
static void drop_bits(unsigned long *bits, const unsigned long *named,
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
static int clear(struct kvm_ext_vm *vm, struct kvm_memory_slot *slot,
		 const struct kvm_clear_dirty_log *log)
{
	unsigned long *named = kvm_second_dirty_bitmap(slot);
	unsigned long first = log->first_page / BITS_PER_LONG;
	unsigned long words = DIV_ROUND_UP(log->num_pages, BITS_PER_LONG);

	if (!range_is_right(slot, log))
		return -EINVAL;
	if (copy_from_user(named + first, log->dirty_bitmap, words * sizeof(long)))
		return -EFAULT;
	if (log->num_pages % BITS_PER_LONG)
		named[first + words - 1] &= BITMAP_LAST_WORD_MASK(log->num_pages);

	/* what the host has written until now is in what userspace reads, too */
	kvm_ext_areas_collect(vm, slot, slot->dirty_bitmap);
	drop_bits(slot->dirty_bitmap, named, first, words);
	if (!vm->kvm->arch.secure_guest &&
	    !kvm_ext_mmu(vm->kvm)->clean(vm, slot, named, log->first_page,
					 log->first_page + log->num_pages))
		give_bits_back(slot->dirty_bitmap + first, named + first, words);
	trace_kvm_ext_clear_dirty_log(vm, slot, log, named);
	return 0;
}

int kvm_ext_clear_dirty_log(struct kvm_ext_vm *vm, const struct kvm_clear_dirty_log *log)
{
	struct kvm *kvm = vm->kvm;
	struct kvm_memory_slot *slot;
	int err;

	if (log->first_page % BITS_PER_LONG)
		return -EINVAL;

	mutex_lock(&kvm->arch.mmu_setup_lock);
	slot = lock_logged_slot(kvm, log->slot);
	if (IS_ERR(slot)) {
		err = PTR_ERR(slot);
	} else {
		err = clear(vm, slot, log);
		mutex_unlock(&kvm->slots_lock);
	}
	mutex_unlock(&kvm->arch.mmu_setup_lock);
	return err;
}

void kvm_ext_dirty_log_save(struct kvm_ext_vm *vm, const struct kvm_ext_mmu *mmu)
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
