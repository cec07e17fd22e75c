//! Production's supply chain: images and actions pinned by content, minimal permissions, and logs
//! that identify nobody.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use serde_yaml_ng::{Deserializer, Value};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn file(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Files of `folder` whose name ends with one of `ends`, by their path from the repository's root.
fn files(folder: &str, ends: &[&str]) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
    found.retain(|path| ends.iter().any(|end| path.to_str().unwrap().ends_with(end)));
    found.sort();
    assert!(!found.is_empty(), "{folder} has no {ends:?}");
    found.iter().map(|path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned()).collect()
}

fn documents(path: &str) -> Vec<Value> {
    let text = file(path);
    let documents = Deserializer::from_str(&text).map(Value::deserialize).collect::<Result<_, _>>();
    documents.unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Calls `see` with each member of each object in `value`.
fn walk(value: &Value, see: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Mapping(members) => {
            for (name, value) in members {
                see(name.as_str().unwrap_or_default(), value);
                walk(value, see);
            }
        }
        Value::Sequence(values) => values.iter().for_each(|value| walk(value, see)),
        _ => {}
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Whether an image is pinned by its digest. Only an example image, whose digest is unknown here,
/// may have the placeholder.
fn is_pinned(image: &str) -> bool {
    let Some((name, digest)) = image.rsplit_once("@sha256:") else { return false };
    let is_example = name.starts_with("registry.example.com/");
    is_hex(digest, 64) && (digest.bytes().all(|byte| byte == b'0') == is_example)
}

#[test]
fn actions_are_named_by_their_commit_and_their_release_beside_it() {
    let mut seen = 0;
    for path in files(".github/workflows", &[".yml", ".yaml"]) {
        for line in file(&path).lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: ")) {
            let (action, release) =
                line.split_once(" # v").unwrap_or_else(|| panic!("{path}: {line} tells no release"));
            let (_, commit) = action.split_once('@').unwrap_or_else(|| panic!("{path}: {line} names no commit"));
            assert!(is_hex(commit, 40), "{path}: {action} is no commit");
            assert_eq!(release.split('.').count(), 3, "{path}: {line}");
            seen += 1;
        }
        for workflow in documents(&path) {
            assert_eq!(workflow["permissions"]["contents"], "read", "{path} may do more than read");
            assert_eq!(workflow["permissions"].as_mapping().unwrap().len(), 1, "{path}");
            walk(&workflow, &mut |name, value| {
                let text = value.as_str().unwrap_or_default();
                // User input or a secret would become part of the script; through the environment
                // it is a value.
                let is_script = name == "run" && text.replace("${{ matrix.", "").contains("${{");
                assert!(!is_script, "{path} puts an expression into a script: {text}");
                let keeps = name == "uses" && text.starts_with("actions/checkout@");
                assert!(!keeps || file(&path).contains("persist-credentials: false"), "{path} leaves a token behind");
            });
        }
    }
    assert!(seen >= 5, "{seen} actions");
}

#[test]
fn images_are_named_by_their_digest() {
    let mut seen = 0;
    for path in files("deploy", &[".yaml", ".yml"]) {
        for document in documents(&path) {
            walk(&document, &mut |name, value| {
                if let ("image", Some(image)) = (name, value.as_str()) {
                    assert!(is_pinned(image), "{path}: {image} may be another tomorrow");
                    seen += 1;
                }
            });
        }
    }
    assert!(seen >= 6, "{seen} images");
    let recipe = file("deploy/Containerfile");
    let bases: Vec<&str> = recipe.lines().filter_map(|line| line.strip_prefix("FROM ")).collect();
    assert_eq!(bases.len(), 2);
    for base in bases {
        let image = base.split(' ').next().unwrap();
        assert!(is_pinned(image), "deploy/Containerfile: {image} may be another tomorrow");
    }
    let toolchain: toml::Table = file("rust-toolchain.toml").parse().unwrap();
    let release = toolchain["toolchain"]["channel"].as_str().unwrap();
    assert!(
        recipe.contains(&format!("rust:{release}-slim-bookworm@")),
        "the compiler is not that of rust-toolchain.toml"
    );
    assert!(recipe.contains(&format!("RUSTUP_TOOLCHAIN={release}\n")));
}

#[test]
fn dependencies_and_the_bundle_are_checked_before_anything_is_deployed() {
    let [test] = &documents(".github/workflows/ci.yml")[..] else { panic!("one document") };
    let jobs = test["jobs"]["stages"]["strategy"]["matrix"]["job"].as_sequence().unwrap();
    let runs =
        |target: &str| jobs.iter().any(|job| job["targets"].as_str().unwrap().split(' ').any(|one| one == target));
    for target in ["deny", "lint-deploy", "faults", "test-pipeline"] {
        assert!(runs(target), "no job runs make {target}");
    }
    assert_eq!(test["env"]["ADVISORIES"], "required", "advisories that can't be fetched would pass");
    assert!(file("scripts/deny.sh").contains(r#"[ "${ADVISORIES:-}" = required ]"#));

    let [deploy] = &documents(".github/workflows/deploy.yml")[..] else { panic!("one document") };
    assert_eq!(deploy["on"]["workflow_dispatch"]["inputs"]["snapshot_sha256"]["required"], true);
    let job = &deploy["jobs"]["deploy"];
    assert_eq!(job["environment"], "production", "somebody has to approve");
    let steps = job["steps"].as_sequence().unwrap();
    let place = |part: &str| {
        let found = steps.iter().position(|step| step["run"].as_str().is_some_and(|run| run.contains(part)));
        found.unwrap_or_else(|| panic!("deploy.yml has no step with {part}"))
    };
    let bundle = steps[place("curl ")]["run"].as_str().unwrap();
    let order = ["--proto '=https'", "sha256sum --check --strict", "tar --extract"].map(|part| bundle.find(part));
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "the bundle is unpacked unseen:\n{bundle}");
    assert!(!bundle.contains('|'), "what is piped on is used before it is checked:\n{bundle}");
    let deny = &steps[place("make deny")];
    assert_eq!(deny["env"]["ADVISORIES"], "required");
    for before in ["make deny", "sinsang verify", "make size"] {
        assert!(place(before) < place("make deploy"), "{before} comes too late");
    }
}

/// The pods of a Kubernetes document: their labels and their specification.
fn pods(document: &Value) -> Option<(&Value, &Value)> {
    let spec = &document["spec"];
    let template =
        if document["kind"] == "CronJob" { &spec["jobTemplate"]["spec"]["template"] } else { &spec["template"] };
    template.is_mapping().then(|| (&template["metadata"]["labels"], &template["spec"]))
}

#[test]
fn pods_touch_nothing_of_the_host_and_may_do_little() {
    let mut seen = 0;
    for path in files("deploy", &[".yaml", ".yml"]) {
        for document in documents(&path) {
            walk(&document, &mut |name, value| {
                let is_host = name.starts_with("host") && name != "host" && *value != Value::Bool(false);
                assert!(!is_host, "{path}: {name} reaches the node");
                assert!(name != "privileged" && name != "add", "{path}: {name}");
            });
            let Some((_, pod)) = pods(&document) else { continue };
            assert_eq!(pod["automountServiceAccountToken"], false, "{path}");
            let context = &pod["securityContext"];
            assert_eq!((&context["runAsNonRoot"], context["runAsUser"].as_u64()), (&Value::Bool(true), Some(65_532)));
            assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault", "{path}");
            let volumes: Vec<&str> =
                pod["volumes"].as_sequence().unwrap().iter().map(|volume| volume["name"].as_str().unwrap()).collect();
            let containers = ["initContainers", "containers"].map(|kind| pod[kind].as_sequence());
            for container in containers.into_iter().flatten().flatten() {
                let name = container["name"].as_str().unwrap();
                let confined = &container["securityContext"];
                assert_eq!(confined["readOnlyRootFilesystem"], true, "{path}: {name}");
                assert_eq!(confined["allowPrivilegeEscalation"], false, "{path}: {name}");
                assert_eq!(confined["capabilities"]["drop"][0], "ALL", "{path}: {name}");
                for limit in ["memory", "ephemeral-storage"] {
                    assert!(container["resources"]["limits"][limit].is_string(), "{path}: {name} may take all {limit}");
                }
                let mounts = container["volumeMounts"].as_sequence().unwrap();
                let paths: Vec<&str> = mounts.iter().map(|mount| mount["mountPath"].as_str().unwrap()).collect();
                assert!(
                    mounts.iter().all(|mount| volumes.contains(&mount["name"].as_str().unwrap())),
                    "{path}: {name}"
                );
                let is_ours = container["image"].as_str().unwrap().starts_with("registry.example.com/");
                assert!(!is_ours || paths.contains(&"/tmp"), "{path}: {name} has nowhere to put what is on its way");
                seen += 1;
            }
        }
    }
    assert_eq!(seen, 6, "containers");
}

#[test]
fn every_pod_speaks_only_to_those_whom_a_policy_names() {
    let all: Vec<Value> = files("deploy", &[".yaml", ".yml"]).iter().flat_map(|path| documents(path)).collect();
    let policies: Vec<&Value> = all.iter().filter(|document| document["kind"] == "NetworkPolicy").collect();
    let mut seen = 0;
    for (labels, _) in all.iter().filter_map(pods) {
        let mut its = policies.iter().filter(|policy| policy["spec"]["podSelector"]["matchLabels"] == *labels);
        let policy = its.next().unwrap_or_else(|| panic!("no policy is for {labels:?}"));
        let spec = &policy["spec"];
        let types: Vec<&str> = spec["policyTypes"].as_sequence().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(types, ["Ingress", "Egress"]);
        for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
            for rule in spec[direction].as_sequence().unwrap() {
                let named = rule[peers].as_sequence().is_some_and(|peers| !peers.is_empty());
                let ports = rule["ports"].as_sequence().is_some_and(|ports| !ports.is_empty());
                assert!(named && ports, "{labels:?}: a rule of {direction} is open to all");
                for block in rule[peers].as_sequence().unwrap().iter().map(|peer| &peer["ipBlock"]) {
                    let except =
                        |cidr: &str| block["except"].as_sequence().is_some_and(|all| all.iter().any(|one| one == cidr));
                    let is_any = block["cidr"] == "0.0.0.0/0";
                    assert!(!is_any || (except("169.254.0.0/16") && except("10.0.0.0/8")), "{labels:?} reaches inside");
                }
            }
        }
        seen += 1;
    }
    assert_eq!(seen, 2, "pods");
}

/// The environment `production` that an example adds to a Worker's settings; the combined file must
/// parse.
fn production(settings: &str, example: &str) -> toml::Table {
    let all = format!("{}\n{}", file(settings), file(example));
    let all: toml::Table =
        all.parse().unwrap_or_else(|error| panic!("{example} can't be appended to {settings}: {error}"));
    all["env"]["production"].as_table().unwrap().clone()
}

#[test]
fn production_stores_nothing_of_requests_in_its_logs() {
    for (settings, example) in [
        ("wrangler.toml", "deploy/wrangler.production.toml.example"),
        ("crates/event-worker/wrangler.toml", "deploy/wrangler.intake.production.toml.example"),
    ] {
        let environment = production(settings, example);
        let observability = &environment["observability"];
        assert_eq!(
            observability["logs"]["invocation_logs"].as_bool(),
            Some(false),
            "{example} stores addresses and headers"
        );
        assert_eq!(
            observability["logs"]["enabled"].as_bool(),
            Some(true),
            "{example} stores no line of the Worker's own"
        );
        assert_eq!(observability["traces"]["enabled"].as_bool(), Some(false), "{example}: traces have addresses too");
        assert!(!environment.contains_key("logpush") && !environment.contains_key("tail_consumers"), "{example}");
        let vars = environment["vars"].as_table().unwrap();
        for secret in ["PREVIEW_SECRET", "USER_KEY", "JWT_HS256_KEY"] {
            assert!(
                vars.keys().all(|name| !name.starts_with(secret)),
                "{example} has {secret} among what is no secret"
            );
        }
    }
}

#[test]
fn production_has_all_bindings_and_queues_of_this_machine() {
    for (settings, example) in [
        ("wrangler.toml", "deploy/wrangler.production.toml.example"),
        ("crates/event-worker/wrangler.toml", "deploy/wrangler.intake.production.toml.example"),
    ] {
        let here: toml::Table = file(settings).parse().unwrap();
        let environment = production(settings, example);
        // Named environments inherit none of these.
        for kind in ["kv_namespaces", "r2_buckets", "durable_objects", "queues"] {
            assert_eq!(environment.contains_key(kind), here.contains_key(kind), "{example}: {kind}");
        }
        let vars = environment["vars"].as_table().unwrap();
        for name in here["vars"].as_table().unwrap().keys() {
            assert!(vars.contains_key(name), "{example} leaves {name} out");
        }
        let Some(queues) = environment.get("queues") else { continue };
        for (consumer, mine) in
            queues["consumers"].as_array().unwrap().iter().zip(here["queues"]["consumers"].as_array().unwrap())
        {
            for name in ["queue", "dead_letter_queue", "max_retries", "retry_delay"] {
                assert_eq!(consumer[name], mine[name], "{example}: {name}");
            }
            let tries = consumer["max_retries"].as_integer().unwrap() * consumer["retry_delay"].as_integer().unwrap();
            assert!(tries < 4 * 86_400, "{example}: a queue keeps a message for four days");
        }
        let consumers = |table: &toml::Value| table["consumers"].as_array().unwrap().len();
        assert_eq!(consumers(queues), consumers(&here["queues"]), "{example}: consumers");
    }
}
