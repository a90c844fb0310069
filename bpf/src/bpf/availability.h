/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Availability: whether a CPU is with a higher scheduling class. The agent is told when a task of its
 * own lost the CPU so, or when it tried to use the CPU in vain; and then, once, that it is back.
 */
#ifndef RV_AVAILABILITY_H
#define RV_AVAILABILITY_H

#include "stint.h"

/*
 * What the agent knows of a CPU's being busy. CPU_BUSY must be in the channel before CPU_AVAILABLE,
 * though the two may be said from different CPUs.
 *
 * | from    | to      | by |
 * |---------|---------|----|
 * | UNTOLD  | TELLING | whoever found the CPU busy, and now posts CPU_BUSY |
 * | TELLING | TOLD    | the same, when the message is posted |
 * | TOLD    | UNTOLD  | whoever found the CPU back, and now posts CPU_AVAILABLE |
 */
enum {
	UNTOLD,
	TELLING,
	TOLD,
};

static __always_inline void say_available(struct rv_cpu *c, u32 enclave, u32 cpu)
{
	if (c->is_online && c->is_busy_told == TOLD &&
	    __sync_val_compare_and_swap(&c->is_busy_told, TOLD, UNTOLD) == TOLD)
		tell_of_cpu(enclave, RV_CPU_AVAILABLE, cpu, bpf_ktime_get_ns());
}

/* Says that a CPU is busy, unless it no longer is. */
static __always_inline bool say_busy(struct rv_cpu *c, u32 enclave, u32 cpu)
{
	if (__sync_val_compare_and_swap(&c->is_busy_told, UNTOLD, TELLING) == UNTOLD) {
		tell_of_cpu(enclave, RV_CPU_BUSY, cpu, bpf_ktime_get_ns());
		__sync_lock_test_and_set(&c->is_busy_told, TOLD);
	}
	/* Whoever sets `is_busy` to 0 looks at `is_busy_told` afterwards; so one of the two sees the other. */
	if (c->is_busy || !c->is_online)
		return true;
	say_available(c, enclave, cpu);
	return false;
}

static __always_inline bool is_higher(const struct task_struct *p)
{
	return p->policy != SCHED_EXT && !(p->flags & PF_IDLE);
}

static __always_inline void tell_of_agent(struct rv_cpu *c, u32 enclave, u32 cpu, u32 kind)
{
	struct rv_enclave *e = enclave_at(enclave);

	if (e && e->flags & RV_DELIVER_AGENTS)
		tell_of_cpu(enclave, kind, cpu, bpf_ktime_get_ns());
}

/* An agent on the CPU it schedules does not keep it from itself. */
static __always_inline bool is_local_agent(const struct rv_cpu *c, const struct task_struct *p, u32 enclave)
{
	struct rv_enclave *e;

	if (c->agent_tid != (u32)p->pid)
		return false;
	e = enclave_at(enclave);
	return e && e->flags & RV_PER_CPU_AGENTS;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(rv_switch, bool preempt, struct task_struct *prev, struct task_struct *next)
{
	u32 cpu = bpf_get_smp_processor_id(), enclave;
	struct rv_cpu *c = cpu_at(cpu);
	struct rv_enclave *e;

	if (!c)
		return 0;
	/* Kept up for nobody, too: whoever claims the CPU must not wait for its next switch. */
	if (!c->owner) {
		if (c->is_busy != is_higher(next)) {
			c->busy_times += is_higher(next);
			__sync_lock_test_and_set(&c->is_busy, is_higher(next));
		}
		return 0;
	}
	enclave = c->owner - 1;
	if (c->agent_tid && c->agent_tid == (u32)prev->pid && !preempt && prev->__state)
		tell_of_agent(c, enclave, cpu, RV_AGENT_BLOCKED);
	if (!is_higher(next)) {
		if (c->is_busy) {
			/* A full barrier between the two, as in `say_busy`. */
			__sync_lock_test_and_set(&c->is_busy, 0);
			say_available(c, enclave, cpu);
		}
		return 0;
	}
	if (!c->is_busy) {
		__sync_lock_test_and_set(&c->is_busy, 1);
		c->busy_times++;
		e = enclave_at(enclave);
		if (e && e->flags & RV_DELIVER_NOT_IDLE && prev->flags & PF_IDLE)
			tell_of_cpu(enclave, RV_CPU_NOT_IDLE, cpu, bpf_ktime_get_ns());
	}
	if ((prev->policy == SCHED_EXT || c->latched) && !is_local_agent(c, next, enclave))
		say_busy(c, enclave, cpu);
	return 0;
}

/* Somebody of the fair class wants the CPU an agent spins on: it should move. */
SEC("tp_btf/sched_wakeup")
int BPF_PROG(rv_wakeup, struct task_struct *p)
{
	u32 cpu = scx_bpf_task_cpu(p);
	struct rv_cpu *c = cpu_at(cpu);

	if (!c || !c->agent_tid)
		return 0;
	if (c->agent_tid == (u32)p->pid) {
		if (c->owner)
			tell_of_agent(c, c->owner - 1, cpu, RV_AGENT_WAKEUP);
		return 0;
	}
	if (p->prio >= 100 && p->policy != SCHED_EXT)
		c->is_wanted = 1;
	return 0;
}

#endif
