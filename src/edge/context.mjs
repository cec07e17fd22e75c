// Where a request comes from and on what, as both Workers know it: one number, eight times the Korean province and a class of device
// (context.rs). Nothing finer is looked at, and no address.

const CLASSES = ["phone", "tablet", "desktop", "tv"];
const MOBILE = { "?1": 1, "?0": 3 };

/** The number of a request's context; 0 where nothing is known. */
export function contextOf({ cf, headers }) {
  const region = cf?.country === "KR" && /^[1-9]\d$/.test(cf.regionCode) ? Number(cf.regionCode) : 0;
  // The app says what it runs on; a browser, whether that is a phone.
  const device = CLASSES.indexOf(headers.get("sinsang-device-class")) + 1;
  return 8 * region + (device || MOBILE[headers.get("sec-ch-ua-mobile")] || 0);
}
