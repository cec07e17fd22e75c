// The rungs of the edge's ladder, as people call them: where an answer's data came from.

import { say } from "./language.js";

const NAMES = new Map([
  ["isolate", say("메모리 (가장 빠름)")],
  ["kv", say("저장소 (KV)")],
  ["stale", say("지난 자료 (저장소 장애)")],
  ["cache", say("데이터 센터 캐시 (저장소 장애)")],
  ["bundle", say("배포에 담긴 자료 (저장소 장애)")],
]);

/** The name of a rung as `sinsang-rung` has it; an unknown one is its own name. */
export function rungName(rung) {
  return NAMES.get(rung) ?? rung;
}
