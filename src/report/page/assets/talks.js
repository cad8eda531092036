/*
 * The evaluations word for word: pick a question, read the arms side by side.
 */
(function () {
  const data = dataOf("talks-data");
  if (!data) return;
  const VERDICTS = [["no", "✗"], ["ok", "✓"], ["half", "◐"], ["", "–"]], [WRONG, RIGHT] = [0, 1];

  /* What stands at which place (written by talks.c). */
  const talks = data.talks.map((t) => ({
    kind: t[0], seed: t[1], title: t[2], right: t[3], variant: data.texts[t[4]] || "", opening: t[5],
    arms: t[6].map((a) => ({ arm: a[0], verdict: a[1], outcome: a[2], turns: a[3] })),
    haystack: null,
  }));
  const state = { shown: [], open: -1, words: [] };
  const text = (place) => data.texts[place] || "";
  const verdict = (t, arm) => { const a = t.arms.find((x) => data.arms[x.arm] === arm); return a ? a.verdict : -1; };

  const OUTCOMES = [
    ["any", "any outcome", () => true],
    ["differ", "arms differ", (t) => new Set(t.arms.map((a) => a.verdict)).size > 1],
    ["gain", "pbt right, base not", (t) => verdict(t, "pbt") === RIGHT && verdict(t, "base") !== RIGHT],
    ["loss", "base right, pbt not", (t) => verdict(t, "base") === RIGHT && verdict(t, "pbt") !== RIGHT && verdict(t, "pbt") >= 0],
    ["wrong", "pbt wrong", (t) => verdict(t, "pbt") === WRONG],
  ];
  function haystack(t) {
    if (t.haystack === null) {
      const said = (turns) => turns.map((s) => text(s[1]));
      t.haystack = [text(t.title), t.variant].concat(t.right, said(t.opening), ...t.arms.map((a) => [text(a.outcome)].concat(said(a.turns))))
        .join("\n").toLowerCase();
    }
    return t.haystack;
  }
  function filter() {
    const kind = $("t-kind").value, seed = $("t-seed").value, wanted = OUTCOMES.find((o) => o[0] === $("t-outcome").value)[2];
    state.words = wordsOf($("t-search"));
    state.shown = [];
    talks.forEach((t, i) => {
      if (kind !== "any" && t.kind !== +kind) return;
      if (seed !== "any" && t.seed !== +seed) return;
      if (wanted(t) && state.words.every((w) => haystack(t).includes(w))) state.shown.push(i);
    });
    $("t-count").textContent = countText(state.shown.length, talks.length, "items");
    list.resize(state.shown.length);
    if (state.shown.length && !state.shown.includes(state.open)) state.open = first();
    show();
  }
  /* What is worth reading first: where base and pbt part. */
  function first() {
    return state.shown.find((i) => OUTCOMES[2][2](talks[i])) ?? state.shown[0];
  }
  function facts(t, short) {
    return [data.kinds[t.kind], short ? t.variant.split(":")[0] : t.variant, data.seeds.length > 1 ? "seed " + t.seed : ""].filter(Boolean).join(" · ");
  }
  function row(place) {
    const i = state.shown[place], t = talks[i], e = element("div", "x-item t-item"), line = element("span", "", facts(t, true));
    e.id = "t-item-" + i;
    e.setAttribute("aria-selected", String(i === state.open));
    e.append(element("b", "", flat(text(t.title))), line);
    const marks = element("span", "t-marks");
    for (const a of t.arms) {
      const mark = element("i", "arm-" + data.arms[a.arm], VERDICTS[a.verdict][1]);
      mark.title = data.arms[a.arm] + ": " + flat(text(a.outcome));
      marks.append(mark);
    }
    e.append(marks);
    e.addEventListener("click", () => { state.open = i; show(); });
    return e;
  }
  function bubble(turn, arm) {
    const [who, place] = turn, said = text(place), box = element("div", "t-said" + (who ? " other" : arm ? " arm-" + arm : ""));
    if (said.length <= 320 || state.words.some((w) => said.toLowerCase().includes(w))) { marked(box, said, state.words); return box; }
    /* Long arguments are folded: they are the same for all arms. */
    const details = element("details"), summary = element("summary", "", flat(said.slice(0, 140)) + "…");
    details.append(summary, element("div", "", clean(said)));
    box.append(details);
    return box;
  }
  function column(a) {
    const name = data.arms[a.arm], [style, sign] = VERDICTS[a.verdict], e = element("section", "t-arm");
    const head = element("h4");
    head.append(element("span", "chip arm-" + name, name));
    const outcome = element("p", "t-outcome");
    outcome.append(element("b", style, sign + " "));
    marked(outcome, text(a.outcome), state.words);
    e.append(head, outcome, ...a.turns.map((turn) => bubble(turn, name)));
    if (!a.turns.length) e.append(element("p", "t-none", "Nothing more was said."));
    return e;
  }
  function show() {
    const t = talks[state.open], pane = $("t-pane");
    list.reveal(state.shown.indexOf(state.open));
    list.draw();
    $("t-list").setAttribute("aria-activedescendant", state.open >= 0 ? "t-item-" + state.open : "");
    if (!t) return;
    $("t-question").textContent = flat(text(t.title));
    $("t-facts").textContent = (t.right.length ? "Right: " + t.right.slice(0, 4).map(flat).join(", ") + " · " : "") + facts(t);
    const parts = [];
    if (t.opening.length) {
      const opening = element("div", "t-opening");
      opening.append(element("h4", "", "The debate so far, the same for all arms (coloured: the untrained model's own turns)"),
        ...t.opening.map((turn) => bubble(turn, "base")));
      parts.push(opening);
    }
    const arms = element("div", "t-arms");
    arms.append(...t.arms.map(column));
    parts.push(arms);
    pane.replaceChildren(...parts);
    pane.scrollTop = 0;
  }
  function step(by) {
    const place = state.shown.indexOf(state.open), next = Math.min(state.shown.length - 1, Math.max(0, place + by));
    if (!state.shown.length || next === place) return;
    state.open = state.shown[next];
    show();
  }

  data.seeds = [...new Set(talks.map((t) => t.seed))];
  const kinds = [...new Set(talks.map((t) => t.kind))];
  const list = longList($("t-list"), row);
  fillSelect($("t-kind"), (kinds.length > 1 ? [["any", "all evaluations"]] : []).concat(kinds.map((k) => [String(k), data.kinds[k]])), filter);
  fillSelect($("t-outcome"), OUTCOMES.map((o) => [o[0], o[1]]), filter);
  fillSelect($("t-seed"), (data.seeds.length > 1 ? [["any", "all seeds"]] : []).concat(data.seeds.map((s) => [String(s), "seed " + s])), filter);
  $("talk-explorer").hidden = false;
  $("t-search").addEventListener("input", filter);
  $("t-search").addEventListener("keydown", (event) => {
    if (event.key === "Escape") { event.target.value = ""; filter(); }
    if (event.key === "Escape" || event.key === "Enter") $("t-pane").focus();
  });
  $("t-list").addEventListener("keydown", (event) => {
    const by = list.step(event);
    if (by) { step(by); event.preventDefault(); }
    if (event.key === "Enter") $("t-pane").focus();
  });
  $("t-previous").addEventListener("click", () => step(-1));
  $("t-next").addEventListener("click", () => step(1));
  explorers.push({ section: $("talks"), search: $("t-search"), step });
  filter();
})();
