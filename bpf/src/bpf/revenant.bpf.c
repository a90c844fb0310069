/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * The scheduler: one for all enclaves. The operations in the order a task meets them; what each does
 * is in the file named after it. To be read in this order: message, status_word, task, hold, stint,
 * membership, availability, commit, latch, batch, fast_path, fallback, watchdog, enclave, route.
 */
#include "membership.h"
#include "batch.h"
#include "route.h"

char _license[] SEC("license") = "Dual BSD/GPL";

SEC("struct_ops/init_task")
s32 BPF_PROG(rv_init_task, struct task_struct *p, struct scx_init_task_args *args)
{
	return args->fork ? inherit(p) : 0;
}

SEC("struct_ops/enable")
void BPF_PROG(rv_enable, struct task_struct *p)
{
	enter(p);
}

/* Where the task was: its commit will say where it goes. */
SEC("struct_ops/select_cpu")
s32 BPF_PROG(rv_select_cpu, struct task_struct *p, s32 prev_cpu, u64 wake_flags)
{
	return prev_cpu;
}

SEC("struct_ops/enqueue")
void BPF_PROG(rv_enqueue, struct task_struct *p, u64 enq_flags)
{
	hold(p, enq_flags);
}

/* The CPU has nothing of ours to run. */
SEC("struct_ops/dispatch")
void BPF_PROG(rv_dispatch, s32 cpu, struct task_struct *prev)
{
	struct rv_cpu *c = cpu_at(cpu);
	struct rv_enclave *e;
	u32 enclave;

	if (!c || !c->owner || !c->is_online)
		return;
	if (take_latch(c, cpu))
		return;
	enclave = c->owner - 1;
	e = enclave_at(enclave);
	if (!e)
		return;
	if (e->state != RV_ENCLAVE_ATTACHED)
		serve_orphan(e, enclave);
	else
		take_fast_path(e, c, cpu, enclave);
}

SEC("struct_ops/running")
void BPF_PROG(rv_running, struct task_struct *p)
{
	begin_stint(p);
}

SEC("struct_ops/tick")
void BPF_PROG(rv_tick, struct task_struct *p)
{
	struct rv_task *t = record_of(p);
	struct rv_enclave *e = t ? enclave_at(t->enclave) : NULL;

	if (e && e->flags & RV_DELIVER_TICKS)
		tell_of_cpu(t->enclave, RV_CPU_TICK, scx_bpf_task_cpu(p), bpf_ktime_get_ns());
}

SEC("struct_ops/stopping")
void BPF_PROG(rv_stopping, struct task_struct *p, bool runnable)
{
	end_stint(p, runnable);
}

SEC("struct_ops/yield")
bool BPF_PROG(rv_yield, struct task_struct *from, struct task_struct *to)
{
	struct rv_task *t = record_of(from);

	if (t)
		t->flags |= TASK_YIELDED;
	set_slice(from, 0);
	return false;
}

SEC("struct_ops/quiescent")
void BPF_PROG(rv_quiescent, struct task_struct *p, u64 deq_flags)
{
	block(p, deq_flags);
}

SEC("struct_ops/set_cpumask")
void BPF_PROG(rv_set_cpumask, struct task_struct *p, const struct cpumask *cpumask)
{
	struct rv_task *t = record_of(p);

	if (t && t->flags & TASK_ANNOUNCED)
		tell(t, RV_TASK_AFFINITY_CHANGED, scx_bpf_task_cpu(p), bpf_ktime_get_ns());
}

SEC("struct_ops/set_weight")
void BPF_PROG(rv_set_weight, struct task_struct *p, u32 weight)
{
	struct rv_task *t = record_of(p);
	struct rv_status_word *word;
	u32 slot;

	if (!t)
		return;
	slot = slot_of(t->id);
	word = bpf_map_lookup_elem(&status_words, &slot);
	if (word)
		word->weight = weight;
	/* Also called when a task enters the class, with what it has anyway. */
	if (t->weight == weight || !(t->flags & TASK_ANNOUNCED)) {
		t->weight = weight;
		return;
	}
	t->weight = weight;
	tell(t, RV_TASK_PRIORITY_CHANGED, scx_bpf_task_cpu(p), bpf_ktime_get_ns());
}

SEC("struct_ops/disable")
void BPF_PROG(rv_disable, struct task_struct *p)
{
	leave(p);
}

SEC("struct_ops/exit_task")
void BPF_PROG(rv_exit_task, struct task_struct *p, struct scx_exit_task_args *args)
{
	cancel_reservation(p->pid);
	notice_death(p);
}

/* Without these two, the kernel would end the scheduler at every change of CPUs. */
SEC("struct_ops/cpu_online")
void BPF_PROG(rv_cpu_online, s32 cpu)
{
	struct rv_cpu *c = cpu_at(cpu);

	if (!c)
		return;
	c->is_online = 1;
	if (c->owner && !c->is_busy)
		say_available(c, c->owner - 1, cpu);
}

SEC("struct_ops/cpu_offline")
void BPF_PROG(rv_cpu_offline, s32 cpu)
{
	struct rv_cpu *c = cpu_at(cpu);

	if (!c)
		return;
	c->is_online = 0;
	fail_latch(c, cpu);
	if (c->owner)
		say_busy(c, c->owner - 1, cpu);
}

/* Kernels without SCX_ENQ_IMMED: a task that lost its CPU to a higher class comes back to us. */
SEC("struct_ops/cpu_release")
void BPF_PROG(rv_cpu_release, s32 cpu, struct scx_cpu_release_args *args)
{
	scx_bpf_reenqueue_local();
}

SEC("struct_ops.s/init")
s32 BPF_PROG(rv_init)
{
	const struct cpumask *online = scx_bpf_get_online_cpumask();
	struct rv_machine *m = the_machine();
	u32 cpus = scx_bpf_nr_cpu_ids();
	struct rv_cpu *c;
	int i;

	if (cpus > RV_CPUS_MAX)
		cpus = RV_CPUS_MAX;
	bpf_for(i, 0, cpus) {
		c = cpu_at(i);
		if (c)
			c->is_online = bpf_cpumask_test_cpu(i, online);
	}
	scx_bpf_put_cpumask(online);
	if (m) {
		m->cpus = cpus;
		m->slots_max = RV_TASKS_MAX;
		m->abi_version = RV_ABI_VERSION;
	}
	return 0;
}

SEC("struct_ops/exit")
void BPF_PROG(rv_exit, struct scx_exit_info *info)
{
	struct rv_machine *m = the_machine();

	if (!m)
		return;
	bpf_probe_read_kernel_str(m->exit_reason, sizeof(m->exit_reason), info->reason);
	bpf_probe_read_kernel_str(m->exit_message, sizeof(m->exit_message), info->msg);
	m->exit_code = info->exit_code;
	/* Last, behind a barrier: whoever sees a kind sees the rest. */
	__sync_lock_test_and_set(&m->exit_kind, info->kind);
}

SEC(".struct_ops.link")
struct sched_ext_ops revenant = {
	.init_task = (void *)rv_init_task,
	.enable = (void *)rv_enable,
	.select_cpu = (void *)rv_select_cpu,
	.enqueue = (void *)rv_enqueue,
	.dispatch = (void *)rv_dispatch,
	.running = (void *)rv_running,
	.tick = (void *)rv_tick,
	.stopping = (void *)rv_stopping,
	.yield = (void *)rv_yield,
	.quiescent = (void *)rv_quiescent,
	.set_cpumask = (void *)rv_set_cpumask,
	.set_weight = (void *)rv_set_weight,
	.disable = (void *)rv_disable,
	.exit_task = (void *)rv_exit_task,
	.cpu_online = (void *)rv_cpu_online,
	.cpu_offline = (void *)rv_cpu_offline,
	.cpu_release = (void *)rv_cpu_release,
	.init = (void *)rv_init,
	.exit = (void *)rv_exit,
	/* The kernel's longest. An enclave's own watchdog comes long before. */
	.timeout_ms = 30000,
	.name = "revenant",
};
