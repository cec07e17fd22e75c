// Alarms set on the phone, kept in this browser: the page shows the app's button, but rings no
// bell.

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

/** Sets or removes a product's alarm; returns whether it is then set. */
export function toggleAlarm(id) {
  const ids = read();
  const isSet = !ids.delete(id);
  if (isSet) ids.add(id);
  try {
    localStorage.setItem(KEY, JSON.stringify([...ids]));
  } catch {
    // Without storage, the button shows the tap until the list is redrawn.
  }
  return isSet;
}
