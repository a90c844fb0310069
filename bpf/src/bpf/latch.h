/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The latch of a CPU: one task that `dispatch` will take when the CPU next looks for work. It serves
 * agents that sleep on the CPU they schedule, and batches of which all or none must happen: unlike a
 * task that was moved, an armed latch can be taken back.
 */
#ifndef RV_LATCH_H
#define RV_LATCH_H

#include "commit.h"

/* Checks a transaction and claims task and CPU for it. Nothing runs before `fire`. */
static __noinline u32 arm(const struct rv_transaction *given, u32 enclave, bool is_local)
{
	struct rv_transaction txn;
	struct rv_task *t;
	struct rv_cpu *c;
	u32 outcome;

	if (!given)
		return RV_ABORTED;
	txn = *given;
	c = cpu_at(txn.cpu);
	outcome = check_cpu(c, enclave);
	if (outcome || !c)
		return outcome;
	t = task_at(slot_of(txn.task));
	if (!t || t->id != txn.task || t->state == RV_DEAD)
		return RV_NOT_FOUND;
	outcome = check_task(t, &txn, enclave);
	if (outcome)
		return outcome;
	bpf_rcu_read_lock();
	outcome = check_place(t, c, &txn, is_local ? LATCH_ARMED | LATCH_LOCAL : LATCH_ARMED);
	bpf_rcu_read_unlock();
	if (outcome)
		return outcome;
	c->latch_seq = txn.seq;
	c->latch_slice_ns = txn.slice_ns;
	return RV_COMMITTED;
}

/* Lets the CPU take its latch. */
static __always_inline void fire(u32 cpu, bool is_local)
{
	struct rv_cpu *c = cpu_at(cpu);

	if (!c)
		return;
	/* Pairs with the exchange in `take_latch`: the latch is complete when it is seen armed. */
	__sync_lock_test_and_set(&c->is_armed, 1);
	/* A local agent is about to leave the CPU; the CPU then looks by itself. */
	if (!is_local)
		scx_bpf_kick_cpu(cpu, c->current ? SCX_KICK_PREEMPT : SCX_KICK_IDLE);
}

/* Takes back what `arm` did. */
static __always_inline void disarm(u32 cpu)
{
	struct rv_cpu *c = cpu_at(cpu);
	struct rv_task *t;

	if (!c || !c->latched)
		return;
	t = task_at(slot_of(c->latched));
	if (t && t->id == c->latched && __sync_val_compare_and_swap(&t->latch, LATCH_ARMED | cpu, LATCH_NONE) ==
						(LATCH_ARMED | cpu))
		__sync_val_compare_and_swap(&c->latched, t->id, 0);
}

/* The CPU will not look at its latch any more: its task must not wait for that. */
static __noinline int fail_latch(struct rv_cpu *c, u32 cpu)
{
	struct rv_task *t;
	u64 id;

	if (!c)
		return 0;
	c->is_armed = 0;
	id = c->latched;
	t = task_at(slot_of(id));
	if (!id || !t || t->id != id ||
	    __sync_val_compare_and_swap(&t->latch, LATCH_ARMED | cpu, LATCH_NONE) != (LATCH_ARMED | cpu))
		return 0;
	__sync_val_compare_and_swap(&c->latched, id, 0);
	tell(t, RV_TASK_LATCH_FAILED, cpu, bpf_ktime_get_ns());
	return 0;
}

static __always_inline bool move_latched(struct rv_task *t, struct rv_cpu *c, u32 cpu)
{
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	bool moved = false;

	/* First, as in `commit`. */
	bpf_iter_scx_dsq_new(&it, t->hold, 0);
	p = t->task;
	if (p && t->seq == c->latch_seq && t->state == RV_QUEUED && may_use(p, cpu)) {
		scx_bpf_dsq_move_set_slice(&it, c->latch_slice_ns);
		moved = scx_bpf_dsq_move(&it, p, SCX_DSQ_LOCAL, immediate());
	}
	bpf_iter_scx_dsq_destroy(&it);
	return moved;
}

/* In `dispatch`: moves the armed task to this CPU's queue. */
static __always_inline bool take_latch(struct rv_cpu *c, u32 cpu)
{
	struct rv_task *t;
	u64 id;

	if (!c->is_armed || !__sync_lock_test_and_set(&c->is_armed, 0))
		return false;
	id = c->latched;
	t = task_at(slot_of(id));
	/* Whoever ended the latch has told its agent. */
	if (!id || !t || t->id != id ||
	    __sync_val_compare_and_swap(&t->latch, LATCH_ARMED | cpu, LATCH_MOVED | cpu) != (LATCH_ARMED | cpu))
		return false;
	/* Twice: its queueing may have been under way, as in `commit`. */
	if (move_latched(t, c, cpu) || move_latched(t, c, cpu))
		return true;
	if (__sync_val_compare_and_swap(&t->latch, LATCH_MOVED | cpu, LATCH_NONE) == (LATCH_MOVED | cpu)) {
		__sync_val_compare_and_swap(&c->latched, id, 0);
		tell(t, RV_TASK_LATCH_FAILED, cpu, bpf_ktime_get_ns());
	}
	return false;
}

#endif
