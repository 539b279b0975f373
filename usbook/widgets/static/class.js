// A class: who answered what, learner by image. Hand-written source, joined with base.js by usbook.widgets.base.
import {
  el,
  set,
  say,
  frame,
  bind,
  header,
  bytes,
  fmt,
  interval,
  plural,
  clamp,
  key,
  gallery,
  speak
} from "./base.js";

export function counts(said, row, n, k) {
  // answers of all learners to one image -> how often each class, and how many read it
  const c = new Array(k).fill(0);
  let read = 0;
  for (let l = 0; l < n.learners; l++) {
    const s = said[l * n.images + row];
    if (s < 255) {
      c[s]++;
      read++;
    }
  }
  return { c, read };
}

export function render({ model, el: host }) {
  speak(model.get("_words"));
  const learners = model.get("_learners"),
    images = model.get("_images"),
    classes = model.get("_classes");
  const said = bytes(model.get("_said")),
    truth = bytes(model.get("_truth")),
    n = { learners: learners.length, images: images.length };
  const f = frame(host, "A class of readers"),
    root = f.root,
    { sync, listen, close } = bind(model);
  const pics = model.get("_illustrated") ? gallery(model) : null;
  const known = truth.some(t => t < 255),
    cell = clamp(Math.floor(900 / n.images), 3, 18),
    rowH = clamp(Math.floor(420 / n.learners), 11, 24);
  const longest = Math.max(...learners.map(l => l.name.length)),
    gutter = clamp(7 * longest + 12, 40, 140),
    width = gutter + n.images * cell;
  const board = el("canvas", {
    width,
    height: n.learners * rowH,
    tabindex: "0",
    role: "img",
    "data-name": "board",
    style: "display:block;cursor:crosshair;max-width:100%;height:auto",
    "aria-label": "One row per learner, one column per image. Arrow keys move the cursor."
  });
  const who = el("p", { "data-name": "who", style: "font-weight:600" }),
    which = el("p", { "data-name": "which", style: "margin-top:8px;font-weight:600;overflow-wrap:anywhere" }),
    bars = el("div", { "data-name": "bars" });
  const image = el("img", {
    alt: "",
    style: "max-width:100%;width:100%;max-height:min(52vh,520px);object-fit:contain;border-radius:6px;margin-top:8px"
  });
  root.append(
    header("A class of readers", model.get("_sentence")),
    el(
      "div",
      { class: "grid" },
      el(
        "div",
        { class: "panel w8 wide" },
        el(
          "h4",
          {},
          known
            ? "Rows: learners, the best on top. Columns: images, the hardest on the left"
            : "Rows: learners. Columns: images, the most disputed on the left"
        ),
        board,
        el(
          "p",
          { class: "small", style: "margin-top:6px" },
          known
            ? [key("right", "c-neg", true), " ", key("wrong", "c-pos", true), " ", key("not read", "", false)]
            : "Each shade is a class."
        )
      ),
      el("div", { class: "panel w4 wide" }, who, which, bars, pics ? image : null)
    ),
    f.live
  );
  const css = name => getComputedStyle(root).getPropertyValue(name).trim();
  function shade(l, i) {
    const s = said[l * n.images + i];
    if (s === 255) return css("--faint");
    if (known) return truth[i] === 255 ? css("--line") : s === truth[i] ? css("--neg") : css("--pos");
    return `rgba(${css("--shade")}, ${0.2 + (0.8 * s) / Math.max(1, classes.length - 1)})`;
  }
  function draw() {
    const g = board.getContext("2d"),
      at = [clamp(model.get("learner"), 0, n.learners - 1), clamp(model.get("image"), 0, n.images - 1)];
    g.clearRect(0, 0, board.width, board.height);
    g.font = `${Math.min(13, rowH - 1)}px system-ui, sans-serif`;
    g.textBaseline = "middle";
    for (let l = 0; l < n.learners; l++) {
      g.fillStyle = css(l === at[0] ? "--ink" : "--muted");
      g.fillText(learners[l].name, 2, (l + 0.5) * rowH, gutter - 8);
    }
    for (let l = 0; l < n.learners; l++)
      for (let i = 0; i < n.images; i++) {
        g.fillStyle = shade(l, i);
        g.fillRect(gutter + i * cell, l * rowH, cell - (cell > 4 ? 1 : 0), rowH - 1);
      }
    g.strokeStyle = css("--ink");
    g.lineWidth = 2;
    g.strokeRect(gutter + at[1] * cell, at[0] * rowH, cell, rowH - 1);
    tell(...at);
  }
  function tell(l, i) {
    const p = learners[l],
      s = said[l * n.images + i],
      { c, read } = counts(said, i, n, classes.length);
    say(
      who,
      `${p.name}: ${plural(p.n, "image")}` +
        (p.accuracy.value === null ? "" : `, accuracy ${interval(p.accuracy, 2)}, kappa ${fmt(p.kappa, 2)}`)
    );
    say(
      which,
      `${images[i]}` +
        (truth[i] < 255 ? ` is ${classes[truth[i]]}` : "") +
        (s < 255 ? `; ${p.name} said ${classes[s]}` : `; not read by ${p.name}`)
    );
    bars.replaceChildren(
      ...classes.map((name, k) =>
        el(
          "div",
          { style: "display:flex;gap:8px;align-items:center;margin-top:4px" },
          el("span", { style: "flex:0 0 45%;overflow-wrap:anywhere" }, name),
          el("span", {
            style:
              `height:10px;border-radius:3px;width:${read ? (40 * c[k]) / read : 0}%;` +
              `background:var(${known && k === truth[i] ? "--neg" : "--pos"})`
          }),
          el("span", { class: "small" }, String(c[k]))
        )
      )
    );
    if (pics) {
      const mine = i;
      image.removeAttribute("src");
      pics.want([
        [
          i,
          url => {
            if (url && model.get("image") === mine) set(image, { src: url, alt: images[mine] });
          }
        ]
      ]);
    }
    f.announce(`${who.textContent}. ${which.textContent}`);
  }
  function go(l, i) {
    sync("learner", clamp(l, 0, n.learners - 1));
    sync("image", clamp(i, 0, n.images - 1));
    draw();
  }
  const place = e => {
    const b = board.getBoundingClientRect();
    go(
      Math.floor(((e.clientY - b.top) / b.height) * n.learners),
      Math.floor((((e.clientX - b.left) / b.width) * width - gutter) / cell)
    );
  };
  board.addEventListener("click", place);
  board.addEventListener("pointermove", e => {
    if (e.pointerType === "mouse" && e.buttons) place(e);
  });
  board.addEventListener("keydown", e => {
    const step = {
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      Home: [0, -n.images],
      End: [0, n.images]
    }[e.key];
    if (!step || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    go(model.get("learner") + step[0], model.get("image") + step[1]);
  });
  const paint = new MutationObserver(draw);
  paint.observe(root, { attributes: true, attributeFilter: ["data-theme"] });
  listen(["learner", "image"], draw);
  draw();
  f.onclose(close);
  f.onclose(() => paint.disconnect());
  if (pics) f.onclose(pics.close);
  return f.close;
}
export default { render };
