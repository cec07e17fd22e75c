// A request's context, for both Workers: one number, eight times the Korean province plus the class
// of device (context.rs). Nothing finer is read, and no address.

const CLASSES = ["phone", "tablet", "desktop", "tv"];
const MOBILE = { "?1": 1, "?0": 3 };

/** The number of a request's context; 0 if nothing is known. */
export function contextOf({ cf, headers }) {
  const region = cf?.country === "KR" && /^[1-9]\d$/.test(cf.regionCode) ? Number(cf.regionCode) : 0;
  // The app sends its class of device; a browser only says whether it runs on a phone.
  const device = CLASSES.indexOf(headers.get("sinsang-device-class")) + 1;
  return 8 * region + (device || MOBILE[headers.get("sec-ch-ua-mobile")] || 0);
}
