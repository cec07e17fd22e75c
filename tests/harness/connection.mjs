/**
 * Headers of a request that goes on a connection of its own: workerd closes one whose request's body it did not read, perhaps just as the
 * next request goes out on it.
 */
export const ALONE = { Connection: "close" };
