// ConfusionExplorer: counting and drawing of usbook.widgets.confusion. Hand-written source.
import {
  el,
  say,
  floats,
  ints,
  bytes,
  wilson,
  proportion,
  ends,
  cautions,
  fmt,
  percent,
  plural,
  frame,
  header,
  segments,
  button,
  bind,
  album,
  roam,
  patientPicker,
  speak,
  told
} from "./base.js";

// ---------------------------------------------------------------- arithmetic
export function groupsOf(classes, merged) {
  // -> {names, of}: classes in their order, merged ones where their first member stood
  const at = new Map(),
    names = [],
    of = [];
  for (const [name, members] of Object.entries(merged || {})) for (const c of members) at.set(c, name);
  for (const c of classes) {
    const g = at.has(c) ? at.get(c) : c;
    if (!names.includes(g)) names.push(g);
    of.push(names.indexOf(g));
  }
  return { names, of };
}
export function assign(prob, n, k, of, g) {
  // largest summed probability; the first of equals
  const pred = new Uint8Array(n),
    conf = new Float64Array(n),
    sum = new Float64Array(g);
  for (let i = 0; i < n; i++) {
    sum.fill(0);
    for (let j = 0; j < k; j++) sum[of[j]] += prob[i * k + j];
    let b = 0;
    for (let j = 1; j < g; j++) if (sum[j] > sum[b]) b = j;
    pred[i] = b;
    conf[i] = sum[b];
  }
  return { pred, conf };
}
export function tally(truth, pred, g, patient, only = -1) {
  const c = Array.from({ length: g }, () => new Array(g).fill(0));
  for (let i = 0; i < truth.length; i++) if (only < 0 || patient[i] === only) c[truth[i]][pred[i]]++;
  return c;
}
export function figures(truth, pred, g, patient, patients, only = -1, clustered = true, folds = 1) {
  const c = tally(truth, pred, g, patient, only),
    sum = a => a.reduce((x, y) => x + y, 0);
  const total = sum(c.map(sum)),
    right = sum(c.map((r, i) => r[i]));
  const make = () => Array.from({ length: g }, () => new Float64Array(patients));
  const hit = make(),
    row = make(),
    col = make(),
    allHit = new Float64Array(patients),
    all = new Float64Array(patients);
  if (clustered)
    for (let i = 0; i < truth.length; i++) {
      const p = patient[i],
        t = truth[i],
        q = pred[i];
      if (only >= 0 && p !== only) continue;
      row[t][p]++;
      col[q][p]++;
      all[p]++;
      if (t === q) {
        hit[t][p]++;
        allHit[p]++;
      }
    }
  const share = (k, n, h, s, beside = null) =>
    clustered
      ? proportion(
          h,
          s.map((x, i) => x - h[i]),
          { beside, folds }
        )
      : wilson(k, n);
  const per = c.map((r, j) => {
    const tp = r[j],
      n = sum(r),
      m = sum(c.map(x => x[j]));
    return {
      n,
      predicted: m,
      recall: share(tp, n, hit[j], row[j]),
      precision: share(tp, m, hit[j], col[j], row[j]),
      f1: n + m ? (2 * tp) / (n + m) : null
    };
  });
  const by = total ? sum(per.map(p => p.n * p.predicted)) / (total * total) : null,
    po = total ? right / total : null;
  const f1s = per.map(p => p.f1).filter(x => x !== null);
  return {
    confusion: c,
    total,
    right,
    per,
    accuracy: share(right, total, allHit, all),
    macro_f1: f1s.length === g ? sum(f1s) / g : null,
    kappa: total && by < 1 ? (po - by) / (1 - by) : null
  };
}

// ---------------------------------------------------------------- the page
export function render({ model, el: host }) {
  speak(model.get("_words"));
  const classes = model.get("_classes"),
    n = model.get("_n"),
    k = classes.length,
    names = model.get("_patients"),
    images = model.get("_images");
  const prob = floats(model.get("_prob")),
    target = bytes(model.get("_target")),
    patient = ints(model.get("_patient"));
  const f = frame(host, "Confusion explorer"),
    root = f.root,
    { sync, listen, close } = bind(model);
  const title = el("h3", {}, "Which class is taken for which"),
    sub = el("p", { class: "sub" });
  root.append(el("div", { class: "head" }, el("div", {}, title, sub)));
  let g, truth, pred, conf, r;

  const firstErrors = new Int32Array(names.length);
  {
    const a = assign(
      prob,
      n,
      k,
      classes.map((_, i) => i),
      k
    );
    for (let i = 0; i < n; i++) if (a.pred[i] !== target[i]) firstErrors[patient[i]]++;
  }
  const norm = segments({
    label: "Show",
    name: "normalize",
    value: model.get("normalize"),
    options: [
      ["counts", "counts"],
      ["row", "% of truth"],
      ["column", "% of calls"]
    ],
    onchange: v => {
      sync("normalize", v);
      paint();
    }
  });
  const who = patientPicker(model, names, {
    errors: firstErrors,
    onchange: v => {
      sync("patient", v);
      count();
    }
  });
  root.append(el("div", { class: "bar" }, norm.node, who.node));

  const table = el("table", { class: "matrix" }),
    perClass = el("tbody"),
    overall = el("p", { "data-name": "overall", style: "margin-bottom:8px" }),
    heed = el("p", { class: "small", "data-name": "cautions" });
  const picks = el("div", { class: "buttons", role: "group", "aria-label": "Classes to merge" }),
    nameBox = el("input", {
      type: "text",
      placeholder: "new name",
      "aria-label": "Name of the merged class",
      style: "width:9em"
    });
  const mergeButton = button("Merge", merge, { "data-name": "merge", disabled: true }),
    splitButton = button(
      "Undo all merging",
      () => {
        sync("merged", {});
        regroup();
      },
      { "data-name": "split" }
    );
  const chosen = new Set();
  roam(table);
  const sort = segments({
    label: "Sorted by confidence",
    name: "order",
    value: model.get("order"),
    options: [
      ["most", "most first"],
      ["least", "least first"]
    ],
    onchange: v => {
      sync("order", v);
      browse();
    }
  });
  const pics = album(model, { empty: "No image in this cell.", beside: sort.node });
  root.append(
    el(
      "div",
      { class: "grid" },
      el(
        "div",
        { class: `panel wide ${k > 6 ? "w12" : "w7"}` },
        el("h4", {}, "Rows: truth. Columns: predicted class. Click a cell to see its images."),
        table
      ),
      el(
        "div",
        { class: `panel wide ${k > 6 ? "w12" : "w5"}` },
        el("h4", {}, "With 95 % intervals", " (patients as clusters)"),
        overall,
        el(
          "table",
          {},
          el(
            "thead",
            {},
            el(
              "tr",
              {},
              ["", "n", "recall", "precision", "F1"].map((t, i) =>
                el(
                  "th",
                  { scope: "col", style: i ? undefined : "text-align:left" },
                  t || el("span", { class: "hidden" }, "class")
                )
              )
            )
          ),
          perClass
        ),
        heed
      ),
      k > 2
        ? el(
            "div",
            { class: "panel w12 wide" },
            el("h4", {}, "Merge classes: choose two or more; their probabilities are added"),
            el(
              "div",
              { class: "bar", style: "margin:0" },
              picks,
              el("div", { class: "buttons" }, nameBox, mergeButton, splitButton)
            )
          )
        : null,
      el("div", { class: "panel w12 wide" }, pics.node)
    ),
    f.live
  );

  function merge() {
    const of = [...chosen],
      name = nameBox.value.trim() || of.join(" + "),
      was = model.get("merged") || {},
      now = {};
    const members = of.flatMap(c => (Object.hasOwn(was, c) ? was[c] : [c]));
    for (const [a, b] of Object.entries(was)) if (!chosen.has(a)) now[a] = b;
    if (g.names.includes(name) && !chosen.has(name)) {
      nameBox.setCustomValidity("another class has this name");
      nameBox.reportValidity();
      return;
    }
    nameBox.setCustomValidity("");
    now[name] = classes.filter(c => members.includes(c));
    nameBox.value = "";
    sync("merged", now);
    regroup();
  }
  function regroup() {
    // other classes
    g = groupsOf(classes, model.get("merged"));
    ({ pred, conf } = assign(prob, n, k, g.of, g.names.length));
    truth = target.map(t => g.of[t]);
    chosen.clear();
    picks.replaceChildren(
      ...g.names.map(c => {
        const b = button(
          c,
          () => {
            if (chosen.has(c)) chosen.delete(c);
            else chosen.add(c);
            b.setAttribute("aria-pressed", String(chosen.has(c)));
            mergeButton.disabled = chosen.size < 2 || chosen.size >= g.names.length;
          },
          { "aria-pressed": "false" }
        );
        return b;
      })
    );
    mergeButton.disabled = true;
    splitButton.disabled = g.names.length === k;
    count();
  }
  const only = () => (model.get("patient") ? names.indexOf(model.get("patient")) : -1);
  function count() {
    // other people
    r = figures(truth, pred, g.names.length, patient, names.length, only(), true, model.get("_folds"));
    say(
      sub,
      `${plural(r.total, "image")} of ` +
        `${only() < 0 ? plural(names.length, "patient") : `patient ${model.get("patient")}`}; ` +
        `${(r.total - r.right).toLocaleString("en")} predicted wrongly`
    );
    overall.replaceChildren(
      told("accuracy "),
      el("span", { class: "num", "data-name": "accuracy" }, fmt(r.accuracy.value)),
      " ",
      ends(el("span", { class: "ci", "data-name": "accuracy-ci" }), r.accuracy),
      told(" · macro F1 "),
      el("span", { class: "num", "data-name": "macro_f1" }, fmt(r.macro_f1)),
      " · κ ",
      el("span", { class: "num", "data-name": "kappa" }, fmt(r.kappa))
    );
    say(heed, cautions([r.accuracy]));
    const two = i => [el("div", { class: "num" }, fmt(i.value)), ends(el("div", { class: "ci" }), i)];
    perClass.replaceChildren(
      ...r.per.map((p, j) =>
        el(
          "tr",
          { "data-class": j },
          el("th", { scope: "row" }, g.names[j]),
          el("td", {}, p.n.toLocaleString("en")),
          el("td", {}, two(p.recall)),
          el("td", {}, two(p.precision)),
          el("td", {}, fmt(p.f1))
        )
      )
    );
    draw();
    browse();
    f.announce(`Accuracy ${percent(r.accuracy.value)} over ${plural(r.total, "image")}`);
  }
  let cells = [];
  function draw() {
    const G = g.names.length,
      cell = model.get("cell") || [];
    cells = [];
    const head = el(
      "thead",
      {},
      el(
        "tr",
        {},
        el("th", {}, el("span", { class: "hidden" }, "truth")),
        g.names.map(c => el("th", { scope: "col" }, el("span", { class: "name" }, c))),
        el("th", { scope: "col" }, "all")
      )
    );
    const body = el(
      "tbody",
      {},
      g.names.map((t, i) =>
        el(
          "tr",
          {},
          el("th", { scope: "row" }, t),
          g.names.map((c, j) => {
            const b = el("button", {
              type: "button",
              "data-row": i,
              "data-col": j,
              tabindex: i + j ? "-1" : "0",
              onclick: () => {
                sync("cell", [t, c]);
                press();
                browse();
              }
            });
            cells.push([b, i, j]);
            return el("td", {}, b);
          }),
          el("td", { class: "sum" }, r.per[i].n.toLocaleString("en"))
        )
      ),
      el(
        "tr",
        {},
        el("th", { scope: "row" }, "all"),
        r.per.map(p => el("td", { class: "sum" }, p.predicted.toLocaleString("en"))),
        el("td", { class: "sum" }, r.total.toLocaleString("en"))
      )
    );
    table.classList.toggle("many", G > 6);
    table.replaceChildren(head, body);
    if (cell.length && !(g.names.includes(cell[0]) && g.names.includes(cell[1]))) sync("cell", []);
    paint();
    press();
  }
  function paint() {
    // other units
    const how = model.get("normalize");
    for (const [b, i, j] of cells) {
      const v = r.confusion[i][j],
        row = r.per[i].n,
        col = r.per[j].predicted,
        base = how === "column" ? col : row,
        s = base ? v / base : 0;
      say(b, how === "counts" ? v.toLocaleString("en") : base ? (100 * s).toFixed(1) : "–");
      b.style.background = v
        ? `rgba(var(${i === j ? "--shade" : "--shade-pos"}), ${(0.07 + 0.43 * Math.sqrt(s)).toFixed(3)})`
        : "var(--bg)";
      b.setAttribute(
        "aria-label",
        `truth ${g.names[i]}, predicted ${g.names[j]}: ${v} ` +
          `images${base && how !== "counts" ? `, ${(100 * s).toFixed(1)} per cent` : ""}`
      );
    }
  }
  function press() {
    const [t, c] = model.get("cell") || [];
    for (const [b, i, j] of cells) {
      const on = g.names[i] === t && g.names[j] === c;
      b.setAttribute("aria-pressed", String(on));
      if (on) {
        for (const [o] of cells) o.tabIndex = -1;
        b.tabIndex = 0;
      }
    }
  }
  function browse() {
    const cell = model.get("cell") || [],
      i = g.names.indexOf(cell[0]),
      j = g.names.indexOf(cell[1]),
      p = only(),
      list = [];
    sort.node.hidden = i < 0;
    if (i < 0 || j < 0) {
      pics.show("Images", [], null);
      say(pics.node.querySelector("li"), "Click a cell above to see its images.");
      return;
    }
    for (let a = 0; a < n; a++) if (truth[a] === i && pred[a] === j && (p < 0 || patient[a] === p)) list.push(a);
    const s = model.get("order") === "least" ? 1 : -1;
    list.sort((a, b) => s * (conf[a] - conf[b]) || a - b);
    pics.show(
      i === j
        ? `${cell[0]}, predicted so: ${plural(list.length, "image")}`
        : `${cell[0]}, predicted ${cell[1]}: ${plural(list.length, "image")}`,
      list,
      a => ({
        alt: `${images[a]}, truth ${cell[0]}, predicted ${cell[1]}`,
        lines: [images[a], `patient ${names[patient[a]]}`, `p = ${fmt(conf[a])}`]
      })
    );
  }
  regroup();
  listen(["normalize", "order"], () => {
    norm.show(model.get("normalize"));
    sort.show(model.get("order"));
    paint();
    browse();
  });
  listen(["patient"], () => {
    who.show(model.get("patient"));
    count();
  });
  listen(["merged"], regroup);
  listen(["cell"], () => {
    press();
    browse();
  });
  f.onclose(close);
  f.onclose(pics.close);
  return f.close;
}
export default { render };
