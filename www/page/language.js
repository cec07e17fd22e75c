// The page's texts: Korean as written in the code, English if the URL says `lang=en`. Data stays in
// its own language.

/** The page's language, "ko" or "en": chosen once, when it is opened. */
export const LANGUAGE = new URLSearchParams(globalThis.location?.search ?? "").get("lang") === "en" ? "en" : "ko";

const ENGLISH = LANGUAGE === "en" ? (await import("./english.js")).ENGLISH : null;

/**
 * The page's text for a Korean text, or for a Korean template: `` say`${count}개` `` looks up "{}개".
 * Untranslated text stays Korean.
 */
export function say(text, ...values) {
  const parts = typeof text === "string" ? [text] : text;
  const translated = ENGLISH?.[parts.join("{}")];
  if (translated !== undefined) {
    let turn = 0;
    return translated.replaceAll("{}", () => String(values[turn++]));
  }
  return parts.reduce((whole, part, index) => whole + part + (index < values.length ? String(values[index]) : ""), "");
}

/** Translates the document's own texts into the page's language. */
export function translateDocument() {
  if (ENGLISH === null) return;
  document.documentElement.lang = "en";
  document.title = say(document.title);
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const { data } = texts.currentNode;
    if (data.trim() !== "") texts.currentNode.data = data.replace(data.trim(), () => say(data.trim()));
  }
  for (const node of document.querySelectorAll("[aria-label]")) node.ariaLabel = say(node.ariaLabel);
}
