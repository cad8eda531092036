/*
 * The explorer of report.html: pick a debate, see it as a tree, read what was said and what became of siblings.
 * Only the open tree and the visible part of the list exist as elements.
 */
(function () {
  const data = dataOf("debates-data");
  if (!data) return;
  const VERDICTS = [null, "agrees", "disagrees"];
  const CARD = 82, GAP = 12, FIRST_OPEN = 120;

  /* What stands at which place of a tree and of a node (written by explorer.c). */
  const trees = data.trees.map((t) => ({
    question: data.questions[t[0]], id: t[1], seed: t[2], part: t[3], answers: t[4], right: t[5], pairs: t[7],
    nodes: t[6].map((n, i) => ({
      id: i, parent: n[0], speaker: n[1], role: data.roles[n[2]], text: n[3], answer: n[4], verdict: VERDICTS[n[5]],
      held: [n[6], n[7]], score: n[8],
    })),
    haystack: null,
  }));
  const state = { shown: [], open: -1, node: 0, closed: new Set(), words: [], places: [], order: [] };

  const tree = () => trees[state.open];
  const children = (t, id) => t.kids[id];
  function link(t) {
    if (t.kids) return;
    t.kids = t.nodes.map(() => []);
    t.turn = t.nodes.map(() => 1);
    for (const n of t.nodes) {
      if (n.parent < 0) continue;
      t.kids[n.parent].push(n.id);
      t.turn[n.id] = t.turn[n.parent] + 1;
    }
  }
  function held(t, n, who) { return n.held[who] < 0 ? null : t.answers[n.held[who]]; }
  function isRight(t, n, who) { return n.held[who] >= 0 && t.right[n.held[who]] === 1; }

  /* ---- the list of debates ---- */

  function kinds(t) {
    const count = { resist: 0, accept: 0 };
    for (const p of t.pairs) if (p[2] in count) count[p[2]]++;
    return count;
  }
  const KINDS = [
    ["any", "all debates", () => true],
    ["pair", "with a pair", (k) => k.resist + k.accept > 0],
    ["resist", "resist pair", (k) => k.resist > 0],
    ["accept", "accept pair", (k) => k.accept > 0],
    ["both", "both kinds", (k) => k.resist > 0 && k.accept > 0],
    ["none", "no pair", (k) => k.resist + k.accept === 0],
  ];
  function haystack(t) {
    if (t.haystack === null)
      t.haystack = [t.question[1], t.id].concat(t.question[2], t.answers, t.nodes.map((n) => n.text)).join("\n").toLowerCase();
    return t.haystack;
  }
  function filter() {
    state.words = wordsOf($("x-search"));
    const wanted = KINDS.find((k) => k[0] === $("x-kind").value)[2];
    const part = $("x-part").value, seed = $("x-seed").value;
    state.shown = [];
    trees.forEach((t, i) => {
      if (part !== "any" && t.part !== +part) return;
      if (seed !== "any" && t.seed !== +seed) return;
      t.count = t.count || kinds(t);
      if (!wanted(t.count)) return;
      if (state.words.every((w) => haystack(t).includes(w))) state.shown.push(i);
    });
    $("x-count").textContent = countText(state.shown.length, trees.length, "debates");
    list.resize(state.shown.length);
    if (state.shown.length && !state.shown.includes(state.open)) open(best(), false);
    else if (state.open >= 0) drawTree();
    reveal();
    drawList();
  }
  /* The first of the shown debates that has something to show. */
  function best() {
    const paired = (i) => trees[i].count.resist + trees[i].count.accept > 0;
    return state.shown.find(paired) ?? state.shown[0];
  }
  function item(place) {
    const i = state.shown[place], t = trees[i], k = t.count;
    const row = element("div", "x-item");
    row.id = "x-item-" + i;
    row.setAttribute("aria-selected", String(i === state.open));
    row.append(element("b", "", flat(t.question[1])));
    const facts = element("span", "", data.parts[t.part] + " · " + t.nodes.length + " turns" +
      (data.seeds.length > 1 ? " · seed " + t.seed : ""));
    if (k.resist) facts.append(element("i", "kind-resist", k.resist + " resist"));
    if (k.accept) facts.append(element("i", "kind-accept", k.accept + " accept"));
    row.append(facts);
    row.addEventListener("click", () => { open(i, false); drawList(); });
    return row;
  }
  const list = longList($("x-list"), item);
  function drawList() {
    list.draw();
    $("x-list").setAttribute("aria-activedescendant", state.open >= 0 ? "x-item-" + state.open : "");
  }
  function reveal() { list.reveal(state.shown.indexOf(state.open)); }
  function step(by) {
    if (!state.shown.length) return;
    const place = state.shown.indexOf(state.open);
    const next = Math.min(state.shown.length - 1, Math.max(0, place + by));
    if (next === place) return;
    open(state.shown[next], $("x-tree").contains(document.activeElement));
    reveal();
    drawList();
  }

  /* ---- the tree ---- */

  /* A big tree opens only as far as it can be looked over; the rest unfolds on demand. */
  function foldBig(t) {
    state.closed = new Set();
    let shown = 0;
    for (let level = [0]; level.length;) {
      shown += level.length;
      const below = level.flatMap((id) => children(t, id));
      if (shown + below.length > FIRST_OPEN) {
        level.forEach((id) => { if (children(t, id).length) state.closed.add(id); });
        return;
      }
      level = below;
    }
  }
  function open(i, focus) {
    state.open = i;
    const t = tree();
    link(t);
    foldBig(t);
    state.node = firstPair(t);
    $("x-question").textContent = flat(t.question[1]);
    $("x-facts").textContent = "Right: " + t.question[2].map(flat).join(", ") + " · " + flat(t.id) +
      " · " + data.parts[t.part] + (data.seeds.length > 1 ? " · seed " + t.seed : "");
    drawTree();
    drawDetail();
    if (focus) focusNode();
  }
  /* What a reader wants to see first: the first pair's chosen turn, else the root. */
  function firstPair(t) {
    const pair = t.pairs.find((p) => p[2] === "resist" || p[2] === "accept");
    if (!pair) return 0;
    for (let n = t.nodes[pair[0]].parent; n >= 0; n = t.nodes[n].parent) if (state.closed.has(n)) return 0;
    return pair[0];
  }
  function visibleChildren(t, id) { return state.closed.has(id) ? [] : children(t, id); }

  /* Wide: a column for each turn, a parent in the middle of its children. Narrow: an indented outline. */
  function place(t, width) {
    const turns = Math.max(...t.turn), narrow = width < 620;
    const places = [], order = [];
    let bottom = 0;
    const gap = width < 1100 ? 68 : 96, card = narrow ? 0 : Math.max(156, Math.min(280, (width - gap * (turns - 1) - 84) / turns));
    (function walk(id) {
      order.push(id);
      const depth = t.turn[id] - 1, kids = visibleChildren(t, id);
      if (narrow) {
        const x = Math.min(depth, 8) * 18;
        places[id] = { x, y: bottom, w: width - x - 92 };
        bottom += CARD + GAP;
        kids.forEach(walk);
        return;
      }
      const p = places[id] = { x: depth * (card + gap), y: bottom, w: card };
      kids.forEach(walk);
      if (kids.length) p.y = (places[kids[0]].y + places[kids[kids.length - 1]].y) / 2;
      else bottom += CARD + GAP;
    })(0);
    return { places, order, narrow, turns, width: narrow ? width : turns * card + (turns - 1) * gap + 84, height: bottom - GAP };
  }
  function edge(a, b, narrow) {
    if (narrow) {
      const x = a.x + 8;
      return `M${x} ${a.y + CARD}V${b.y + CARD / 2}H${b.x}`;
    }
    const x1 = a.x + a.w, y1 = a.y + CARD / 2, x2 = b.x, y2 = b.y + CARD / 2, m = (x1 + x2) / 2 + 22;
    return `M${x1} ${y1}C${m} ${y1} ${m} ${y2} ${x2} ${y2}`;
  }
  /* A bracket at the right of two siblings, with what became of them. */
  function bracket(svg, t, p, level, plan) {
    const a = plan.places[p[0]], b = plan.places[p[1]];
    if (!a || !b) return;
    const x = Math.max(a.x + a.w, b.x + b.w), y1 = a.y + CARD / 2, y2 = b.y + CARD / 2, out = x + 9 + 7 * level;
    const kept = p[2] === "resist" || p[2] === "accept", name = kept ? "kind-" + p[2] : "";
    svg.append(drawn("path", { class: (kept ? "pair-line " : "drop-line ") + name, d: `M${x + 2} ${y1}H${out}V${y2}H${x + 2}` }));
    if (kept) svg.append(drawn("path", { class: "pair-line " + name, d: `M${x + 7} ${y1 - 4}L${x + 2} ${y1}L${x + 7} ${y1 + 4}` }));
    if (!kept && plan.narrow) return;
    svg.append(drawn("text", { class: (kept ? "pair-text " : "drop-text ") + name, x: out + 5, y: (y1 + y2) / 2 + 4 },
      kept ? p[2] : p[2].replace(/_/g, " ")));
  }
  function brackets(svg, t, plan) {
    const levels = {};
    /* Kept pairs last, so that they lie on top; neighbours inside, distant siblings outside. */
    const span = (p) => (plan.places[p[0]] && plan.places[p[1]] ? Math.abs(plan.places[p[0]].y - plan.places[p[1]].y) : 0);
    for (const p of t.pairs.slice().sort((a, b) => span(a) - span(b))) {
      const parent = t.nodes[p[0]].parent;
      let level = span(p) <= CARD + GAP + 1 ? 0 : (levels[parent] = (levels[parent] || 0) + 1);
      /* In the outline all turns share one right edge: earlier turns go further out. */
      if (plan.narrow) level = 2 * (plan.turns - t.turn[p[0]]) + (level > 0 ? level - 1 : 0);
      bracket(svg, t, p, level, plan);
    }
  }
  function holdings(t, n) {
    const line = element("div", "x-holds");
    const who = [n.speaker, 1 - n.speaker];
    who.forEach((w) => {
      const answer = held(t, n, w);
      line.append((w ? "B" : "A") + " ");
      if (answer === null) line.append("– ");
      else line.append(element("span", isRight(t, n, w) ? "ok" : "no", (isRight(t, n, w) ? "✓ " : "✗ ") + flat(answer)), "  ");
    });
    return line;
  }
  function spoken(t, n) {
    const side = n.speaker ? "B" : "A", own = held(t, n, n.speaker);
    return `Turn ${t.turn[n.id]}, ${side}, ${n.role}: ${flat(n.text)}. Holds ${own === null ? "no answer" : flat(own)}, ` +
      `${isRight(t, n, n.speaker) ? "right" : "wrong"}, score ${n.score}.`;
  }
  function card(t, n, p) {
    const e = element("div", "x-node " + (held(t, n, n.speaker) === null ? "" : isRight(t, n, n.speaker) ? "right" : "wrong"));
    e.id = "x-node-" + n.id;
    e.style.cssText = `left:${p.x}px;top:${p.y}px;width:${p.w}px;height:${CARD}px`;
    const siblings = n.parent < 0 ? [n.id] : children(t, n.parent), kids = children(t, n.id);
    e.setAttribute("role", "treeitem");
    e.setAttribute("aria-level", String(t.turn[n.id]));
    e.setAttribute("aria-setsize", String(siblings.length));
    e.setAttribute("aria-posinset", String(siblings.indexOf(n.id) + 1));
    e.setAttribute("aria-label", spoken(t, n));
    if (kids.length) e.setAttribute("aria-expanded", String(!state.closed.has(n.id)));
    const who = element("div", "x-who");
    who.append(element("b", "", n.speaker ? "B" : "A"), element("span", "", n.role), element("u", "", "score " + n.score));
    e.append(who, element("div", "x-says", flat(n.text)), holdings(t, n));
    if (state.words.length && state.words.some((w) => n.text.toLowerCase().includes(w))) e.classList.add("found");
    e.addEventListener("click", () => { select(n.id); focusNode(); });
    e.addEventListener("dblclick", () => fold(n.id, !state.closed.has(n.id)));
    return e;
  }
  function folded(t, id, p) {
    const more = element("button", "x-more", "+" + children(t, id).length);
    more.type = "button";
    more.tabIndex = -1;
    more.setAttribute("aria-hidden", "true");
    more.style.cssText = `left:${p.x + p.w + 6}px;top:${p.y + CARD / 2 - 10}px`;
    more.addEventListener("click", () => fold(id, false));
    return more;
  }
  function drawTree() {
    const t = tree(), pane = $("x-tree");
    const plan = place(t, Math.max(280, pane.parentElement.clientWidth - 36));
    state.places = plan.places;
    state.order = plan.order;
    state.narrow = plan.narrow;
    const svg = drawn("svg", { width: plan.width, height: plan.height, "aria-hidden": "true" });
    const edges = [], cards = [];
    for (const id of plan.order) {
      const n = t.nodes[id];
      if (n.parent >= 0) {
        const line = drawn("path", { class: "edge", d: edge(plan.places[n.parent], plan.places[id], plan.narrow) });
        line.id = "x-edge-" + id;
        edges.push(line);
      }
      cards.push(card(t, n, plan.places[id]));
      if (state.closed.has(id)) cards.push(folded(t, id, plan.places[id]));
    }
    svg.append(...edges);
    brackets(svg, t, plan);
    pane.style.cssText = `width:${plan.width}px;height:${plan.height}px`;
    pane.replaceChildren(svg, ...cards);
    markSelected();
  }
  function path(t, id) {
    const list = [];
    for (; id >= 0; id = t.nodes[id].parent) list.unshift(id);
    return list;
  }
  function markSelected() {
    const t = tree(), on = new Set(path(t, state.node));
    for (const id of state.order) {
      const e = $("x-node-" + id), line = $("x-edge-" + id);
      e.setAttribute("aria-selected", String(id === state.node));
      e.tabIndex = id === state.node ? 0 : -1;
      e.classList.toggle("path", on.has(id));
      if (line) line.classList.toggle("on", on.has(id));
    }
  }
  function select(id) {
    state.node = id;
    markSelected();
    drawDetail();
  }
  function focusNode() {
    const e = $("x-node-" + state.node);
    if (e) { e.focus({ preventScroll: true }); e.scrollIntoView({ block: "nearest", inline: "nearest" }); }
  }
  function fold(id, close) {
    if (!children(tree(), id).length) return;
    if (close) state.closed.add(id); else state.closed.delete(id);
    if (!state.closed.has(id) || path(tree(), state.node).includes(id)) state.node = id;
    drawTree();
    drawDetail();
    focusNode();
  }

  /* ---- the selected turn ---- */

  function bubble(t, id) {
    const n = t.nodes[id], box = element("div", "x-said" + (n.speaker ? " b" : "") + (id === state.node ? " now" : ""));
    const small = element("small", "", (n.speaker ? "B" : "A") + " · " + n.role + (n.verdict ? " · " + n.verdict : "") + " · ");
    const own = held(t, n, n.speaker);
    small.append(own === null ? "no answer" : element("span", isRight(t, n, n.speaker) ? "ok" : "no",
      (isRight(t, n, n.speaker) ? "✓ " : "✗ ") + flat(own)));
    box.append(small);
    marked(box, n.text, state.words);
    return box;
  }
  function quote(t, id) {
    const q = element("q", "", flat(t.nodes[id].text));
    const span = element("span");
    span.append(t.nodes[id].role + " (score " + t.nodes[id].score + ") ", q);
    return span;
  }
  function fate(t, p) {
    const kept = p[2] === "resist" || p[2] === "accept", li = element("li", kept ? "kind-" + p[2] : "");
    if (kept) {
      const arms = data.arms.filter((_, a) => (p[3] >> a) & 1);
      li.append(element("b", "", p[2] + " pair"), arms.length ? ", trained on by " + arms.join(" and ") : ", not selected for any arm",
        element("br"), "chosen: ", quote(t, p[0]), element("br"), "rejected: ", quote(t, p[1]));
    } else {
      li.append(element("b", "", "no pair: " + (data.reasons[p[2]] || p[2])), element("br"), quote(t, p[0]), element("br"), quote(t, p[1]));
    }
    return li;
  }
  function drawDetail() {
    const t = tree(), n = t.nodes[state.node], talk = element("div"), facts = element("div");
    talk.append(element("h4", "", "The debate up to here"));
    path(t, state.node).forEach((id) => talk.append(bubble(t, id)));
    const own = t.pairs.filter((p) => p[0] === n.id || p[1] === n.id);
    const below = t.pairs.filter((p) => t.nodes[p[0]].parent === n.id);
    const list = own.length ? own : below, fates = element("ul");
    list.forEach((p) => fates.append(fate(t, p)));
    facts.append(element("h4", "", own.length ? "This turn beside its siblings" : below.length ? "The replies to this turn" : "Pairs"));
    if (!list.length) fates.append(element("li", "", data.parts[t.part] === "train" ? "This turn has no siblings to be compared with."
      : "Debates of " + data.parts[t.part] + " questions are not paired; contexts of the balanced test are cut from them."));
    facts.append(fates);
    $("x-detail").replaceChildren(talk, facts);
  }

  /* ---- keys ---- */

  const KEYS = [["← →", "to the parent, to the first reply"], ["↑ ↓", "to the turn above, below"], ["Enter", "fold or unfold a turn"],
    ["Home End", "to the first, the last turn"], ["n p", "next, previous debate"], ["/", "search"], ["Esc", "leave the search, close this"], ["?", "these keys"]];
  function help() {
    const box = $("x-dialog"), list = element("dl");
    if (box.open) return box.close();
    for (const [keys, text] of KEYS) {
      const dt = element("dt");
      keys.split(" ").forEach((k) => dt.append(element("kbd", "", k), " "));
      list.append(dt, element("dd", "", text));
    }
    const close = element("button", "", "Close");
    close.type = "button";
    close.addEventListener("click", () => box.close());
    box.replaceChildren(element("h3", "", "Keys"), list, close);
    box.showModal();
  }
  /* The turn above or below: in the same column where there are columns, else in the outline. */
  function beside(by) {
    const t = tree(), level = t.turn[state.node];
    const row = state.narrow ? state.order : state.order.filter((id) => t.turn[id] === level);
    return row[row.indexOf(state.node) + by];
  }
  function treeKey(event) {
    const t = tree(), id = state.node, kids = children(t, id);
    let to;
    if (event.key === "ArrowUp") to = beside(-1);
    else if (event.key === "ArrowDown") to = beside(1);
    else if (event.key === "Home") to = 0;
    else if (event.key === "End") to = state.order[state.order.length - 1];
    else if (event.key === "ArrowLeft") { to = t.nodes[id].parent; if (to < 0) to = undefined; }
    else if (event.key === "ArrowRight") {
      if (state.closed.has(id)) { fold(id, false); event.preventDefault(); return; }
      to = kids[0];
    } else if (event.key === "Enter" || event.key === " ") { fold(id, !state.closed.has(id)); event.preventDefault(); return; }
    else return;
    event.preventDefault();
    if (to !== undefined) { select(to); focusNode(); }
  }
  function listKey(event) {
    const by = list.step(event);
    if (by) { step(by); event.preventDefault(); }
    if (event.key === "Enter") focusNode();
  }
  function searchKey(event) {
    if (event.key === "Escape") { event.target.value = ""; filter(); }
    if (event.key === "Escape" || event.key === "Enter") focusNode();
  }
  function helpKey(event) {
    if (event.key !== "?" || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT)$/.test(event.target.tagName)) return;
    help();
    event.preventDefault();
  }

  /* ---- beginning ---- */

  data.seeds = [...new Set(trees.map((t) => t.seed))];
  const seen = [...new Set(trees.map((t) => t.part))];
  fillSelect($("x-kind"), KINDS.map((k) => [k[0], k[1]]), filter);
  fillSelect($("x-part"), (seen.length > 1 ? [["any", "all parts"]] : []).concat(seen.map((p) => [String(p), data.parts[p]])), filter);
  fillSelect($("x-seed"), (data.seeds.length > 1 ? [["any", "all seeds"]] : []).concat(data.seeds.map((s) => [String(s), "seed " + s])), filter);
  $("explorer").hidden = false;
  $("x-search").addEventListener("input", filter);
  $("x-search").addEventListener("keydown", searchKey);
  $("x-list").addEventListener("keydown", listKey);
  $("x-tree").addEventListener("keydown", treeKey);
  $("x-previous").addEventListener("click", () => step(-1));
  $("x-next").addEventListener("click", () => step(1));
  $("x-help").addEventListener("click", help);
  document.addEventListener("keydown", helpKey);
  explorers.push({ section: $("debates"), search: $("x-search"), step });
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width || state.open < 0) return;
    width = window.innerWidth;
    drawTree();
    drawList();
  });
  filter();
})();
