# Ascent. `make run` and `make test` do everything on a fresh machine; `make help` lists the rest.

CC      ?= cc
MARCH   ?= native
BUILD   ?= build
WARN     = -Wall -Wextra -Wshadow -Wpedantic -Wno-missing-field-initializers
OPT     ?= -O3 -march=$(MARCH) -fno-math-errno -fopenmp-simd
# No fused multiply-add behind the reader's back: gcc and clang then give the same bits.
CFLAGS   = -std=c11 -D_POSIX_C_SOURCE=200809L -I. -ffp-contract=off $(WARN) $(OPT) $(EXTRA)
# `make MPI=1`: ppo_parallel over MPI, too, when mpirun starts it (Debian: libopenmpi-dev); else by fork alone
ifdef MPI
MPI_CFLAGS := -DASCENT_MPI $(shell pkg-config --cflags mpi-c 2>/dev/null || mpicc --showme:compile)
MPI_LIBS   := $(shell pkg-config --libs mpi-c 2>/dev/null || mpicc --showme:link)
endif
LDLIBS   = $(MPI_LIBS) -lgsl -llapacke -lopenblas -ljansson -lm -pthread

SOURCES  = $(wildcard autodiff/*.c envs/*.c algorithms/*.c derivations/*.c)
CHAPTERS = $(sort $(wildcard chapters/*/chapter.md))
EXERCISES = $(sort $(wildcard chapters/*/exercises.c))
# The programs that a chapter shows and runs
SHOWN    = $(patsubst %.c,$(BUILD)/%,$(filter-out $(EXERCISES),$(wildcard chapters/[0-9]*/*.c)))
OBJECTS  = $(SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/derivations/registry.o $(BUILD)/chapters/answer.o \
           $(EXERCISES:%.c=$(BUILD)/%.o) $(BUILD)/chapters/exercises.o
OBJECTS += $(patsubst %.c,$(BUILD)/%.o,chapters/assignment.c chapters/grade.c chapters/grade_sandbox.c \
           $(wildcard chapters/*/assignment/checks.c))
LIB      = $(BUILD)/libascent.a
EXAMPLES = $(patsubst %.c,$(BUILD)/%,$(wildcard chapters/examples/*.c))
UNIT     = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/test_*.c))
REFERENCE ?= tests/reference
FUZZ_RUNS ?= 1000000

SAY      = @$(if $(V),set -x,echo '  ')        # `make V=1` shows the whole commands
LINK     = $(SAY) link $@; $(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

ASSIGNMENTS = $(addprefix $(BUILD)/assignments/,runner 3/answers.o made)
all: $(BUILD)/ascent $(ASSIGNMENTS)

$(BUILD)/ascent: $(BUILD)/ascent.o $(LIB)
	$(LINK) $(LDLIBS)

$(LIB): $(OBJECTS)
	@rm -f $@
	$(SAY) ar $@; ar rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(SAY) cc $<; $(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

# What `ascent assignment` and `ascent grade` need beside the program. handouts/N: what students get, uncut. Seen by
# their code when it is graded: assignments/, with the headers, answers.o, and the runner, which holds the library
# without what an assignment asks for, nor what is built on that.
FOR_STUDENTS = autodiff/%.c envs/%.c algorithms/policy.c algorithms/rollout.c
HANDOUT_3 = $(addprefix algorithms/,returns.c reinforce.c vpg.c) \
            $(addprefix chapters/03-reinforce/assignment/,README.md Makefile)
$(BUILD)/assignments/made: $(HANDOUT_3) $(wildcard autodiff/*.h envs/*.h algorithms/*.h)
	@mkdir -p $(BUILD)/handouts/3 $(addprefix $(BUILD)/assignments/include/,autodiff envs algorithms)
	@cp $(HANDOUT_3) $(BUILD)/handouts/3
	@for d in autodiff envs algorithms; do cp $$d/*.h $(BUILD)/assignments/include/$$d; done
	@touch $@

$(BUILD)/assignments/runner: $(BUILD)/chapters/grade_runner.o \
    $(patsubst %.c,$(BUILD)/%.o,$(filter $(FOR_STUDENTS),$(SOURCES)))
	@mkdir -p $(@D)
	$(LINK) -rdynamic $(LDLIBS) -ldl

$(BUILD)/assignments/3/answers.o: chapters/03-reinforce/assignment/answers.c
	@mkdir -p $(@D)
	$(SAY) cc $<; $(CC) $(CFLAGS) -fPIC -MMD -MP -c -o $@ $<

# The table of ids, with the places where each stands in the sources.
$(BUILD)/derivations/registry.c: derivations/registry.awk derivations/registry.tsv $(SOURCES) $(CHAPTERS)
	@mkdir -p $(@D)
	$(SAY) awk $@; awk -f derivations/registry.awk derivations/registry.tsv $(SOURCES) $(CHAPTERS) > $@.tmp
	@mv $@.tmp $@

$(BUILD)/derivations/registry.o: $(BUILD)/derivations/registry.c
	$(SAY) cc $<; $(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

# The exercises of all chapters in one table
$(BUILD)/chapters/exercises.c: $(EXERCISES) Makefile
	@mkdir -p $(@D)
	@{ echo '#include <stddef.h>'; echo '#include "chapters/exercise.h"'; \
	   for n in $(foreach e,$(EXERCISES),$(firstword $(subst -, ,$(notdir $(patsubst %/,%,$(dir $e)))))); do \
	   echo "extern const exercise exercises_$$n[];"; list="$$list exercises_$$n,"; done; \
	   echo "const exercise *const exercises[] = {$$list NULL };"; } > $@.tmp
	@mv $@.tmp $@

$(BUILD)/chapters/exercises.o: $(BUILD)/chapters/exercises.c
	$(SAY) cc $<; $(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/chapters/%: $(BUILD)/chapters/%.o $(LIB)
	$(LINK) $(LDLIBS)

$(BUILD)/tests/%: $(BUILD)/tests/%.o $(LIB)
	$(LINK) -lcmocka $(LDLIBS)

$(BUILD)/tests/faults/faults: $(BUILD)/tests/faults/faults.o $(BUILD)/ascent.o $(LIB)
	$(LINK) -Wl,--wrap=main $(LDLIBS)

$(BUILD)/tests/reference: $(BUILD)/tests/reference.o
	$(LINK) $(LDLIBS)

$(BUILD)/tests/bench/bench: $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/bench/*.c)) $(LIB)
	$(LINK) $(LDLIBS)

$(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(FUZZ_DRIVER) $(LIB)
	$(LINK) $(LDLIBS)

# Made anew when MPI=1 comes or goes
$(BUILD)/algorithms/processes_mpi.o: CFLAGS += $(MPI_CFLAGS)
$(BUILD)/algorithms/processes_mpi.o: $(BUILD)/with_mpi_$(or $(MPI),0)
$(BUILD)/with_mpi_$(or $(MPI),0):
	@mkdir -p $(@D) && rm -f $(BUILD)/with_mpi_* && touch $@

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# ---- what people call ----

deps:
	@CC="$(CC)" .ci/deps

# Installs what is missing, builds, and shows the theorems holding on FrozenLake, read from a file.
run: deps
	@$(MAKE) --no-print-directory all
	$(BUILD)/ascent verify tests/reference/mdp/fl4_slip.mdp
	@rm -rf $(BUILD)/cartpole $(BUILD)/cartpole.svg
	$(BUILD)/ascent train ppo_clip --env CartPole-v1 --steps 200000 --until 475 --out $(BUILD)/cartpole
	$(BUILD)/ascent plot $(BUILD)/cartpole
	$(BUILD)/ascent plot $(BUILD)/cartpole --out $(BUILD)/cartpole.svg
	@echo 'the curve as a picture: $(BUILD)/cartpole.svg; the policy acting: $(BUILD)/ascent watch $(BUILD)/cartpole'

# Unit tests: operators, exact quantities, parsers, the registry. At most 60 s.
test-fast: $(BUILD)/ascent $(UNIT)
	@tests/run.sh $(BUILD) $(UNIT) tests/includes.sh

# What a change must pass, two at a time. At most 8 minutes.
test:
	@CC="$(CC)" .ci/deps tests
	@$(MAKE) --no-print-directory -j2 $(BUILD)/ascent $(UNIT) $(BUILD)/tests/reference $(BUILD)/tests/reference_mdp \
	    $(BUILD)/tests/faults/faults $(EXAMPLES) $(BUILD)/chapters/weave $(SHOWN) $(ASSIGNMENTS)
	@tests/run.sh $(BUILD) $(UNIT) tests/includes.sh tests/mutants/apply.sh tests/learning/sequential.sh \
	    tests/cli.sh tests/recorded.sh tests/reference.sh tests/examples.sh tests/book.sh tests/answer.sh chapters/weave.sh \
	    tests/grade.sh tests/runs.sh tests/faults.sh tests/processes.sh & \
	    tests/run.sh $(BUILD) tests/verify.sh tests/threads.sh; status=$$?; wait $$! && exit $$status

# Mutants, faults, learning, the grader's whole list, no warning from gcc or clang, the unit tests built by clang,
# fuzzing, sanitizers, valgrind, the book as pages: two at a time, the longest first. At most 60 minutes. Some call
# make themselves, which is not to wait for this one's jobs: MAKEFLAGS is empty there.
LONG = tests/mutants/run.sh tests/runs.sh tests/experiments.sh tests/learning.sh tests/faults.sh tests/valgrind.sh \
    tests/mutants/derivatives.sh tests/warnings.sh tests/grade.sh
test-full:
	@CC="$(CC)" .ci/deps full
	@$(MAKE) --no-print-directory -j2 $(BUILD)/ascent $(UNIT) $(BUILD)/tests/faults/faults $(ASSIGNMENTS) \
	    $(BUILD)/tests/learning/score
	@$(MAKE) --no-print-directory -k -j2 asan $(LONG) tsan clang fuzz pages FUZZ_RUNS=100000
$(LONG):
	@MAKEFLAGS= FAULTS=all GRADE=all tests/run.sh $(BUILD) $@
clang:
	@if command -v clang >/dev/null; then $(MAKE) --no-print-directory test-fast BUILD=build/clang CC=clang; \
	    else echo "clang is not installed: nothing tested with it"; fi
pages: book
	@tests/run.sh $(BUILD) tests/pages.sh

# One token changed at a time in autodiff, derivations and what run.sh names of algorithms: do the tests notice? A
# sample of some 530; `make mutate ALL=1` takes all. tests/mutate/run.sh says what else can be set.
mutate:
	@CC="$(CC)" .ci/deps tests
	@$(MAKE) --no-print-directory $(WOVEN) $(UNIT) $(BUILD)/tests/reference $(BUILD)/tests/faults/faults
	@$(MAKE) --no-print-directory -j2 build/asan/ascent $(UNIT:$(BUILD)/%=build/asan/%) BUILD=build/asan LDFLAGS= OPT="$(SANITIZE)"
	@tests/mutate/run.sh $(BUILD)

# Reader, tape, environments and exact layer against reference data, in any folder of the formats of tests/reference.
test-reference: $(BUILD)/ascent $(BUILD)/tests/reference $(BUILD)/tests/reference_mdp $(BUILD)/tests/test_ad_cases $(BUILD)/tests/test_env_cases \
    $(BUILD)/tests/test_is_cases
	@sh tests/reference.sh $(BUILD) $(REFERENCE)

# The book. Its chapters hold code and outputs: `make weave` writes them into the Markdown, `make check-book` fails
# where they differ from what the sources and the commands say now. `make book-runs` trains again what is kept as
# CSV. `make book` makes pages of it, build/book/index.html. A new chapter is a folder chapters/NN-name.
WOVEN = $(BUILD)/ascent $(BUILD)/chapters/weave $(SHOWN) $(EXAMPLES)
weave: $(WOVEN)
	@chapters/weave.sh $(BUILD) write
check-book: $(WOVEN)
	@chapters/weave.sh $(BUILD)
book-runs: $(WOVEN)
	@chapters/weave.sh $(BUILD) runs
book:
	@.ci/deps book
	@chapters/book.sh $(BUILD)

# Short programs that use the library: a start for your own.
examples: $(EXAMPLES)

# Speed, against the same step by hand and the matrix products alone.
bench: $(BUILD)/tests/bench/bench
	@$(BUILD)/tests/bench/bench
	@for python in python3 /usr/bin/python3; do \
	    if $$python -c 'import torch' 2>/dev/null; then \
	    $$python tests/bench/peer.py && $$python tests/bench/peer_ppo.py && exec $$python tests/bench/peer_ddpg.py; \
	    fi; done; \
	    echo; echo 'PyTorch is not installed (Debian: python3-torch): no figures of it beside'

SANITIZE = -O1 -g -march=$(MARCH) -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
    -Wno-unknown-pragmas -DASCENT_CHECKED
# ALL=1: whole runs and every page of every id, too
asan:
	@CC="$(CC)" .ci/deps tests
	@$(MAKE) --no-print-directory test-fast BUILD=build/asan LDFLAGS= OPT="$(SANITIZE)"
	@$(MAKE) --no-print-directory build/asan/tests/faults/faults BUILD=build/asan LDFLAGS= OPT="$(SANITIZE)"
	@tests/run.sh build/asan tests/faults.sh
	@ASAN_OPTIONS=detect_leaks=0 tests/run.sh build/asan tests/cli.sh $(and $(ALL),tests/verify.sh tests/recorded.sh tests/runs.sh)

# Threads under ThreadSanitizer, nothing suppressed; products in plain loops, as it sees none of BLAS's. First a race
# that it must report.
RACES = -O1 -g -march=$(MARCH) -fsanitize=thread -fno-omit-frame-pointer -Wno-unknown-pragmas -DASCENT_CHECKED \
    -DASCENT_PLAIN_LOOPS
TSAN = $(addprefix build/tsan/tests/,test_workers test_a3c test_env)
tsan:
	@CC="$(CC)" .ci/deps tests
	@$(MAKE) --no-print-directory $(TSAN) build/tsan/ascent build/tsan/tests/threads/race BUILD=build/tsan LDFLAGS= OPT="$(RACES)"
	@TSAN_OPTIONS=exitcode=66 build/tsan/tests/threads/race >build/tsan/race 2>&1; [ $$? -eq 66 ] || \
	    { echo 'ThreadSanitizer does not see a race:'; cat build/tsan/race; exit 1; }
	@TSAN_OPTIONS=halt_on_error=1:exitcode=66 tests/run.sh build/tsan $(TSAN) tests/threads.sh

# FUZZ_RUNS executions of each parser's fuzzer under the sanitizers.
fuzz:
	@MAKEFLAGS= CC="$(CC)" tests/fuzz/run.sh $(FUZZ_RUNS)

clean:
	rm -rf build

help:
	@echo 'make                the program, build/ascent (CC=clang, MARCH=x86-64-v3 for another machine)'
	@echo 'make run            install what is missing, build, show the first table'
	@echo 'make test           what a change must pass;  make test-fast: its unit tests;  make test-full: more'
	@echo 'make test-reference REFERENCE=DIR    every part that has reference data, against it'
	@echo 'make book           the book as pages, build/book/index.html;  make weave: code and outputs into its Markdown;'
	@echo '                    make check-book: is all of it still so?  make book-runs: its training runs anew'
	@echo 'make examples       short programs on the library, a start for your own: chapters/examples'
	@echo 'make bench          speed, beside the same step by hand and its matrix products alone'
	@echo 'make asan           the tests under the address and undefined-behaviour sanitizers;  ALL=1: more of them'
	@echo 'make tsan           threads under the thread sanitizer'
	@echo 'make fuzz FUZZ_RUNS=1000000          the parsers on so many random files'
	@echo 'make MPI=1          the program with ppo_parallel over MPI, too: mpirun -n 4 build/ascent train ppo_parallel ...'
	@echo 'make deps, make clean'

.PHONY: all deps run test test-fast test-full $(LONG) clang pages test-reference bench weave check-book book-runs book \
    examples mutate fuzz asan tsan clean help
.SECONDARY:
.DELETE_ON_ERROR:
