"""`make bench-taste` and `make bench-build`: tastes of ever more users, the package `implicit` on the same matrix, and a whole daily build.

Everything that is timed runs in a process of its own with two threads. What is measured is written as JSON beside the plot; docs/scale.md
says what the numbers mean.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
NOW = "2026-11-22T12:00:00+09:00"
TOMORROW = "2026-11-23T12:00:00+09:00"
THREADS = "2"
# Above this number, events are made as a build stages them, and learned from without being read and
# checked: a day's disk holds no more.
MOST_BUILT = 2_000_000
MOST_FACTORISED = 1_000_000
ROUNDS = 8


def factorise_by_implicit(folder, rounds):
    """Fits `implicit` to the matrix in a folder, and leaves its factors there; runs in a process of its own."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as implicit asks for: it has threads of its own
    import numpy as np
    import scipy.sparse as sp
    from implicit.cpu.als import AlternatingLeastSquares

    rows = np.fromfile(folder / "rows", "<u8").astype(np.int64)
    columns = np.fromfile(folder / "columns", "<u4").astype(np.int32)
    weights = np.fromfile(folder / "values", "<f4")
    # Its matrix holds confidences: 1 + 2.5 w, as in FactorOptions.
    matrix = sp.csr_matrix((1 + np.float32(2.5) * weights, columns, rows), shape=(len(rows) - 1, int(columns.max()) + 1))
    model = AlternatingLeastSquares(
        factors=64, regularization=1.0, alpha=1.0, iterations=rounds, num_threads=int(THREADS), random_state=1
    )
    begun, used = time.perf_counter(), time.process_time()
    model.fit(matrix, show_progress=False)
    wall, cpu = time.perf_counter() - begun, time.process_time() - used
    model.user_factors.astype("<f4").tofile(folder / "users.f32")
    model.item_factors.astype("<f4").tofile(folder / "products.f32")
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "rounds": rounds}))


def run(command, **options):
    """Runs a command that ends with JSON; adds wall time, CPU time and the most memory that it held."""
    begun = time.perf_counter()
    environment = {**os.environ, "RAYON_NUM_THREADS": THREADS, "TOKIO_WORKER_THREADS": THREADS, "SINSANG_USER_KEY": "bench"}
    log = options.pop("log", None)
    with open(log or os.devnull, "w") as errors:
        process = subprocess.Popen(
            [str(part) for part in command], stdout=subprocess.PIPE, stderr=errors if log else None, text=True, env=environment
        )
        answer = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"failed with {process.returncode}: {' '.join(map(str, command))}")
    found = json.loads(answer[answer.index("{") :])
    used = {"wall_s": time.perf_counter() - begun, "cpu_s": usage.ru_utime + usage.ru_stime, "peak_bytes": usage.ru_maxrss * 1024}
    return found | {"process": used}


def build(sinsang, tables, output, now, log, model=None):
    """A build of a folder of tables, with what its stages took by the times at which they ended."""
    command = [sinsang, "build", "--input", tables, "--output", output, "--now", now, "--work-dir", output.parent]
    if model:
        command += ["--model", model]
    os.environ["SINSANG_LOG"] = "warn,sinsang=info"
    found = run([*command, "--format", "json", "--log-format", "json", "--quiet"], log=log)
    stages = []
    for line in log.read_text().splitlines():
        line = json.loads(line)
        if line.get("target") in ("sinsang::stage", "sinsang::taste") and line.get("message") == "close":
            seconds = sum(duration(line[field]) for field in ("time.busy", "time.idle"))
            name, counts = line["span"].pop("name"), line["span"]
            # Parts of the tastes precede the stage that contains them.
            stages.append({"stage": name if line["target"] == "sinsang::stage" else f"  {name}", "wall_s": round(seconds, 3), "counts": counts})
    return found | {"stages": stages}


def duration(text):
    for unit, seconds in (("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3), ("s", 1)):
        if text.endswith(unit):
            return float(text[: -len(unit)]) * seconds
    raise ValueError(text)


def packs(snapshot):
    return {path.name: path.stat().st_size for path in (snapshot / "pack").iterdir()}


def factorise(factor, folder, write):
    """Both packages' factors of the matrix that the command `write` puts into a folder."""
    matrix = run(write)
    peer = run([sys.executable, __file__, "implicit", folder, str(ROUNDS)])
    peer["loss"] = run([factor, "loss", folder])["loss"]
    ours = []
    # As many rounds as the peer, then the fewest that reach its loss.
    for rounds in (ROUNDS, *range(ROUNDS - 1, 0, -1)):
        ours.append(run([factor, "fit", folder, rounds]))
        if ours[-1]["loss"] > peer["loss"]:
            break
    shutil.rmtree(folder)
    least = min((one for one in ours if one["loss"] <= peer["loss"]), key=lambda one: one["rounds"], default=None)
    return {"entries": matrix["entries"], "implicit": peer, "ours": ours[0], "ours_to_the_same_loss": least}


def measure(arguments, users):
    work, binary = arguments.work, arguments.binary
    world = work / "world"
    if not (world / "tabs.csv").exists():
        run([binary, "world", world, NOW])
    result = {"users": users}
    if users > MOST_BUILT:
        events = work / f"staged-{users}"
        if not (events / "made.json").exists():
            made = run([binary, "events", world, NOW, events, "--users", users, "--staged"])
            (events / "made.json").write_text(json.dumps(made))
        result["learned"] = run([binary, "learn", world, NOW, events, work / f"snapshot-{users}"])
        return result
    tables = work / f"tables-{users}"
    if not (tables / "tabs.csv").exists():
        made = run([binary, "events", world, NOW, tables / "events", "--users", users])
        print(f"{users} users: {made['events']} events made", file=sys.stderr)
        for name in ("broadcasts.ndjson.zst", "tabs.csv"):
            shutil.copy(world / name, tables / name)
    today, later = work / f"snapshot-{users}", work / f"snapshot-{users}-later"
    model = work / f"model-{users}.safetensors"
    model.unlink(missing_ok=True)
    result["build"] = build(arguments.sinsang, tables, today, NOW, work / "build.log", model)
    run([binary, "events", world, NOW, tables / "events", "--users", users, "--from", 60, "--to", 61])
    # The next day is folded in with the stored model, and then with a newly trained one.
    result["next_day"] = build(arguments.sinsang, tables, later, TOMORROW, work / "build.log", model)
    assert not result["next_day"]["tastes"]["trained"]
    trained = build(arguments.sinsang, tables, work / f"snapshot-{users}-trained", TOMORROW, work / "build.log")
    result["next_day_trained"] = {"process": trained["process"], "stages": trained["stages"]}
    (tables / "events" / "events-060.parquet").unlink()
    before, after = packs(today), packs(later)
    written = {name: size for name, size in after.items() if name not in before}
    result["next_day"]["packs_after"] = len(after)
    result["next_day"]["packs_written"] = len(written)
    result["next_day"]["bytes_after"] = sum(after.values())
    result["next_day"]["bytes_written"] = sum(written.values())
    if users <= MOST_FACTORISED:
        folder = work / f"matrix-{users}"
        result["factorised"] = factorise(arguments.factor, folder, [binary, "matrix", world, folder, "--users", users])
    result["model_bytes"] = model.stat().st_size
    for folder in (today, later, work / f"snapshot-{users}-trained"):
        shutil.rmtree(folder)
    return result


def catalogue(arguments, products):
    """Tastes over so many products, with as many users as products, from 100,000 to a million; and factors of their matrix."""
    users = min(max(products, 100_000), 1_000_000)
    events, matrix = arguments.work / f"zipf-{products}", arguments.work / f"zipf-matrix-{products}"
    command = [arguments.binary, "catalogue", NOW, events, "--products", products, "--users", users]
    found = run(command)
    shutil.rmtree(events)
    found["factorised"] = factorise(arguments.factor, matrix, [*command, "--matrix", matrix])
    learned, peer, ours = found["learn"], found["factorised"]["implicit"], found["factorised"]["ours"]
    print(
        f"{products:9} products, {users} users: {learned['wall_s']:.0f} s wall, {learned['cpu_s']:.0f} s CPU time,"
        f" peak {learned['peak_bytes'] / 1e9:.2f} GB; all factors {ours['cpu_s']:.0f} s, implicit {peer['cpu_s']:.0f} s of CPU time"
    )
    return found


def plot(results, path):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "sinsang"
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4))
    by_path = {"build, all stages": [], "learn and pack, events staged": []}
    for one in results:
        of = one.get("build") or one["learned"]
        by_path["build, all stages" if "build" in one else "learn and pack, events staged"].append((one["users"], of["process"]))
    for (label, points), mark in zip(by_path.items(), "os"):
        if points:
            sizes = [users for users, _ in points]
            left.plot(sizes, [used["cpu_s"] for _, used in points], mark + "-", label=f"{label}: CPU")
            left.plot(sizes, [used["wall_s"] for _, used in points], mark + ":", label=f"{label}: wall")
            right.plot(sizes, [used["peak_bytes"] / 1e9 for _, used in points], mark + "-", label=label)
    left.set(xscale="log", yscale="log", xlabel="users with 50 events each", ylabel="seconds")
    right.set(xscale="log", yscale="log", xlabel="users with 50 events each", ylabel="peak memory in GB")
    for axis in (left, right):
        axis.grid(True, which="major", alpha=0.3)
        axis.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def facts():
    return {
        "measured_at": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%MZ"),
        "machine": {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine(), "load": os.getloadavg()},
        "versions": {name: importlib.metadata.version(name) for name in ("implicit", "numpy", "scipy", "matplotlib")},
        "threads": int(THREADS),
    }


def whole_build(arguments):
    """150,000 slots of history, 20,000 listings to come, a million users with 50 events each."""
    world = arguments.work / "world-build"
    tables = world / "tables"
    made = {}
    if not (tables / "events").exists():
        made = run([arguments.binary, "world", world, NOW, "--days", 180, "--ahead", 31, "--upcoming", 20_000])
        made["events"] = run([arguments.binary, "events", world, NOW, tables / "events", "--users", 1_000_000])["events"]
        # A board of the default eight days would omit most listings.
        (tables / "rules.toml").write_text("[window]\nahead_days = 31\n")
        (arguments.work / "world-build.json").write_text(json.dumps(made))
    made = json.loads((arguments.work / "world-build.json").read_text())
    found = facts() | {"made": made, "build": build(arguments.sinsang, tables, arguments.work / "snapshot-build", NOW, arguments.work / "build.log")}
    shutil.rmtree(arguments.work / "snapshot-build")
    arguments.output.with_suffix(".json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    used = found["build"]["process"]
    for stage in found["build"]["stages"]:
        print(f"{stage['wall_s']:9.1f} s  {stage['stage']}")
    print(f"{used['wall_s']:9.1f} s wall, {used['cpu_s']:.0f} s CPU time, peak {used['peak_bytes'] / 1e9:.2f} GB (asked for: 600 s, 4 GB)")
    # Two cores can't provide this many CPU seconds in ten minutes, whatever else the machine does.
    if used["cpu_s"] > 1_200 or used["peak_bytes"] > 4e9:
        sys.exit("the daily build is over its limits")


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    peer = commands.add_parser("implicit")
    peer.add_argument("folder", type=pathlib.Path)
    peer.add_argument("rounds", type=int)
    for name in ("taste", "build"):
        command = commands.add_parser(name)
        for option in ("binary", "factor", "sinsang", "work", "output"):
            command.add_argument(f"--{option}", type=pathlib.Path, required=True)
        command.add_argument("--users", default="1e5,1e6")
        command.add_argument("--products", default="5e3,5e4,5e5,1e6")
    arguments = parser.parse_args()
    if arguments.command == "implicit":
        return factorise_by_implicit(arguments.folder, arguments.rounds)
    arguments.work.mkdir(parents=True, exist_ok=True)
    if arguments.command == "build":
        return whole_build(arguments)
    found = facts() | {"rounds": ROUNDS, "catalogues": [], "results": []}
    for products in filter(None, arguments.products.split(",")):
        found["catalogues"].append(catalogue(arguments, int(float(products))))
        arguments.output.with_suffix(".json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    for users in filter(None, arguments.users.split(",")):
        found["results"].append(measure(arguments, int(float(users))))
        arguments.output.with_suffix(".json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    if found["results"]:
        plot(found["results"], arguments.output.with_suffix(".svg"))


if __name__ == "__main__":
    main()
