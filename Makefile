# Makefile - the desk of the kit: everything starts here. README.md says who needs what.
#
#   make setup                          install what is missing
#   make grade [SUBMISSION=path]        grade a tree (default: solution/); TASK=5 or GRADEFLAGS="fork exit" for a part;
#                                       STRICT=1: with the hidden tests; TRACK=linux: as that track (default: the tree's own)
#   make run PROG="usertests -q"        boot a tree, run one program; STRICT=1: from a disk with the hidden tests
#   make gdb PROG="mmaptest fork"       the same in gdb, which stops where the kernel panics or kills the program
#   make batch SUBMISSIONS=dir          grade many submissions into results/ (OUT=dir), some at a time (JOBS=n); docs/batch.md tells
#                                       of BATCHFLAGS="--deadline ... --scheduler ..."
#   make regrade [OUT=dir KEEP=1]       tell whose score changes with the kit as it is now; KEEP=1: and take that over
#   make test                           test the kit: kernel, grader, stages, handout
#   make stages [TRACK=linux]           grade every stage of the solution
#   make mutants [NAME=patch]           grade known bugs and other right solutions: is each found out, and only each?
#   make forgeries [NAME=patch]         grade trees that cheat: does one get a point that its code did not earn?
#   make flake [RUNS=200 STRICT=1]      grade the solution over and over, on an idle and on a busy host: does it ever fail? TRACK=all
#   make fuzz [SEED=1 OPS=500 RUNS=1]   do the same random things with memory on Linux and on the solution; do they see the same?
#   make handout                        write handout/; [TRACK=linux STAGE=2] OUT=dir: another track, or a stage
#   make release [OUT=dir TRACK=linux]  pack what students, Gradescope, Autolab and GitHub Classroom get into dist/; docs/release.md
#   make bench                          measure
#   make bench-batch                    measure how fast a class is graded
#   make coverage                       show which lines of the lab's code the tests reach
#   make clean                          delete whatever was built

SUBMISSION = solution
AS_TRACK = $(if $(TRACK),--track "$(TRACK)")

# The python3 that has the modules: Debian's are for /usr/bin/python3, and another may come first on PATH. Looked for when
# a recipe runs, since `make setup grade` has it only then.
MODULES = pexpect, elftools, psutil, rich, tomllib
PYTHON = $(or $(shell for p in /usr/bin/python3 $$(command -v python3); do \
  $$p -c 'import $(MODULES)' 2>/dev/null && echo $$p && break; done),\
  $(error No python3 (3.11 or newer) has the modules $(MODULES). Run: make setup))

.NOTPARALLEL:
.PHONY: setup grade run gdb batch regrade test stages mutants forgeries flake fuzz handout release bench bench-batch coverage clean

setup:
	@sh grader/setup.sh kit

grade:
	@$(PYTHON) -m grader grade --submission "$(SUBMISSION)" $(AS_TRACK) $(if $(TASK),--task $(TASK)) $(if $(STRICT),--strict) $(GRADEFLAGS)

run:
	@$(PYTHON) -m grader run --submission "$(SUBMISSION)" $(AS_TRACK) $(if $(STRICT),--strict) -- "$$PROG"

gdb:
	@$(PYTHON) -m grader gdb --submission "$(SUBMISSION)" $(AS_TRACK) $(if $(STRICT),--strict) -- "$$PROG"

batch:
	@$(PYTHON) -m grader batch "$(SUBMISSIONS)" $(AS_TRACK) $(if $(OUT),--out "$(OUT)") $(if $(JOBS),--jobs $(JOBS)) $(BATCHFLAGS)

regrade:
	@$(PYTHON) -m grader regrade $(if $(OUT),--out "$(OUT)") $(if $(JOBS),--jobs $(JOBS)) $(if $(KEEP),--keep) $(BATCHFLAGS)

test:
	@$(PYTHON) -m pytest grader/tests $(TESTFLAGS)

stages:
	@$(PYTHON) -m grader stages $(AS_TRACK)

mutants:
	@$(PYTHON) -m grader mutants $(NAME)

forgeries:
	@$(PYTHON) -m grader forgeries $(NAME)

flake:
	@$(PYTHON) -m grader flake $(AS_TRACK) $(if $(RUNS),--runs $(RUNS)) $(if $(STRICT),--strict)

fuzz:
	@$(PYTHON) -m grader fuzz $(if $(SEED),--seed $(SEED)) $(if $(OPS),--ops $(OPS)) $(if $(RUNS),--runs $(RUNS))

handout:
	@$(PYTHON) -m grader handout $(AS_TRACK) $(if $(STAGE),--stage $(STAGE)) $(if $(OUT),--out "$(OUT)")

release:
	@$(PYTHON) -m grader release $(AS_TRACK) $(if $(OUT),--out "$(OUT)")

bench:
	@$(PYTHON) -m grader bench

bench-batch:
	@$(PYTHON) -m grader bench-batch $(BATCHFLAGS)

coverage:
	@$(PYTHON) -m grader coverage

clean:
	rm -rf build dist .pytest_cache .hypothesis
	find grader -name __pycache__ -exec rm -rf {} +
	$(MAKE) -C solution clean
