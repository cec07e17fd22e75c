// Texts and numbers in a Korean shopper's format; every time is Korean (+09:00), whatever the
// browser's zone.

import { say } from "./language.js";

const KST_OFFSET_MS = 9 * 3600_000;
const DAY_MS = 86_400_000;
const WEEKDAYS = [say("일"), say("월"), say("화"), say("수"), say("목"), say("금"), say("토")];
const DAY_NAMES = new Map([
  [-2, say("그저께")],
  [-1, say("어제")],
  [0, say("오늘")],
  [1, say("내일")],
  [2, say("모레")],
]);
const won = new Intl.NumberFormat("ko-KR");

/** The fields of `atMs` (Unix milliseconds) on a Korean calendar and clock. */
export function kst(atMs) {
  const date = new Date(atMs + KST_OFFSET_MS);
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    weekday: WEEKDAYS[date.getUTCDay()],
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    dayNumber: Math.floor((atMs + KST_OFFSET_MS) / DAY_MS),
  };
}

const two = (number) => String(number).padStart(2, "0");

/** "20:40". */
export function clock(atMs) {
  const at = kst(atMs);
  return `${two(at.hour)}:${two(at.minute)}`;
}

/** "11월 22일 (일)". */
export function date(atMs) {
  const at = kst(atMs);
  return say`${at.month}월 ${at.day}일 (${at.weekday})`;
}

/** "오늘", "내일", … or the date if no such word fits, seen from `nowMs`. */
export function dayName(atMs, nowMs) {
  return DAY_NAMES.get(kst(atMs).dayNumber - kst(nowMs).dayNumber) ?? date(atMs);
}

/** "오늘 20:40". */
export function startTime(atMs, nowMs) {
  return `${dayName(atMs, nowMs)} ${clock(atMs)}`;
}

/** "20시": the heading of an hour's group. */
export function hourName(atMs) {
  return say`${kst(atMs).hour}시`;
}

/** RFC 3339 with +09:00 and whole seconds, the API's format of `as_of`. */
export function rfc3339(atMs) {
  return `${datetimeLocal(atMs)}:${two(kst(atMs).second)}+09:00`;
}

/** The value of a `datetime-local` field that shows Korean time. */
export function datetimeLocal(atMs) {
  const at = kst(atMs);
  return `${String(at.year).padStart(4, "0")}-${two(at.month)}-${two(at.day)}T${two(at.hour)}:${two(at.minute)}`;
}

/**
 * The instant of an RFC 3339 text, or `null`. A "+" that a link turned into a blank is restored,
 * and a time without a zone counts as Korean.
 */
export function parseTime(text) {
  const whole = String(text ?? "")
    .trim()
    .replace(/ (\d\d:\d\d)$/, "+$1");
  const zoned = /T\d\d:\d\d(:\d\d(\.\d+)?)?$/.test(whole) ? `${whole}+09:00` : whole;
  if (!/^\d{4}-\d\d-\d\dT/.test(zoned)) return null;
  const at = Date.parse(zoned);
  return Number.isFinite(at) ? at : null;
}

/** "12분 34초 남음", "1시간 5분 남음", "곧 끝나요". */
export function remaining(restMs) {
  const seconds = Math.max(0, Math.ceil(restMs / 1000));
  if (seconds === 0) return say("곧 끝나요");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  if (hours > 0) return minutes > 0 ? say`${hours}시간 ${minutes}분 남음` : say`${hours}시간 남음`;
  return minutes > 0 ? say`${minutes}분 ${two(seconds % 60)}초 남음` : say`${seconds}초 남음`;
}

/** "3분 전", "2시간 전": the age `ageS` in seconds. */
export function age(ageS) {
  if (ageS < 60) return say`${Math.max(0, Math.round(ageS))}초 전`;
  if (ageS < 3600) return say`${Math.round(ageS / 60)}분 전`;
  if (ageS < 172_800) return say`${Math.round(ageS / 3600)}시간 전`;
  return say`${Math.round(ageS / 86_400)}일 전`;
}

/**
 * "11월 22일 (일) 06:00에 만든 자료": a snapshot of `{id, built_at}`; its id if the time is unreadable. One
 * with a `share` is or was on trial.
 */
export function snapshotName({ id, built_at, share = null }) {
  const atMs = parseTime(built_at);
  const name = atMs === null ? id : say`${date(atMs)} ${clock(atMs)}에 만든 자료`;
  if (share === null) return name;
  return share > 0 ? say`${name} · 시청자 ${percent(share)}에게 시험 중` : say`${name} · 시험을 그만둔 자료`;
}

/** "5%", "0.5%". */
function percent(share) {
  return `${Number((share * 100).toFixed(4))}%`;
}

/** "49,900". */
export function number(value) {
  return won.format(value);
}

/** The discount of `price` against `listPrice` in whole per cent; 0 if there is none. */
export function discount(price, listPrice) {
  if (price === null || listPrice === null || !(listPrice > price)) return 0;
  return Math.floor((1 - price / listPrice) * 100);
}

/** "18.2 KB". */
export function bytes(count) {
  return count < 1000 ? `${count} B` : `${(count / 1000).toFixed(1)} KB`;
}

/** "12 ms". */
export function milliseconds(value) {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}
