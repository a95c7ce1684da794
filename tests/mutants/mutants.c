// SPDX-License-Identifier: GPL-2.0
/*
 * Chooses the mutant that is in effect, and tells which places of mutants were
 * reached. A module of its own, so that both outlive the module that is tested.
 *
 * /sys/module/khx_mutants/parameters/chosen: number of the mutant; 0: none.
 * khx_mutants in debugfs: a character for each number, '1' if its place was
 * reached. Whatever is written there makes all of them '0'.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/string.h>

#include "mutants.h"

unsigned int khx_mutant_chosen;
EXPORT_SYMBOL_GPL(khx_mutant_chosen);
module_param_named(chosen, khx_mutant_chosen, uint, 0644);
MODULE_PARM_DESC(chosen, "Number of the mutant that is in effect (default 0: none)");

char khx_mutants_reached[KHX_NR_MUTANTS];
EXPORT_SYMBOL_GPL(khx_mutants_reached);

static ssize_t mutants_read(struct file *file, char __user *buf, size_t count, loff_t *ppos)
{
	return simple_read_from_buffer(buf, count, ppos, khx_mutants_reached,
				       sizeof(khx_mutants_reached));
}

static ssize_t mutants_write(struct file *file, const char __user *buf, size_t count,
			     loff_t *ppos)
{
	memset(khx_mutants_reached, '0', sizeof(khx_mutants_reached));
	return count;
}

static const struct file_operations mutants_fops = {
	.owner = THIS_MODULE,
	.read = mutants_read,
	.write = mutants_write,
};

static struct dentry *mutants_file;

static int __init mutants_init(void)
{
	memset(khx_mutants_reached, '0', sizeof(khx_mutants_reached));
	mutants_file = debugfs_create_file("khx_mutants", 0600, NULL, NULL, &mutants_fops);
	return 0;
}
module_init(mutants_init);

static void __exit mutants_exit(void)
{
	debugfs_remove(mutants_file);
}
module_exit(mutants_exit);

MODULE_DESCRIPTION("Chooses a mutant of kvm-hv-ext");
MODULE_LICENSE("GPL");
