// ReaderStudy: one case after another for usbook.widgets.reader. Hand-written source. The page never learns names
// or labels of the cases.
import { el, say, set, fmt, plural, frame, button, bind, gallery, speak } from "./base.js";

export const KEYS = "1234567890qwertyiopasdfghjklzxcvbnm"; // u is undo
export function median(x) {
  if (!x.length) return null;
  const s = [...x].sort((a, b) => a - b),
    h = s.length >> 1;
  return s.length % 2 ? s[h] : (s[h - 1] + s[h]) / 2;
}
export function stopwatch(now = () => performance.now()) {
  // doesn't run while the page is hidden
  let sum = 0,
    from = null;
  return {
    start() {
      sum = 0;
      from = now();
    },
    pause() {
      if (from !== null) {
        sum += now() - from;
        from = null;
      }
    },
    go() {
      if (from === null) from = now();
    },
    seconds() {
      return (sum + (from === null ? 0 : now() - from)) / 1000;
    }
  };
}

export function render({ model, el: host }) {
  speak(model.get("_words"));
  const classes = model.get("_classes"),
    total = model.get("_n");
  const f = frame(host, `Reader study, reader ${model.get("reader")}`),
    root = f.root,
    { listen, close } = bind(model);
  root.setAttribute("tabindex", "0");
  const pics = gallery(model),
    watch = stopwatch();
  const sub = el("p", { class: "sub" }),
    bar = el("progress", {
      max: total,
      "aria-label": "cases read",
      style: "width:100%;height:8px;accent-color:var(--neg)"
    });
  const image = el("img", {
    alt: "the case to be labelled",
    style: "display:block;width:100%;height:100%;object-fit:contain"
  });
  const stage = el("div", { class: "stage" }, image),
    note = el("p", { role: "alert", class: "note", hidden: true });
  const buttons = classes.map((c, i) =>
    el(
      "button",
      { type: "button", "data-class": i, class: "answer", onclick: () => label(i) },
      KEYS[i] ? el("kbd", {}, KEYS[i]) : null,
      el("span", {}, c)
    )
  );
  const undo = el(
    "button",
    { type: "button", "data-name": "undo", class: "answer", onclick: back },
    el("kbd", {}, "u"),
    el("span", {}, "Undo the last answer")
  );
  root.append(
    el("div", { class: "head" }, el("div", {}, el("h3", {}, `Reader ${model.get("reader")}`), sub)),
    bar,
    el(
      "div",
      { class: "grid", style: "margin-top:12px" },
      el("div", { class: "w8 panel dark wide" }, stage),
      el(
        "div",
        { class: "panel w4 wide" },
        el("h4", {}, "What is it? Click, or press a key"),
        el("div", { class: "answers", role: "group", "aria-label": "Answers" }, buttons),
        el("div", { style: "margin-top:14px" }, undo),
        el(
          "p",
          { class: "small", style: "margin-top:12px" },
          "Cases come in random order, without name and without any model's opinion. Each answer is saved at once; " +
            "close the notebook whenever you like and go on later."
        )
      )
    ),
    note,
    f.live
  );
  let busy = false,
    shown = -1;
  if (model.get("_standalone")) {
    note.hidden = false;
    say(
      note,
      "A reader study writes every answer to a file, so it needs a running notebook. Open the notebook and run the " +
        "cell."
    );
    for (const b of [...buttons, undo]) b.disabled = true;
  }
  function label(i) {
    const at = model.get("done");
    if (busy || at >= total || shown !== at || model.get("_standalone")) return;
    busy = true;
    watch.pause();
    model.send({ kind: "label", case: at, label: i, seconds: watch.seconds() });
  }
  function back() {
    if (busy || !model.get("done") || model.get("_standalone")) return;
    busy = true;
    model.send({ kind: "undo", case: model.get("done") });
  }
  root.addEventListener("keydown", e => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.repeat) return;
    const k = e.key.toLowerCase(),
      i = KEYS.indexOf(k);
    if (k === "u" || e.key === "Backspace") {
      e.preventDefault();
      back();
    } else if (k.length === 1 && i >= 0 && i < classes.length) {
      e.preventDefault();
      label(i);
    }
  });
  function tell() {
    const at = model.get("done"),
      m = median(model.get("_seconds") || []);
    say(
      sub,
      at >= total
        ? `All ${plural(total, "case")} read${m === null ? "" : `, ${fmt(m, 1)} s each (median)`}. Thank you.`
        : `Case ${at + 1} of ${total.toLocaleString("en")}${m === null ? "" : ` · ${fmt(m, 1)} s each (median)`}`
    );
  }
  function show() {
    const at = model.get("done");
    busy = false;
    bar.value = at;
    undo.disabled = !at || model.get("_standalone");
    tell();
    for (const b of buttons) b.disabled = at >= total || model.get("_standalone");
    f.announce(sub.textContent);
    shown = -1;
    if (at >= total) {
      image.removeAttribute("src");
      say(stage, "Done");
      return;
    }
    if (!image.isConnected) stage.replaceChildren(image);
    image.style.visibility = "hidden";
    const mine = at;
    pics.want([
      [
        at,
        url => {
          if (model.get("done") !== mine) return;
          if (!url) {
            if (!model.get("_standalone")) {
              note.hidden = false;
              say(
                note,
                "The picture of this case can't be read. Tell whoever prepared the study; answers so far are safe."
              );
            }
            return;
          }
          set(image, { src: url });
          const ready = () => {
            image.style.visibility = "visible";
            shown = mine;
            watch.start();
            if (document.hidden) watch.pause();
          };
          if (image.decode) image.decode().then(ready, ready);
          else ready();
        }
      ],
      ...[at + 1, at + 2].filter(i => i < total).map(i => [i, () => {}])
    ]);
  }
  const onhide = () => {
    if (shown < 0) return;
    if (document.hidden) watch.pause();
    else watch.go();
  };
  document.addEventListener("visibilitychange", onhide);
  listen(["done"], show);
  listen(["_seconds"], tell);
  listen(["_problem"], () => {
    const p = model.get("_problem");
    note.hidden = !p;
    say(note, p);
    busy = false;
    if (shown >= 0) watch.go();
  });
  show();
  if (model.get("_problem")) {
    note.hidden = false;
    say(note, model.get("_problem"));
  }
  f.onclose(close);
  f.onclose(pics.close);
  f.onclose(() => document.removeEventListener("visibilitychange", onhide));
  return f.close;
}
export default { render };
