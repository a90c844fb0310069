# The verbs of this repository; each is a script or one call of cargo. The CI calls the same.

TARGET := $(or $(CARGO_TARGET_DIR),target)
NEEDS := @scripts/install-needs
# Without what guests need, vm/test says that it skips them.
VM_NEEDS := @scripts/install-needs vm kernel || [ $$? = 77 ]
CARGO := PATH="$${CARGO_HOME:-$$HOME/.cargo}/bin:$$PATH" cargo

.PHONY: help demo test vm-test check loom sanitize bench costs check-costs fuzz

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

demo: ## Revenant beside the kernel's own scheduler, in under a minute of measuring: table and report
	$(NEEDS)
	@scripts/demo

test: ## all tests, documentation examples and example programs, here and in virtual machines
	$(VM_NEEDS)
	@scripts/test

vm-test: ## the tests that need a kernel with sched_ext, or other CPUs than these, in virtual machines
	$(VM_NEEDS)
	@vm/test

check: ## formatting, lints and documentation, warnings being errors
	$(NEEDS)
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items
	@scripts/check-kernel

loom: ## every interleaving of the lock-free parts, up to three preemptions
	$(NEEDS)
	RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=3 $(CARGO) test -p revenant --release --lib --target-dir $(TARGET)/loom loom

sanitize: ## address and thread sanitizers over the unsafe parts
	$(NEEDS)
	@scripts/sanitize

fuzz: ## hostile bytes for everything that reads bytes from strangers, a minute each
	$(NEEDS)
	@scripts/fuzz

bench: ## the numbers of the README: takes about ten minutes
	$(NEEDS)
	@scripts/bench

check-costs: ## operations of the kernel backend held to the record vm/costs.json: a minute, once built
	$(VM_NEEDS)
	@vm/costs check

costs: ## renews that record: as long
	$(VM_NEEDS)
	@vm/costs record
