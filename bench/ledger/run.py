"""`make bench-ledger`: ledgers of several sizes, days of two sizes, and DuckDB with the same question on the same files.

Each engine runs in a process of its own, two threads each, the engines in turn in every round. What is measured is written as JSON beside
the plot; docs/scale.md says what the numbers mean.
"""

import argparse
import datetime
import hashlib
import importlib.metadata
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
QUESTION = ROOT / "crates/pipeline/sql/ledger_candidate.sql"
# DataFusion answers the question by reading all postings: beyond this size it takes minutes and
# shows nothing new.
MOST_PRODUCTS_FOR_SQL = 10_000_000


def ask_duckdb(ledger, keys, output):
    """Puts the question to DuckDB; runs in a process of its own."""
    import resource
    import time

    import duckdb

    begun, used = time.perf_counter(), time.process_time()
    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    files = [str(path) for path in sorted(ledger.glob("block-*.parquet"))]
    connection.execute(f"CREATE VIEW block AS SELECT * FROM read_parquet({files})")
    connection.execute(f"CREATE VIEW wanted AS SELECT * FROM read_parquet('{keys}')")
    rows = connection.execute(QUESTION.read_text()).fetchall()
    wall, cpu = time.perf_counter() - begun, time.process_time() - used
    rows.sort()
    output.write_text("".join(f"{title}\t{mark}\t{int(worth)}\n" for title, mark, worth in rows))
    io = dict(line.split(": ") for line in open("/proc/self/io").read().splitlines())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "answers": len(rows), "peak_bytes": peak, "bytes_read": int(io["rchar"])}))


def run(command, **options):
    """Runs a command that ends with one line of JSON."""
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"failed with {done.returncode}: {' '.join(map(str, command))}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def median(runs, field):
    return statistics.median(run[field] for run in runs)


def measure(binary, products, work, rounds, sql):
    ledger = work / f"ledger-{products}"
    result = {"products": products}
    if (ledger / "head.json").exists():
        result["generated"] = json.loads((ledger / "generated.json").read_text())
    else:
        shutil.rmtree(ledger, ignore_errors=True)
        result["generated"] = run([binary, "generate", products, ledger])
        (ledger / "generated.json").write_text(json.dumps(result["generated"]))
    print(f"{products} products: {result['generated']['bytes'] / 1e9:.2f} GB", file=sys.stderr)
    result["days"] = []
    for listings in (500, 20_000):
        keys = work / "keys.parquet"
        asked = run([binary, "keys", products, listings, ledger, keys])
        engines = {"ledger": [binary, "search", ledger, keys, work / "ledger.tsv"]}
        engines["duckdb"] = [sys.executable, __file__, "--duckdb", ledger, keys, work / "duckdb.tsv"]
        if sql and products <= MOST_PRODUCTS_FOR_SQL:
            engines["datafusion"] = [binary, "sql", ledger, keys, work / "datafusion.tsv", QUESTION]
        runs = {name: [] for name in engines}
        for _ in range(rounds):
            for name, command in engines.items():
                runs[name].append(run(command, env={**os.environ, "RAYON_NUM_THREADS": "2"}))
        answers = {name: digest(work / f"{name}.tsv") for name in engines}
        if len(set(answers.values())) != 1:
            sys.exit(f"the engines differ at {products} products and {listings} listings: {answers}")
        searches = {
            name: {field: median(of, field) for field in ("wall_s", "cpu_s", "peak_bytes") if field in of[0]}
            | {"bytes_read": of[0].get("bytes_read"), "walls_s": [one["wall_s"] for one in of]}
            for name, of in runs.items()
        }
        head = (ledger / "head.json").read_bytes()
        days = []
        for _ in range(min(rounds, 2)):
            days.append(run([binary, "day", products, listings, ledger], env={**os.environ, "RAYON_NUM_THREADS": "2"}))
            (ledger / "head.json").write_bytes(head)
        for left in ledger.glob("*-00000002-*.parquet"):
            left.unlink()
        day = min(days, key=lambda one: one["wall_s"])
        result["days"].append({"listings": listings, "keys": asked["keys"], "answers": runs["ledger"][0]["answers"], "search": searches, "day": day})
        line = ", ".join(f"{name} {of['wall_s']:.2f} s wall {of['cpu_s']:.2f} s CPU" for name, of in searches.items())
        print(f"  {listings} listings: search {line}; day {day['wall_s']:.2f} s, peak {day['peak_bytes'] / 1e6:.0f} MB, {day['bytes_read'] / 1e6:.0f} MB read", file=sys.stderr)
    return result


def plot(results, path):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "sinsang"
    import matplotlib.pyplot as pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.6), sharey=True)
    for axis, listings in zip(axes, (500, 20_000)):
        days = [(one["products"], day) for one in results for day in one["days"] if day["listings"] == listings]
        sizes = [products for products, _ in days]
        axis.plot(sizes, [day["search"]["ledger"]["wall_s"] for _, day in days], "o-", label="search, ledger")
        axis.plot(sizes, [day["search"]["duckdb"]["wall_s"] for _, day in days], "s--", label="search, DuckDB")
        if all("datafusion" in day["search"] for _, day in days):
            axis.plot(sizes, [day["search"]["datafusion"]["wall_s"] for _, day in days], "^:", label="search, DataFusion SQL")
        axis.plot(sizes, [day["day"]["wall_s"] for _, day in days], "d-", label="whole day")
        axis.set(xscale="log", yscale="log", xlabel="products in the ledger", title=f"a day of {listings:,} listings")
        axis.grid(True, which="major", alpha=0.3)
    axes[0].set_ylabel("wall time in seconds")
    axes[0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def nothing(binary, sinsang, work):
    """A year of 18 channels resolved from nothing."""
    tables, now = work / "year", "2026-11-22T12:00:00+09:00"
    if not tables.exists():
        subprocess.run([sinsang, "generate", "--out", tables, "--days", "365", "--users", "1", "--now", now, "--quiet"], check=True)
    return run([binary, "nothing", tables, now])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=pathlib.Path)
    parser.add_argument("--sinsang", type=pathlib.Path)
    parser.add_argument("--products", default="1e5,1e6")
    parser.add_argument("--work", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sql", action="store_true")
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--duckdb", nargs=3, type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.duckdb:
        return ask_duckdb(*arguments.duckdb)
    arguments.work.mkdir(parents=True, exist_ok=True)
    found = {
        "measured_at": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%MZ"),
        "machine": {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine(), "load": os.getloadavg()},
        "versions": {name: importlib.metadata.version(name) for name in ("duckdb", "matplotlib")} | {"datafusion": "55.2.0"},
        "rounds": arguments.rounds,
        "results": [],
    }
    if arguments.sinsang:
        found["from_nothing"] = nothing(arguments.binary, arguments.sinsang, arguments.work)
        year = found["from_nothing"]
        print(
            f"a year from nothing: {year['slots']} slots, {year['listings']} listings, {year['products']} products in {year['wall_s']:.1f} s "
            f"wall, {year['cpu_s']:.1f} s CPU, peak {year['peak_bytes'] / 1e6:.0f} MB (asked for: 60 s)",
            file=sys.stderr,
        )
        # Two cores can't provide this many CPU seconds in a minute, whatever else the machine does.
        if year["cpu_s"] > 120:
            sys.exit("a year from nothing takes more than a minute on two cores")
        arguments.output.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
    for products in filter(None, arguments.products.split(",")):
        found["results"].append(measure(arguments.binary, int(float(products)), arguments.work, arguments.rounds, arguments.sql))
        arguments.output.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
    if found["results"]:
        plot(found["results"], arguments.output.with_suffix(".svg"))


if __name__ == "__main__":
    main()
