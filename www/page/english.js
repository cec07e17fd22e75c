// English for the words of the page, by their Korean.

export const ENGLISH = {};
