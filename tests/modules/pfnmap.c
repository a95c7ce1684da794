// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/kvm-hv-ext-pfnmap: memory that is mapped by page frame number (VM_PFNMAP),
 * as drivers map memory of devices, so that KVM gets no struct page for it.
 *
 * On kernels that have huge leaves of such mappings, it is mapped by leaves of
 * 2 MiB where the mapping allows it, and otherwise by base pages.
 */
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sizes.h>

#define PFNMAP_SIZE	SZ_4M

static unsigned long base;
module_param(base, ulong, 0);
MODULE_PARM_DESC(base, "Real address of 4 MiB that the kernel does not use (mem=); 0: allocate");

static bool huge = true;
module_param(huge, bool, 0444);
MODULE_PARM_DESC(huge, "Map by huge leaves; N if the kernel has none");

static void *memory;
static unsigned long first_pfn;

static vm_fault_t pfnmap_fault(struct vm_fault *vmf)
{
	return vmf_insert_pfn(vmf->vma, vmf->address & PAGE_MASK, first_pfn + vmf->pgoff);
}

#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
static vm_fault_t pfnmap_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	unsigned long start = vmf->address & PMD_MASK;
	pgoff_t offset = vmf->pgoff - ((vmf->address - start) >> PAGE_SHIFT);
	unsigned long pfn = first_pfn + offset;

	if (!huge || order != PMD_SHIFT - PAGE_SHIFT || start < vmf->vma->vm_start ||
	    start + PMD_SIZE > vmf->vma->vm_end || pfn & (BIT(order) - 1))
		return VM_FAULT_FALLBACK;
	return vmf_insert_pfn_pmd(vmf, pfn, vmf->flags & FAULT_FLAG_WRITE);
}
#endif

static const struct vm_operations_struct pfnmap_vm_ops = {
	.fault = pfnmap_fault,
#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
	.huge_fault = pfnmap_huge_fault,
#endif
};

static int pfnmap_mmap(struct file *file, struct vm_area_struct *vma)
{
	if (vma->vm_pgoff + vma_pages(vma) > PFNMAP_SIZE >> PAGE_SHIFT)
		return -EINVAL;
#ifdef HAS_VM_FLAGS_SET
	vm_flags_set(vma, VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
#else
	vma->vm_flags |= VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP;
#endif
	vma->vm_ops = &pfnmap_vm_ops;
	return 0;
}

static const struct file_operations pfnmap_fops = {
	.owner = THIS_MODULE,
	.mmap = pfnmap_mmap,
};

static struct miscdevice pfnmap_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "kvm-hv-ext-pfnmap",
	.fops = &pfnmap_fops,
};

static int __init pfnmap_init(void)
{
	int err;

	huge &= IS_ENABLED(CONFIG_ARCH_SUPPORTS_PMD_PFNMAP);
	first_pfn = base >> PAGE_SHIFT;
	if (!base) {
		/* KVM before 6.13 takes a reference on each page that has a struct page */
		memory = alloc_pages_exact(PFNMAP_SIZE, GFP_KERNEL | __GFP_ZERO);
		if (!memory)
			return -ENOMEM;
		first_pfn = virt_to_pfn(memory);
	}
	err = misc_register(&pfnmap_device);
	if (err && memory)
		free_pages_exact(memory, PFNMAP_SIZE);
	return err;
}
module_init(pfnmap_init);

static void __exit pfnmap_exit(void)
{
	misc_deregister(&pfnmap_device);
	if (memory)
		free_pages_exact(memory, PFNMAP_SIZE);
}
module_exit(pfnmap_exit);

MODULE_DESCRIPTION("Memory without struct page, for tests of kvm-hv-ext");
MODULE_LICENSE("GPL");
