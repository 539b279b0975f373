// ThresholdExplorer: all counting and drawing of usbook.widgets.threshold. Hand-written source.
import {
  el,
  svg,
  set,
  say,
  floats,
  ints,
  bytes,
  wilson,
  proportion,
  atPrevalence,
  ends,
  cautions,
  lowerBound,
  fmt,
  percent,
  clamp,
  plural,
  frame,
  header,
  slider,
  choose,
  number,
  segments,
  button,
  key,
  axes,
  svgX,
  drag,
  bind,
  speak
} from "./base.js";

// ----------------- arithmetic (a case is positive when score >= threshold)
export function prepare(prob, n, k, target, patient, j) {
  const score = new Float64Array(n),
    pos = [],
    neg = [];
  for (let i = 0; i < n; i++) score[i] = prob[i * k + j];
  const isPos = new Uint8Array(n);
  let np = 0,
    patients = 0;
  for (let i = 0; i < n; i++) {
    if (target[i] === j) {
      isPos[i] = 1;
      np++;
    }
    if (patient[i] >= patients) patients = patient[i] + 1;
  }
  const P = new Float64Array(np),
    N = new Float64Array(n - np);
  for (let i = 0, a = 0, b = 0; i < n; i++)
    if (isPos[i]) P[a++] = score[i];
    else N[b++] = score[i];
  P.sort();
  N.sort();
  const d = { score, isPos, patient, patients, P, N, n, np, nn: n - np };
  d.pos = new Float64Array(patients);
  d.neg = new Float64Array(patients);
  for (let i = 0; i < n; i++) (isPos[i] ? d.pos : d.neg)[patient[i]]++;
  d.curve = curve(d);
  d.auc = auc(d);
  return d;
}
export function counts(d, t) {
  const tp = d.np - lowerBound(d.P, t),
    fp = d.nn - lowerBound(d.N, t);
  return { tp, fn: d.np - tp, fp, tn: d.nn - fp };
}
function curve(d) {
  // every distinct threshold from high to low: [threshold, tp, fp]
  const t = [],
    tp = [],
    fp = [];
  let i = d.np - 1,
    j = d.nn - 1;
  t.push(Infinity);
  tp.push(0);
  fp.push(0);
  while (i >= 0 || j >= 0) {
    const x = Math.max(i >= 0 ? d.P[i] : -Infinity, j >= 0 ? d.N[j] : -Infinity);
    while (i >= 0 && d.P[i] === x) i--;
    while (j >= 0 && d.N[j] === x) j--;
    t.push(x);
    tp.push(d.np - 1 - i);
    fp.push(d.nn - 1 - j);
  }
  return { t: Float64Array.from(t), tp: Float64Array.from(tp), fp: Float64Array.from(fp) };
}
export function auc(d) {
  if (!d.np || !d.nn) return null;
  let a = 0;
  const { tp, fp } = d.curve;
  for (let i = 1; i < tp.length; i++) a += ((fp[i] - fp[i - 1]) * (tp[i] + tp[i - 1])) / 2;
  return a / (d.np * d.nn);
}
function byPatient(d, t) {
  // the four counts of each patient
  const m = d.patients,
    tp = new Float64Array(m),
    fn = new Float64Array(m),
    fp = new Float64Array(m),
    tn = new Float64Array(m);
  for (let i = 0; i < d.n; i++) {
    const g = d.patient[i];
    if (d.score[i] >= t) {
      if (d.isPos[i]) tp[g]++;
      else fp[g]++;
    } else if (d.isPos[i]) fn[g]++;
    else tn[g]++;
  }
  return { tp, fn, fp, tn };
}
export function point(d, t, prevalence = null, clustered = false, folds = 1) {
  const c = counts(d, t),
    given = prevalence !== null && d.np > 0 && d.nn > 0;
  if (!clustered) {
    // images are independent: Wilson
    const p = given
      ? atPrevalence(c.tp, d.np, c.fp, d.nn, prevalence)
      : { ppv: wilson(c.tp, c.tp + c.fp), npv: wilson(c.tn, c.tn + c.fn) };
    return { ...c, sensitivity: wilson(c.tp, d.np), specificity: wilson(c.tn, d.nn), ...p };
  }
  const g = byPatient(d, t),
    o = { folds };
  const p = given
    ? atPrevalence(g.tp, d.pos, g.fp, d.neg, prevalence, o)
    : {
        ppv: proportion(g.tp, g.fp, { beside: d.pos, folds }),
        npv: proportion(g.tn, g.fn, { beside: d.neg, folds })
      };
  return { ...c, sensitivity: proportion(g.tp, g.fn, o), specificity: proportion(g.tn, g.fp, o), ...p };
}
export function perThousand(se, sp, p) {
  // whole people: those with the finding first
  const ill = Math.round(1000 * p),
    found = Math.round(ill * (se || 0)),
    alarms = Math.round((1000 - ill) * (1 - (sp === null ? 1 : sp)));
  return { tp: found, fn: ill - found, fp: alarms, tn: 1000 - ill - alarms };
}
export function cost(d, tp, fp, p, miss, alarm) {
  // expected cost of 1000 patients
  return 1000 * ((d.np ? p * miss * (1 - tp / d.np) : 0) + (d.nn ? ((1 - p) * alarm * fp) / d.nn : 0));
}
export function cheapest(d, p, miss, alarm) {
  let best = 0,
    least = Infinity;
  const { t, tp, fp } = d.curve;
  for (let i = 0; i < t.length; i++) {
    const c = cost(d, tp[i], fp[i], p, miss, alarm);
    if (c < least - 1e-12) {
      least = c;
      best = i;
    }
  }
  return between(d, best);
}
export function youden(d) {
  let best = 0,
    most = -Infinity;
  const { t, tp, fp } = d.curve;
  for (let i = 0; i < t.length; i++) {
    const j = tp[i] / d.np - fp[i] / d.nn;
    if (j > most + 1e-12) {
      most = j;
      best = i;
    }
  }
  return between(d, best);
}
export function reaching(d, sensitivity) {
  // highest threshold with at least this sensitivity
  const { t, tp } = d.curve;
  for (let i = 0; i < t.length; i++) if (tp[i] / d.np >= sensitivity - 1e-12) return between(d, i);
  return 0;
}
function between(d, i) {
  // the roundest number that separates the same cases: up to four decimals
  const { t } = d.curve,
    hi = t[i] === Infinity ? 1 : t[i],
    lo = i + 1 < t.length ? t[i + 1] : -Infinity;
  for (const f of [100, 1000, 10000]) {
    const x = Math.floor(hi * f + 1e-9) / f;
    if (x <= hi && x > lo && x >= 0) return x;
  }
  return clamp(hi, 0, 1);
}

// ---------------------------------------------------------------- the page
const BINS = 50;
function bins(a) {
  const h = new Int32Array(BINS);
  for (let i = 0; i < a.length; i++) h[Math.min(BINS - 1, Math.max(0, Math.floor(a[i] * BINS)))]++;
  return h;
}
function thin(xs, ys, X, Y, gap = 0.6) {
  // a path through all points that differ by more than a fraction of a pixel
  let s = "",
    px = NaN,
    py = NaN;
  for (let i = 0; i < xs.length; i++) {
    const x = X(xs[i]),
      y = Y(ys[i]);
    if (i && i < xs.length - 1 && Math.abs(x - px) < gap && Math.abs(y - py) < gap) continue;
    s += `${s ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    px = x;
    py = y;
  }
  return s;
}
const precisionAt = (d, tp, fp, p) => {
  const a = (tp / d.np) * p,
    b = (fp / d.nn) * (1 - p);
  return a + b > 0 ? a / (a + b) : null;
};

export function render({ model, el: host }) {
  speak(model.get("_words"));
  const classes = model.get("_classes"),
    n = model.get("_n"),
    k = classes.length;
  const prob = floats(model.get("_prob")),
    target = bytes(model.get("_target")),
    patient = ints(model.get("_patient"));
  const paper = model.get("_paper") || {},
    hasPaper = paper.sensitivity !== undefined;
  const f = frame(host, "Threshold explorer"),
    root = f.root,
    { sync, listen, close } = bind(model);
  let d = null;
  const nPatients = new Set(patient).size;
  const title = el("h3"),
    sub = el("p", { class: "sub" });
  root.append(el("div", { class: "head" }, el("div", {}, title, sub)));

  // controls
  const thr = slider({
    label: "Threshold: call it positive from this score on",
    value: model.get("threshold"),
    step: 0.01,
    fine: 0.001,
    text: x => fmt(x, 3),
    name: "threshold",
    oninput: x => {
      sync("threshold", x);
      update();
    }
  });
  const cls =
    k > 1
      ? choose({
          label: "The finding",
          options: classes.map(c => [c, k > 2 ? `${c} (against the rest)` : c]),
          value: model.get("positive"),
          name: "positive",
          onchange: v => {
            sync("positive", v);
            load();
          }
        })
      : null;
  const jump = (text, f, attrs) =>
    button(
      text,
      () => {
        sync("threshold", f());
        thr.show(model.get("threshold"));
        update();
      },
      attrs
    );
  const jumps = el(
    "div",
    { class: "ctl" },
    el("span", { class: "lab" }, "Jump to"),
    el(
      "div",
      { class: "buttons" },
      jump("0.5", () => 0.5),
      jump("Youden", () => youden(d), { title: "largest sensitivity + specificity" }),
      jump("Lowest cost", () => cheapest(d, share(), model.get("cost_miss"), model.get("cost_alarm")), {
        "data-name": "cheapest"
      }),
      hasPaper ? jump("Paper's sensitivity", () => reaching(d, paper.sensitivity), { "data-name": "paper" }) : null
    )
  );
  root.append(el("div", { class: "bar" }, thr.node, cls ? cls.node : null, jumps));
  const grid = el("div", { class: "grid" });
  root.append(grid);

  // scores
  const hist = axes({
    w: 420,
    h: 220,
    left: 12,
    right: 12,
    bottom: 30,
    yticks: [],
    y: [-1, 1],
    xticks: [0, 0.25, 0.5, 0.75, 1],
    xlabel: "score",
    label: "Histogram of scores"
  });
  const ids = ["l", "r"].map(s => `usb-${s}-${Math.random().toString(36).slice(2)}`);
  const clipL = svg("rect", { x: 0, y: 0, height: 220 }),
    clipR = svg("rect", { y: 0, height: 220, width: 430 });
  hist.node.append(svg("defs", {}, svg("clipPath", { id: ids[0] }, clipL), svg("clipPath", { id: ids[1] }, clipR)));
  const barsUp = [0, 1].map(i => svg("path", { "clip-path": `url(#${ids[i]})` })),
    barsDown = [0, 1].map(i => svg("path", { "clip-path": `url(#${ids[i]})` }));
  for (const [i, b] of barsUp.entries())
    b.setAttribute("style", i ? "fill:var(--pos)" : "fill:var(--pos-soft);stroke:var(--pos);stroke-width:1");
  for (const [i, b] of barsDown.entries())
    b.setAttribute("style", i ? "fill:var(--neg-soft);stroke:var(--neg);stroke-width:1" : "fill:var(--neg)");
  const zero = svg("path", { class: "axis", d: `M12 ${hist.Y(0)}H408` });
  const line = svg("line", { y1: 2, y2: 192, style: "stroke:var(--ink);stroke-width:1.5" }),
    knob = svg("circle", { cy: 4, r: 5, style: "fill:var(--ink)" });
  const tagUp = svg("text", { x: 16, y: 14, style: "fill:var(--pos);font-weight:600" }),
    tagDown = svg("text", { x: 404, y: 186, "text-anchor": "end", style: "fill:var(--neg);font-weight:600" });
  hist.node.append(
    ...barsUp,
    ...barsDown,
    zero,
    tagUp,
    tagDown,
    line,
    knob,
    svg("rect", { x: 0, y: 0, width: 420, height: 196, fill: "transparent", style: "cursor:ew-resize" })
  );
  drag(hist.node, e => {
    const x = Number(clamp(hist.invert(svgX(hist.node, e)), 0, 1).toFixed(3));
    thr.show(x);
    sync("threshold", x);
    update();
  });
  grid.append(
    el(
      "div",
      { class: "panel w6" },
      el("h4", {}, "Scores (drag the line)"),
      hist.node,
      el(
        "p",
        {},
        key("finding, positive", "c-pos", true),
        key("finding, missed", "c-pos"),
        key("none, left alone", "c-neg", true),
        key("none, positive", "c-neg")
      )
    )
  );

  // ROC and precision-recall
  const roc = axes({ w: 240, h: 240, xlabel: "1 − specificity", ylabel: "sensitivity", label: "ROC curve" }),
    pr = axes({ w: 240, h: 240, xlabel: "sensitivity", ylabel: "PPV", label: "Precision-recall curve" });
  roc.node.append(
    svg("path", { class: "axis", d: `M${roc.X(0)} ${roc.Y(0)}L${roc.X(1)} ${roc.Y(1)}`, "stroke-dasharray": "3 4" })
  );
  const base = svg("path", { class: "axis", "stroke-dasharray": "3 4" });
  pr.node.append(base);
  const curves = [roc, pr].map(c => {
    const p = svg("path", { style: "fill:none;stroke:var(--neg);stroke-width:2;stroke-linejoin:round" });
    c.node.append(p);
    return p;
  });
  const diamond = c => {
    const p = svg(
      "path",
      { style: "fill:var(--mark);stroke:var(--panel);stroke-width:1.5" },
      svg("title", {}, "the paper's operating point")
    );
    c.node.append(p);
    return p;
  };
  const marks = hasPaper ? [diamond(roc), diamond(pr)] : [];
  const dots = [roc, pr].map(c => {
    const p = svg("circle", { r: 5.5, style: "fill:var(--pos);stroke:var(--panel);stroke-width:2" });
    c.node.append(p);
    return p;
  });
  const place = (m, x, y) => set(m, { d: `M${x} ${y - 7}L${x + 7} ${y}L${x} ${y + 7}L${x - 7} ${y}Z` });
  const aucText = el("span"),
    prText = el("span", {}, "moves with the prevalence");
  grid.append(
    el(
      "div",
      { class: "panel w3" },
      el("h4", {}, "ROC · ", aucText),
      roc.node,
      hasPaper
        ? el(
            "p",
            {},
            el(
              "span",
              { class: "key" },
              el("span", { class: "c-mark", "aria-hidden": "true" }, "◆"),
              paper.name || "the paper"
            )
          )
        : null
    ),
    el("div", { class: "panel w3" }, el("h4", {}, "Precision–recall"), pr.node, el("p", { class: "small" }, prText))
  );

  // matrix
  const cell = (name, cls, filled) => {
    const b = el("span", { class: "num", "data-name": name });
    return {
      node: el(
        "td",
        { class: "tile" },
        el("span", { class: `dot ${cls} ${filled ? "fill" : ""}`, style: "margin-right:7px", "aria-hidden": "true" }),
        b
      ),
      b
    };
  };
  const m = {
    tp: cell("tp", "c-pos", true),
    fn: cell("fn", "c-pos"),
    fp: cell("fp", "c-neg"),
    tn: cell("tn", "c-neg", true)
  };
  const rowPos = el("th", { scope: "row" }),
    rowNeg = el("th", { scope: "row" }),
    sums = [el("td"), el("td")];
  grid.append(
    el(
      "div",
      { class: "panel w5" },
      el("h4", {}, "Confusion matrix"),
      el(
        "table",
        { class: "tiles" },
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            el("th", { scope: "col" }, el("span", { class: "hidden" }, "truth")),
            el("th", { scope: "col" }, "positive"),
            el("th", { scope: "col" }, "negative"),
            el("th", { scope: "col" }, "all")
          )
        ),
        el(
          "tbody",
          {},
          el("tr", {}, rowPos, m.tp.node, m.fn.node, sums[0]),
          el("tr", {}, rowNeg, m.fp.node, m.tn.node, sums[1])
        )
      )
    )
  );

  // figures with intervals
  const rows = {},
    body = el("tbody"),
    heed = el("p", { class: "small", "data-name": "cautions" });
  for (const [name, text, hint] of [
    ["sensitivity", "Sensitivity", "found, of those with the finding"],
    ["specificity", "Specificity", "left alone, of those without"],
    ["ppv", "PPV", "right, of those positive"],
    ["npv", "NPV", "right, of those negative"]
  ]) {
    const v = el("span", { class: "num", "data-name": name }),
      ci = el("span", { class: "ci", "data-name": `${name}-ci` });
    const g = svg("svg", {
      viewBox: "0 0 100 12",
      "aria-hidden": "true",
      style: "width:100%;min-width:60px",
      preserveAspectRatio: "none"
    });
    const track = svg("rect", { x: 0, y: 5, width: 100, height: 2, style: "fill:var(--line)" }),
      bar = svg("rect", { y: 3.5, height: 5, rx: 2, style: "fill:rgba(var(--shade),.45)" }),
      tick = svg("rect", { y: 1, width: 1.2, height: 10, style: "fill:var(--ink)" });
    g.append(track, bar, tick);
    rows[name] = { v, ci, bar, tick };
    body.append(
      el(
        "tr",
        {},
        el("th", { scope: "row", title: hint }, text),
        el("td", {}, v),
        el("td", {}, ci),
        el("td", { class: "bars" }, g)
      )
    );
  }
  const how =
    nPatients < n
      ? segments({
          label: "Intervals: what is independent?",
          name: "independent",
          value: model.get("independent"),
          options: [
            ["patients", "patients"],
            ["images", "images"]
          ],
          onchange: v => {
            sync("independent", v);
            update();
          }
        })
      : null;
  grid.append(
    el(
      "div",
      { class: "panel w7 wide" },
      el("h4", {}, "With 95 % intervals"),
      el("table", {}, body),
      heed,
      how ? el("div", { style: "margin-top:8px" }, how.node) : null
    )
  );

  // per thousand
  const prev = slider({
    label: "Prevalence where it is used",
    min: 0.001,
    max: 0.999,
    step: 0.01,
    fine: 0.001,
    value: 0.5,
    name: "prevalence",
    text: x => percent(x),
    oninput: x => {
      sync("prevalence", x);
      reweigh();
      update();
    }
  });
  const reset = button(
    "As in these images",
    () => {
      sync("prevalence", null);
      reweigh();
      update();
    },
    { "data-name": "reset" }
  );
  const price = (label, name) =>
    number({
      label,
      name,
      value: model.get(name),
      step: 1,
      width: "5.2em",
      onchange: x => {
        sync(name, x);
        update();
      }
    });
  const miss = price("Cost of a miss", "cost_miss"),
    alarm = price("of a false alarm", "cost_alarm"),
    bill = el("output", { "data-name": "cost" });
  const crowd = svg("svg", { viewBox: "0 0 500 200", role: "img" });
  const people = { tp: ["pos", true], fn: ["pos", false], fp: ["neg", false], tn: ["neg", true] },
    drawn = {};
  for (const [name, [c, filled]] of Object.entries(people)) {
    const outer = svg("path", {
      style: `stroke:var(--${c});stroke-width:7.4;stroke-linecap:round;fill:none${name === "tn" ? ";opacity:.42" : ""}`
    });
    const inner = filled
      ? null
      : svg("path", { style: "stroke:var(--panel);stroke-width:4;stroke-linecap:round;fill:none" });
    crowd.append(outer);
    if (inner) crowd.append(inner);
    drawn[name] = [outer, inner];
  }
  const story = el("p", { "data-name": "story" });
  grid.append(
    el(
      "div",
      { class: "panel w12 wide" },
      el("h4", {}, "1000 patients"),
      el(
        "div",
        { class: "halves" },
        el(
          "div",
          {},
          el("div", { class: "bar" }, prev.node, el("div", { class: "ctl" }, reset)),
          el(
            "div",
            { class: "bar" },
            miss.node,
            alarm.node,
            el("div", { class: "ctl" }, el("span", { class: "lab" }, "Cost per 1000"), bill)
          ),
          story
        ),
        crowd
      )
    )
  );
  root.append(
    el(
      "p",
      { class: "small", style: "margin-top:10px" },
      "A threshold chosen on the very images it is judged on looks better than it is: choose it on validation " +
        "images, then look here once."
    ),
    f.live
  );

  const share = () => {
    const p = model.get("prevalence");
    return p === null || p === undefined ? d.np / d.n : p;
  };
  const layout = new Array(1000);
  for (let i = 0; i < 1000; i++) layout[i] = `M${5 + 10 * Math.floor(i / 20)} ${5 + 10 * (i % 20)}h.01`;

  function load() {
    // another class: sort, draw what doesn't move
    const j = Math.max(0, classes.indexOf(model.get("positive")));
    d = prepare(prob, n, k, target, patient, j);
    const name = classes[j],
      other = k === 2 ? classes[1 - j] : "the rest";
    say(title, `${name} against ${other}`);
    say(
      sub,
      `${plural(n, "image")} of ${plural(nPatients, "patient")}; ${d.np.toLocaleString("en")} with the finding ` +
        `(${percent(d.np / n)})`
    );
    say(rowPos, name);
    say(rowNeg, other);
    say(sums[0], String(d.np));
    say(sums[1], String(d.nn));
    say(tagUp, `▲ ${name}`);
    say(tagDown, `▼ ${other}`);
    const up = bins(d.P),
      down = bins(d.N),
      top = h => Math.max(1, ...h);
    const shape = (h, s, m) => {
      let q = "";
      for (let b = 0; b < BINS; b++)
        if (h[b]) {
          const x0 = hist.X(b / BINS) + 0.5,
            x1 = hist.X((b + 1) / BINS) - 0.5;
          q += `M${x0} ${hist.Y(0)}V${hist.Y(((s * h[b]) / m) * 0.94).toFixed(1)}H${x1}V${hist.Y(0)}`;
        }
      return q;
    };
    for (const b of barsUp) set(b, { d: shape(up, 1, top(up)) });
    for (const b of barsDown) set(b, { d: shape(down, -1, top(down)) });
    set(curves[0], {
      d: thin(
        d.curve.fp.map(x => x / (d.nn || 1)),
        d.curve.tp.map(x => x / (d.np || 1)),
        roc.X,
        roc.Y
      )
    });
    say(aucText, d.auc === null ? "undefined: one class is empty" : `AUC ${fmt(d.auc)}`);
    if (hasPaper) place(marks[0], roc.X(1 - paper.specificity), roc.Y(paper.sensitivity));
    reweigh();
    update();
  }
  function reweigh() {
    // another prevalence: the precision-recall curve moves
    const p = share(),
      xs = [],
      ys = [];
    for (let i = 0; i < d.curve.t.length; i++) {
      const q = precisionAt(d, d.curve.tp[i], d.curve.fp[i], p);
      if (q !== null && !Number.isNaN(q)) {
        xs.push(d.curve.tp[i] / d.np);
        ys.push(q);
      }
    }
    set(curves[1], { d: thin(xs, ys, pr.X, pr.Y) });
    set(base, { d: `M${pr.X(0)} ${pr.Y(p)}H${pr.X(1)}` });
    if (hasPaper) {
      const a = paper.sensitivity * p,
        b = (1 - paper.specificity) * (1 - p);
      place(marks[1], pr.X(paper.sensitivity), pr.Y(a + b > 0 ? a / (a + b) : 1));
    }
    prev.show(p);
    reset.disabled = model.get("prevalence") === null || model.get("prevalence") === undefined;
  }
  function update() {
    // another threshold: numbers and moving points only
    const t = model.get("threshold"),
      given = model.get("prevalence"),
      p = share();
    const r = point(
      d,
      t,
      given === undefined ? null : given,
      model.get("independent") === "patients",
      model.get("_folds")
    );
    for (const c of ["tp", "fn", "fp", "tn"]) say(m[c].b, r[c].toLocaleString("en"));
    for (const name in rows) {
      const i = r[name],
        w = rows[name];
      say(w.v, fmt(i.value));
      ends(w.ci, i, undefined, "–", "undefined");
      set(w.tick, { x: 98.8 * (i.value || 0), opacity: i.value === null ? 0 : 1 });
      set(w.bar, { x: 100 * (i.low || 0), width: i.low === null ? 0 : 100 * Math.max(0.006, i.high - i.low) });
    }
    say(heed, cautions(Object.keys(rows).map(name => r[name])));
    const x = hist.X(t);
    set(line, { x1: x, x2: x });
    set(knob, { cx: x });
    set(clipL, { width: Math.max(0, x) });
    set(clipR, { x });
    const se = r.sensitivity.value,
      sp = r.specificity.value;
    if (se !== null && sp !== null) {
      set(dots[0], { cx: roc.X(1 - sp), cy: roc.Y(se) });
      const q = precisionAt(d, r.tp, r.fp, p);
      set(dots[1], { cx: pr.X(se), cy: pr.Y(q === null ? 1 : q), opacity: q === null ? 0.35 : 1 });
    }
    const h = perThousand(se, sp, p);
    let i = 0;
    for (const c of ["tp", "fn", "fp", "tn"]) {
      const s = layout.slice(i, i + h[c]).join("");
      i += h[c];
      for (const path of drawn[c]) if (path) path.setAttribute("d", s);
    }
    const text =
      `Of 1000 patients ${h.tp + h.fn} have the finding: ${h.tp} are found, ${h.fn} missed. Of the ` +
      `${h.fp + h.tn} without, ${h.fp} are positive in error and ${h.tn} left alone.`;
    say(story, text);
    crowd.setAttribute("aria-label", text);
    say(bill, fmt(cost(d, r.tp, r.fp, p, model.get("cost_miss"), model.get("cost_alarm")), 0));
    f.announce(
      `Threshold ${fmt(t)}: sensitivity ${percent(se)}, specificity ${percent(sp)}, PPV ${percent(r.ppv.value)}, ` +
        `NPV ${percent(r.npv.value)}`
    );
  }
  load();
  listen(["threshold", "prevalence", "cost_miss", "cost_alarm", "independent"], () => {
    thr.show(model.get("threshold"));
    miss.show(model.get("cost_miss"));
    alarm.show(model.get("cost_alarm"));
    if (how) how.show(model.get("independent"));
    reweigh();
    update();
  });
  listen(["positive"], () => {
    if (cls) cls.show(model.get("positive"));
    load();
  });
  f.onclose(close);
  return f.close;
}
export default { render };
