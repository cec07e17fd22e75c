// uPlot charts in the page's own colours; the library is loaded with the first chart.

import { element } from "./element.js";
import { clock, kst } from "./format.js";

async function library() {
  const { default: UPlot } = await import("/built/chart.js");
  if (document.querySelector('link[href="/built/chart.css"]') === null)
    document.head.append(element("link", { rel: "stylesheet", href: "/built/chart.css" }));
  return UPlot;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const axis = () => ({ stroke: colour("--ink-2"), grid: { stroke: colour("--line") }, ticks: { stroke: colour("--line") }, font: "13px sans-serif" });
const width = (root) => Math.max(240, root.clientWidth || 320);

/** Keeps a chart as wide as its container. */
function fit(plot, root, height) {
  const watch = new ResizeObserver(() => {
    if (!root.isConnected) watch.disconnect();
    else if (width(root) !== plot.width) plot.setSize({ width: width(root), height });
  });
  watch.observe(root);
  return plot;
}

/** Bars over numbers. */
export async function histogram(root, xs, ys, unit) {
  const UPlot = await library();
  root.replaceChildren();
  const height = 200;
  const plot = new UPlot(
    {
      width: width(root),
      height,
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false, range: [0, xs.at(-1) + xs[0]] }, y: { range: (_, __, most) => [0, most * 1.05] } },
      axes: [{ ...axis(), values: (_, all) => all.map((value) => `${value} ${unit}`) }, { ...axis(), size: 40 }],
      series: [{}, { fill: colour("--violet"), stroke: colour("--violet"), paths: UPlot.paths.bars({ size: [0.9] }), points: { show: false } }],
    },
    [xs, ys],
    root,
  );
  return fit(plot, root, height);
}

/**
 * Lines over times in Unix milliseconds. `series` are `{values, colour, dash}`; `colour` is the name
 * of a custom property, and values may be `null`. The vertical axis begins at 0.
 */
export async function lines(root, times, series) {
  const UPlot = await library();
  root.replaceChildren();
  const height = 170;
  const dayMs = 86_400_000;
  const isLong = times.at(-1) - times[0] > 2 * dayMs;
  const name = (second) => {
    const at = kst(second * 1000);
    return isLong || (at.hour === 0 && at.minute === 0) ? `${at.month}/${at.day}` : clock(second * 1000);
  };
  const plot = new UPlot(
    {
      width: width(root),
      height,
      legend: { show: false },
      cursor: { show: false },
      scales: { y: { range: (_, __, most) => [0, most > 0 ? most * 1.08 : 1] } },
      axes: [{ ...axis(), values: (_, all) => all.map(name) }, { ...axis(), size: 52, values: (_, all) => all.map((value) => String(Number(value.toPrecision(6)))) }],
      series: [
        {},
        ...series.map((one) => ({
          stroke: colour(one.colour),
          width: 2,
          dash: one.dash,
          spanGaps: true,
          points: { show: true, size: 6, fill: colour(one.colour) },
        })),
      ],
    },
    [times.map((ms) => ms / 1000), ...series.map((one) => one.values)],
    root,
  );
  return fit(plot, root, height);
}
