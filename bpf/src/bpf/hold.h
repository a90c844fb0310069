/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Hold queues: where runnable tasks wait for a transaction. One for each enclave and CPU, so that
 * CPUs that enqueue do not meet on one lock. Nothing but commits, offers, latches and the fallback
 * takes tasks out.
 */
#ifndef RV_HOLD_H
#define RV_HOLD_H

#include "task.h"

/* What a task gets if nobody decides: also the turn of the fallback's round. */
#define FALLBACK_SLICE_NS (5ULL * 1000000)

static __always_inline u64 hold_of(u32 enclave, u32 cpu)
{
	return (u64)(enclave + 1) << 16 | cpu;
}

/* A task without an enclave is run as the kernel would: first in, first out, below the fair class. */
static __always_inline void run_as_stray(struct task_struct *p, u64 enq_flags)
{
	scx_bpf_dsq_insert(p, SCX_DSQ_GLOBAL, SCX_SLICE_DFL, enq_flags);
}

/* A held task came back to its queue without having run: ends its latch, and says so if need be. */
static __always_inline void unlatch(struct rv_task *t, u32 cpu, u64 now_ns)
{
	u32 latch = t->latch;
	u32 kind = latch & LATCH_KIND;

	if (!latch)
		return;
	/* The commit is still under way and will see this: it reports the transaction as failed. */
	if (kind == LATCH_CLAIMED &&
	    __sync_val_compare_and_swap(&t->latch, latch, LATCH_BOUNCED) == latch)
		return;
	latch = t->latch;
	if ((latch & LATCH_KIND) == LATCH_BOUNCED)
		return;
	t->latch = LATCH_NONE;
	release_cpu(latch & LATCH_CPU, t->id);
	tell(t, RV_TASK_LATCH_FAILED, cpu, now_ns);
}

/* Which message the end of waiting, sleeping or running makes. */
static __always_inline void tell_queued(struct rv_task *t, u32 cpu, u64 now_ns)
{
	u32 was = t->state, kind;

	t->state = RV_QUEUED;
	t->flags &= ~TASK_OFF;
	t->queued_ns = now_ns;
	if (!(t->flags & TASK_ANNOUNCED)) {
		t->flags |= TASK_ANNOUNCED;
		tell(t, RV_TASK_NEW, cpu, now_ns);
		return;
	}
	switch (was) {
	case RV_BLOCKED:
		/* A thread's wake-up begins its next job. */
		t->runtime_ns = 0;
		tell(t, RV_TASK_WAKEUP, cpu, now_ns);
		break;
	case RV_ON_CPU:
		kind = t->flags & TASK_YIELDED ? RV_TASK_YIELD : RV_TASK_PREEMPTED;
		t->flags &= ~TASK_YIELDED;
		tell(t, kind, cpu, t->stopped_ns);
		break;
	default:
		/* Taken out and put back for a change that had its own message. */
		unlatch(t, cpu, now_ns);
	}
}

static __always_inline void hold(struct task_struct *p, u64 enq_flags)
{
	struct rv_task *t = record_of(p);
	struct rv_enclave *e;
	u32 cpu;

	if (!t) {
		run_as_stray(p, enq_flags);
		return;
	}
	cpu = scx_bpf_task_cpu(p);
	/* Before the message: whoever reads it may commit at once. */
	t->hold = hold_of(t->enclave, cpu);
	tell_queued(t, cpu, bpf_ktime_get_ns());
	e = enclave_at(t->enclave);
	if (!e || e->state == RV_ENCLAVE_DESTROYED) {
		run_as_stray(p, enq_flags);
		return;
	}
	scx_bpf_dsq_insert(p, t->hold, FALLBACK_SLICE_NS, enq_flags);
}

#endif
