#!/usr/bin/env bash
# Sets promptknn up, shows it, tests it, measures it, and builds its wheel. See `./build.sh help`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

venv=.venv
python=$venv/bin/python
# Spark's code is run for a minute or an hour: what is compiled best after 5,000 calls, as is usual,
# takes a seventh of a minute's work, and what is called ten times as often still is.
compiled_late="-XX:Tier4InvocationThreshold=50000 -XX:Tier4MinInvocationThreshold=6000 -XX:Tier4CompileThreshold=150000 -XX:Tier4BackEdgeThreshold=400000"
delta_package=io.delta:delta-spark_4.2_2.13:4.4.0
driver_memory=${PROMPTKNN_DRIVER_MEMORY:-4g}

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
fail() { printf '%s\n' "$*" >&2; exit 2; }

find_uv() {
  command -v uv >/dev/null && return
  export PATH="$HOME/.local/bin:$PATH"
  command -v uv >/dev/null && return
  say "Installing uv with pip"
  python3 -m pip install --quiet uv 2>/dev/null ||
    python3 -m pip install --quiet --user --break-system-packages uv ||
    fail "uv is missing and pip could not install it: install uv, then run this again."
  hash -r
}

java_is_new_enough() {
  local java=$1 version
  version=$("$java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
  [ "${version:-0}" -ge 17 ]
}

find_java() {
  if [ -n "${JAVA_HOME:-}" ] && java_is_new_enough "$JAVA_HOME/bin/java"; then return; fi
  unset JAVA_HOME
  if command -v java >/dev/null && java_is_new_enough java; then return; fi
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "Installing Java 17"
    apt-get update -qq && apt-get install -y -qq --no-install-recommends openjdk-17-jre-headless >/dev/null &&
      java_is_new_enough java && return
  fi
  fail "Java 17 or newer is missing: install a JRE (on Debian and Ubuntu: apt-get install openjdk-17-jre-headless) or set JAVA_HOME."
}

install_packages() {
  say "Installing Python packages into $venv"
  uv venv --quiet --allow-existing --python ">=3.11,<3.13" "$venv"
  # Compiled once: a worker that compiles the models' libraries itself starts in 30 seconds, else in 10.
  uv pip install --quiet --compile-bytecode --python "$python" -r requirements.lock
  uv pip install --quiet --python "$python" --no-deps --editable .
}

# A plain spark-submit starts the JVM before any of our code runs, and spark-sql runs none of it: what
# they need lies in the venv's own Spark. Its own resolver fetches Delta's jars, wherever it is set up
# to fetch them from. A batch job wants throughput of its garbage collector, not short pauses; another
# is chosen by spark.driver.defaultJavaOptions, since the JVM refuses two.
place_spark_files() {
  local home ivy
  home=$("$python" -c 'import importlib.util; print(importlib.util.find_spec("pyspark").submodule_search_locations[0])')
  mkdir -p "$home/conf"
  cat >"$home/conf/spark-defaults.conf" <<CONF
spark.pyspark.python $PWD/$python
spark.driver.memory $driver_memory
spark.driver.defaultJavaOptions -XX:+UseParallelGC $compiled_late
spark.ui.showConsoleProgress false
spark.sql.extensions io.delta.sql.DeltaSparkSessionExtension
spark.sql.catalog.spark_catalog org.apache.spark.sql.delta.catalog.DeltaCatalog
spark.sql.catalogImplementation in-memory
CONF
  cat >"$home/conf/log4j2.properties" <<'CONF'
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n
logger.heartbeat.name = org.apache.spark.executor.Executor
logger.heartbeat.level = off
logger.tasks.name = org.apache.spark.scheduler.TaskSetManager
logger.tasks.level = off
logger.write.name = org.apache.spark.sql.delta.files
logger.write.level = off
logger.aborted.name = org.apache.spark.util.Utils
logger.aborted.level = off
logger.merge.name = org.apache.spark.sql.delta.commands.MergeIntoCommand
logger.merge.level = off
CONF
  # Spark's own find-spark-home asks the python3 of PATH, which is another one unless the venv is
  # activated. Removed first: uv may have linked the file to its cache.
  rm -f "$venv/bin/find-spark-home"
  printf 'export SPARK_HOME=%q\n' "$home" >"$venv/bin/find-spark-home"
  if compgen -G "$home/jars/*delta-spark*.jar" >/dev/null; then return; fi
  say "Fetching Delta's jars"
  ivy=$(mktemp -d)
  echo 'pass' >"$ivy/nothing.py"
  "$venv/bin/spark-submit" --master 'local[1]' --conf "spark.jars.ivy=$ivy" --packages "$delta_package" \
    "$ivy/nothing.py" >"$ivy/log" 2>&1 || { tail -n 5 "$ivy/log" >&2; fail "Delta's jars ($delta_package) could not be fetched: see above, then run this again."; }
  cp "$ivy"/jars/io.delta_* "$ivy"/jars/io.unitycatalog_* "$home/jars/"
  rm -rf "$ivy"
}

setup() {
  local wanted
  wanted=$(cat requirements.lock pyproject.toml build.sh <(echo "${UV_TORCH_BACKEND:-} $driver_memory $PWD") | sha256sum)
  find_java
  if [ -x "$python" ] && [ "$(cat $venv/promptknn-setup 2>/dev/null)" = "$wanted" ]; then return; fi
  find_uv
  install_packages
  place_spark_files
  echo "$wanted" >"$venv/promptknn-setup"
}

demo() {
  setup
  "$venv/bin/spark-submit" jobs/build_index.py --config conf/local.yaml
  "$venv/bin/spark-submit" jobs/predict_prompts.py --config conf/local.yaml --report
}

run_tests() {
  setup
  "$venv/bin/ruff" check .
  "$venv/bin/ruff" format --check .
  "$venv/bin/mypy"
  "$venv/bin/pytest" "$@"
}

bench() {
  local names=("$@") failed=() name file
  setup
  if [ $# = 0 ]; then
    for file in tests/benchmarks/[a-z]*.py; do names+=("$(basename "$file" .py)"); done
  fi
  for name in "${names[@]}"; do
    [ -f "tests/benchmarks/$name.py" ] || fail "There is no benchmark '$name': see tests/benchmarks."
  done
  for name in "${names[@]}"; do
    say "Benchmark $name"
    # Hours of others must not be lost to one that fails.
    "$python" -m "tests.benchmarks.$name" || failed+=("$name")
  done
  [ ${#failed[@]} = 0 ] || fail "These benchmarks failed, see above: ${failed[*]}."
}

wheel() {
  setup
  find_uv
  uv build --quiet --wheel --out-dir dist .
  ls dist/*.whl
}

case "${1:-help}" in
  setup) setup ;;
  demo) demo ;;
  test) shift; run_tests "$@" ;;
  bench) shift; bench "$@" ;;
  wheel) wheel ;;
  *)
    cat <<'HELP'
./build.sh setup   make .venv, find Java 17+, place Delta's jars (the others do this first)
./build.sh demo    build the index of the demo's prompts, predict prompts for photographs, report
./build.sh test    lint, types, unit and end-to-end tests; arguments go to pytest
./build.sh bench   measure: every file of tests/benchmarks, or the ones named
./build.sh wheel   build the wheel for a cluster into dist/

UV_TORCH_BACKEND=cpu takes the small torch without CUDA; PROMPTKNN_DRIVER_MEMORY (4g) is the
memory of Spark's driver, which in local mode does all the work.
HELP
    ;;
esac
