/**
 * Headers that give a request a separate connection: workerd closes a connection whose request's
 * body it did not read, perhaps just as the next request goes out on it.
 */
export const ALONE = { Connection: "close" };
