// SPDX-License-Identifier: GPL-2.0
/*
 * The host's LRU lists of pages
 */
#include "lru.h"

#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vm.h"

/*
 * move_pages() drains the batches even if it has no page to move. A kernel without
 * NUMA has no move_pages(); those of the lab (6.12 and later) drain when they drop
 * their caches, which 6.1 does not.
 */
void lru_drain(void)
{
	int node = 0;

	if (syscall(SYS_move_pages, 0, 0UL, NULL, &node, NULL, 0))
		write_file("/proc/sys/vm/drop_caches", "1");
}
