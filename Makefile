# make reproduce   run every chapter on the committed samples and say which claims hold
# make test        run every test and every notebook
# make lab         open the chapters in JupyterLab
#
# Each sets up .venv by itself when it is missing or older than pyproject.toml.

PY ?= python3
BIN := .venv/bin
NBCONVERT = $(BIN)/jupyter nbconvert --log-level=ERROR --to notebook --inplace
KEPT := glibc.malloc.hugetlb=1:glibc.malloc.trim_threshold=1073741824:glibc.malloc.mmap_threshold=1073741824
RUN := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python

.PHONY: signs plots picture release lock quick hooks cards reproduce test lab export translate notebooks book samples \
  backbone published realdata carry budget probes ablation objectives record difficulty coverage campaign benchmarks \
  clean

reproduce: .venv/.ready
	@$(BIN)/usbook reproduce all

# memory that is freed is kept: giving it back and asking for it anew takes a tenth of the time of a training
test: .venv/.ready
	@OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= GLIBC_TUNABLES=$(KEPT) $(RUN) -m pytest -n auto --dist worksteal

lab: .venv/.ready
	@$(BIN)/usbook lab

# For those who change usbook ---------------------------------------------------------------------

# library from notebooks, README from index.ipynb, notebooks without noise
export: .venv/.ready
	@$(BIN)/nbdev-export && $(BIN)/nbdev-clean && $(RUN) tools/translate.py && $(RUN) tools/readme.py

# catalogues for translators, brought up to date with the sources; says how much is translated
translate: .venv/.ready
	@$(RUN) tools/translate.py

# run every notebook and keep its outputs, with plots that light and dark pages show
notebooks: .venv/.ready
	@export USBOOK_WIDGETS=static MATPLOTLIBRC="$(CURDIR)/tools/book/matplotlibrc"; \
	for nb in `git ls-files 'nbs/*.ipynb'`; do echo "$$nb"; \
	  $(NBCONVERT) --execute --ExecutePreprocessor.timeout=1800 \
	    --ExecutePreprocessor.store_widget_state=False "$$nb" || exit 1; \
	done
	@$(NBCONVERT) --TagRemovePreprocessor.enabled=True --TagRemovePreprocessor.remove_all_outputs_tags=live \
	  `git ls-files 'nbs/*.ipynb'`
	@$(BIN)/nbdev-clean

# their plots in another language, for its book: what differs from the English pictures
# (make plots OF=zh, some with NB="nbs/...")
plots: .venv/.ready
	@OMP_NUM_THREADS=1 $(RUN) tools/plots.py $(or $(OF),zh) $(NB)

# build/book: the notebooks with their outputs as a site that needs no network
book: .venv/.ready
	@OMP_NUM_THREADS=1 $(RUN) tools/book/book.py build/book

# data_samples/ anew, from its seeds
samples: .venv/.ready
	@$(BIN)/usbook phantom all --out data_samples

# usbook/weights/ anew, two networks from nothing but procedural images: up to two hours on two cores; interrupted, it
# goes on where it was
backbone: .venv/.ready
	@$(RUN) -c 'if __name__ == "__main__": from usbook.learn.pretrain import CAFFENET, make_backbone as make; \
	  make(log="nbs/records/backbone_log.csv"); make(CAFFENET, log="nbs/records/alexnet_log.csv")'

# the networks of the five papers, each taught on a small set to see whether it learns: an hour and a half on two cores
published: .venv/.ready
	@OMP_NUM_THREADS=1 $(RUN) tools/published.py

# what the shipped recipe is worth on real public images, and the long tests on them; USBOOK_REALDATA names their folder
# (all sets, networks and seeds take many hours on two cores; what is done is kept;
# JUDGE="--sets breast --seeds 0" does less)
realdata: .venv/.ready
	@$(RUN) tools/judge_recipe.py $(JUDGE)
	@$(RUN) -m pytest -m slow

# how far simulated images alone teach real ones, into nbs/records/carrying_over.json;
# USBOOK_REALDATA names the real ones
# (CARRY="--sets lung_signs --seeds 0" does less, CARRY=--without leaves one ingredient out at a time, CARRY=--first
# learns from fewer invented people, CARRY=--why tells what distinguishes real from simulated)
carry: .venv/.ready
	@OMP_NUM_THREADS=1 $(RUN) tools/carry.py $(CARRY)

# what the shipped backbone is worth under a plain head and a plain loop, which are not those of the recipe
probes: .venv/.ready
	@$(RUN) tools/judge_backbone.py $(if $(FINETUNED),--finetuned)

# what helped the backbone: short pretrainings, each with one thing left out; half an hour on two cores
ablation: .venv/.ready
	@$(RUN) tools/judge_backbone.py --ablate

# would another objective, other images or larger ones make a better backbone? into
# nbs/records/backbone_objectives.json; USBOOK_REALDATA names the real ones; an hour on one core
objectives: .venv/.ready
	@$(RUN) tools/objectives.py

# how little a detector may be trained, into nbs/records/detect_budget.json; twenty minutes on two cores
budget: .venv/.ready
	@OMP_NUM_THREADS=1 $(RUN) tools/judge_detector.py

# what holds: the verdicts of all five studies into nbs/records; PROFILE=workshop for the larger runs
record: .venv/.ready
	@$(RUN) tools/record.py $(if $(PROFILE),--profile $(PROFILE))

# the picture at the top of the README, from the samples and the recorded verdicts
picture: .venv/.ready
	@$(RUN) tools/picture.py

# several signs a frame, frozen and fine-tuned, on real lung ultrasound, into nbs/records/real_several_signs.json;
# USBOOK_REALDATA names its folder; about an hour on one core
signs: .venv/.ready
	@$(RUN) tools/several_signs.py

# how hard the samples are: a plain reference beside networks, into nbs/records/difficulty.json;
# half an hour on two cores
difficulty: .venv/.ready
	@$(RUN) tools/judge_phantoms.py

# what a stranger may do, some thousand times: spoilt files, kills, full disks, odd terminals;
# counts into nbs/records/campaign.json
campaign: .venv/.ready
	@OMP_NUM_THREADS=1 PYTHONPATH=tools $(RUN) -m campaign

# everything of a release but the tag: VERSION=0.2.0; sdist and wheel are tried in an empty environment,
# then put into dist/
release: .venv/.ready
	@$(RUN) tools/release.py $(VERSION) $(if $(TAGGED),--tagged)

# workshop.lock: all packages of a workshop with versions and hashes; CHECK=yes says whether it is stale
lock: .venv/.ready
	@$(RUN) tools/lock.py $(if $(CHECK),--check)

# what CI would say first, in ten seconds; `make hooks` asks it before each commit
quick: .venv/.ready
	@$(RUN) tools/quick.py

hooks: .venv/.ready
	@$(BIN)/nbdev-install-hooks
	@cp tools/hooks/pre-commit "$$(git rev-parse --git-path hooks)/pre-commit"

# the data cards of the samples (Croissant) and the backbone's model card, from what is there
cards: .venv/.ready
	@$(RUN) tools/cards.py

benchmarks: .venv/.ready
	@for b in benchmarks/bench_*.py; do echo "$$b"; $(RUN) "$$b" || exit 1; done

# how often 95 % intervals hold the truth, in simulation, into nbs/records/coverage.json; about ten minutes on one core
coverage: .venv/.ready
	@$(RUN) tools/coverage.py

clean:
	rm -rf .venv build dist

# -------------------------------------------------------------------------------------------------

.venv/.ready: pyproject.toml
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
	  echo "usbook needs Python 3.10 or newer as $(PY);" \
	    "if you have one under another name: make PY=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up .venv: 1 GB to download; 3.5 GB where PyTorch brings GPU libraries ..."
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --allow-existing --python "$$($(PY) -c 'import sys; print(sys.executable)')" .venv; \
	else \
	  $(PY) -c 'import venv, ensurepip' 2>/dev/null || { \
	    echo "This Python can't make virtual environments; install the package python3-venv" \
	      "(Debian, Ubuntu: sudo apt install python3-venv)"; exit 1; }; \
	  $(PY) -m venv .venv && $(BIN)/python -m pip install --quiet --disable-pip-version-check uv; \
	fi
	@install="$$(command -v uv || echo $(BIN)/uv) pip install --compile-bytecode --python $(BIN)/python -e .[dev]"; \
	$$install --torch-backend=auto || { \
	  echo "PyTorch's own index did not answer; taking the usual packages ..."; $$install; }
	@touch $@
	@echo "Ready."
