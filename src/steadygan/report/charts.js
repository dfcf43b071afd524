"use strict";
/* Draws the charts as they come into view; runs, axis and colours are the page's state. */

const data = JSON.parse(document.getElementById("data").textContent);
const runs = data.runs;
const minutes = Math.max(0, ...runs.flatMap((run) => run.axes[2])) > 180;
const axes = ["steps", "images seen", `${minutes ? "minutes" : "seconds"} of training`];
const dashes = ["solid", "dash", "dot", "dashdot", "longdash"];
const hidden = new Set();
const mouse = matchMedia("(hover: hover)").matches;
let axis = 1;
/* places on an axis, which come in seconds where it is of time */
const placed = (values) => (axis === 2 && minutes ? values.map((value) => value === null ? null : value / 60) : values);

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

function decades(values) {
  const known = values.filter((value) => value > 0);
  return Math.log10(Math.max(...known) / Math.min(...known));
}

const logarithmic = (values, tall) => ({ type: "log", exponentformat: "none", dtick: decades(values) < (tall ? 4 : 2) ? "D2" : 1 });

const xaxis = () => axisStyle({
  title: { text: axes[axis], standoff: 6, font: { size: 10.5 } },
  showgrid: false, showline: true, ticks: "outside", ticklen: 4, tickcolor: css("--rule"), hoverformat: ",.4~r",
});

function curves(chart) {
  const traces = chart.lines.map((line) => ({
    type: "scatter",
    mode: line.y.length < 4 ? "lines+markers" : "lines",
    x: placed(runs[line.run].axes[axis]),
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
    shapes.push(upright(placed(chart.mark)[axis], css("--muted"), "dot"));
  const yaxis = axisStyle(chart.log ? logarithmic(chart.lines.flatMap((line) => line.y)) : {});
  if (chart.limits) yaxis.range = chart.limits;
  return [traces, layout({
    shapes, yaxis,
    xaxis: xaxis(),
    showlegend: chart.legend,
    margin: { l: 44, r: 12, t: chart.legend ? 26 : 8, b: 38 },
  })];
}

/* A line a method: the mean over its seeds, and around it from the lowest to the highest. */
function bands(chart) {
  const traces = [];
  for (const line of chart.lines) {
    const at = line.axes[axis];
    const run = runs[line.run];
    const own = css(`--c${run.colour}`);
    const visible = !hidden.has(line.run);
    const x = placed(at.x);
    if (at.n.some((n) => n > 1))
      traces.push({
        type: "scatter", mode: "lines", x: [...x, ...[...x].reverse()],
        y: [...at.high, ...[...at.low].reverse()],
        fill: "toself", fillcolor: own + "22", line: { width: 0 }, hoverinfo: "skip", visible,
      });
    traces.push({
      type: "scatter", mode: x.length < 4 ? "lines+markers" : "lines", x, y: at.y, visible,
      name: plain(line.name), line: { color: own, width: 1.9, dash: dashes[run.dash % dashes.length] },
      text: at.y.map((_, i) => at.n[i] > 1 ? ` (${at.n[i]} seeds: ${brief(at.low[i])} to ${brief(at.high[i])})` : ""),
      hovertemplate: "%{y:.4~g}%{text}",
    });
  }
  const levels = chart.guides.map(([level]) => ({
    type: "line", xref: "paper", x0: 0, x1: 1, y0: level, y1: level,
    line: { color: css("--faint"), width: 1, dash: "dot" }, layer: "below",
  }));
  const scaled = (value) => (chart.log ? Math.log10(value) : value);
  const named = chart.guides.filter(([, name]) => name).map(([level, name]) => ({
    xref: "paper", x: 1, xanchor: "right", y: scaled(level), yanchor: "bottom", showarrow: false,
    text: name, font: { size: 10.5, color: css("--muted") }, bgcolor: css("--paper"), borderpad: 1,
  }));
  const values = chart.lines.flatMap((line) => [...line.axes[1].low, ...line.axes[1].high]);
  const yaxis = axisStyle(chart.log ? logarithmic([...values, ...(chart.limits || [])], chart.tall) : {});
  if (chart.limits) yaxis.range = chart.limits.map(scaled);
  return [traces, layout({
    shapes: levels, annotations: named, yaxis, xaxis: xaxis(), height: chart.tall ? 420 : 216,
  })];
}

const brief = (value) => Number(value.toPrecision(3)).toLocaleString("en-US", { maximumSignificantDigits: 3 });
const symbols = ["circle", "circle-open", "square", "square-open"];

/* Recall against precision: small a run, large a method's mean; real images in ink. */
function cloud(chart) {
  const labelled = []; // dots whose names would lie on another's keep theirs for the pointer
  const free = (dot) => {
    if (dot.look === "run" || labelled.some((other) => Math.abs(other.x - dot.x) < 0.03 + 0.017 * other.name.length && Math.abs(other.y - dot.y) < 0.03)) return false;
    labelled.push(dot);
    return true;
  };
  const traces = chart.dots.map((dot) => {
    const run = dot.run === null ? null : runs[dot.run];
    const own = run ? css(`--c${run.colour}`) : css("--ink");
    const large = dot.look === "method";
    return {
      type: "scatter", mode: "markers+text", x: [dot.x], y: [dot.y], name: plain(dot.name),
      visible: run === null || !hidden.has(dot.run),
      cliponaxis: false,
      marker: {
        color: own, opacity: dot.look === "run" ? 0.55 : 1, size: large ? 13 : dot.look === "real" ? 12 : 6,
        symbol: run ? symbols[run.dash % symbols.length] : "x-thin",
        line: run ? { width: symbols[run.dash % symbols.length].endsWith("open") ? 2.4 : 0 } : { width: 2, color: own },
      },
      text: free(dot) ? plain(dot.name) : "", textposition: dot.x > 0.85 ? "middle left" : "middle right",
      textfont: { size: 10.5, color: css("--muted") },
      hovertemplate: `%{fullData.name}<br>recall %{x:.3~f}, precision %{y:.3~f}<extra></extra>`,
    };
  });
  const unit = (title) => axisStyle({ range: [-0.02, 1.02], title: { text: title, standoff: 6, font: { size: 10.5 } } });
  return [traces, layout({ hovermode: "closest", height: 460, xaxis: unit(chart.x), yaxis: unit(chart.y) })];
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
  const [traces, look] = { bars, bands, cloud, curves }[chart.kind](chart);
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
    const members = chip.dataset.runs.split(" ").map(Number);
    const show = hidden.has(members[0]);
    chip.setAttribute("aria-pressed", String(show));
    for (const run of members) {
      if (show) hidden.delete(run); else hidden.add(run);
      for (const part of document.querySelectorAll(`[data-owner="${run}"]`)) part.hidden = !show;
    }
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
