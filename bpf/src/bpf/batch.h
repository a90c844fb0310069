/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0 */
/*
 * Batches: the call by which an agent commits all its transactions.
 */
#ifndef RV_BATCH_H
#define RV_BATCH_H

#include "latch.h"

static __always_inline struct rv_transaction *transaction_at(u32 enclave, u32 index)
{
	u32 place = enclave * RV_CPUS_MAX + index;

	return bpf_map_lookup_elem(&transactions, &place);
}

static __always_inline void settle(struct rv_enclave *e, struct rv_transaction *txn, u32 outcome)
{
	txn->outcome = outcome;
	if (outcome < RV_OUTCOMES)
		e->outcomes[outcome]++;
}

/*
 * Arms the latch of a transaction's CPU. If that is the agent's own, it must not sleep on its decision
 * when a message has come since: checked last, as ghOSt does.
 */
static __always_inline u32 arm_for(const struct rv_commit *args, struct rv_transaction *txn)
{
	u32 place = channel_index(args->enclave, args->channel), outcome;
	bool is_local = txn->cpu == args->local_cpu;
	struct rv_channel *channel = bpf_map_lookup_elem(&channels, &place);

	outcome = arm(txn, args->enclave, is_local);
	if (outcome != RV_COMMITTED || !is_local || (channel && channel->seq == args->seq_read))
		return outcome;
	disarm(args->local_cpu);
	return RV_AGENT_STALE;
}

/* The agent gives this very CPU to the task. */
static __always_inline u32 commit_local(const struct rv_commit *args, struct rv_transaction *txn)
{
	u32 outcome = arm_for(args, txn);

	if (outcome == RV_COMMITTED)
		fire(args->local_cpu, true);
	return outcome;
}

static __always_inline void commit_group(const struct rv_commit *args, struct rv_enclave *e)
{
	struct rv_transaction *txn;
	u32 outcome;
	int i;

	bpf_for(i, 0, args->count) {
		txn = transaction_at(args->enclave, args->first + i);
		if (!txn)
			break;
		if (txn->cpu == args->local_cpu)
			outcome = commit_local(args, txn);
		else
			outcome = commit_one(txn, args->enclave);
		settle(e, txn, outcome);
	}
}

/* Arms every latch, then fires or disarms all of them. */
static __always_inline void commit_together(const struct rv_commit *args, struct rv_enclave *e)
{
	struct rv_transaction *txn;
	bool all = true;
	u32 outcome;
	int i;

	bpf_for(i, 0, args->count) {
		txn = transaction_at(args->enclave, args->first + i);
		if (!txn)
			break;
		outcome = arm_for(args, txn);
		txn->outcome = outcome;
		all = all && outcome == RV_COMMITTED;
	}
	bpf_for(i, 0, args->count) {
		txn = transaction_at(args->enclave, args->first + i);
		if (!txn)
			break;
		outcome = txn->outcome;
		if (outcome == RV_COMMITTED && all) {
			fire(txn->cpu, txn->cpu == args->local_cpu);
		} else if (outcome == RV_COMMITTED) {
			disarm(txn->cpu);
			outcome = RV_ABORTED;
		}
		settle(e, txn, outcome);
	}
}

SEC("syscall")
int rv_commit_batch(struct rv_commit *args)
{
	struct rv_enclave *e = enclave_at(args->enclave);

	if (!e || args->count > RV_CPUS_MAX || args->first > RV_CPUS_MAX - args->count ||
	    args->channel >= RV_CHANNELS_PER_ENCLAVE) {
		args->result = -EINVAL;
		return 0;
	}
	if (e->state != RV_ENCLAVE_ATTACHED || e->agent_tgid != bpf_get_current_pid_tgid() >> 32) {
		args->result = -EPERM;
		return 0;
	}
	if (args->is_all_or_none)
		commit_together(args, e);
	else
		commit_group(args, e);
	args->result = 0;
	return 0;
}

/* Nothing: what a call costs by itself. */
SEC("syscall")
int rv_nothing(struct rv_commit *args)
{
	args->result = 0;
	return 0;
}

#endif
