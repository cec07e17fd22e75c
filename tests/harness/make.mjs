// Makes all data that suites share, before they need it: node tests/harness/make.mjs
import { snapshots } from "../faults/snapshot.mjs";
import { data } from "../page/data.mjs";
import { crowd, dataset } from "./dataset.mjs";

// Two at a time: each is a chain of commands.
await Promise.all([dataset().then(data), crowd().then(snapshots)]);
