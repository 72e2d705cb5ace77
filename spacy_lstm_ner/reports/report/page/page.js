"use strict";
// The list of entities: its filters, and the threshold. All texts and labels are set as
// text, never as HTML. list.js shows the entities.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const KINDS = data.kinds.slice(0, -1); // the last kind is that of unjudged entities
const [RIGHT, MISSED, INVENTED] = ["right", "missed", "invented"].map((k) => KINDS.indexOf(k));
const UNJUDGED = KINDS.length;
const NONE = -1;
const STEP = 50; // entities that are added to the list at once
const NEAR = 160; // characters beside an entity in a long text
const thresholds = data.models.map((model) => model.threshold);
const lowered = data.texts.map(() => null);
let shown = [];
let nShown = 0;

// Cases: each gold and each predicted entity, with what became of it.

function isKept(found, model) {
  return thresholds[model] === null || found[3] === NONE || found[3] >= thresholds[model];
}

function casesOf(model) {
  const cases = [];
  data.texts.forEach((_, text) => {
    const partners = new Map();
    for (const found of data.models[model].found[text]) {
      if (!isKept(found, model)) continue;
      if (found[5] !== NONE) partners.set(found[5], found);
      else if (found[4] !== UNJUDGED) cases.push({ text, kind: INVENTED, gold: null, found, index: NONE });
    }
    data.gold[text].forEach((gold, index) => {
      const found = partners.get(index) ?? null;
      cases.push({ text, kind: found ? found[4] : MISSED, gold, found, index });
    });
  });
  return cases;
}

let cases = [];
let others = new Set();

// Whether an entity is one case for two models: the same gold entity right or wrong in
// both, or the same invented one.
function keyOf(each) {
  if (each.gold) return `${each.text} ${each.index} ${each.kind === RIGHT}`;
  return `${each.text} ${each.found.slice(0, 3)}`;
}

// Filters

const model = () => Number(byId("model").value);
const kindBoxes = [];

function option(value, text) {
  const made = document.createElement("option");
  made.value = value;
  made.textContent = text;
  return made;
}

function fillForm() {
  data.models.forEach((each, i) => byId("model").append(option(i, each.name)));
  for (const id of ["gold", "found"]) {
    byId(id).append(option("", "any"), option(NONE, "none"));
    data.labels.forEach((label, i) => byId(id).append(option(i, label)));
  }
  KINDS.forEach((kind, i) => {
    const label = element("label");
    const box = element("input");
    box.type = "checkbox";
    box.defaultChecked = i !== RIGHT;
    box.value = kind;
    label.append(box, `${kind} `, element("span", "", "n"));
    byId("kinds").append(label);
    kindBoxes.push(box);
  });
  const several = data.models.length > 1;
  byId("models").hidden = byId("against-field").hidden = !several;
  byId("filters").hidden = false;
}

function fillAgainst() {
  const select = byId("against");
  const before = select.value;
  select.replaceChildren(option("", "no other model"));
  data.models.forEach((each, i) => {
    if (i !== model()) select.append(option(i, `not so with ${each.name}`));
  });
  select.value = [...select.options].some((each) => each.value === before) ? before : "";
}

function hasLabel(entity, wanted) {
  if (wanted === "") return true;
  return Number(wanted) === (entity ? entity[2] : NONE);
}

// Set by the buttons of the table of kinds: the gold label, or that of an invented entity.
let either = "";

function matches(each, filters) {
  if (!filters.kinds[each.kind]) return false;
  if (!hasLabel(each.gold, filters.gold) || !hasLabel(each.found, filters.found)) return false;
  if (either !== "" && !hasLabel(each.gold ?? each.found, either)) return false;
  if (filters.search) {
    lowered[each.text] ??= data.texts[each.text].toLowerCase();
    if (!lowered[each.text].includes(filters.search)) return false;
  }
  return filters.against === "" || !others.has(keyOf(each));
}

// How sure the model was of its answer; of a missed entity, that it is none.
function sureness({ text, found, index }) {
  const p = found ? found[3] : data.models[model()].gold[text][index];
  return p === NONE ? null : found ? p : 1 - p;
}

function inOrder(found, order) {
  if (order === "text") return found.sort((a, b) => a.text - b.text || start(a) - start(b));
  const sign = order === "surest" ? -1 : 1;
  return found.sort((a, b) => {
    const [x, y] = [sureness(a), sureness(b)];
    if (x === null || y === null) return (x === null) - (y === null) || a.text - b.text;
    return sign * (x - y) || a.text - b.text;
  });
}

const start = (each) => (each.gold ?? each.found)[0];

function update() {
  cases = casesOf(model());
  const against = byId("against").value;
  others = new Set(against === "" ? [] : casesOf(Number(against)).map(keyOf));
  const counts = KINDS.map(() => 0);
  for (const each of cases) counts[each.kind] += 1;
  kindBoxes.forEach((box, i) => {
    box.nextElementSibling.textContent = counts[i].toLocaleString("en");
  });
  showScores(counts);
  const filters = {
    kinds: kindBoxes.map((box) => box.checked),
    gold: byId("gold").value,
    found: byId("found").value,
    search: byId("search").value.trim().toLowerCase(),
    against,
  };
  const found = cases.filter((each) => matches(each, filters));
  const order = byId("order").value;
  shown = inOrder(found, order);
  const perText = byId("view").value === "text";
  if (perText) {
    const seen = new Set();
    shown = shown.filter((each) => !seen.has(each.text) && seen.add(each.text));
    const everything = filters.kinds.every(Boolean) && !filters.gold && !filters.found && either === "" && !against;
    if (everything) {
      data.texts.forEach((text, i) => {
        if (!seen.has(i) && text.toLowerCase().includes(filters.search)) shown.push({ text: i, kind: null });
      });
      if (order === "text") shown.sort((a, b) => a.text - b.text);
    }
  }
  const noun = perText ? "texts" : "entities";
  byId("count").textContent = `${shown.length.toLocaleString("en")} ${noun}` + (either === "" ? "" : `, label ${data.labels[either]}`);
  byId("list").replaceChildren();
  nShown = 0;
  showMore();
}

// The threshold

function showScores(counts) {
  const right = counts[RIGHT];
  const nGold = counts.reduce((sum, n, kind) => sum + (kind === INVENTED ? 0 : n), 0);
  const nFound = counts.reduce((sum, n, kind) => sum + (kind === MISSED ? 0 : n), 0);
  const [p, r, f] = [right / Math.max(nFound, 1), right / Math.max(nGold, 1), (2 * right) / Math.max(nGold + nFound, 1)];
  const percent = (x) => (100 * x).toFixed(1);
  byId("live").textContent = `F1 ${percent(f)}, precision ${percent(p)}, recall ${percent(r)}: ${nFound.toLocaleString("en")} predicted entities`;
  const chart = document.querySelector(`.model[data-model="${model()}"] .mark`);
  if (!chart) return;
  const { left, top, size } = chart.ownerSVGElement.dataset;
  chart.setAttribute("cx", Number(left) + size * r);
  chart.setAttribute("cy", Number(top) + size * (1 - p));
}

function showThreshold() {
  const { threshold, lowest } = data.models[model()];
  byId("slider").hidden = threshold === null;
  if (threshold === null) return;
  byId("threshold").min = Math.floor(lowest * 1000) / 1000;
  byId("threshold").value = thresholds[model()];
  byId("at").textContent = thresholds[model()].toFixed(3);
  byId("own").disabled = thresholds[model()] === threshold;
}

function setThreshold(value) {
  thresholds[model()] = value;
  showThreshold();
  update();
}

// Events

function showModel() {
  for (const section of document.querySelectorAll(".model")) {
    section.hidden = Number(section.dataset.model) !== model();
  }
  fillAgainst();
  showThreshold();
  update();
}

function reset() {
  byId("filters").reset();
  either = "";
  thresholds[model()] = data.models[model()].threshold;
}

function showCounted({ model: wanted, kinds, gold = "", found = "", against = "", either: label = "" }) {
  byId("model").value = wanted;
  reset();
  fillAgainst();
  kindBoxes.forEach((box) => { box.checked = kinds === "all" || box.value === kinds; });
  byId("gold").value = gold;
  byId("found").value = found;
  byId("against").value = against;
  either = label;
  showModel();
  byId("entities").focus();
  byId("entities").scrollIntoView();
}

function later(action, wait) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, wait);
  };
}

fillForm();
shadeConfusions();
showModel();
byId("model").addEventListener("change", showModel);
byId("threshold").addEventListener("input", () => {
  thresholds[model()] = Number(byId("threshold").value);
  showThreshold();
  updateSoon();
});
const updateSoon = later(update, 60);
byId("own").addEventListener("click", () => setThreshold(data.models[model()].threshold));
byId("search").addEventListener("input", later(update, 150));
for (const id of ["gold", "found", "against", "order", "view"]) byId(id).addEventListener("change", () => { either = ""; update(); });
byId("kinds").addEventListener("change", update);
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("back").addEventListener("click", () => {
  reset();
  showModel();
});
byId("more").addEventListener("click", () => {
  const first = showMore();
  first.tabIndex = -1;
  first.focus();
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("button.shows");
  if (button) showCounted({ ...button.dataset });
});

// Shade the cells of a row by their share of it.
function shadeConfusions() {
  for (const row of document.querySelectorAll(".confusion tbody tr")) {
    const cells = [...row.querySelectorAll("td")];
    const numbers = cells.map((cell) => Number(cell.textContent.replaceAll(",", "")) || 0);
    const sum = numbers.reduce((a, b) => a + b, 0);
    cells.forEach((cell, i) => cell.style.setProperty("--share", sum ? numbers[i] / sum : 0));
  }
}
