// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty log: the part that all kinds of guests share, and the copy to
 * userspace. KVM keeps two bitmaps for each logged memslot. The first accumulates
 * pages whose C bit no longer tells: pages that were unmapped while dirty, areas
 * that were unpinned. A collection builds its result in the second, under
 * slots_lock.
 *
 * With manual protection (KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) a collection changes
 * nothing, and KVM_CLEAR_DIRTY_LOG clears the bits of the pages that userspace is
 * about to read.
 *
 * Lock order: see docs/design.md.
 *
 * The order of a collection matters. It harvests C bits, and checks areas, before
 * it takes the accumulated bits. So if a page is unmapped, or an area unpinned,
 * during the harvest, the collection finds it in one of the two places.
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
#include "stats.h"
#include "trace.h"
#include "vm.h"

/* Word by word: the caller may hold mmu_lock, and 2 MiB are 512 pages of 4K. */
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

/* Take the accumulated bits. Other CPUs set bits in @from at any time. */
static void log_take_bits(unsigned long *to, unsigned long *from, unsigned long nr)
{
	unsigned long i;

	for (i = 0; i < nr; i++)
		if (READ_ONCE(from[i]))
			to[i] |= xchg(&from[i], 0);
}

/* The same without clearing them in @from. */
static void log_copy_bits(unsigned long *to, const unsigned long *from, unsigned long nr)
{
	unsigned long i;

	for (i = 0; i < nr; i++)
		to[i] |= READ_ONCE(from[i]);
}

/* Give collected bits back to the next collection. */
static void log_restore_bits(unsigned long *to, const unsigned long *from,
			     unsigned long nr)
{
	unsigned long i;

	for (i = 0; i < nr; i++)
		if (from[i])
			atomic_long_or(from[i], (atomic_long_t *)&to[i]);
}

/*
 * A task that accumulates a page holds mmu_lock until it has flushed the
 * translations by which a CPU could still store to the page
 * (khx_pass_found_dirty()); so do stock's notifiers, with notifiers=0. After this
 * the flush of every bit that was taken is complete.
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
	u64 begin = mftb(), ns;
	int err = 0;

	trace_khx_dirty_log_get_begin(vm->kvm, slot, 0, slot->npages);
	memset(map, 0, bytes);

	if (manual) {
		khx_mmu_of(vm->kvm)->peek(vm, slot, map);
		/* areas do not keep their dirty state, the bitmap does */
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
		 * Report harvested pages again, but not those from elsewhere, or
		 * the log would never end.
		 */
		log_restore_bits(slot->dirty_bitmap, harvested ?: map, words);
	}
	kvfree(harvested);

	ns = khx_ns_since(begin);
	khx_stats_collected(vm, slot, false, ns);
	trace_khx_dirty_log_get(vm, slot, map, ns, err);
	return err;
}

/* Take slots_lock and return the memslot, if it is logged. */
static struct kvm_memory_slot *log_lock_memslot(struct kvm *kvm, u32 id)
{
	struct kvm_memory_slot *slot;

	lockdep_assert_held(&kvm->arch.mmu_setup_lock);

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
	 * The guest's table is freed, under this lock, when the guest changes
	 * between radix and HPT or gets a new HPT. Stock does not take the lock
	 * here, and may walk a table that is being freed.
	 */
	mutex_lock(&kvm->arch.mmu_setup_lock);

	/* areas=0 on a machine that can run secure guests */
	if (!kvm->arch.secure_guest)
		err = log_get(vm, log);
	else
		err = khx_stock_ops.get_dirty_log(kvm, log);

	mutex_unlock(&kvm->arch.mmu_setup_lock);
	return err;
}

/* Can whole words of a bitmap name this range of the memslot? */
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

/* Clear the named bits, which other CPUs may be setting again. */
static void log_clear_bits(unsigned long *bits, const unsigned long *named,
			   unsigned long first, unsigned long nr)
{
	unsigned long i;

	for (i = first; i < first + nr; i++)
		if (named[i])
			atomic_long_andnot(named[i], (atomic_long_t *)&bits[i]);
}

/*
 * Accumulated bits are cleared first: if a page is unmapped before its C bit is
 * cleared, it is then accumulated again.
 */
static int log_clear(struct khx_vm *vm, struct kvm_memory_slot *slot,
		     const struct kvm_clear_dirty_log *log)
{
	unsigned long *named = kvm_second_dirty_bitmap(slot);
	unsigned long first = log->first_page / BITS_PER_LONG;
	unsigned long words = DIV_ROUND_UP(log->num_pages, BITS_PER_LONG);
	u64 begin = mftb(), ns;

	if (!log_range_valid(slot, log))
		return -EINVAL;
	if (copy_from_user(named + first, log->dirty_bitmap, words * sizeof(long)))
		return -EFAULT;
	trace_khx_dirty_log_clear_begin(vm->kvm, slot, log->first_page, log->num_pages);
	if (log->num_pages % BITS_PER_LONG)
		named[first + words - 1] &= BITMAP_LAST_WORD_MASK(log->num_pages);

	/* userspace will read what the host has written until now */
	khx_areas_collect(vm, slot, slot->dirty_bitmap);
	log_clear_bits(slot->dirty_bitmap, named, first, words);
	if (!khx_mmu_of(vm->kvm)->clean(vm, slot, named, log->first_page,
					log->first_page + log->num_pages))
		log_restore_bits(slot->dirty_bitmap + first, named + first, words);
	ns = khx_ns_since(begin);
	khx_stats_collected(vm, slot, true, ns);
	trace_khx_dirty_log_clear(vm, slot, log, named, ns);
	return 0;
}

int khx_dirty_log_clear(struct khx_vm *vm, const void __user *arg)
{
	struct kvm *kvm = vm->kvm;
	struct kvm_memory_slot *slot;
	struct kvm_clear_dirty_log log;
	int err;

	if (copy_from_user(&log, arg, sizeof(log)))
		return -EFAULT;
	if (log.first_page % BITS_PER_LONG)
		return -EINVAL;

	mutex_lock(&kvm->arch.mmu_setup_lock);
	slot = log_lock_memslot(kvm, log.slot);
	if (IS_ERR(slot)) {
		err = PTR_ERR(slot);
	} else {
		err = log_clear(vm, slot, &log);
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

	/* the VM ends: there is no next collection */
	if (!refcount_read(&kvm->users_count))
		return;

	idx = srcu_read_lock(&kvm->srcu);
	/* look the set up once: the macro would at each step, and it may change */
	slots = kvm_memslots(kvm);
	kvm_for_each_memslot(slot, bkt, slots)
		mmu->save_dirty(vm, slot);
	srcu_read_unlock(&kvm->srcu, idx);
}

/* kvm.ko itself implements INITIALLY_SET, this file the other flag. */
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
