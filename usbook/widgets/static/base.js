// Shared by every widget of the family. Hand-written source: usbook.widgets.base joins it with one widget's file.
// Text from files only ever enters the page through `el` (text nodes and attributes), never as HTML.

export function el(tag, attrs = {}, ...kids) { return fill(document.createElement(tag), attrs, kids); }
export function svg(tag, attrs = {}, ...kids) { return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attrs, kids); }
function fill(node, attrs, kids) {
  for (const [k, v] of Object.entries(attrs)) {
    if (v === undefined || v === null || v === false) continue;
    if (k.startsWith("on")) node.addEventListener(k.slice(2), v);
    else node.setAttribute(k, v === true ? "" : String(v));
  }
  for (const kid of kids.flat()) if (kid !== null && kid !== undefined) node.append(kid);   // strings become text nodes
  return node;
}
export function set(node, attrs) { for (const k in attrs) node.setAttribute(k, attrs[k]); }
export function say(node, text) { if (node.textContent !== text) node.textContent = text; }
let serial = 0;
export function uid(stem) { return `usb-${stem}-${++serial}-${Math.random().toString(36).slice(2, 7)}`; }

// ---------------------------------------------------------------- bytes from Python
function view(x) {
  if (!x) return new Uint8Array(0);
  if (x instanceof ArrayBuffer) return new Uint8Array(x);
  return new Uint8Array(x.buffer, x.byteOffset, x.byteLength);
}
export function bytes(x) { return view(x); }
export function floats(x) { const v = view(x); return new Float64Array(v.slice().buffer); }
export function ints(x) { const v = view(x); return new Int32Array(v.slice().buffer); }

// ---------------------------------------------------------------- numbers
export const Z95 = 1.959963984540054;
export function wilson(k, n, z = Z95) {            // Wilson 1927, as statsmodels' proportion_confint(method="wilson")
  if (!(n > 0)) return { value: null, low: null, high: null };
  const p = k / n, z2 = z * z, d = 1 + z2 / n, mid = (p + z2 / (2 * n)) / d;
  const half = z * Math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / d;
  return { value: p, low: p <= 0 ? 0 : Math.max(0, mid - half), high: p >= 1 ? 1 : Math.min(1, mid + half) };
}
export function designEffect(k, n, hits, sizes) {  // linearised variance over patients / binomial variance; one vote a patient where all agree
  if (!(n > 0)) return 1;
  if (k <= 0 || k >= n) { let m = 0; for (let i = 0; i < sizes.length; i++) if (sizes[i] > 0) m++; return n / m; }
  const p = k / n; let s = 0;
  for (let i = 0; i < sizes.length; i++) { const r = hits[i] - p * sizes[i]; s += r * r; }
  return Math.max(1, s / (n * p * (1 - p)));
}
export function lgamma(x) {                         // Lanczos, g = 7, n = 9; x > 0
  const c = [0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7];
  x -= 1; let a = c[0]; const t = x + 7.5;
  for (let i = 1; i < 9; i++) a += c[i] / (x + i);
  return 0.5 * Math.log(2 * Math.PI) + (x + 0.5) * Math.log(t) - t + Math.log(a);
}
export function erfc(x) {                          // x >= 0: series below 2, continued fraction above
  if (x < 2) { let s = x, t = x; for (let n = 1; n < 80; n++) { t *= -x * x / n; s += t / (2 * n + 1); } return 1 - 2 / Math.sqrt(Math.PI) * s; }
  let f = 0; for (let n = 80; n > 0; n--) f = n / 2 / (x + f);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + f);
}
export function mcnemar(b, c) {                    // exact and mid-p (McNemar 1947; Fagerland 2013)
  const n = b + c, m = Math.min(b, c);
  if (!n) return { exact: 1, midp: 1 };
  let term = Math.exp(lgamma(n + 1) - lgamma(m + 1) - lgamma(n - m + 1) - n * Math.LN2), cdf = 0;
  const pmf = term;
  for (let i = m; i >= 0 && term > cdf * 1e-18; i--) { cdf += term; term *= i / (n - i + 1); }
  return b === c ? { exact: 1, midp: 1 - pmf / 2 } : { exact: Math.min(1, 2 * cdf), midp: 2 * cdf - pmf };
}
export function obuchowski(d) {                    // d: (b - c) of each patient (Obuchowski 1998)
  const k = d.length; let s = 0, q = 0;
  for (let i = 0; i < k; i++) { s += d[i]; q += d[i] * d[i]; }
  if (k < 2 || !q) return { chi2: null, p: null };
  const chi2 = (k - 1) / k * s * s / q;
  return { chi2, p: erfc(Math.sqrt(chi2 / 2)) };
}
export function pvalue(p) { return p === null ? "–" : p < .001 ? "< .001" : "= " + p.toFixed(3).replace(/^0/, ""); }
export function lowerBound(a, x) {                 // how many of the sorted values are < x
  let lo = 0, hi = a.length;
  while (lo < hi) { const m = (lo + hi) >> 1; if (a[m] < x) lo = m + 1; else hi = m; }
  return lo;
}
export function fmt(x, d = 3) { return x === null || x === undefined || Number.isNaN(x) ? "–" : x.toFixed(d); }
export function percent(x, d = 1) { return x === null || x === undefined || Number.isNaN(x) ? "–" : (100 * x).toFixed(d) + " %"; }
export function interval(i, d = 3) { return i.value === null ? "–" : i.low === null ? fmt(i.value, d) : `${fmt(i.value, d)} (${fmt(i.low, d)}–${fmt(i.high, d)})`; }
export function clamp(x, lo, hi) { return Math.min(hi, Math.max(lo, x)); }
export function plural(n, one, many = one + "s") { return `${n.toLocaleString("en")} ${n === 1 ? one : many}`; }

// ---------------------------------------------------------------- the frame of a widget
function isDark() {
  const b = document.body, h = document.documentElement;
  if (b.dataset.jpThemeLight) return b.dataset.jpThemeLight === "false";
  if (b.dataset.vscodeThemeKind) return /dark|high-contrast$/.test(b.dataset.vscodeThemeKind);
  for (const n of [b, h]) { const t = n.dataset.theme || n.getAttribute("theme"); if (t === "dark" || t === "light") return t === "dark"; }
  return window.matchMedia && window.matchMedia("(prefers-color-scheme: dark)").matches;
}
export function frame(host, label) {               // -> {root, announce, onclose}: theme, keyboard, a voice for screen readers
  const root = el("section", { class: "usbook-widget", "aria-label": label, tabindex: "-1" });
  const live = el("p", { class: "hidden", role: "status", "aria-live": "polite" });
  const paint = () => root.setAttribute("data-theme", isDark() ? "dark" : "light");
  const watch = new MutationObserver(paint), ends = [];
  for (const n of [document.body, document.documentElement])
    watch.observe(n, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-vscode-theme-kind", "data-theme", "theme", "class"] });
  const media = window.matchMedia && window.matchMedia("(prefers-color-scheme: dark)");
  if (media) media.addEventListener("change", paint);
  // JupyterLab's command mode would take arrows and letters; chords such as Ctrl+S stay the notebook's.
  root.addEventListener("keydown", e => { if (!e.ctrlKey && !e.metaKey && !e.altKey && !(e.shiftKey && e.key === "Enter")) e.stopPropagation(); });
  paint(); host.append(root);
  let timer = null;
  const announce = text => { clearTimeout(timer); timer = setTimeout(() => say(live, text), 500); };
  ends.push(() => { watch.disconnect(); if (media) media.removeEventListener("change", paint); clearTimeout(timer); });
  return { root, live, announce, onclose: f => ends.push(f), close: () => { for (const f of ends) f(); } };
}
export function header(title, sub) { return el("div", { class: "head" }, el("div", {}, el("h3", {}, title), el("p", { class: "sub" }, sub))); }

// ---------------------------------------------------------------- controls
export function slider({ label, value, min = 0, max = 1, step = .01, fine = step / 10, page = step * 10, text = x => fmt(x, 2), oninput, name, grow = true }) {
  const id = uid("s"), out = el("output", { for: id }, text(value));
  const input = el("input", { type: "range", id, min, max, step: fine, value, "data-name": name, "aria-valuetext": text(value) });
  const show = x => { input.value = x; say(out, text(x)); input.setAttribute("aria-valuetext", text(x)); };
  const go = x => { x = clamp(Math.round(x / fine) * fine, min, max); x = Number(x.toFixed(10)); show(x); oninput(x); };
  input.addEventListener("input", () => go(Number(input.value)));
  input.addEventListener("keydown", e => {
    const s = e.shiftKey ? fine : step, now = Number(input.value);
    const to = { ArrowRight: now + s, ArrowUp: now + s, ArrowLeft: now - s, ArrowDown: now - s, PageUp: now + page, PageDown: now - page, Home: min, End: max }[e.key];
    if (to === undefined || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault(); go(to);
  });
  return { node: el("div", { class: grow ? "ctl grow" : "ctl" }, el("label", { for: id }, label), el("div", { class: "row" }, input, out)), show, input };
}
export function choose({ label, options, value, onchange, name }) {          // options: [[value, text], ...]
  const id = uid("c"), input = el("select", { id, "data-name": name }, options.map(([v, t]) => el("option", { value: v }, t)));
  input.value = value;
  input.addEventListener("change", () => onchange(input.value));
  return { node: el("div", { class: "ctl" }, el("label", { for: id }, label), input), show: v => { input.value = v; }, input };
}
export function number({ label, value, min = 0, step = 1, onchange, name, width }) {
  const id = uid("n"), input = el("input", { type: "number", id, min, step, value, "data-name": name });
  if (width) input.style.width = width;
  input.addEventListener("input", () => { const x = Number(input.value); if (input.value !== "" && Number.isFinite(x) && x >= min) onchange(x); });
  return { node: el("div", { class: "ctl" }, el("label", { for: id }, label), input), show: x => { if (Number(input.value) !== x || input.value === "") input.value = x; }, input };
}
export function segments({ label, options, value, onchange, name }) {        // a row of buttons of which one is pressed
  const buttons = options.map(([v, t]) => el("button", { type: "button", "data-value": v, onclick: () => { show(v); onchange(v); } }, t));
  const show = v => buttons.forEach(b => b.setAttribute("aria-pressed", String(b.dataset.value === v)));
  show(value);
  return { node: el("div", { class: "ctl", role: "group", "aria-label": label, "data-name": name }, el("span", { class: "lab" }, label), el("div", { class: "seg" }, buttons)), show };
}
export function button(text, onclick, attrs = {}) { return el("button", { type: "button", onclick, ...attrs }, text); }
export function key(text, cls, filled) { return el("span", { class: "key" }, el("span", { class: `dot ${cls} ${filled ? "fill" : ""}`, "aria-hidden": "true" }), text); }

// ---------------------------------------------------------------- a small chart
export function axes({ w = 300, h = 220, left = 34, bottom = 30, top = 8, right = 10, x = [0, 1], y = [0, 1], xlabel, ylabel, xticks = [0, .5, 1], yticks = [0, .5, 1], label }) {
  const X = v => left + (v - x[0]) / (x[1] - x[0]) * (w - left - right), Y = v => h - bottom - (v - y[0]) / (y[1] - y[0]) * (h - bottom - top);
  const node = svg("svg", { viewBox: `0 0 ${w} ${h}`, class: "chart", role: "img", "aria-label": label });
  node.append(svg("path", { class: "axis", d: `M${left} ${top}V${h - bottom}H${w - right}` }));
  for (const t of xticks) node.append(svg("text", { x: X(t), y: h - bottom + 14, "text-anchor": "middle" }, String(t)));
  for (const t of yticks) node.append(svg("text", { x: left - 5, y: Y(t) + 4, "text-anchor": "end" }, String(t)));
  if (xlabel) node.append(svg("text", { x: (left + w - right) / 2, y: h - 2, "text-anchor": "middle" }, xlabel));
  if (ylabel) node.append(svg("text", { x: 9, y: (top + h - bottom) / 2, "text-anchor": "middle", transform: `rotate(-90 9 ${(top + h - bottom) / 2})` }, ylabel));
  return { node, X, Y, invert: px => x[0] + (px - left) / (w - left - right) * (x[1] - x[0]), w, h };
}
export function svgX(node, e) { return new DOMPoint(e.clientX, e.clientY).matrixTransform(node.getScreenCTM().inverse()).x; }
export function drag(node, move) {                 // pointer held down and moved
  let on = false;
  node.style.touchAction = "pan-y";
  node.addEventListener("pointerdown", e => { on = true; node.setPointerCapture(e.pointerId); move(e); });
  node.addEventListener("pointermove", e => { if (on) move(e); });
  node.addEventListener("pointerup", () => { on = false; });
  node.addEventListener("pointercancel", () => { on = false; });
}

// ---------------------------------------------------------------- state kept with the model, kernel or not
export function bind(model) {                      // one view: what it sets itself doesn't come back to it as news
  let own = 0;
  const undo = [];
  return {
    // Saved at once, never later: a value set but not yet sent would be overwritten by the kernel's echo of the one before.
    // The widget manager keeps one message under way and joins what comes meanwhile.
    sync(name, value) { if (model.get(name) === value) return; own++; try { model.set(name, value); } finally { own--; } model.save_changes(); },
    listen(names, f) { for (const n of names) { const g = () => { if (!own) f(); }; model.on(`change:${n}`, g); undo.push(() => model.off(`change:${n}`, g)); } },
    close() { for (const u of undo) u(); },
  };
}

// ---------------------------------------------------------------- pictures: from the state, or asked of the kernel
export function gallery(model) {
  const got = new Map(), wanted = new Map();       // index -> url | callbacks
  const put = (i, data, mime = "image/jpeg") => {
    const url = URL.createObjectURL(new Blob([data], { type: mime })); got.set(i, url);
    for (const f of wanted.get(i) || []) f(url);
    wanted.delete(i);
  };
  const kept = model.get("_pictures") || {};
  for (const [i, data] of Object.entries(kept)) put(Number(i), bytes(data));
  const hear = (msg, buffers) => {
    if (msg && msg.kind === "pictures") msg.index.forEach((i, j) => {
      if (buffers[j] && buffers[j].byteLength) put(i, bytes(buffers[j])); else { for (const f of wanted.get(i) || []) f(null); wanted.delete(i); }
    });
  };
  model.on("msg:custom", hear);
  return {
    want(list) {                                   // [[index, callback(url or null)], ...]: one message for all that is missing
      const ask = [];
      for (const [i, f] of list) {
        if (got.has(i)) { f(got.get(i)); continue; }
        if (model.get("_standalone")) { f(null); continue; }
        if (!wanted.has(i)) { wanted.set(i, []); ask.push(i); }
        wanted.get(i).push(f);
      }
      if (ask.length) model.send({ kind: "pictures", index: ask });
    },
    close() { model.off("msg:custom", hear); for (const u of got.values()) URL.revokeObjectURL(u); },
  };
}

export function album(model, { per = 16, empty = "No image here.", beside = null } = {}) {   // images of a selection, some at a time
  const pics = model.get("_illustrated") ? gallery(model) : null;
  const head = el("h4", { "data-name": "album" }), list = el("ul", { class: "thumbs" }), more = button("Show more", () => add(), { "data-name": "more" });
  let index = [], caption = () => [], shown = 0;
  function add() {
    const ask = [], first = shown;
    for (const i of index.slice(shown, shown + per)) {
      const blank = pics ? el("div", { class: "blank" }, model.get("_standalone") ? "not in this page" : "…") : null;
      const { alt, lines } = caption(i);
      list.append(el("li", { class: "thumb", tabindex: "-1", "data-index": i }, blank, lines.map(t => el("div", {}, t))));
      if (pics) ask.push([i, url => { if (url) blank.replaceWith(el("img", { src: url, alt, loading: "lazy" })); else if (!model.get("_standalone")) say(blank, "no picture"); }]);
      shown++;
    }
    if (pics) pics.want(ask);
    more.hidden = shown >= index.length;
    say(more, `Show more (${(index.length - shown).toLocaleString("en")} left)`);
    if (first && list.children[first]) list.children[first].focus();
  }
  more.hidden = true;
  return {
    node: el("div", {}, el("div", { class: "head", style: "margin:0" }, head, beside), list, el("div", { style: "margin-top:10px" }, more)),
    show(title, chosen, how) { say(head, title); list.replaceChildren(); index = chosen; caption = how; shown = 0; if (chosen.length) add(); else { more.hidden = true; list.append(el("li", { class: "small", style: "list-style:none;grid-column:1/-1" }, empty)); } },
    close() { if (pics) pics.close(); },
  };
}
export function roam(table) {                      // arrow keys walk from cell to cell of a table of buttons
  table.addEventListener("keydown", e => {
    const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[e.key], at = e.target.closest("button[data-row]");
    if (!step || !at) return;
    const to = table.querySelector(`button[data-row="${Number(at.dataset.row) + step[0]}"][data-col="${Number(at.dataset.col) + step[1]}"]`);
    if (!to) return;
    e.preventDefault(); to.focus();
    for (const b of table.querySelectorAll("button[data-row]")) b.tabIndex = b === to ? 0 : -1;
  });
}
export function patientPicker(model, names, { errors, onchange }) {   // '' is everybody; those with most errors first
  const order = names.map((_, i) => i).sort((a, b) => errors[b] - errors[a] || a - b);
  const text = i => `${names[i]}${errors[i] ? ` (${errors[i]} wrong)` : ""}`;
  if (names.length <= 300) return choose({ label: "Patient", name: "patient", value: model.get("patient"), onchange, options: [["", "everybody"], ...order.map(i => [names[i], text(i)])] });
  const id = uid("p"), dl = uid("d"), known = new Set(names), input = el("input", { type: "text", id, list: dl, placeholder: "everybody", value: model.get("patient"), "data-name": "patient" });
  input.addEventListener("change", () => { const v = input.value.trim(); if (!v || known.has(v)) { input.setCustomValidity(""); onchange(v); } else { input.setCustomValidity("no such patient"); input.reportValidity(); } });
  return { node: el("div", { class: "ctl" }, el("label", { for: id }, "Patient"), input, el("datalist", { id: dl }, order.slice(0, 200).map(i => el("option", { value: names[i] }, text(i))))), show: v => { input.value = v; }, input };
}
