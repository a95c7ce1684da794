/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The parameters of the module. Constant once it is attached, but for paging.
 */
#ifndef KHX_PARAMS_H
#define KHX_PARAMS_H

#include <linux/types.h>

/**
 * struct khx_params - the parameters; main.c says what each is for
 * @areas:	take over VPA, SLB shadow and DTL areas
 * @dirty_log:	take over the dirty log
 * @notifiers:	take over the MMU notifiers
 * @nested:	take over the reverse map of nested guests
 * @paging:	the host may page guest memory; read when a VM is created
 * @flush_ceiling: requests above which a whole LPID is flushed; 0: the machine's
 */
struct khx_params {
	bool areas;
	bool dirty_log;
	bool notifiers;
	bool nested;
	bool paging;
	uint flush_ceiling;
};

extern struct khx_params khx_param;

#endif /* KHX_PARAMS_H */
