"use strict";
// Draws the charts in the reader's colours, counts down, and copies commands. Needs nothing from outside.
const looks = JSON.parse(document.getElementById("looks").textContent);
const dark = matchMedia("screen and (prefers-color-scheme: dark)");

let views = []; // of the charts that are drawn
let whenDrawn = async () => {}; // what a page does with them

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
  await whenDrawn();
  document.documentElement.dataset.drawn = "all";
}

// Texts of a column, and the names of columns, are written once.
function rowsOf({ columns, texts, rows }) {
  const value = (column, cell) => column in texts && cell !== null ? texts[column][cell] : cell;
  return rows.map((row) => Object.fromEntries(columns.map((column, index) => [column, value(column, row[index])])));
}

async function drawFigure(figure) {
  const specification = JSON.parse(figure.querySelector("script").textContent);
  for (const [name, table] of Object.entries(specification.datasets)) specification.datasets[name] = rowsOf(table);
  let place = figure.querySelector("div");
  if (!place) place = figure.appendChild(document.createElement("div"));
  const options = { config: looks[dark.matches ? "dark" : "light"], actions: false, renderer: "svg", ast: true };
  const { view } = await vegaEmbed(place, specification, options);
  figure.classList.add("drawn");
  views.push(view);
}

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
addEventListener("DOMContentLoaded", draw);
