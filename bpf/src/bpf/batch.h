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

/* The agent gives this very CPU to the task, unless it missed a message. */
static __always_inline u32 commit_local(const struct rv_commit *args, struct rv_transaction *txn)
{
	u32 place = channel_index(args->enclave, args->channel), outcome;
	struct rv_channel *channel = bpf_map_lookup_elem(&channels, &place);

	outcome = arm(txn, args->enclave, true);
	if (outcome != RV_COMMITTED)
		return outcome;
	/* Last, as ghOSt does: the decision is right, but the agent must not sleep on it. */
	if (!channel || channel->seq != args->seq_read) {
		disarm(args->local_cpu);
		return RV_AGENT_STALE;
	}
	fire(args->local_cpu, true);
	return RV_COMMITTED;
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
		outcome = arm(txn, args->enclave, txn->cpu == args->local_cpu);
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
