// Serves the built Worker for the page's tests and runs them: node scripts/test-page.mjs FILE...
import { spawn } from "node:child_process";
import { dataset, NOW } from "../tests/harness/dataset.mjs";
import { Edge, PREVIEW_SECRET } from "../tests/harness/edge.mjs";
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
