# SPDX-License-Identifier: GPL-3.0-or-later
# `make deploy` and `make test` are all a newcomer needs; each sets up what it misses.

COLLECTION := collections/ansible_collections/lightiov/nvme
CACHE      := $(or $(LIGHTIOV_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/lightiov)
# In the cache, so that all clones share it, and no linter takes it for a part of the project.
VENV       := $(CACHE)/venv-$(shell sha256sum requirements.txt | cut -c1-16)
BIN        := $(VENV)/bin
READY      := $(VENV)/.ready
# The oldest Python that modules may meet on a host; ansible-core 2.17 is not run by one so old, and what runs beside it is not tested
# with it. Debian has none so old, so that is for the machine to have.
PYTHON39   := $(firstword $(wildcard $(HOME)/.pyenv/versions/3.9.*/bin/python3) $(shell command -v python3.9))
PACKAGES39 := ansible-core hypothesis pytest pytest-xdist
NOT39      := $(addprefix --ignore $(COLLECTION)/tests/unit/plugins/,action filter module_utils/partition)
VENV39     := $(CACHE)/venv39-$(shell echo $(PACKAGES39) | sha256sum | cut -c1-16)
# What the machine itself must have; everything else is in $(CACHE) or in the lab's images.
PACKAGES   := python3-venv git mmdebstrap e2fsprogs openssh-client debian-archive-keyring fio gcc libc6-dev make
PLAYBOOK   := $(BIN)/ansible-playbook $(ANSIBLE_ARGS)
# The lab answers questions about its kernel; colours would only garble logs.
export PATH := $(BIN):$(PATH)
export PYTHONPATH := $(CURDIR)

.DEFAULT_GOAL := help

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY) ## install what deploying and testing need (Debian packages, a Python environment)

$(READY): requirements.txt
	@missing=$$(for p in $(PACKAGES); do \
		dpkg-query -W -f '$${db:Status-Status}' $$p 2>/dev/null | grep -qx installed || echo $$p; done); \
	if [ -n "$$missing" ]; then \
		echo "Installing Debian packages:" $$missing; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -yqq --no-install-recommends $$missing; \
	fi
	@echo "Setting up $(VENV)"
	@mkdir -p $(CACHE)
	@python3 -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

# Tests look for VMs where their inventory has put them, so they have a lab of their own, which `make deploy` leaves alone.
test test-lab test-slow molecule fleet fleet-slow bench-hundreds: export LIGHTIOV_LAB := $(or $(LIGHTIOV_LAB),fleet)
test test-lab test-slow molecule fleet fleet-slow bench-hundreds iommufd test-debug-guest: export ANSIBLE_INVENTORY := $(CURDIR)/inventories/lab-pinned
# There is seldom memory for two labs.
ALONE := ./lab/lab down --name lab

.PHONY: lab
lab: $(READY) ## build and boot the lab's two hosts
	./lab/lab up

.PHONY: deploy
deploy: lab ## the main job, on the lab: every VM gets its hardware queues
	$(PLAYBOOK) playbooks/deploy.yml

.PHONY: verify
verify: $(READY) ## check I/O and queues of every VM of the lab
	$(PLAYBOOK) playbooks/verify.yml

.PHONY: teardown
teardown: $(READY) ## hand the lab's controllers back to the stock driver; data stays
	$(PLAYBOOK) playbooks/teardown.yml

.PHONY: down
down: ## stop the lab, that of the tests, and that of the benchmark
	./lab/lab down
	./lab/lab down --name fleet
	./lab/lab down --name bench

# The fake hosts of these tests keep each write as a host does, and memory takes it sooner than a disk.
unit unit39 properties exhaustive: export TMPDIR := /dev/shm

.PHONY: unit
unit: $(READY) ## unit tests
	$(BIN)/pytest -n 2 -q tests/unit
	$(BIN)/pytest -n 2 -q -m "not exhaustive" -c pyproject.toml --rootdir $(COLLECTION) $(COLLECTION)/tests/unit
	$(MAKE) --no-print-directory unit39

.PHONY: unit39
unit39: ## unit tests of what hosts run, with Python 3.9, where there is one; without those of many cases
ifeq ($(PYTHON39),)
	@# Also at the end of what timed.py runs: nobody reads this far up.
	@echo "  0:00  unit39: skipped, since this machine has no Python 3.9: install one with pyenv" | tee -a "$${LIGHTIOV_TIMES:-/dev/null}"
else
	@test -e $(VENV39)/.ready || { echo "Setting up $(VENV39)" && $(PYTHON39) -m venv $(VENV39) && \
		$(VENV39)/bin/pip install --quiet --disable-pip-version-check $(PACKAGES39) && \
		touch $(VENV39)/.ready; }
	$(VENV39)/bin/pytest -n 2 -q -m "not exhaustive and not many_cases" $(NOT39) -c pyproject.toml --rootdir $(COLLECTION) $(COLLECTION)/tests/unit
endif

.PHONY: properties
properties: $(READY) ## what is promised of every plan, on 1,000 fleets a promise; `make unit` has 60
	$(BIN)/pytest -n 2 -q --hypothesis-profile thorough -c pyproject.toml --rootdir $(COLLECTION) $(COLLECTION)/tests/unit/plugins/module_utils/partition

.PHONY: exhaustive
exhaustive: $(READY) ## modules killed at every moment, every pair of wishes, 100 races; `make unit` has a part of these
	$(BIN)/pytest -n 2 -q -m exhaustive -c pyproject.toml --rootdir $(COLLECTION) $(COLLECTION)/tests/unit

.PHONY: lint
lint: $(READY) ## Python and Ansible style
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/yamllint -s .
	$(BIN)/ansible-lint --offline

.PHONY: sanity
sanity: $(READY) ## ansible-test sanity on the collection as it ships
	tests/sanity.sh

.PHONY: docs
docs: $(READY) ## write the tables of variables in the roles' READMEs and in docs/variables.md
	$(BIN)/python tests/role_readmes.py

.PHONY: native
native: $(READY) ## liov's own tests; the kernel modules built for every supported kernel: compiler, sparse, checkpatch silent
	$(BIN)/pytest -q tests/native

# Molecule remembers that it has created the hosts, also after `make down`: so the lab is seen to here. Each scenario
# stands alone, but what the one before has deployed is not deployed again.
.PHONY: molecule
molecule: lab ## deploy onto the lab with Molecule, again without a change; reboot a host; tear down; plan, grow, shrink
	$(BIN)/molecule test --scenario-name default --destroy never
	LIGHTIOV_DEPLOYED=1 $(BIN)/molecule test --scenario-name reboot --destroy never
	LIGHTIOV_DEPLOYED=1 $(BIN)/molecule test --scenario-name teardown --destroy never
	LIGHTIOV_DEPLOYED=1 $(BIN)/molecule test --scenario-name partition --destroy never
	./lab/lab check-logs

.PHONY: fleet
fleet: $(READY) ## what a deployment promises, checked on the lab that `make molecule` left
	$(BIN)/pytest -q --durations=5 -m "not slow and not debug" tests/fleet

.PHONY: fleet-slow
fleet-slow: $(READY) ## the promises that take minutes each: killed VMs, changed inventories, Galaxy install
	$(BIN)/pytest -q --durations=5 -m slow tests/fleet

# A host of the lab seldom keeps two cores busy, two hosts do.
OVER_TWO_LABS := -n 2 --dist loadscope

.PHONY: host-module
host-module: export LIGHTIOV_TEST_LAB := test test-2
host-module: $(READY) ## the host module's rules, on labs of their own with `liov` in the place of VMs
	$(BIN)/pytest $(OVER_TWO_LABS) -q --durations=5 -m "not debug and not slow" tests/lab

.PHONY: host-module-slow
host-module-slow: $(READY) ## the host module's rules that take minutes: controllers that do not answer
	$(BIN)/pytest -q --durations=5 -m "slow and not debug" tests/lab

# A VM that boots the kernel of the debug flavour needs memory and time for its instruments.
DEBUG_VMS := -e lightiov_guest_timeout=3600 -e lightiov_vm_memory_mib=1024

# Debian's kernels do not have iommufd.
.PHONY: iommufd
iommufd: export LIGHTIOV_LAB := test-debug
iommufd: export LIGHTIOV_TEST_LAB := test-debug
iommufd: export LIGHTIOV_TEST_FLAVOUR := debug
iommufd: $(READY) ## Linux's own tests of VFIO, and a VM by iommufd, on the debug flavour; builds that kernel first
	$(BIN)/pytest -q --durations=5 tests/lab/test_vfio_selftests.py tests/lab/test_iommufd.py
	./lab/lab up --flavour debug host2
	$(PLAYBOOK) playbooks/deploy.yml --limit host2,vm3 $(DEBUG_VMS)
	$(BIN)/pytest -q --durations=5 -m debug tests/fleet/test_iommufd.py
	./lab/lab reset host2

# Its figures are those of one core, and of one machine: compare only runs of one.
BENCH := $(CACHE)/venv-bench-$(shell sha256sum bench/requirements.txt | cut -c1-16)

$(BENCH)/.ready: bench/requirements.txt
	@echo "Setting up $(BENCH)"
	@python3 -m venv $(BENCH) && $(BENCH)/bin/pip install --quiet --disable-pip-version-check -r $< && touch $@

.PHONY: bench-fleet
bench-fleet: $(READY) $(BENCH)/.ready ## how quickly and how tightly fleets are planned; curves in build/ (LARGE=1: a million VMs, too)
	PYTHONPATH=$(CURDIR):$(CURDIR)/collections $(BENCH)/bin/python -m bench.fleet $(if $(LARGE),--large)

.PHONY: bench-apply
bench-apply: $(READY) $(BENCH)/.ready ## what planning and deploying 25 to 200 hosts, and 10 to 300 VMs on a host, cost the machine that runs Ansible; curves in build/
	PYTHONPATH=$(CURDIR):$(CURDIR)/collections $(BENCH)/bin/python -m bench.simulated

.PHONY: bench-starts
bench-starts: $(READY) ## in the lab that `make deploy` left: from `virsh start` to disk and log-in, and from plugging in to disk, beside virtio-blk
	PYTHONPATH=$(CURDIR):$(CURDIR)/collections $(BIN)/python -m bench.starts

.PHONY: bench-driver
bench-driver: $(READY) ## in the lab that `make deploy` left: what the guest driver of commit BEFORE and the present one cost an I/O (DOCS=1: into the docs)
	PYTHONPATH=$(CURDIR):$(CURDIR)/collections:$(CURDIR)/tests/shared $(BIN)/python -m bench.driver $(BEFORE) $(if $(DOCS),--docs)

# The lab's figures that tests hold against a limit, and print.
.PHONY: bench-hundreds
bench-hundreds: $(READY) ## what 10, 100 and 300 VMs and their mdevs cost on one host of the lab: made, found unchanged, rebooted, removed
	$(ALONE)
	$(BIN)/pytest -q tests/fleet/test_hundreds.py

.PHONY: bench-setup
bench-setup: $(READY) ## in the lab: an mdev from opening to the first read, beside a whole device by VFIO; pinned GiB/s
	$(BIN)/pytest -q tests/lab/test_setup.py

# Of the images, too, nothing would be there with an empty $(CACHE).
.PHONY: bench-lab deploy-new deploy-again
bench-lab: $(READY) ## how long each part of make deploy, on new hosts and again, and of make test takes, beside what it took before
	./lab/lab reset --name lab
	tests/timed.py lab deploy-new deploy-again test
deploy-new deploy-again: export ANSIBLE_CALLBACK_PLUGINS := $(CURDIR)/bench/callbacks
deploy-new deploy-again: export ANSIBLE_CALLBACKS_ENABLED := lightiov.nvme.progress,parts
deploy-new: export PARTS_TARGET := deploy-new
deploy-again: export PARTS_TARGET := deploy-again
deploy-new deploy-again: deploy

# Alone on the machine, since times are measured. What was measured is kept, and gone on with; BENCH_ARGS are for ansible-playbook.
.PHONY: bench
bench: export LIGHTIOV_LAB := bench
bench: export ANSIBLE_INVENTORY := $(CURDIR)/inventories/lab-bench
bench: RESULTS := $(CURDIR)/build/bench$(if $(QUICK),-quick)
bench: $(READY) $(BENCH)/.ready ## LightIOV beside VFIO, virtio-blk and vhost-user, on a lab host of its own; report in build/ (QUICK=1: a first look)
	$(ALONE)
	./lab/lab down --name fleet
	./lab/lab up host6
	@# Of a run in which a contender has failed there is a report, too; the lab is left for a look.
	PYTHONPATH=$(CURDIR):$$(echo $(BENCH)/lib/python3*/site-packages) $(PLAYBOOK) playbooks/bench.yml \
		-e lightiov_bench_directory=$(RESULTS) \
		$(if $(QUICK),-e lightiov_bench_quick=true -e lightiov_bench_minutes=8) $(BENCH_ARGS)
	./lab/lab down

.PHONY: bench-docs
bench-docs: $(READY) $(BENCH)/.ready ## write the report of RESULTS (default: build/bench) into the docs, to be committed
	PYTHONPATH=$(CURDIR):$(CURDIR)/collections $(BENCH)/bin/python -m bench.figures --docs $(or $(RESULTS),build/bench)

.PHONY: checks
checks: $(READY) ## what needs no lab: unit, lint, sanity, native
	tests/timed.py unit lint sanity native

# The checks have what the lab leaves of the machine: it often waits.
.PHONY: test
test: $(READY) ## what continuous integration runs, with the time that each part took
	tests/timed.py test-lab,checks host-module

.PHONY: test-slow
test-slow: $(READY) ## what takes minutes a test, and hours in all: before a thing is called done
	$(ALONE)
	tests/timed.py properties exhaustive deploy fleet-slow down host-module-slow iommufd

.PHONY: test-lab
test-lab: $(READY) ## the whole system in the lab, VMs included
	$(ALONE)
	tests/timed.py lab molecule fleet down

# Instruments are asked last, also when a test has failed. Hosts take minutes to boot that kernel: both at once. Tests
# in the order of their files: the longest, which is alone in its own, comes first.
.PHONY: test-debug
test-debug: export LIGHTIOV_TEST_LAB := test-debug test-debug-2
test-debug: export LIGHTIOV_TEST_FLAVOUR := debug
test-debug: $(READY) ## the host module's rules under KASAN, lockdep, kmemleak and GCOV; builds that kernel first
	./lab/lab build --flavour debug
	echo $(LIGHTIOV_TEST_LAB) | xargs -n 1 -P 2 ./lab/lab up --flavour debug host1 --name
	status=0; \
	$(BIN)/pytest $(OVER_TWO_LABS) --no-loadscope-reorder -v --durations=20 $(addprefix --ignore tests/lab/test_,watched.py tools.py) tests/lab || status=$$?; \
	$(BIN)/pytest -q tests/lab/test_watched.py || status=$$?; \
	for lab in $(LIGHTIOV_TEST_LAB); do ./lab/lab reset --name $$lab; done; \
	exit $$status

# What of the fleet's tests is the guest driver's, in VMs whose kernel is instrumented as the host's is.
.PHONY: test-debug-guest
test-debug-guest: export LIGHTIOV_LAB := test-debug-guest
test-debug-guest: export LIGHTIOV_PATIENCE := 600
test-debug-guest: $(READY) ## the guest driver under KASAN, lockdep, kmemleak and GCOV; builds that kernel first
	$(ALONE)
	./lab/lab up --flavour debug host1
	$(PLAYBOOK) playbooks/deploy.yml --limit host1,vm1,vm2 $(DEBUG_VMS)
	$(BIN)/pytest -q --durations=5 -p watched_guests $(addprefix tests/fleet/test_,$(addsuffix .py,$(GUEST_TESTS)))
	./lab/lab reset host1

GUEST_TESTS := io guest_driver faults extents namespace_changes poll_queues watched_guests

.PHONY: clean
clean: down ## stop the lab and remove what was built in this folder
	rm -rf .lab build
