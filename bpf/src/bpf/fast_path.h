/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The fast path: tasks an agent offers to whichever of its CPUs idles first, so that no CPU idles
 * while a message and a commit are under way. An offer binds nobody: the task stays where it is
 * until it is taken, a commit may come first, and an offer that is out of date is passed over.
 */
#ifndef RV_FAST_PATH_H
#define RV_FAST_PATH_H

#include "latch.h"

/* Offers looked at before a CPU idles after all. Most of the ring is out of date only after a burst. */
#define OFFERS_PER_LOOK 8

static __always_inline bool take_offered(const struct rv_offer *offer, struct rv_cpu *c, u32 cpu, u32 enclave)
{
	struct rv_task *t = task_at(slot_of(offer->task));
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	bool moved = false;

	if (!t || t->id != offer->task || t->enclave != enclave)
		return false;
	bpf_iter_scx_dsq_new(&it, t->hold, 0);
	p = t->task;
	if (p && t->seq == offer->seq && may_use(p, cpu) &&
	    claim(t, c, offer->seq, LATCH_MOVED | cpu) == RV_COMMITTED) {
		scx_bpf_dsq_move_set_slice(&it, offer->slice_ns);
		moved = scx_bpf_dsq_move(&it, p, SCX_DSQ_LOCAL, immediate());
		if (!moved)
			unclaim(t, c, LATCH_MOVED | cpu, RV_STALE);
	}
	bpf_iter_scx_dsq_destroy(&it);
	return moved;
}

static __always_inline bool take_fast_path(struct rv_enclave *e, struct rv_cpu *c, u32 cpu, u32 enclave)
{
	struct rv_offers *o;
	struct rv_offer offer;
	u64 head;
	int i;

	if (!(e->flags & RV_FAST_PATH) || c->latched)
		return false;
	o = bpf_map_lookup_elem(&offers, &enclave);
	if (!o)
		return false;
	bpf_for(i, 0, OFFERS_PER_LOOK) {
		head = o->head;
		if (head == o->tail)
			break;
		offer = o->ring[head & (RV_OFFERS_MAX - 1)];
		/* Two CPUs may look at one offer; one gets it. */
		if (__sync_val_compare_and_swap(&o->head, head, head + 1) != head)
			continue;
		if (take_offered(&offer, c, cpu, enclave)) {
			__sync_fetch_and_add(&e->fast_path_runs, 1);
			return true;
		}
	}
	return false;
}

#endif
