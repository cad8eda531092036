/*
 * Exact values of the drawings, by mouse, touch and keyboard: lines get a crosshair over all of them, points the
 * nearest one. What a drawing holds is written by plot.c (groups "s" with their data) and as <title> of marks.
 */
(function () {
  const box = element("div", "tip"), spoken = element("div", "sr");
  box.hidden = true;
  spoken.setAttribute("role", "status");
  document.body.append(box, spoken);
  let shownOn = null;

  /* Stops of a drawing in the order of the arrow keys: {x, y, head, rows: [[style, name, value, y]]} in its own pixels. */
  function stopsOfPoints(svg) {
    return [...svg.querySelectorAll(".mark")].filter((m) => m.querySelector("title")).map((m) => {
      const b = m.getBBox(), title = m.querySelector("title").textContent;
      m.querySelector("title").remove(); /* the browser's own would stand beside ours */
      return { x: b.x + b.width / 2, y: b.y + b.height / 2, head: title, rows: [], mark: true };
    });
  }
  function stopsOfSeries(svg) {
    const [left, right, top, bottom, x0, x1, y0, y1] = svg.dataset.frame.split(" ").map(Number);
    const inside = (v, a, b) => Math.min(Math.max(v, a), b);
    const px = (x) => inside(left + ((x - x0) / (x1 - x0)) * (right - left), left, right);
    const py = (y) => inside(bottom - ((y - y0) / (y1 - y0)) * (bottom - top), top, bottom);
    const number = (v) => String(v).replace("-", "−"), cloud = svg.dataset.cloud !== undefined, stops = new Map();
    for (const g of svg.querySelectorAll("g.s")) {
      const xs = g.dataset.x.split(" ").map(Number), ys = g.dataset.y.split(" ").map(Number), name = g.dataset.name;
      xs.forEach((x, i) => {
        const key = cloud ? stops.size : x, line = [g.getAttribute("class"), name, number(ys[i]), py(ys[i])];
        if (!stops.has(key)) stops.set(key, { x: px(x), y: py(ys[i]), value: x, head: (svg.dataset.x || "") + " " + number(x), rows: [] });
        if (cloud) { line[1] = name + ", " + svg.dataset.y; stops.get(key).mark = true; }
        stops.get(key).rows.push(line);
      });
    }
    return [...stops.values()].sort((a, b) => a.value - b.value);
  }
  function stopsOf(svg) {
    if (!svg.stops) {
      svg.stops = stopsOfPoints(svg);
      if (!svg.stops.length && svg.dataset.frame) svg.stops = stopsOfSeries(svg);
    }
    return svg.stops;
  }

  function hide() {
    if (!shownOn) return;
    box.hidden = true;
    const cross = shownOn.querySelector(".cross");
    if (cross) cross.remove();
    shownOn = null;
  }
  function show(svg, at, speak) {
    const stop = stopsOf(svg)[at];
    if (!stop) return;
    if (shownOn) hide();
    shownOn = svg;
    svg.at = at;
    const cross = drawn("g", { class: "cross", "aria-hidden": "true" });
    if (stop.mark) cross.append(drawn("circle", { cx: stop.x, cy: stop.y, r: 8 }));
    else {
      const frame = svg.dataset.frame.split(" ");
      cross.append(drawn("line", { x1: stop.x, x2: stop.x, y1: frame[2], y2: frame[3] }));
      for (const row of stop.rows) cross.append(drawn("circle", { class: row[0], cx: stop.x, cy: row[3], r: 4 }));
    }
    svg.append(cross);
    box.replaceChildren(element("b", "", stop.head));
    for (const [style, name, value] of stop.rows) {
      const line = element("div", style);
      line.append(element("i"), element("span", "", name), element("em", "", value));
      box.append(line);
    }
    if (speak) spoken.textContent = stop.head + ": " + stop.rows.map((r) => r[1] + " " + r[2]).join(", ");
    place(svg, stop, speak);
  }
  /* Beside the stop, under the mouse inside the window; the keyboard's window may still be scrolling. */
  function place(svg, stop, scrolling) {
    const m = svg.getScreenCTM(), x = m.a * stop.x + m.e, y = m.d * (stop.rows.length > 1 ? 40 : stop.y) + m.f;
    box.hidden = false;
    const w = box.offsetWidth, h = box.offsetHeight, wide = document.documentElement.clientWidth;
    const left = x + 14 + w < wide ? x + 14 : Math.max(4, x - 14 - w);
    box.style.left = left + window.scrollX + "px";
    box.style.top = (scrolling ? y - 12 : Math.max(4, Math.min(y - 12, window.innerHeight - h - 4))) + window.scrollY + "px";
  }
  function nearest(svg, event) {
    const m = svg.getScreenCTM(), x = (event.clientX - m.e) / m.a, y = (event.clientY - m.f) / m.d;
    let best = -1, least = Infinity;
    stopsOf(svg).forEach((s, i) => {
      const d = s.mark ? Math.hypot(s.x - x, s.y - y) : Math.abs(s.x - x);
      if (d < least) { least = d; best = i; }
    });
    const stop = svg.stops[best];
    return stop && least < (stop.mark ? 24 : 60) ? best : -1;
  }
  function key(event) {
    const svg = event.currentTarget, last = stopsOf(svg).length - 1;
    if (event.key === "Escape") { hide(); return; }
    const at = svg.at ?? -1;
    const to = { ArrowRight: Math.min(last, at + 1), ArrowLeft: Math.max(0, at - 1), Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    show(svg, to, true);
  }
  for (const svg of document.querySelectorAll("svg.plot")) {
    if (!svg.dataset.frame && !svg.querySelector(".mark title")) continue;
    svg.tabIndex = 0;
    svg.setAttribute("aria-label", svg.getAttribute("aria-label") + " (arrow keys: exact values)");
    svg.addEventListener("pointermove", (event) => {
      const at = nearest(svg, event);
      if (at < 0) { if (shownOn === svg) hide(); } else if (shownOn !== svg || svg.at !== at) show(svg, at, false);
    });
    svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hide(); });
    svg.addEventListener("focus", () => { if (svg.matches(":focus-visible")) show(svg, svg.at ?? 0, true); });
    svg.addEventListener("blur", hide);
    svg.addEventListener("keydown", key);
  }
  window.addEventListener("beforeprint", hide);
})();
