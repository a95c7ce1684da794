// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty log: what is common to all kinds of guests, and the copy to
 * userspace. KVM keeps two bitmaps for each logged slot. Bits accumulate in
 * the first where no C bit will tell later: pages that were unmapped while
 * dirty, areas that were unpinned. The second is where a collection is put
 * together, under slots_lock.
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
#include <linux/uaccess.h>

#include "areas.h"
#include "attach.h"
#include "compat.h"
#include "dirty_log.h"
#include "mmu.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/* Take the accumulated bits. Others set bits in @from all the time. */
static void take_bits(unsigned long *to, unsigned long *from, unsigned long nr)
{
	unsigned long i;

	for (i = 0; i < nr; i++)
		if (READ_ONCE(from[i]))
			to[i] |= xchg(&from[i], 0);
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

static int collect(struct kvm_ext_vm *vm, struct kvm_memory_slot *slot,
		   void __user *user)
{
	unsigned long bytes = kvm_dirty_bitmap_bytes(slot);
	unsigned long words = bytes / sizeof(long);
	unsigned long *map = kvm_second_dirty_bitmap(slot);
	int err;

	memset(map, 0, bytes);

	err = kvm_ext_mmu(vm->kvm)->harvest(vm, slot, map);
	kvm_ext_areas_collect(vm, slot, map);
	take_bits(map, slot->dirty_bitmap, words);

	if (!err && copy_to_user(user, map, bytes))
		err = -EFAULT;
	if (err)
		give_bits_back(slot->dirty_bitmap, map, words);

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

/*
 * Stock's collection, for secure guests. It knows nothing of what is special to
 * our areas, so their pages are handed to it as accumulated bits; and when it
 * cannot copy the bitmap it forgets it, but leaves it in the second half,
 * where no one else can come while mmu_setup_lock is held.
 */
static int stock_get_dirty_log(struct kvm_ext_vm *vm, struct kvm_dirty_log *log)
{
	struct kvm *kvm = vm->kvm;
	struct kvm_memory_slot *slot;
	int err;

	slot = lock_logged_slot(kvm, log->slot);
	if (IS_ERR(slot))
		return PTR_ERR(slot);
	kvm_ext_areas_collect(vm, slot, slot->dirty_bitmap);
	mutex_unlock(&kvm->slots_lock);

	err = kvm_ext_stock.get_dirty_log(kvm, log);
	if (err != -EFAULT)
		return err;

	slot = lock_logged_slot(kvm, log->slot);
	if (!IS_ERR(slot)) {
		give_bits_back(slot->dirty_bitmap, kvm_second_dirty_bitmap(slot),
			       kvm_dirty_bitmap_bytes(slot) / sizeof(long));
		mutex_unlock(&kvm->slots_lock);
	}
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

	if (!kvm->arch.secure_guest)
		err = our_get_dirty_log(vm, log);
	else
		err = stock_get_dirty_log(vm, log);

	mutex_unlock(&kvm->arch.mmu_setup_lock);
	return err;
}

void kvm_ext_dirty_log_save(struct kvm_ext_vm *vm, const struct kvm_ext_mmu *mmu)
{
	struct kvm *kvm = vm->kvm;
	struct kvm_memory_slot *slot;
	int bkt, idx;

	/* At the end of the VM nobody will ask. */
	if (!refcount_read(&kvm->users_count))
		return;

	idx = srcu_read_lock(&kvm->srcu);
	kvm_for_each_memslot(slot, bkt, kvm_memslots(kvm))
		mmu->save_dirty(vm, slot);
	srcu_read_unlock(&kvm->srcu, idx);
}
