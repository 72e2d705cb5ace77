"use strict";
// The list: how each entity is shown, in its text.

function element(name, text = "", className = "") {
  const made = document.createElement(name);
  if (text !== "") made.textContent = text;
  if (className) made.className = className;
  return made;
}

function showMore() {
  const rows = shown.slice(nShown, nShown + STEP).map((each) => row(each));
  byId("list").append(...rows);
  nShown += rows.length;
  byId("more").hidden = nShown >= shown.length;
  byId("more").textContent = `Show more (${(shown.length - nShown).toLocaleString("en")} left)`;
  return rows[0];
}

const nameOf = (entity) => (entity ? data.labels[entity[2]] : "none");

function row(each) {
  const isText = byId("view").value === "text";
  const made = element("li", "", isText ? "plain" : each.kind === RIGHT ? "right" : "wrong");
  const head = element("p", "", "head");
  if (!isText) {
    const labels = each.gold && each.found && each.gold[2] === each.found[2] ? nameOf(each.gold)
      : each.kind === MISSED ? nameOf(each.gold)
      : each.kind === INVENTED ? nameOf(each.found)
      : `${nameOf(each.gold)}, predicted ${nameOf(each.found)}`;
    head.append(element("span", KINDS[each.kind], "kind"), element("span", labels));
    const sure = sureness(each);
    const sign = each.found ? "confidence" : "probability";
    if (sure !== null) head.append(element("span", `${sign} ${(each.found ? sure : 1 - sure).toFixed(2)}`, "sure"));
  }
  head.append(element("span", `text ${each.text + 1}`, "number"));
  made.append(head, ...lines(each, isText, false));
  return made;
}

function lines(each, isText, isWhole) {
  const { text } = each;
  const focus = isText ? null : each;
  const here = data.models.map((each, i) => ({
    who: data.models.length > 1 ? each.name : "predicted",
    marks: each.found[text].filter((found) => isKept(found, i)).map((found) => ({
      entity: found,
      isRight: found[4] === RIGHT,
      isOpen: found[4] === UNJUDGED,
      isFocus: found === focus?.found,
    })),
  }));
  const right = here[model()].marks.filter((each) => each.isRight).map((each) => each.entity[5]);
  const gold = data.gold[text].map((entity, i) => ({
    entity,
    isGold: true,
    isRight: right.includes(i),
    isFocus: focus !== null && entity === focus.gold,
  }));
  const all = [{ who: "gold", marks: gold }, here[model()], ...here.filter((_, i) => i !== model())];
  const limits = isWhole ? [0, data.texts[text].length] : cut(text, focus);
  const made = all.map(({ who, marks }) => {
    const line = element("div", "", "line");
    const words = element("div", "", "words");
    words.dir = "auto";
    words.append(...pieces(data.texts[text], marks, limits));
    line.append(element("span", who, "who"), words);
    return line;
  });
  if (limits[0] > 0 || limits[1] < data.texts[text].length) {
    const button = element("button", "Whole text", "wide");
    button.type = "button";
    button.addEventListener("click", () => {
      const item = button.parentElement;
      item.replaceChildren(item.firstElementChild, ...lines(each, isText, true));
      item.tabIndex = -1;
      item.focus();
    });
    made.push(button);
  }
  return made;
}

// The part of a long text that is shown.
function cut(text, focus) {
  const { length } = data.texts[text];
  const [first, last] = focus ? [start(focus), (focus.gold ?? focus.found)[1]] : [0, 2 * NEAR];
  if (length <= 3 * NEAR) return [0, length];
  return [Math.max(space(data.texts[text], first - NEAR), 0), Math.min(space(data.texts[text], last + NEAR), length)];
}

// Near a place, the beginning of a word.
function space(text, place) {
  if (place <= 0 || place >= text.length) return place;
  const found = text.lastIndexOf(" ", place);
  return place - found < 30 ? found + 1 : place;
}

// The sign of an entity, in words.
function meaning({ isOpen, isRight, isGold }) {
  if (isOpen) return "not annotated here";
  if (isGold) return isRight ? "found" : "not found";
  return isRight ? "right" : "wrong";
}

function pieces(text, marks, [first, last]) {
  const made = first > 0 ? ["… "] : [];
  let place = first;
  for (const each of marks) {
    const [from, to, label] = each.entity;
    if (to <= first || from >= last) continue;
    made.push(text.slice(place, Math.max(from, place)));
    const shownMark = element("mark", text.slice(Math.max(from, first), to), each.isOpen ? "open" : each.isRight ? "right" : "wrong");
    if (each.isFocus) shownMark.classList.add("focus");
    shownMark.style.setProperty("--hue", (label * 137.5 + 205) % 360);
    shownMark.append(element("b", data.labels[label]));
    const sign = element("span", each.isOpen ? "?" : each.isRight ? "✓" : "✗", "sign");
    sign.setAttribute("aria-hidden", "true");
    shownMark.append(sign, element("span", ` ${meaning(each)}`, "hidden"));
    made.push(shownMark);
    place = Math.max(to, place);
  }
  made.push(text.slice(place, last));
  if (last < text.length) made.push(" …");
  return made;
}
