"use strict";
/* Draws the charts as they come into view; runs, axis and colours are the page's state. */

const data = JSON.parse(document.getElementById("data").textContent);
const runs = data.runs;
const axes = ["steps", "images seen", "seconds of training"];
const dashes = ["solid", "dash", "dot", "dashdot", "longdash"];
const hidden = new Set();
const mouse = matchMedia("(hover: hover)").matches;
let axis = 1;

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
/* plotly reads a little markup in names: what looks like it is shown as written */
const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const fade = (colour, share) => `color-mix(in srgb, ${colour} ${share}%, ${css("--paper")})`;

function solid(colour) {
  const probe = document.createElement("i");
  probe.style.color = colour;
  document.body.append(probe);
  const canvas = document.createElement("canvas").getContext("2d");
  canvas.fillStyle = getComputedStyle(probe).color;
  canvas.fillRect(0, 0, 1, 1);
  probe.remove();
  const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
  return `rgb(${r},${g},${b})`;
}

function style(line, shared) {
  const run = runs[line.run];
  const own = css(`--c${run.colour}`);
  return {
    line: { color: own, width: 1.9, dash: shared ? dashes[run.dash % dashes.length] : "solid" },
    faint: { color: solid(fade(own, 38)), width: 1 },
    ink: { color: css("--ink"), width: 1.3 },
    dot: { color: css("--muted"), width: 1.3, dash: "dot" },
    dash: { color: own, width: 1.4, dash: "6px,3px" },
  }[line.look];
}

function axisStyle(more) {
  return {
    gridcolor: css("--rule"), linecolor: css("--rule"), zerolinecolor: css("--rule"),
    zeroline: false, nticks: 6, automargin: true, exponentformat: "SI",
    minexponent: 4, separatethousands: true, ...more,
  };
}

function layout(more) {
  return {
    height: 216,
    margin: { l: 44, r: 12, t: 8, b: 38 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: css("--sans"), size: 11, color: css("--muted") },
    hovermode: "x unified",
    hoverlabel: { bgcolor: css("--paper"), bordercolor: css("--rule"), font: { color: css("--ink"), size: 11 } },
    showlegend: false,
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 10.5 } },
    dragmode: mouse ? "zoom" : false, // a finger scrolls the page
    modebar: { bgcolor: "rgba(0,0,0,0)", color: css("--faint"), activecolor: css("--ink") },
    ...more,
  };
}

const upright = (x, colour, dash) => ({
  type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, line: { color: colour, width: 1.2, dash },
});

function decades(chart) {
  const values = chart.lines.flatMap((line) => line.y).filter((value) => value > 0);
  return Math.log10(Math.max(...values) / Math.min(...values));
}

function curves(chart) {
  const traces = chart.lines.map((line) => ({
    type: "scatter",
    mode: line.y.length < 4 ? "lines+markers" : "lines",
    x: runs[line.run].axes[axis],
    y: line.y,
    name: plain(line.name),
    line: style(line, chart.shared),
    connectgaps: true,
    visible: !hidden.has(line.run),
    hovertemplate: "%{y:.4~g}",
    hoverinfo: line.name ? undefined : "skip",
  }));
  const shapes = [];
  if (chart.guide !== null)
    shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, y0: chart.guide, y1: chart.guide,
      line: { color: css("--faint"), width: 1, dash: "dot" }, layer: "below" });
  if (chart.mark && chart.mark[axis] !== null)
    shapes.push(upright(chart.mark[axis], css("--muted"), "dot"));
  const yaxis = axisStyle(chart.log ? { type: "log", exponentformat: "none", dtick: decades(chart) < 2 ? "D2" : 1 } : {});
  if (chart.limits) yaxis.range = chart.limits;
  return [traces, layout({
    shapes, yaxis,
    xaxis: axisStyle({ title: { text: axes[axis], standoff: 6, font: { size: 10.5 } }, showgrid: false, showline: true, ticks: "outside", ticklen: 4, tickcolor: css("--rule"), hoverformat: ",.4~r" }),
    showlegend: chart.legend,
    margin: { l: 44, r: 12, t: chart.legend ? 26 : 8, b: 38 },
  })];
}

function bars(chart) {
  const width = (chart.high - chart.low) / chart.shares.length;
  const trace = {
    type: "bar",
    x: chart.shares.map((_, i) => chart.low + width * (i + 0.5)),
    y: chart.shares.map((share) => 100 * share),
    width,
    marker: { color: css(`--c${runs[chart.run].colour}`), line: { width: 0 } },
    hovertemplate: "%{x:.3~g}: %{y:.3~g} %<extra></extra>",
  };
  const bounds = chart.bound === null ? [] : [-chart.bound, chart.bound];
  const reach = 1.08 * Math.max(Math.abs(chart.low), Math.abs(chart.high), chart.bound || 0);
  return [[trace], layout({
    hovermode: "closest",
    bargap: 0.06,
    shapes: bounds.map((x) => upright(x, css("--ink"), "dash")),
    annotations: bounds.map((x) => ({ x, y: 1, yref: "paper", yanchor: "bottom", showarrow: false, text: x < 0 ? "−c" : "c", font: { size: 11, color: css("--ink") } })),
    margin: { l: 44, r: 12, t: 20, b: 38 },
    xaxis: axisStyle({ range: [-reach, reach], showgrid: false, title: { text: "weight", standoff: 6, font: { size: 10.5 } } }),
    yaxis: axisStyle({ ticksuffix: " %", rangemode: "tozero" }),
  })];
}

const config = {
  displayModeBar: mouse ? "hover" : false,
  displaylogo: false, responsive: true, showTips: false,
  modeBarButtons: [["zoom2d", "pan2d", "autoScale2d", "resetScale2d", "toImage"]],
};
const drawn = new Set();

function draw(place) {
  const chart = data.charts[Number(place.dataset.chart)];
  const [traces, look] = chart.kind === "bars" ? bars(chart) : curves(chart);
  Plotly.react(place, traces, look, config);
  drawn.add(place);
}

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries)
    if (entry.isIntersecting) {
      seen.unobserve(entry.target);
      draw(entry.target);
    }
}, { rootMargin: "500px" });
const places = [...document.querySelectorAll(".plot")];
places.forEach((place) => seen.observe(place));

const redraw = () => drawn.forEach(draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("beforeprint", () => places.forEach(draw));

document.getElementById("axis").addEventListener("change", (event) => {
  axis = Number(event.target.value);
  redraw();
});

for (const chip of document.querySelectorAll(".chip"))
  chip.addEventListener("click", () => {
    const run = Number(chip.dataset.run);
    const show = hidden.has(run);
    if (show) hidden.delete(run); else hidden.add(run);
    chip.setAttribute("aria-pressed", String(show));
    for (const part of document.querySelectorAll(`[data-owner="${run}"]`)) part.hidden = !show;
    redraw();
  });

const copy = document.getElementById("copy");
if (copy && navigator.clipboard) {
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(copy.previousElementSibling.textContent);
    copy.textContent = "copied";
    setTimeout(() => { copy.textContent = "copy"; }, 1500);
  });
}
