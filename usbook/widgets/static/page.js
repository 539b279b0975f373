// The page that needs no installation: a dropped table, its metrics, the explorers, a comparison, an audit.
// Hand-written source.
// usbook.widgets.page puts the widgets' modules before it: threshold, confusion, pair, audit, metrics, table,
// search, names.
import { el, say, told, fmt, ends, cautions, plural, frame, choose, button } from "./base.js";

function modelOf(state) {
  // what `render` needs of a model
  const on = {};
  return {
    get: k => state[k],
    set(k, v) {
      if (state[k] === v) return;
      state[k] = v;
      for (const f of [...(on[`change:${k}`] || [])]) f();
    },
    on(e, f) {
      (on[e] ||= new Set()).add(f);
    },
    off(e, f) {
      if (on[e]) on[e].delete(f);
    },
    save_changes() {},
    send() {}
  };
}
const shared = d => ({
  _classes: d.classes,
  _n: d.n,
  _folds: 1,
  _target: d.target,
  _patient: d.patient,
  _patients: d.people,
  _images: d.images,
  _pictures: {},
  _illustrated: false,
  _standalone: true
});
const NAMES = {
  accuracy: "accuracy",
  balanced_accuracy: "mean recall",
  macro_precision: "precision, mean over classes",
  macro_specificity: "specificity, mean over classes",
  macro_f1: "F1, mean over classes",
  macro_auc: "AUC, mean over classes",
  kappa: "Cohen's κ",
  mcc: "Matthews' correlation",
  brier: "Brier score"
};

export function start(host) {
  const f = frame(host, "Your predictions"),
    root = f.root;
  const problem = el("p", { class: "note", role: "alert", hidden: true, "data-name": "problem" }),
    asked = el("div"),
    found = el("div");
  let first = null,
    closers = [];
  const zone = (name, text, take) => {
    const input = el("input", {
      type: "file",
      accept: ".csv,.tsv,.txt,text/csv",
      "data-name": name,
      "aria-label": text
    });
    const node = el("div", { class: "panel w6 wide drop" }, el("h4", {}, text), input);
    input.addEventListener("change", () => {
      if (input.files[0]) open(input.files[0], take);
    });
    node.addEventListener("dragover", e => {
      e.preventDefault();
      node.classList.add("over");
    });
    node.addEventListener("dragleave", () => node.classList.remove("over"));
    node.addEventListener("drop", e => {
      e.preventDefault();
      node.classList.remove("over");
      if (e.dataTransfer.files[0]) open(e.dataTransfer.files[0], take);
    });
    return node;
  };
  const second = zone("second", "Compare it with a second model: drop its table here", pair);
  second.hidden = true;
  const example = button(
    "Try an invented example",
    () => {
      take(invented(0));
    },
    { "data-name": "example" }
  );
  root.append(
    el(
      "div",
      { class: "head" },
      el(
        "div",
        {},
        el("h3", {}, "How good are these predictions?"),
        el(
          "p",
          { class: "sub" },
          "Nothing you open here leaves this device: the page makes no request, and it works without a network."
        )
      )
    ),
    el(
      "div",
      { class: "grid" },
      zone("file", "Drop a CSV here: image, patient, target, and p_<class> for each class", take_),
      second
    ),
    el("div", { class: "buttons", style: "margin-top:10px" }, example),
    problem,
    asked,
    found,
    f.live
  );
  function take_(t) {
    ask(t, take);
  }

  async function open(file, next) {
    clear();
    if (file.size > 300e6)
      return sorry(`${file.name}: has ${Math.round(file.size / 1e6)} MB, and this page takes 300 MB`);
    const raw = new Uint8Array(await file.arrayBuffer());
    attempt(() => {
      let text;
      const kind =
        raw[0] === 0xff && raw[1] === 0xfe ? "utf-16le" : raw[0] === 0xfe && raw[1] === 0xff ? "utf-16be" : "utf-8";
      try {
        text = new TextDecoder(kind, { fatal: true }).decode(raw);
      } catch {
        throw new table.Sorry(
          `${file.name}: is not UTF-8 text; in the spreadsheet program choose Save as, CSV UTF-8`
        );
      }
      next(table.readTable(text, file.name));
    });
  }
  function attempt(f) {
    try {
      f();
    } catch (e) {
      if (!(e instanceof table.Sorry)) throw e;
      sorry(e.message);
    }
  }
  function sorry(text) {
    problem.hidden = false;
    say(problem, text);
  }
  function clear() {
    problem.hidden = true;
    say(problem, "");
    asked.replaceChildren();
  }

  function ask(t, next) {
    // what is recognised is said, and confirmed
    const c = table.recognise(t, names);
    if (c.sure) return next(table.predictions(t, c));
    const none = [["", "–"]],
      heads = t.head.map(h => [h, h]),
      pick = (label, role, options) =>
        choose({
          label,
          name: `column-${role}`,
          value: c[role] || "",
          options,
          onchange: v => {
            c[role] = v;
          }
        }).node;
    const each = Object.entries(c.classes)
      .map(([o, h]) => `${h} (${o})`)
      .join(", ");
    asked.replaceChildren(
      el(
        "div",
        { class: "panel", style: "margin-top:12px" },
        el("h4", {}, `The columns of ${t.where} have other names. Is this right?`),
        el(
          "div",
          { class: "bar" },
          pick("Image", "image", [["", "– (rows)"], ...heads]),
          pick("Patient", "patient", [["", "every image is a patient of its own"], ...heads]),
          pick("Truth", "target", [...none, ...heads]),
          each ? null : pick("Score of the finding", "score", [...none, ...heads])
        ),
        each ? el("p", { class: "small" }, `Probabilities: ${each}`) : null,
        button(
          "Read it so",
          () =>
            attempt(() => {
              const d = table.predictions(t, c);
              clear();
              next(d);
            }),
          { class: "primary", "data-name": "confirm" }
        )
      )
    );
    asked.querySelector("button").focus();
  }

  function take(d) {
    clear();
    for (const c of closers) c();
    closers = [];
    found.replaceChildren();
    const began = performance.now(),
      e = metrics.evaluateTable({ ...d, patients: d.people.length });
    first = d;
    second.hidden = false;
    found.append(numbers(d, e));
    const a = el("div", { style: "margin-top:14px" }),
      b = el("div", { style: "margin-top:14px" }),
      where = { ...shared(d), _prob: d.prob };
    found.append(a, b, el("div", { "data-name": "pair", style: "margin-top:14px" }));
    closers.push(
      threshold.render({
        model: modelOf({
          ...where,
          threshold: 0.5,
          positive: d.classes[d.k === 2 ? 1 : 0],
          prevalence: null,
          cost_miss: 10,
          cost_alarm: 1,
          independent: d.alone ? "images" : "patients",
          _paper: {}
        }),
        el: a
      })
    );
    closers.push(
      confusion.render({
        model: modelOf({ ...where, normalize: "counts", merged: {}, patient: "", cell: [], order: "most" }),
        el: b
      })
    );
    found.dataset.took = String(performance.now() - began);
    f.announce(`${plural(d.n, "image")} read`);
  }
  function numbers(d, e) {
    const head = o => (o === "f1" ? "F1" : o === "auc" ? "AUC" : o);
    const row = (name, i, key) =>
      el(
        "tr",
        {},
        el("th", { scope: "row" }, name),
        el("td", { class: "num", "data-name": key }, fmt(i.value)),
        ends(el("td", { class: "ci" }), i, undefined, " to ", "undefined")
      );
    const per = ["recall", "specificity", "precision", "f1", "auc"],
      cell = (i, o) =>
        el(
          "td",
          { "data-label": told(head(o)) },
          el("div", { class: "num" }, fmt(i.value)),
          ends(el("div", { class: "ci" }), i)
        );
    const heed = [
      d.alone
        ? "The images count as patients of their own: if some belong together, these intervals are too short."
        : "",
      cautions(Object.values(e.overall))
    ]
      .filter(Boolean)
      .join(" ");
    return el(
      "div",
      { class: "grid", style: "margin-top:14px", "data-name": "numbers" },
      el(
        "div",
        { class: "panel w12 wide" },
        el(
          "h4",
          {},
          `${d.name}: ${plural(d.n, "image")} of ${plural(d.people.length, "patient")}, 95 % intervals over patients`
        ),
        el(
          "table",
          {},
          el(
            "tbody",
            {},
            Object.keys(NAMES).map(o => row(NAMES[o], e.overall[o], o))
          )
        ),
        el("p", { class: "small", "data-name": "heed" }, heed)
      ),
      el(
        "div",
        { class: "panel w12 wide" },
        el("h4", {}, "Each class"),
        el(
          "table",
          { class: "each" },
          el(
            "thead",
            {},
            el(
              "tr",
              {},
              ["class", "images", ...per].map((o, i) =>
                el("th", { scope: "col", style: i ? "" : "text-align:left" }, head(o))
              )
            )
          ),
          el(
            "tbody",
            {},
            d.classes.slice(0, 60).map((c, j) =>
              el(
                "tr",
                {},
                el("th", { scope: "row" }, c),
                el(
                  "td",
                  { "data-label": told("images") },
                  e.confusion[j].reduce((x, y) => x + y, 0).toLocaleString("en")
                ),
                per.map(o => cell(e.per_class[j][o], o))
              )
            )
          )
        )
      )
    );
  }
  function pair(t) {
    ask(t, b =>
      attempt(() => {
        const other = table.inOrder(first, b),
          at = found.querySelector("[data-name=pair]");
        at.replaceChildren();
        const short = o => o.replace(/\.\w+$/, "");
        closers.push(
          pairs.render({
            model: modelOf({
              ...shared(first),
              _prob_a: first.prob,
              _prob_b: other.prob,
              _models: [short(first.name), short(b.name)],
              truth: "",
              cell: "only_a",
              order: "most"
            }),
            el: at
          })
        );
        at.scrollIntoView({ block: "start" });
      })
    );
  }
  host.append(paper());
}
function invented(seed) {
  // an example whose truth is known; no network is behind it
  let s = 12345 + seed;
  const random = () => {
      s = (1103515245 * s + 12345) % 2147483648;
      return s / 2147483648;
    },
    normal = () => Math.sqrt(-2 * Math.log(random() + 1e-12)) * Math.cos(2 * Math.PI * random());
  const rows = [],
    at = [];
  for (let p = 0; p < 60; p++) {
    const own = 0.6 * normal();
    for (let i = 0; i < 4; i++) {
      const ill = random() < 0.4,
        x = 1 / (1 + Math.exp(-(own + normal() + (ill ? 1.4 : -1.4))));
      rows.push([`p${p}-${i}.png`, `p${p}`, ill ? "mass" : "normal", String(1 - x), String(x)]);
      at.push(rows.length + 1);
    }
  }
  return table.predictions(
    { head: ["image", "patient", "target", "p_normal", "p_mass"], rows, at, sep: ",", where: "invented example" },
    { image: "image", patient: "patient", target: "target", classes: { normal: "p_normal", mass: "p_mass" } }
  );
}

// ---------------------------------------------------------------- printed numbers
function paper() {
  const host = el("div", { style: "margin-top:18px" }),
    f = frame(host, "Printed numbers"),
    out = el("div", { role: "status", "data-name": "audit" }),
    fields = {};
  const field = (name, text) => {
    const input = el("input", {
      type: "text",
      inputmode: "decimal",
      "data-name": `printed-${name}`,
      "aria-label": text,
      style: "width:6.4em"
    });
    fields[name] = input;
    input.addEventListener("input", look);
    return el("div", { class: "ctl" }, el("label", {}, text), input);
  };
  f.root.append(
    el(
      "div",
      { class: "head" },
      el(
        "div",
        {},
        el("h3", {}, "Can these printed numbers be true?"),
        el(
          "p",
          { class: "sub" },
          "Type what a paper prints for two classes, exactly as printed: the last digit counts. Which tables of " +
            "whole images round to it?"
        )
      )
    ),
    el(
      "div",
      { class: "bar" },
      field("sensitivity", "Sensitivity"),
      field("specificity", "Specificity"),
      field("accuracy", "Accuracy"),
      field("ppv", "PPV"),
      field("npv", "NPV"),
      field("f1", "F1"),
      field("n", "Images, if printed")
    ),
    out,
    f.live
  );
  function look() {
    const n = fields.n.value.trim(),
      max = n ? Number(n) : 500,
      r =
        /^\d*$/.test(n) && max <= 3000
          ? search.tables(Object.fromEntries(search.SHARES.map(o => [o, fields[o].value])), max, n ? max : null)
          : { problem: "Images: give a whole number up to 3000." };
    out.replaceChildren();
    if (r.problem) {
      out.append(el("p", { class: "small" }, r.problem));
      return;
    }
    const among = n ? `with ${n} images` : `of up to ${max} images`,
      tables = plural(r.count || 0, "table");
    if (!r.between)
      out.append(
        el(
          "p",
          { class: "note" },
          "Impossible whatever the number of images: the accuracy lies outside sensitivity and specificity, of " +
            "which it is a weighted mean."
        )
      );
    else if (!r.harmonic)
      out.append(
        el(
          "p",
          { class: "note" },
          "Impossible whatever the number of images: F1 is not the harmonic mean of sensitivity and PPV."
        )
      );
    else if (!r.count)
      out.append(
        el(
          "p",
          { class: "note" },
          `No table ${among} rounds to these numbers: at least one of them can't be right, or they were not ` +
            `rounded once from one table.`
        )
      );
    else
      out.append(
        el(
          "p",
          {},
          r.count === 1
            ? `${tables} (${among}) rounds to these numbers:`
            : r.count > 5
              ? `${tables} (${among}) round to these numbers; the smallest:`
              : `${tables} (${among}) round to these numbers:`
        ),
        el(
          "table",
          { style: "max-width:30em" },
          el(
            "thead",
            {},
            el(
              "tr",
              {},
              ["images", "TP", "FN", "FP", "TN"].map(o => el("th", { scope: "col" }, o))
            )
          ),
          el(
            "tbody",
            {},
            r.first.map(o =>
              el(
                "tr",
                {},
                [o.n, o.tp, o.fn, o.fp, o.tn].map(x => el("td", {}, String(x)))
              )
            )
          )
        )
      );
  }
  look();
  return host;
}
