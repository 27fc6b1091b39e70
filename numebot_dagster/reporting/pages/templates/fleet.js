"use strict";
// The filters of the page of all models. What is chosen stands in the address, so that it can be linked to.
const filters = document.querySelector("form.filters");
const boxes = [...filters.querySelectorAll("input[name=models]")];
const estimates = JSON.parse(document.getElementById("estimates")?.textContent ?? "null");

const tag = filters.elements.tag;
const hasTag = (box) => JSON.parse(box.dataset.tags ?? "[]").includes(tag.value);
// Those that are checked, or those with the tag: to choose by one gives up the other.
const chosenModels = () => boxes.filter((box) => tag?.value ? hasTag(box) : box.checked).map((box) => box.value);
const chosenWindow = () => filters.elements.rounds.selectedIndex;

function readAddress() {
  const address = new URLSearchParams(location.search);
  for (const name of ["rounds", "against", "tag"]) {
    const select = filters.elements[name], value = address.get(name) ?? "";
    if (select && [...select.options].some((option) => option.value === value)) select.value = value;
  }
  const models = address.getAll("models");
  for (const box of boxes) box.checked = models.includes(box.value);
  if (models.length) filters.querySelector("details")?.setAttribute("open", "");
}

function writeAddress() {
  const address = new URL(location);
  for (const name of ["rounds", "against", "tag", "models"]) address.searchParams.delete(name);
  for (const [name, value] of new FormData(filters)) if (value) address.searchParams.append(name, value);
  history.replaceState(null, "", address);
}

// As `numbers.score`: four digits, a sign and a true minus; zero has no sign.
function signed(value) {
  if (value === null) return "–";
  const digits = Math.abs(value).toFixed(4);
  return Number(digits) === 0 ? digits : `${value < 0 ? "−" : "+"}${digits}`;
}

const skillOf = (estimate) => estimates.skills[estimate[4]];
const TWENTY_YEARS = 5040; // as in verdicts.py

function words(estimate) {
  const days = estimate[5];
  if (!days) return skillOf(estimate);
  return days > TWENTY_YEARS ? "in over 20 more years" : `in ${days.toLocaleString("en")} more days`;
}

// The scale that all rows share, from the ends of their intervals; zero is a part of it.
function scaleOf(rows) {
  const ends = rows.flatMap(([mean, half]) => mean === null ? [] : [mean - (half ?? 0), mean + (half ?? 0)]);
  const low = Math.min(0, ...ends), high = Math.max(0, ...ends), room = (high - low) * 0.05 || 0.001;
  const [first, last] = [low - room, high + room];
  const rough = (last - first) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((digit) => digit * power >= rough) * power;
  const ticks = [];
  for (let tick = Math.ceil(first / step); tick * step <= last; tick++) ticks.push(tick * step);
  return { ticks, digits: Math.max(0, Math.ceil(-Math.log10(step))), at: (value) => `${(100 * (value - first) / (last - first)).toFixed(2)}%` };
}

function svg(name, attributes, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
}

function drawInterval(cell, estimate, scale) {
  const [mean, half] = estimate, picture = svg("svg", { class: skillOf(estimate), role: "img" });
  for (const tick of scale.ticks) picture.append(svg("line", { class: Math.abs(tick) < 1e-9 ? "zero" : "tick", x1: scale.at(tick), x2: scale.at(tick), y1: 0, y2: "100%" }));
  if (mean !== null && half !== null) {
    picture.setAttribute("aria-label", `${signed(mean - half)} to ${signed(mean + half)}`);
    picture.append(svg("line", { x1: scale.at(mean - half), x2: scale.at(mean + half), y1: "50%", y2: "50%" }));
    picture.append(svg("circle", { cx: scale.at(mean), cy: "50%", r: 3.5 }));
    picture.append(svg("title", {}, picture.getAttribute("aria-label")));
  }
  cell.replaceChildren(picture);
}

function drawTicks(cell, scale) {
  const picture = svg("svg", {});
  for (const tick of scale.ticks) picture.append(svg("text", { x: scale.at(tick), y: "75%" }, tick.toFixed(scale.digits).replace("-", "−").replace(/^−(0\.?0*)$/, "$1")));
  cell.replaceChildren(picture);
}

function fill(row, estimate) {
  const [mean, , q, days] = estimate;
  const texts = { mean: signed(mean), q: q === null ? "–" : q.toFixed(2), days: days || "–" };
  for (const [name, text] of Object.entries(texts)) row.querySelector(`.${name}`).textContent = text;
  row.querySelector(".verdict small").textContent = words(estimate);
}

function showEstimates() {
  if (!estimates) return;
  const other = filters.elements.against.value, against = other || "zero", models = chosenModels();
  const window = estimates.windows[chosenWindow()], nothing = [null, null, null, 0, 0, null];
  const rows = [...document.querySelectorAll(".estimates tbody tr")].map((row, index) => {
    row.hidden = models.length > 0 && !models.includes(row.dataset.model);
    return { row, estimate: (window.estimates[other] ?? [])[index] ?? nothing };
  });
  const shown = rows.filter(({ row }) => !row.hidden).map(({ estimate }) => estimate);
  const scale = scaleOf(shown);
  drawTicks(document.querySelector(".estimates thead .interval"), scale);
  for (const { row, estimate } of rows) {
    drawInterval(row.querySelector(".interval"), estimate, scale);
    fill(row, estimate);
  }
  const count = (skill) => shown.filter((estimate) => skillOf(estimate) === skill).length;
  const [, better, worse, untold, early] = estimates.skills.map(count);
  document.querySelector(".against").textContent = against;
  document.querySelector(".said").textContent = `${window.rounds} rounds since round ${window.first}: ${better} better than ${against}, ${worse} worse, ${untold} cannot be told apart${early ? `, ${early} too early` : ""}`;
  const visible = !other && window.visible;
  document.querySelector(".visible").textContent = visible ? `So far only a mean beyond ±${visible.toFixed(4)} would be seen four times in five.` : "";
}

async function show() {
  showEstimates();
  const models = chosenModels(), index = chosenWindow();
  for (const part of document.querySelectorAll("[data-window]")) part.hidden = Number(part.dataset.window) !== index;
  const summary = filters.querySelector(".chosen");
  if (summary) summary.textContent = models.length ? `${models.length} of ${boxes.length}` : `all ${boxes.length}`;
  const since = estimates ? estimates.windows[index].since : 0;
  for (const view of views)
    if (view.signal("since") !== since || String(view.signal("chosen")) !== String(models))
      await view.signal("chosen", models).signal("since", since).runAsync();
}

filters.addEventListener("change", (event) => {
  if (event.target.matches("[data-pages]")) location.href = event.target.value + location.search;
  else {
    if (event.target === tag) for (const box of boxes) box.checked = false;
    else if (tag && event.target.matches("[name=models]")) tag.value = "";
    writeAddress();
    show();
  }
});
filters.addEventListener("submit", (event) => event.preventDefault());
filters.querySelector("button.all")?.addEventListener("click", () => {
  for (const box of boxes) box.checked = false;
  if (tag) tag.value = "";
  writeAddress();
  show();
});
readAddress();
whenDrawn = show;
