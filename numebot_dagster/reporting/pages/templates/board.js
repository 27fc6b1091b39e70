"use strict";
// Draws the charts in the reader's colours, counts down, and copies commands. Needs nothing from outside.
const looks = JSON.parse(document.getElementById("looks").textContent);
const dark = matchMedia("screen and (prefers-color-scheme: dark)");

let views = []; // of the charts in which models can be drawn apart

async function draw() {
  views = [];
  const figures = typeof vegaEmbed === "undefined" ? [] : document.querySelectorAll("figure.chart");
  for (const figure of figures) {
    try {
      await drawFigure(figure);
    } catch (error) { // the others are drawn, and this one stays in words
      figure.classList.remove("drawn");
      figure.querySelector("div")?.remove();
      console.error(`not drawn: ${figure.ariaLabel}`, error);
    }
  }
  await showChosen();
  document.documentElement.dataset.drawn = "all";
}

async function drawFigure(figure) {
  const specification = JSON.parse(figure.querySelector("script").textContent);
  let place = figure.querySelector("div");
  if (!place) place = figure.appendChild(document.createElement("div"));
  const options = { config: looks[dark.matches ? "dark" : "light"], actions: false, renderer: "svg", ast: true };
  const { view } = await vegaEmbed(place, specification, options);
  figure.classList.add("drawn");
  if (specification.params?.some((parameter) => parameter.name === "chosen")) views.push(view);
}

// Which models are drawn apart stands in the address, so that it can be linked to.
const boxes = [...document.querySelectorAll("input[name=models]")];

async function showChosen() {
  const chosen = boxes.filter((box) => box.checked).map((box) => box.value);
  for (const box of boxes) box.disabled = !box.checked && chosen.length >= 8;
  for (const view of views) await view.signal("chosen", chosen).runAsync();
}

function choose() {
  const address = new URL(location);
  address.searchParams.delete("models");
  for (const box of boxes) if (box.checked) address.searchParams.append("models", box.value);
  history.replaceState(null, "", address);
  showChosen();
}

const linked = new URLSearchParams(location.search).getAll("models");
for (const box of boxes) {
  box.checked = linked.includes(box.value);
  box.addEventListener("change", choose);
  if (box.checked) box.closest("details").open = true;
}
for (const select of document.querySelectorAll("select[data-pages]"))
  select.addEventListener("change", () => { location.href = select.value + location.search; });

function inWords(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1) return "less than a minute";
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

// The page's own clock: Numerai's time when it was written, and what has passed here since it was opened.
// A practice tournament may live in another year than this machine.
const written = new Date(document.documentElement.dataset.written);
const skew = Number(document.documentElement.dataset.skew) * 1000;
const now = () => new Date(Date.now() + skew);

function tick() {
  for (const element of document.querySelectorAll("[data-until]")) {
    const opens = new Date(element.dataset.from), closes = new Date(element.dataset.until);
    if (now() < opens) element.textContent = `opens in ${inWords((opens - now()) / 1000)}`;
    else if (now() < closes) element.textContent = `open, closes in ${inWords((closes - now()) / 1000)}`;
    else element.textContent = `closed ${inWords((now() - closes) / 1000)} ago`;
  }
  const hours = (now() - written) / 3600000;
  document.querySelector(".stale")?.classList.toggle("shown", hours > 24);
}

for (const time of document.querySelectorAll("time")) time.title = new Date(time.dateTime).toLocaleString();
for (const button of document.querySelectorAll("button.copy"))
  button.addEventListener("click", async () => {
    const command = button.previousElementSibling;
    try {
      await navigator.clipboard.writeText(command.textContent);
      button.textContent = "copied";
    } catch { // not to be had over plain HTTP, or not allowed
      getSelection().selectAllChildren(command);
      button.textContent = "selected";
    }
  });
tick();
setInterval(tick, 20000);
dark.addEventListener("change", draw);
draw();
