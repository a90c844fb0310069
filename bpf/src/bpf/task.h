/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * A task's record: found through the task itself, claimed for a CPU by its latch.
 */
#ifndef RV_TASK_H
#define RV_TASK_H

#include "status_word.h"

/*
 * The slot of a task is kept in its `dsq_vtime`, plus one: a field the kernel gives to schedulers,
 * resets when a task leaves the class, and uses itself only for queues ordered by it, which this
 * scheduler has none of. It saves every operation a lookup by task.
 */
static __always_inline struct rv_task *record_of(const struct task_struct *p)
{
	u64 place = p->scx.dsq_vtime;
	struct rv_task *t;

	if (!place)
		return NULL;
	t = task_at(place - 1);
	if (!t || t->tid != (u32)p->pid)
		return NULL;
	return t;
}

static __always_inline void set_slot(struct task_struct *p, u64 place)
{
	if (bpf_ksym_exists(scx_bpf_task_set_dsq_vtime))
		scx_bpf_task_set_dsq_vtime(p, place);
	else
		p->scx.dsq_vtime = place;
}

static __always_inline void set_slice(struct task_struct *p, u64 slice_ns)
{
	if (bpf_ksym_exists(scx_bpf_task_set_slice))
		scx_bpf_task_set_slice(p, slice_ns);
	else
		p->scx.slice = slice_ns;
}

/*
 * The latch of a task: which CPU a transaction gave it to, and how far that has come.
 *
 * | from    | to      | by |
 * |---------|---------|----|
 * | NONE    | CLAIMED | a commit that is about to move the task to the CPU's queue |
 * | CLAIMED | MOVED   | the same commit: the task is in the CPU's queue |
 * | CLAIMED | NONE    | the same commit: the task could not be moved; or it runs already |
 * | CLAIMED | BOUNCED | the task came back before the commit was over; the commit will report it |
 * | BOUNCED | NONE    | that commit |
 * | MOVED   | NONE    | the task runs; or it came back: TASK_LATCH_FAILED; or the offer was void |
 * | NONE    | MOVED   | `dispatch` takes an offer |
 * | NONE    | ARMED   | a commit of a CPU's latch, which `dispatch` will look at |
 * | ARMED   | MOVED   | `dispatch` on that CPU took it |
 * | ARMED   | NONE    | the batch was rolled back; or the task changed: TASK_LATCH_FAILED |
 */
enum {
	LATCH_NONE = 0,
	LATCH_CLAIMED = 1 << 16,
	LATCH_MOVED = 2 << 16,
	LATCH_BOUNCED = 3 << 16,
	LATCH_ARMED = 4 << 16,
	LATCH_KIND = 7 << 16,
	LATCH_LOCAL = 1 << 24, /* asked for by an agent that is on the CPU; never stored */
	LATCH_CPU = (1 << 16) - 1,
};

/* Takes the claim on a CPU back, if `id` still holds it. */
static __always_inline void release_cpu(u32 cpu, u64 id)
{
	struct rv_cpu *c = cpu_at(cpu);

	if (c)
		__sync_val_compare_and_swap(&c->latched, id, 0);
}

#endif
