// Two kinds of SVG plots, readable on light and dark pages.
const FONT = `font-family="system-ui, sans-serif" font-size="12"`;
const STYLE = `<style>
text { fill: #24292f } .soft { fill: #656d76 } .axis { stroke: #d0d7de } .peer { fill: #8c959f; stroke: #8c959f } .ours { fill: #0969da; stroke: #0969da } .line { fill: none; stroke-width: 2 } .whisker { stroke: #24292f }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .soft { fill: #8d96a0 } .axis { stroke: #30363d } .whisker { stroke: #e6edf3 } .ours { fill: #4493f8; stroke: #4493f8 } }
</style>`;
const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
const round = (value) => Math.round(value * 10) / 10;
const svg = (width, height, parts) => `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ${FONT}>\n${STYLE}\n${parts.join("\n")}\n</svg>\n`;

/** Horizontal bars with whiskers, on a logarithmic scale from ten. */
export function bars({ title, rows }) {
  const [left, right, top, step] = [300, 620, 40, 24];
  const most = Math.max(...rows.map((row) => row.high));
  const decades = Math.log10(most / 10);
  const at = (value) => round(left + ((right - left) * Math.log10(Math.max(value, 10) / 10)) / decades);
  const bottom = top + rows.length * step;
  const parts = [`<text x="10" y="20" font-weight="600">${escape(title)}</text>`];
  for (const tick of [10, 30, 100, 300, 1_000, 3_000].filter((tick) => tick <= most)) {
    parts.push(`<line class="axis" x1="${at(tick)}" x2="${at(tick)}" y1="${top - 6}" y2="${bottom}"/>`, `<text class="soft" x="${at(tick)}" y="${bottom + 14}" text-anchor="middle">${tick}</text>`);
  }
  rows.forEach((row, index) => {
    const y = top + index * step;
    parts.push(
      `<text x="${left - 8}" y="${y + 13}" text-anchor="end">${escape(row.name)}</text>`,
      `<rect class="${row.isOurs ? "ours" : "peer"}" x="${left}" y="${y + 3}" width="${round(at(row.median) - left)}" height="13"/>`,
      `<line class="whisker" x1="${at(row.low)}" x2="${at(row.high)}" y1="${y + 9.5}" y2="${y + 9.5}"/>`,
      `<text class="soft" x="${at(row.high) + 6}" y="${y + 13}">${Math.round(row.median)}</text>`,
    );
  });
  return svg(right + 60, bottom + 24, parts);
}

/** Lines from the origin. */
export function lines({ title, x, series }) {
  const [left, right, top, bottom] = [50, 600, 40, 300];
  const all = series.flatMap((one) => one.points);
  const most = { x: Math.max(...all.map((point) => point.x)), y: Math.max(...all.map((point) => point.y)) * 1.1 };
  const place = (point) => [round(left + ((right - left) * point.x) / most.x), round(bottom - ((bottom - top) * point.y) / most.y)];
  const parts = [`<text x="10" y="20" font-weight="600">${escape(title)}</text>`];
  for (let tick = 0; tick <= 4; tick++) {
    const y = round(bottom - ((bottom - top) * tick) / 4);
    parts.push(`<line class="axis" x1="${left}" x2="${right}" y1="${y}" y2="${y}"/>`, `<text class="soft" x="${left - 6}" y="${y + 4}" text-anchor="end">${Math.round((most.y * tick) / 4)}</text>`);
    const across = round(left + ((right - left) * tick) / 4);
    parts.push(`<text class="soft" x="${across}" y="${bottom + 16}" text-anchor="middle">${Math.round((most.x * tick) / 4)}</text>`);
  }
  parts.push(`<text class="soft" x="${(left + right) / 2}" y="${bottom + 34}" text-anchor="middle">${escape(x)}</text>`);
  series.forEach((one, index) => {
    const style = index === 0 ? "ours" : "peer";
    const places = one.points.map(place);
    parts.push(`<polyline class="${style} line" style="fill: none" points="${places.map((pair) => pair.join(",")).join(" ")}"/>`, ...places.map(([cx, cy]) => `<circle class="${style}" cx="${cx}" cy="${cy}" r="3"/>`));
    const [endX, endY] = places.at(-1);
    parts.push(`<text x="${endX - 6}" y="${endY - 8}" text-anchor="end">${escape(one.name)}</text>`);
  });
  return svg(right + 30, bottom + 44, parts);
}
