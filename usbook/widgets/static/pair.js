// FrozenVersusFinetuned: counting and drawing of usbook.widgets.compare. Hand-written source.
import {
  el,
  svg,
  set,
  fixed,
  say,
  floats,
  ints,
  bytes,
  proportion,
  difference,
  ends,
  cautions,
  mcnemar,
  obuchowski,
  pvalue,
  fmt,
  plural,
  frame,
  choose,
  segments,
  bind,
  axes,
  key,
  album,
  roam,
  speak
} from "./base.js";

// ---------------------------------------------------------------- arithmetic
export function calls(prob, n, k) {
  // first of the largest
  const pred = new Uint8Array(n);
  for (let i = 0; i < n; i++) {
    let b = 0;
    for (let j = 1; j < k; j++) if (prob[i * k + j] > prob[i * k + b]) b = j;
    pred[i] = b;
  }
  return pred;
}
export const CELLS = ["both_right", "only_a", "only_b", "both_wrong"];
export function cellsOf(a, b, target) {
  return target.map((t, i) => (a[i] === t ? (b[i] === t ? 0 : 1) : b[i] === t ? 2 : 3));
}
export function summary(cell, target, patient, patients, only = -1, folds = 1) {
  const count = [0, 0, 0, 0],
    by = [0, 1, 2, 3].map(() => new Float64Array(patients));
  let n = 0,
    differ = 0;
  for (let i = 0; i < cell.length; i++)
    if (only < 0 || target[i] === only) {
      n++;
      count[cell[i]]++;
      by[cell[i]][patient[i]]++;
    }
  const add = (x, y) => x.map((v, p) => v + y[p]),
    d = [],
    [both, onlyA, onlyB, neither] = by,
    gap = onlyB.map((x, p) => x - onlyA[p]);
  const size = add(add(both, onlyA), add(onlyB, neither));
  for (let p = 0; p < patients; p++)
    if (size[p]) {
      d.push(-gap[p]);
      if (onlyA[p] || onlyB[p]) differ++;
    }
  return {
    n,
    count,
    a: proportion(add(both, onlyA), add(onlyB, neither), { folds }),
    b: proportion(add(both, onlyB), add(onlyA, neither), { folds }),
    difference: difference(gap, size, differ, { folds }),
    ...mcnemar(count[1], count[2]),
    obuchowski: obuchowski(d)
  };
}

// ---------------------------------------------------------------- the page
export function render({ model, el: host }) {
  speak(model.get("_words"));
  const classes = model.get("_classes"),
    n = model.get("_n"),
    k = classes.length,
    people = model.get("_patients"),
    images = model.get("_images"),
    [A, B] = model.get("_models");
  const pa = floats(model.get("_prob_a")),
    pb = floats(model.get("_prob_b")),
    target = bytes(model.get("_target")),
    patient = ints(model.get("_patient"));
  const f = frame(host, "Two models on the same images"),
    root = f.root,
    { sync, listen, close } = bind(model);
  const ca = calls(pa, n, k),
    cb = calls(pb, n, k),
    cell = cellsOf(ca, cb, target),
    folds = model.get("_folds");
  const ta = Float64Array.from(target, (t, i) => pa[i * k + t]),
    tb = Float64Array.from(target, (t, i) => pb[i * k + t]);
  const sub = el("p", { class: "sub" });
  root.append(el("div", { class: "head" }, el("div", {}, el("h3", {}, `${A} and ${B}: who is right where`), sub)));
  const truth = choose({
    label: "Images of class",
    name: "truth",
    value: model.get("truth"),
    options: [["", "all classes"], ...classes.map(c => [c, c])],
    onchange: v => {
      sync("truth", v);
      count();
    }
  });
  root.append(el("div", { class: "bar" }, truth.node));

  const words = [`both right`, `only ${A} right`, `only ${B} right`, `both wrong`],
    tiles = {};
  const tile = i => {
    const num = el("span", { class: "num", "data-name": CELLS[i] });
    const b = el(
      "button",
      {
        type: "button",
        "data-row": i >> 1,
        "data-col": i & 1,
        tabindex: i ? "-1" : "0",
        style: "min-height:66px",
        onclick: () => {
          sync("cell", CELLS[i]);
          press();
          browse();
        }
      },
      num,
      el("div", { class: "small", style: "font-weight:400" }, words[i])
    );
    tiles[CELLS[i]] = { b, num };
    return el("td", {}, b);
  };
  const table = el(
    "table",
    { class: "matrix quad" },
    el(
      "thead",
      {},
      el("tr", {}, el("th", {}), el("th", { scope: "col" }, `${B}: right`), el("th", { scope: "col" }, `${B}: wrong`))
    ),
    el(
      "tbody",
      {},
      el("tr", {}, el("th", { scope: "row" }, `${A}: right`), tile(0), tile(1)),
      el("tr", {}, el("th", { scope: "row" }, `${A}: wrong`), tile(2), tile(3))
    )
  );
  roam(table);

  const line = (label, name, hint) => {
    const v = el("span", { class: "num", "data-name": name }),
      c = el("span", { class: "ci", "data-name": `${name}-ci` });
    return {
      v,
      c,
      node: el("tr", {}, el("th", { scope: "row", title: hint }, label), el("td", {}, v), el("td", {}, c))
    };
  };
  const rows = {
    a: line(`${A}: right`, "a"),
    b: line(`${B}: right`, "b"),
    difference: line(`${B} − ${A}`, "difference", "share right, second minus first")
  };
  const tests = {
    exact: line("McNemar, exact", "exact", "images taken as independent"),
    midp: line("McNemar, mid-p", "midp", "images taken as independent"),
    obuchowski: line("Obuchowski", "obuchowski", "patients taken as clusters")
  };
  const heed = el("p", { class: "small", "data-name": "cautions" }),
    sentence = el("p", { class: "small", style: "margin-top:8px", "data-name": "sentence" });

  const sc = axes({
    w: 260,
    h: 250,
    xlabel: `${A}: p of the true class`,
    ylabel: `${B}`,
    label: `Probability of the true class under ${A} and under ${B}`
  });
  sc.node.append(
    svg("path", { class: "axis", d: `M${sc.X(0)} ${sc.Y(0)}L${sc.X(1)} ${sc.Y(1)}`, "stroke-dasharray": "3 4" })
  );
  const style = [
    ["--muted", 0.3, 3],
    ["--pos", 0.95, 5],
    ["--neg", 0.95, 5],
    ["--muted", 0.75, 3]
  ];
  const dots = style.map(([c, o, w]) =>
    svg("path", { style: `fill:none;stroke:var(${c});stroke-opacity:${o};stroke-width:${w};stroke-linecap:round` })
  );
  sc.node.append(dots[0], dots[3], dots[1], dots[2]);

  const byClass = el("tbody");
  const sort = segments({
    label: "Sorted by the difference in p",
    name: "order",
    value: model.get("order"),
    options: [
      ["most", "largest first"],
      ["least", "smallest first"]
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
      el("div", { class: "panel w5" }, el("h4", {}, "Images (click a cell)"), table),
      el(
        "div",
        { class: "panel w7" },
        el("h4", {}, "With 95 % intervals (patients as clusters)"),
        el(
          "table",
          {},
          el(
            "tbody",
            {},
            rows.a.node,
            rows.b.node,
            rows.difference.node,
            tests.exact.node,
            tests.midp.node,
            tests.obuchowski.node
          )
        ),
        heed,
        sentence
      ),
      el(
        "div",
        { class: "panel w5 wide" },
        el("h4", {}, "Each image"),
        sc.node,
        el("p", {}, key(words[1], "c-pos", true), key(words[2], "c-neg", true))
      ),
      el(
        "div",
        { class: "panel w7 wide" },
        el("h4", {}, "The images they disagree about, by class"),
        el(
          "table",
          { class: "fly" },
          el(
            "thead",
            {},
            el(
              "tr",
              {},
              el("th", { scope: "col", style: "text-align:left" }, "class"),
              el("th", { scope: "col" }, "n"),
              el("th", { scope: "col", style: "width:33%" }, words[1]),
              el("th", { scope: "col", style: "width:33%;text-align:left" }, words[2])
            )
          ),
          byClass
        )
      ),
      el("div", { class: "panel w12 wide" }, pics.node)
    ),
    f.live
  );

  {
    const all = classes.map((c, j) => summary(cell, target, patient, people.length, j)),
      top = Math.max(1, ...all.map(s => Math.max(s.count[1], s.count[2])));
    const bar = (v, c, right) =>
      el(
        "td",
        { style: right ? "text-align:left" : "" },
        el(
          "div",
          { style: `display:flex;gap:7px;align-items:center;flex-direction:${right ? "row" : "row-reverse"}` },
          el("span", {
            style:
              `display:inline-block;height:13px;border-radius:3px;background:var(${c});` +
              `width:${((80 * v) / top).toFixed(1)}%`
          }),
          el("span", {}, String(v))
        )
      );
    byClass.replaceChildren(
      ...all.map((s, j) =>
        el(
          "tr",
          { "data-class": j },
          el("th", { scope: "row" }, classes[j]),
          el("td", {}, s.n.toLocaleString("en")),
          bar(s.count[1], "--pos"),
          bar(s.count[2], "--neg", true)
        )
      )
    );
  }

  const only = () => (model.get("truth") ? classes.indexOf(model.get("truth")) : -1);
  function count() {
    const o = only(),
      r = summary(cell, target, patient, people.length, o, folds);
    say(
      sub,
      `${plural(r.n, "image")} of ${plural(people.length, "patient")}${o < 0 ? "" : " (all classes)"}; they ` +
        `disagree about ${(r.count[1] + r.count[2]).toLocaleString("en")}`
    );
    CELLS.forEach((c, i) => {
      say(tiles[c].num, r.count[i].toLocaleString("en"));
      const s = r.n ? r.count[i] / r.n : 0;
      tiles[c].b.style.background =
        i === 1
          ? `rgba(var(--shade-pos), ${0.1 + 0.4 * Math.sqrt(s)})`
          : i === 2
            ? `rgba(var(--shade), ${0.1 + 0.4 * Math.sqrt(s)})`
            : "var(--bg)";
    });
    for (const name of ["a", "b"]) {
      say(rows[name].v, fmt(r[name].value));
      ends(rows[name].c, r[name]);
    }
    const sign = x => (x === null ? "–" : (x < 0 ? "−" : "+") + fixed(Math.abs(100 * x), 1));
    say(rows.difference.v, `${sign(r.difference.value)} points`);
    ends(rows.difference.c, r.difference, sign, " to ");
    say(heed, cautions([r.a, r.b, r.difference]));
    say(tests.exact.v, `p ${pvalue(r.exact)}`);
    say(tests.midp.v, `p ${pvalue(r.midp)}`);
    say(tests.obuchowski.v, r.obuchowski.p === null ? "undefined" : `p ${pvalue(r.obuchowski.p)}`);
    say(tests.exact.c, "by image");
    say(tests.midp.c, "by image");
    say(tests.obuchowski.c, "by patient");
    say(
      sentence,
      `Where both agree nothing is learned: McNemar's test reads only ${r.count[1].toLocaleString("en")} against ` +
        `${r.count[2].toLocaleString("en")}.`
    );
    const paths = ["", "", "", ""],
      seen = [0, 0, 0, 0],
      step = r.count.map(c => Math.max(1, Math.floor(c / 1500)));
    for (let i = 0; i < n; i++)
      if (o < 0 || target[i] === o) {
        const c = cell[i];
        if (seen[c]++ % step[c] === 0) paths[c] += `M${sc.X(ta[i]).toFixed(1)} ${sc.Y(tb[i]).toFixed(1)}h.01`;
      }
    dots.forEach((d, i) => set(d, { d: paths[i] }));
    press();
    browse();
    f.announce(`Only ${A} right: ${r.count[1]}; only ${B} right: ${r.count[2]}`);
  }
  function press() {
    for (const c of CELLS) {
      const on = model.get("cell") === c;
      tiles[c].b.setAttribute("aria-pressed", String(on));
      if (on) {
        for (const x of CELLS) tiles[x].b.tabIndex = -1;
        tiles[c].b.tabIndex = 0;
      }
    }
  }
  function browse() {
    const c = CELLS.indexOf(model.get("cell")),
      o = only(),
      list = [];
    sort.node.hidden = c < 0;
    if (c < 0) {
      pics.show("Images", [], null);
      say(pics.node.querySelector("li"), "Click a cell above to see its images.");
      return;
    }
    for (let i = 0; i < n; i++) if (cell[i] === c && (o < 0 || target[i] === o)) list.push(i);
    const s = model.get("order") === "least" ? 1 : -1;
    list.sort((x, y) => s * (Math.abs(ta[x] - tb[x]) - Math.abs(ta[y] - tb[y])) || x - y);
    pics.show(`${words[c]}: ${plural(list.length, "image")}`, list, i => ({
      alt: `${images[i]}, truth ${classes[target[i]]}`,
      lines: [
        images[i],
        `patient ${people[patient[i]]}`,
        `truth: ${classes[target[i]]}`,
        `${A}: ${classes[ca[i]]} ${fmt(pa[i * k + ca[i]], 2)}`,
        `${B}: ${classes[cb[i]]} ${fmt(pb[i * k + cb[i]], 2)}`
      ]
    }));
  }
  count();
  listen(["truth"], () => {
    truth.show(model.get("truth"));
    count();
  });
  listen(["cell", "order"], () => {
    sort.show(model.get("order"));
    press();
    browse();
  });
  f.onclose(close);
  f.onclose(pics.close);
  return f.close;
}
export default { render };
