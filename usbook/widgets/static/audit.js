// PaperAudit: typing and drawing of usbook.widgets.audit. Hand-written source. The search itself is that of
// usbook.evidence.audit.
import { el, svg, set, say, plural, frame, choose, button, bind, printedShare, speak } from "./base.js";

// ----------------- which n a printed share allows (as usbook.evidence.audit.printed.allowed_n, rounded once)
export function allowedN(text, max) {
  const r = printedShare(text),
    out = [];
  if (!r || r.decimals > 7) return null;
  const unit = 10 ** r.decimals;
  for (let n = 1; n <= max; n++) {
    const k0 = Math.round((n * r.scaled) / unit);
    for (let k = Math.max(0, k0 - 1); k <= Math.min(n, k0 + 1); k++)
      if (2 * Math.abs(k * unit - r.scaled * n) <= n) {
        out.push(n);
        break;
      }
  }
  return out;
}
export function isShare(r) {
  // averages over classes are no shares of anything
  return (
    /^(accuracy|top2_accuracy|sensitivity_at_.*)$/.test(r.name) ||
    (r.label !== "" && /^(precision|recall|specificity|npv|ppv|sensitivity)$/.test(r.name))
  );
}

// ---------------------------------------------------------------- the page
const WORDS = { impossible: "can't be", derived: "follows", interval: "uncertainty", open: "open" };
export function render({ model, el: host }) {
  speak(model.get("_words"));
  const f = frame(host, "Paper audit"),
    root = f.root,
    { sync, listen, close } = bind(model),
    presets = model.get("_presets"),
    max = model.get("_max_n");
  const names = model.get("_names"),
    title = el("h3"),
    sub = el("p", { class: "sub" });
  const rows = el("tbody"),
    list = el("ol", { class: "findings" }),
    state = el("p", { class: "small", role: "status" }),
    note = el("p", { class: "note", role: "alert", hidden: true }),
    matrix = el("div");
  const pick = choose({
    label: "Start from",
    name: "study",
    value: model.get("study"),
    options: [...presets.map(p => [p.id, p.title]), ["", "an empty sheet"]],
    onchange: v => {
      const p = presets.find(o => o.id === v);
      sync("study", v);
      sync("classes", p ? p.classes : ["finding", "no finding"]);
      sync("numbers", p ? p.numbers : []);
      found = p ? p.findings : [];
      say(state, "");
      draw();
      show();
    }
  });
  let found = model.get("_findings") || [],
    timer = null;
  root.append(el("div", { class: "head" }, el("div", {}, title, sub)), el("div", { class: "bar" }, pick.node));

  const which = el(
      "select",
      { "aria-label": "Number" },
      names.map(n => el("option", { value: n }, n))
    ),
    of = el("select", { "aria-label": "Class" }),
    printed = el("input", {
      type: "text",
      placeholder: "as printed",
      "aria-label": "Printed value",
      style: "width:7.5em"
    });
  const classBox = el("input", {
    type: "text",
    "aria-label": "Classes, separated by commas; of two, the first is the positive one",
    style: "width:100%",
    "data-name": "classes"
  });
  classBox.addEventListener("change", () => {
    sync(
      "classes",
      classBox.value
        .split(",")
        .map(s => s.trim())
        .filter(Boolean)
    );
    draw();
    ask();
  });
  const add = button(
    "Add",
    () => {
      if (!printed.value.trim()) return;
      sync("numbers", [
        ...model.get("numbers"),
        { name: which.value, label: of.value, arm: "", printed: printed.value.trim() }
      ]);
      printed.value = "";
      draw();
      ask();
    },
    { "data-name": "add" }
  );
  printed.addEventListener("keydown", e => {
    if (e.key === "Enter") add.click();
  });
  root.append(
    el(
      "div",
      { class: "grid" },
      el(
        "div",
        { class: "panel w6 wide" },
        el("h4", {}, `Printed numbers, and how many cases (up to ${max}) allow them`),
        el("table", { class: "figures" }, rows),
        el("div", { class: "bar", style: "margin:12px 0 0" }, which, of, printed, add),
        el("div", { style: "margin-top:10px" }, el("label", {}, "Classes"), classBox),
        note
      ),
      el("div", { class: "panel w6 wide" }, el("h4", {}, "What they imply"), state, matrix, list)
    ),
    f.live
  );

  function bars(text) {
    const ns = allowedN(text, max),
      g = svg("svg", {
        viewBox: "0 0 240 14",
        preserveAspectRatio: "none",
        role: "img",
        style: "height:14px;width:100%",
        "aria-label":
          ns === null
            ? ""
            : ns.length
              ? `${ns.length} numbers up to ${max} allow it, from ${ns[0]} on`
              : "no number allows it"
      });
    if (ns === null) return el("span", { class: "small" }, "not a proportion as printed; write per cents with %");
    let d = "",
      i = 0;
    const X = v => ((v / max) * 240).toFixed(2);
    while (i < ns.length) {
      let j = i;
      while (j + 1 < ns.length && ns[j + 1] === ns[j] + 1) j++;
      d += `M${X(ns[i] - 1)} 0H${X(ns[j])}V14H${X(ns[i] - 1)}Z`;
      i = j + 1;
    }
    g.append(
      svg("rect", { width: 240, height: 14, style: "fill:var(--bg)" }),
      svg("path", { d, style: "fill:var(--neg)" })
    );
    return g;
  }
  function draw() {
    const numbers = model.get("numbers"),
      classes = model.get("classes"),
      p = presets.find(o => o.id === model.get("study"));
    say(title, p ? p.title : "Your own numbers");
    say(sub, p ? p.citation : "Type what a paper prints, exactly as printed: the last digit counts.");
    classBox.value = classes.join(", ");
    const chosen = of.value; // an answer that arrives late must not undo a choice
    of.replaceChildren(el("option", { value: "" }, "overall"), ...classes.map(c => el("option", { value: c }, c)));
    if (classes.includes(chosen)) of.value = chosen;
    rows.replaceChildren(
      ...numbers.map((r, i) => {
        const input = el("input", {
            type: "text",
            value: r.printed,
            "data-number": i,
            "aria-label": `${r.name} ${r.label} ${r.arm}, printed`,
            style: "width:6.6em"
          }),
          cell = el("td", { class: "bars" }, isShare(r) ? bars(r.printed) : null);
        input.addEventListener("input", () => {
          if (isShare(r)) cell.replaceChildren(bars(input.value));
          const all = model.get("numbers").slice();
          all[i] = { ...all[i], printed: input.value.trim() };
          sync("numbers", all);
          ask();
        });
        return el(
          "tr",
          {},
          el("th", { scope: "row" }, r.name.replaceAll("_", " ")),
          el("td", { style: "text-align:left" }, r.label || r.arm || "overall"),
          el("td", {}, input),
          cell,
          el(
            "td",
            {},
            button(
              "×",
              () => {
                sync(
                  "numbers",
                  model.get("numbers").filter((_, j) => j !== i)
                );
                draw();
                ask();
              },
              { "aria-label": `remove ${r.name} ${r.label}`, style: "min-height:24px;padding:0 7px" }
            )
          )
        );
      })
    );
  }
  function ask() {
    clearTimeout(timer);
    if (model.get("_standalone")) {
      say(
        state,
        "These findings belong to the numbers as the study printed them; the search for others needs the running " +
          "notebook. The bars follow at once."
      );
      return;
    }
    say(state, "…");
    timer = setTimeout(
      () => model.send({ kind: "audit", numbers: model.get("numbers"), classes: model.get("classes") }),
      300
    );
  }
  function show() {
    const bad = found.filter(x => x.kind === "impossible").length;
    list.replaceChildren(
      ...[...found]
        .sort((a, b) => (b.kind === "impossible") - (a.kind === "impossible"))
        .map(x =>
          el(
            "li",
            { class: x.kind },
            el("span", { class: "kind" }, x.kind === "impossible" ? "✕ can't be" : WORDS[x.kind] || x.kind),
            " ",
            x.text
          )
        )
    );
    const v = (found.find(x => x.key === "matrix") || {}).value;
    matrix.replaceChildren();
    if (v && v.N)
      matrix.append(
        el(
          "table",
          { style: "margin-bottom:12px", "data-name": "margins" },
          el(
            "thead",
            {},
            el(
              "tr",
              {},
              ["class", "images", "right", "predicted"].map((t, i) =>
                el("th", { scope: "col", style: i ? "" : "text-align:left" }, t)
              )
            )
          ),
          el(
            "tbody",
            {},
            model.get("classes").map((c, i) =>
              el(
                "tr",
                {},
                el("th", { scope: "row" }, c),
                [v.n, v.tp, v.pred].map(a => el("td", {}, String(a[i])))
              )
            ),
            el(
              "tr",
              {},
              el("th", { scope: "row" }, "all"),
              el("td", { class: "num" }, String(v.N)),
              el("td", { class: "num" }, String(v.tp.reduce((a, b) => a + b, 0))),
              el("td", {}, "")
            )
          )
        )
      );
    f.announce(`${plural(found.length, "finding")}, ${bad} impossible`);
  }
  draw();
  show();
  listen(["numbers", "classes", "study"], () => {
    pick.show(model.get("study"));
    draw();
  });
  listen(["_findings"], () => {
    found = model.get("_findings");
    say(state, "");
    show();
  });
  listen(["_problem"], () => {
    const p = model.get("_problem");
    note.hidden = !p;
    say(note, p);
    if (p) say(state, "Waiting for numbers that can be read.");
  });
  f.onclose(close);
  f.onclose(() => clearTimeout(timer));
  return f.close;
}
export default { render };
