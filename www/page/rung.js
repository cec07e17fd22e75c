// Names of the rungs of the edge's ladder, which say where an answer's data came from.

import { say } from "./language.js";

const NAMES = new Map([
  ["isolate", say("메모리 (가장 빠름)")],
  ["kv", say("저장소 (KV)")],
  ["stale", say("지난 자료 (저장소 장애)")],
  ["cache", say("데이터 센터 캐시 (저장소 장애)")],
  ["bundle", say("배포에 담긴 자료 (저장소 장애)")],
]);

/** The name of a rung in `sinsang-rung`; an unknown one keeps its own name. */
export function rungName(rung) {
  return NAMES.get(rung) ?? rung;
}
