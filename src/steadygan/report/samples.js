/* One slider through the samples of all runs: each shows its latest grid at that moment. */

const player = document.getElementById("player");
const figures = [...document.querySelectorAll(".sample")].map((figure) => [figure, Number(figure.dataset.owner)]);
const clocks = { images: "images", seconds: "seconds" };
const thousands = (value) => Math.round(value).toLocaleString("en-US");
let clock = clocks.images;
let moments = [];
let playing = null;

/* sharp pixels when a picture is enlarged, smooth ones when it is shrunk */
function sharpen(picture) {
  const shrunk = picture.clientWidth * devicePixelRatio < picture.naturalWidth;
  picture.style.imageRendering = shrunk ? "auto" : "pixelated";
}
const sized = new ResizeObserver((entries) => entries.forEach((entry) => sharpen(entry.target)));
document.querySelectorAll(".picture img").forEach((picture) => sized.observe(picture));

const said = (moment) =>
  clock === clocks.images ? `${thousands(moment)} images seen` : `${moment.toFixed(1)} s of training`;

function show(place) {
  const moment = moments[place];
  document.getElementById("said").textContent = said(moment);
  figures.forEach(([figure, run]) => {
    const picture = figure.querySelector("img");
    if (!picture) return;
    const mine = data.frames[run]; // a run with its last grid alone keeps it
    const frame = mine.length === 1 ? mine[0] : mine.filter((each) => each[clock] <= moment).pop();
    picture.classList.toggle("before", !frame);
    if (frame && picture.src !== frame.source) picture.src = frame.source;
    figure.querySelector(".when").textContent = frame
      ? `${thousands(frame.images)} images · step ${thousands(frame.step)} · ${frame.seconds.toFixed(1)} s`
      : "no grid yet";
  });
}

function stop() {
  clearInterval(playing);
  playing = null;
  document.getElementById("play").classList.remove("on");
  document.querySelector("#play span").textContent = "Play";
}

function play() {
  const slider = document.getElementById("moment");
  if (playing !== null) return stop();
  if (Number(slider.value) === moments.length - 1) slider.value = 0;
  document.getElementById("play").classList.add("on");
  document.querySelector("#play span").textContent = "Pause";
  show(Number(slider.value));
  playing = setInterval(() => {
    slider.value = Number(slider.value) + 1;
    show(Number(slider.value));
    if (Number(slider.value) === moments.length - 1) stop();
  }, Math.max(120, Math.min(600, 9000 / moments.length)));
}

function tell(which) {
  clock = which;
  const slider = document.getElementById("moment");
  moments = [...new Set(data.frames.flat().map((frame) => frame[clock]))].sort((a, b) => a - b);
  slider.max = moments.length - 1;
  slider.value = moments.length - 1;
  show(moments.length - 1);
}

if (player) {
  figures.forEach(([figure, run]) => {
    const frames = data.frames[run];
    if (frames.length) frames[frames.length - 1].source = figure.querySelector("img").src;
  });
  player.hidden = false;
  document.getElementById("play").addEventListener("click", play);
  document.getElementById("moment").addEventListener("input", (event) => {
    stop();
    show(Number(event.target.value));
  });
  document.getElementById("clock").addEventListener("change", (event) => {
    stop();
    tell(event.target.value);
  });
  tell(clock);
}

const large = document.getElementById("large");
for (const button of document.querySelectorAll("button.picture"))
  button.addEventListener("click", () => {
    const from = button.querySelector("img");
    const picture = large.querySelector("img");
    const room = Math.min(innerWidth * 0.94 / from.naturalWidth, innerHeight * 0.88 / from.naturalHeight);
    const scale = room >= 1 ? Math.floor(room * devicePixelRatio) / devicePixelRatio : room;
    picture.src = from.src;
    picture.width = from.naturalWidth * scale;
    picture.style.imageRendering = scale < 1 ? "auto" : "pixelated";
    large.showModal();
  });
large.addEventListener("click", () => large.close());
