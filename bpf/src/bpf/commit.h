/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Commit: checks an agent's transactions and moves their tasks, in one call for a batch.
 *
 * Why a decision made on old news can do no harm: the iterator is opened *first* and remembers how
 * far the hold queue was filled. A task that was put into the queue after that cannot be moved
 * through it, and every change of a task that matters here (its CPUs, its class, its sleep) takes it
 * out of the queue or puts it in anew. So whatever the checks below have seen still holds when the
 * move succeeds. A move to a CPU the task may not use would make the kernel eject the whole
 * scheduler; it cannot be issued.
 */
#ifndef RV_COMMIT_H
#define RV_COMMIT_H

#include "availability.h"

/* Of the CPU, before the task is looked at. */
static __always_inline u32 check_cpu(const struct rv_cpu *c, u32 enclave)
{
	if (!c || c->owner != enclave + 1)
		return RV_INVALID_CPU;
	if (!c->is_online)
		return RV_CPU_OFFLINE;
	return RV_COMMITTED;
}

/* Of the task: ghOSt's order. */
static __always_inline u32 check_task(const struct rv_task *t, const struct rv_transaction *txn, u32 enclave)
{
	if (t->seq != txn->seq)
		return RV_STALE;
	if (t->state == RV_BLOCKED)
		return RV_NOT_RUNNABLE;
	if (t->state == RV_ON_CPU || t->latch)
		return RV_TASK_RUNS;
	if (t->enclave != enclave)
		return RV_NOT_PERMITTED;
	return RV_COMMITTED;
}

/* Whether a task may be moved to a CPU. Needs an RCU section: `cpus_ptr` can be replaced. */
static __always_inline bool may_use(const struct task_struct *p, u32 cpu)
{
	if (!bpf_cpumask_test_cpu(cpu, p->cpus_ptr))
		return false;
	return !p->migration_disabled || scx_bpf_task_cpu(p) == cpu;
}

/*
 * Ends a claim whose task was not moved, or came back at once. The latch may be another's by now, if
 * the task ran meanwhile; the CPU is let go in any case, since whoever ended the latch may have done
 * so before the CPU was claimed.
 */
static __always_inline u32 unclaim(struct rv_task *t, struct rv_cpu *c, u32 latch, u32 outcome)
{
	if (__sync_val_compare_and_swap(&t->latch, latch, LATCH_NONE) != latch)
		__sync_val_compare_and_swap(&t->latch, LATCH_BOUNCED, LATCH_NONE);
	__sync_val_compare_and_swap(&c->latched, t->id, 0);
	return outcome;
}

/* Claims the task, as it was at `seq`, for the CPU, and the CPU for the task. */
static __always_inline u32 claim(struct rv_task *t, struct rv_cpu *c, u32 seq, u32 latch)
{
	if (__sync_val_compare_and_swap(&t->latch, LATCH_NONE, latch))
		return RV_TASK_RUNS;
	if (__sync_val_compare_and_swap(&c->latched, 0, t->id)) {
		__sync_val_compare_and_swap(&t->latch, latch, LATCH_NONE);
		return RV_CPU_UNAVAILABLE;
	}
	/*
	 * It changed between the check and the claim. Whatever changes it after this line sees the claim:
	 * `begin_stint` and `tell_queued` publish what they do before they look for one.
	 */
	if (t->seq != seq || t->state != RV_QUEUED)
		return unclaim(t, c, latch, RV_STALE);
	return RV_COMMITTED;
}

/* A running task's slice begins anew. */
static __always_inline u32 renew(struct rv_task *t, struct rv_cpu *c, const struct rv_transaction *txn)
{
	struct task_struct *p;

	if (!(txn->flags & RV_ALLOW_ON_CPU) || c->current != t->id)
		return RV_TASK_RUNS;
	if (!bpf_ksym_exists(scx_bpf_task_set_slice))
		return RV_NOT_PERMITTED;
	p = t->task;
	if (!p)
		return RV_NOT_FOUND;
	scx_bpf_task_set_slice(p, txn->slice_ns);
	return RV_COMMITTED;
}

/* What is left to check once the task is known to wait, and the claim. */
static __always_inline u32 check_place(struct rv_task *t, struct rv_cpu *c, const struct rv_transaction *txn,
				       u32 kind)
{
	u32 cpu = txn->cpu;
	struct task_struct *p;

	if (txn->flags & RV_IDLE_ONLY && (c->current || c->latched))
		return RV_AGENT_STALE;
	if (c->latched)
		return RV_CPU_UNAVAILABLE;
	/* A local agent is what keeps its CPU busy. */
	if (!(kind & LATCH_LOCAL) && c->is_busy && say_busy(c, t->enclave, cpu))
		return RV_CPU_UNAVAILABLE;
	p = t->task;
	if (!p)
		return RV_NOT_FOUND;
	if (!may_use(p, cpu))
		return RV_INVALID_TARGET;
	return claim(t, c, txn->seq, (kind & ~LATCH_LOCAL) | cpu);
}

/* A task that does not run at once, or loses its CPU to a higher class, comes back to its agent. */
static __always_inline u64 immediate(void)
{
	struct rv_machine *m = the_machine();

	return m && m->has_immediate ? SCX_ENQ_IMMED : 0;
}

/* One attempt, in an RCU section. `retry` says that the task's queueing had not ended yet. */
static __always_inline u32 attempt(struct rv_task *t, struct rv_cpu *c, const struct rv_transaction *txn,
				   u32 enclave, bool *retry)
{
	struct bpf_iter_scx_dsq it;
	struct task_struct *p;
	u32 outcome, cpu = txn->cpu;
	bool moved = false;

	bpf_iter_scx_dsq_new(&it, t->hold, 0);
	outcome = check_task(t, txn, enclave);
	if (outcome == RV_TASK_RUNS) {
		outcome = renew(t, c, txn);
		goto out;
	}
	if (outcome == RV_COMMITTED)
		outcome = check_place(t, c, txn, LATCH_CLAIMED);
	if (outcome != RV_COMMITTED)
		goto out;
	p = t->task;
	if (!p) {
		outcome = unclaim(t, c, LATCH_CLAIMED | cpu, RV_NOT_FOUND);
		goto out;
	}
	scx_bpf_dsq_move_set_slice(&it, txn->slice_ns);
	moved = scx_bpf_dsq_move(&it, p, SCX_DSQ_LOCAL_ON | cpu, SCX_ENQ_PREEMPT | immediate());
	if (!moved) {
		*retry = t->seq == txn->seq;
		outcome = unclaim(t, c, LATCH_CLAIMED | cpu, RV_STALE);
		goto out;
	}
	/* It may have begun to run, or have come back from a CPU that a higher class took meanwhile. */
	if (__sync_val_compare_and_swap(&t->latch, LATCH_CLAIMED | cpu, LATCH_MOVED | cpu) == LATCH_BOUNCED)
		outcome = unclaim(t, c, LATCH_BOUNCED, RV_CPU_UNAVAILABLE);
out:
	bpf_iter_scx_dsq_destroy(&it);
	return outcome;
}

static __noinline u32 commit_one(const struct rv_transaction *given, u32 enclave)
{
	struct rv_transaction txn;
	bool retry = false;
	struct rv_task *t;
	struct rv_cpu *c;
	u32 outcome;

	if (!given)
		return RV_ABORTED;
	/* A copy: the agent could change its own memory between the check and the use. */
	txn = *given;
	c = cpu_at(txn.cpu);
	outcome = check_cpu(c, enclave);
	if (outcome || !c)
		return outcome;
	t = task_at(slot_of(txn.task));
	if (!t || t->id != txn.task || t->state == RV_DEAD)
		return RV_NOT_FOUND;
	bpf_rcu_read_lock();
	outcome = attempt(t, c, &txn, enclave, &retry);
	/*
	 * A message can be read before the task it speaks of is in its queue. The failed move had to
	 * wait for the lock under which that happens, so the second attempt comes after it.
	 */
	if (retry)
		outcome = attempt(t, c, &txn, enclave, &retry);
	bpf_rcu_read_unlock();
	return outcome;
}

#endif
