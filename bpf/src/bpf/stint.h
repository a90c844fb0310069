/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Stints: a task gets a CPU, and loses it.
 */
#ifndef RV_STINT_H
#define RV_STINT_H

#include "hold.h"

/* A task that runs without having been queued here: it is exiting, or must not migrate. */
static __always_inline void catch_up(struct rv_task *t, u32 cpu, u64 now_ns)
{
	if (t->state == RV_BLOCKED || t->flags & TASK_OFF || !(t->flags & TASK_ANNOUNCED))
		tell_queued(t, cpu, now_ns);
}

/* The bucket of a time: its highest bit. */
static __always_inline u32 bucket(u64 time_ns)
{
	u32 n = 0, v;

	if (time_ns >> 32)
		return RV_DELAYS - 1;
	v = time_ns;
	if (v >> 16) { n += 16; v >>= 16; }
	if (v >> 8) { n += 8; v >>= 8; }
	if (v >> 4) { n += 4; v >>= 4; }
	if (v >> 2) { n += 2; v >>= 2; }
	return n + (v >> 1);
}

static __always_inline void count_delay(const struct rv_task *t, u64 now_ns)
{
	struct rv_enclave *e = enclave_at(t->enclave);

	if (e)
		__sync_fetch_and_add(&e->delays[bucket(now_ns - t->queued_ns) & (RV_DELAYS - 1)], 1);
}

static __always_inline bool has_agent(const struct rv_task *t)
{
	struct rv_enclave *e = enclave_at(t->enclave);

	return e && e->state == RV_ENCLAVE_ATTACHED;
}

static __always_inline void begin_stint(struct task_struct *p)
{
	struct rv_task *t = record_of(p);
	bool resumes;
	struct rv_cpu *c;
	u32 cpu, latch;
	u64 now_ns;

	if (!t)
		return;
	cpu = scx_bpf_task_cpu(p);
	c = cpu_at(cpu);
	if (!c)
		return;
	now_ns = bpf_ktime_get_ns();
	catch_up(t, cpu, now_ns);
	/* The kernel takes a running task off and puts it back to change it: that ends no stint. */
	resumes = t->state == RV_ON_CPU;
	/* A full barrier between the state and the look at the latch: pairs with `claim`. */
	if (!resumes)
		__sync_lock_test_and_set(&t->state, RV_ON_CPU);
	latch = t->latch;
	if (latch) {
		t->latch = LATCH_NONE;
		release_cpu(latch & LATCH_CPU, t->id);
	}
	if (resumes)
		t->runtime_ns += now_ns - t->stopped_ns;
	t->since_ns = now_ns;
	c->current = t->id;
	if (resumes) {
		publish(t, cpu);
	} else {
		count_delay(t, now_ns);
		tell(t, RV_TASK_ON_CPU, cpu, now_ns);
	}
	/*
	 * Nobody gave it this CPU: it joined while it was running, or its CPU was switched off and the
	 * kernel took it along to another, perhaps none of its enclave's. Its agent decides.
	 */
	if (!latch && !resumes && has_agent(t) && c->is_online && !(p->flags & PF_EXITING) && !p->migration_disabled)
		scx_bpf_kick_cpu(cpu, SCX_KICK_PREEMPT);
}

static __always_inline void end_stint(struct task_struct *p, bool runnable)
{
	struct rv_task *t = record_of(p);
	struct rv_cpu *c;

	if (!t)
		return;
	t->stopped_ns = bpf_ktime_get_ns();
	t->runtime_ns += t->stopped_ns - t->since_ns;
	if (runnable)
		t->flags |= TASK_OFF;
	c = cpu_at(scx_bpf_task_cpu(p));
	if (c && c->current == t->id)
		c->current = 0;
}

static __always_inline void block(struct task_struct *p, u64 deq_flags)
{
	struct rv_task *t;

	/* Its last sleep: TASK_DEAD says so. */
	if (!(deq_flags & SCX_DEQ_SLEEP) || p->__state & TASK_DEAD_STATE)
		return;
	t = record_of(p);
	if (!t)
		return;
	t->state = RV_BLOCKED;
	t->flags &= ~TASK_YIELDED;
	if (t->flags & TASK_ANNOUNCED)
		tell(t, RV_TASK_BLOCKED, scx_bpf_task_cpu(p), t->stopped_ns);
}

#endif
