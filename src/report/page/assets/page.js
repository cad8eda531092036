/*
 * What the scripts of report.html share. Text of models goes into text nodes only.
 */
"use strict";
const $ = (id) => document.getElementById(id);
function element(tag, name, text) {
  const e = document.createElement(tag);
  if (name) e.className = name;
  if (text !== undefined) e.textContent = text;
  return e;
}
function drawn(tag, attributes, text) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const key in attributes) e.setAttribute(key, attributes[key]);
  if (text !== undefined) e.textContent = text;
  return e;
}
/* Control characters made visible; everything else stays as it is. */
function clean(text) {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, (c) =>
    c < " " ? String.fromCharCode(0x2400 + c.charCodeAt(0)) : "\ufffd");
}
function flat(text) { return clean(text).replace(/\s+/g, " "); }

/* The data of a section; null where the page has none. The text is dropped: it would stand in memory twice. */
function dataOf(id) {
  const holder = $(id);
  if (!holder) return null;
  const data = JSON.parse(holder.textContent);
  holder.textContent = "";
  return data;
}
function fillSelect(select, pairs, changed) {
  for (const [value, text] of pairs) {
    const option = element("option", "", text);
    option.value = value;
    select.append(option);
  }
  select.parentElement.hidden = pairs.length < 2;
  select.addEventListener("change", changed);
}
/* A long list of which only the visible part exists: row(place) makes an element. */
const ROW = 56;
function longList(box, row) {
  const fill = element("div", "fill");
  let count = 0;
  box.append(fill);
  function draw() {
    const first = Math.max(0, Math.floor(box.scrollTop / ROW) - 4);
    const last = Math.min(count, Math.ceil((box.scrollTop + box.clientHeight) / ROW) + 4);
    const rows = [];
    for (let place = first; place < last; place++) {
      const e = row(place);
      e.style.top = place * ROW + "px";
      e.setAttribute("role", "option");
      e.setAttribute("aria-setsize", String(count));
      e.setAttribute("aria-posinset", String(place + 1));
      rows.push(e);
    }
    fill.replaceChildren(...rows);
  }
  box.addEventListener("scroll", draw, { passive: true });
  return {
    draw,
    resize(n) { count = n; fill.style.height = n * ROW + "px"; },
    reveal(place) {
      const top = place * ROW;
      if (place < 0) return;
      if (top < box.scrollTop) box.scrollTop = top;
      else if (top + ROW > box.scrollTop + box.clientHeight) box.scrollTop = top + ROW - box.clientHeight;
    },
    /* How far a key moves in the list; 0: not a key of lists. */
    step(event) {
      const page = Math.max(1, Math.floor(box.clientHeight / ROW) - 1);
      return { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -count, End: count }[event.key] || 0;
    },
  };
}
function countText(n, all, what) {
  const text = (k) => k.toLocaleString("en");
  return n === all ? text(all) + " " + what : text(n) + " of " + text(all) + " " + what;
}
/* Splits what is searched for into words. */
function wordsOf(box) { return box.value.toLowerCase().split(/\s+/).filter(Boolean); }
/* Text with the words that were searched for marked. */
function marked(parent, text, words) {
  text = clean(text);
  const lower = text.toLowerCase();
  let at = 0;
  while (words.length && lower.length === text.length) {
    let next = -1, length = 0;
    for (const w of words) {
      const found = lower.indexOf(w, at);
      if (found >= 0 && (next < 0 || found < next)) { next = found; length = w.length; }
    }
    if (next < 0) break;
    parent.append(text.slice(at, next), element("mark", "", text.slice(next, next + length)));
    at = next + length;
  }
  parent.append(text.slice(at));
}

/* The explorers of the page, {section, search, step}: keys go to the one that has the focus, else to the one in view,
 * else to the last. */
const explorers = [];
function explorerAtHand() {
  const focused = explorers.find((x) => x.section.contains(document.activeElement));
  const middle = window.innerHeight / 2;
  const seen = (x) => { const r = x.section.getBoundingClientRect(); return r.top < middle && r.bottom > middle; };
  return focused || explorers.find(seen) || explorers[explorers.length - 1];
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !explorers.length) return;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) || document.querySelector("dialog[open]")) return;
  if (event.key === "/") { explorerAtHand().search.focus(); explorerAtHand().search.select(); }
  else if (event.key === "n") explorerAtHand().step(1);
  else if (event.key === "p") explorerAtHand().step(-1);
  else return;
  event.preventDefault();
});

/* Paper shows what is folded on the screen. */
window.addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details:not([open])")) {
    folded.open = true;
    window.addEventListener("afterprint", () => { folded.open = false; }, { once: true });
  }
});
