# 直答 Zhida. `make` alone explains itself.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
MODEL ?= m3e-small
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
# Twice quiet: errors only. A machine's own pip settings can make it warn hundreds of times.
UV := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
  --no-annotate --no-header
ifneq ($(wildcard bundle/wheels),)
FROM := --no-index --find-links bundle/wheels
endif

.PHONY: help setup serve install test lint bench peers bundle lock clean model browser

help: ## 显示这份说明
	@echo "直答 Zhida：12345 热线知识库"
	@echo
	@sed -nE 's/^([a-z]+):.*## (.*)$$/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18
	@echo
	@echo "数据在 var/ 下；设置见 docs/settings.md；命令见 $(BIN)/zhida --help"

setup: $(STAMPS)/runtime ## 安装程序、语义模型，建立带演示数据的数据库
	@$(MAKE) model
	@$(BIN)/zhida setup --demo

serve: setup ## 安装（首次）并启动服务，打印网址和演示账号
	@exec $(BIN)/zhida serve

install: $(STAMPS)/runtime ## 正式安装或升级：安装程序和语义模型，不建库，不载入演示数据
	@$(MAKE) model
	@echo "已安装。接着运行 $(BIN)/zhida setup 建立或升级数据库，按提示建立系统管理员。"

test: $(STAMPS)/test model browser ## 运行全部测试
	@$(BIN)/pytest -n 2 --dist worksteal

lint: $(STAMPS)/test ## 检查代码格式与类型
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(STAMPS)/test model ## 测量检索质量与速度，与基线并排
	@$(BIN)/zhida bench all
	@$(BIN)/zhida bench robust
	@$(BIN)/python -m benchmarks.fit_ranker --leave-out
	@$(BIN)/zhida bench speed

peers: $(STAMPS)/test ## 安装并排比较用的其他软件（bench words、vectors、hybrids 和曲线图）
	@$(PIP) install --no-build-isolation -e '.[bench]'

bundle: $(STAMPS)/runtime ## 备好 bundle/，供没有网络的机器安装
	@.ci/bundle $(BIN)/python

lock: $(STAMPS)/venv ## 按 pyproject.toml 重新锁定 requirements/（依赖改动之后）
	@$(PIP) install uv
	@$(UV) -o requirements/runtime.txt
	@$(UV) --extra postgresql -c requirements/runtime.txt -o requirements/postgresql.txt
	@$(UV) --extra test -c requirements/runtime.txt -o requirements/test.txt

clean: ## 删除安装的环境（var/ 中的数据不动）
	@rm -rf $(VENV) build *.egg-info
	@echo "已删除 $(VENV)；数据仍在 var/。"

model:
	@$(BIN)/zhida model fetch $(MODEL) || echo "注意：没有取得语义模型，服务将仅按词语检索。有网络或离线安装包后可再次运行。"

browser:
	@.ci/ensure-browser

$(STAMPS)/venv:
	@.ci/check-python $(PYTHON)
	@echo "正在建立 Python 环境 $(VENV) ……"
	@$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/runtime: $(STAMPS)/venv requirements/runtime.txt pyproject.toml
	@echo "正在安装运行所需的软件包（首次约需几分钟）……"
	@$(PIP) install $(FROM) --require-hashes -r requirements/runtime.txt
	@$(PIP) install --no-deps --no-build-isolation --no-index -e .
	@touch $@

$(STAMPS)/test: $(STAMPS)/runtime requirements/test.txt
	@echo "正在安装测试所需的软件包……"
	@$(PIP) install --require-hashes -r requirements/test.txt
	@touch $@
