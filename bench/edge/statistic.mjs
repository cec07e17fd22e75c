// Medians and their confidence intervals.

export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * share;
  const low = Math.floor(place);
  return sorted[low] + (sorted[Math.ceil(place)] - sorted[low]) * (place - low);
}

export const median = (values) => quantile(values, 0.5);

/**
 * The median with its 95 % confidence interval, from order statistics: the k-th smallest and the
 * k-th largest value, where k - 1 is the largest number of heads that n fair coins show with a
 * probability below 2.5 %. It assumes nothing about the distribution, so a round disturbed by
 * another program counts as one value among many.
 */
export function interval(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const n = sorted.length;
  let term = 0.5 ** n;
  let below = 0;
  let k = 0;
  while (k < Math.floor((n - 1) / 2) && below + term < 0.025) {
    below += term;
    term *= (n - k) / (k + 1);
    k++;
  }
  const at = Math.max(k - 1, 0);
  return { median: median(sorted), low: sorted[at], high: sorted[n - 1 - at], rounds: n };
}
