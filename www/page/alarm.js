// Alarms that a person set on the phone: kept in this browser, for the page shows what the app's button does and rings no bell.

const KEY = "sinsang-alarms";

function read() {
  try {
    const ids = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return new Set(Array.isArray(ids) ? ids.filter((id) => typeof id === "string") : []);
  } catch {
    return new Set();
  }
}

/** Whether an alarm is set for a product. */
export function hasAlarm(id) {
  return read().has(id);
}

/** Sets a product's alarm or takes it back; says whether it is set then. */
export function toggleAlarm(id) {
  const ids = read();
  const isSet = !ids.delete(id);
  if (isSet) ids.add(id);
  try {
    localStorage.setItem(KEY, JSON.stringify([...ids]));
  } catch {
    // A browser that keeps nothing still shows what was tapped until the list is drawn anew.
  }
  return isSet;
}
