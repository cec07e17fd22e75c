// The unit of all ratios.
export default {
  fetch() {
    return new Response("hello");
  },
};
