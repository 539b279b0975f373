// RegionDrawer: boxes and masks drawn on a picture for usbook.widgets.draw. Hand-written source.
import { el, svg, set, say, clamp, plural, frame, slider, segments, button, bind, gallery } from "./base.js";

// ---------------------------------------------------------------- arithmetic
export function runsOf(mask, w, h) {
  // lengths of runs down the columns, the first one of zeros (as COCO's)
  const out = [];
  let on = 0,
    n = 0;
  for (let x = 0; x < w; x++)
    for (let y = 0; y < h; y++) {
      const v = mask[y * w + x];
      if (v === on) n++;
      else {
        out.push(n);
        on = v;
        n = 1;
      }
    }
  out.push(n);
  return out;
}
export function maskOf(runs, w, h) {
  const mask = new Uint8Array(w * h);
  let at = 0,
    on = 0;
  for (const n of runs) {
    if (on) for (let i = at; i < at + n && i < w * h; i++) mask[(i % h) * w + Math.floor(i / h)] = 1;
    at += n;
    on = 1 - on;
  }
  return mask;
}
export function paint(mask, w, h, x0, y0, x1, y1, r, value) {
  // a round brush from one point to another
  const far = Math.hypot(x1 - x0, y1 - y0),
    steps = Math.max(1, Math.ceil(far / Math.max(1, r / 2)));
  for (let s = 0; s <= steps; s++) {
    const cx = x0 + ((x1 - x0) * s) / steps,
      cy = y0 + ((y1 - y0) * s) / steps;
    for (let y = Math.max(0, Math.ceil(cy - r)); y <= Math.min(h - 1, cy + r); y++)
      for (let x = Math.max(0, Math.ceil(cx - r)); x <= Math.min(w - 1, cx + r); x++)
        if ((x - cx) ** 2 + (y - cy) ** 2 <= r * r) mask[y * w + x] = value;
  }
}
export function boxOf(a, b, w, h) {
  // two corners -> x, y, width, height in whole pixels inside the picture
  const x = clamp(Math.round(Math.min(a[0], b[0])), 0, w),
    y = clamp(Math.round(Math.min(a[1], b[1])), 0, h);
  return [x, y, clamp(Math.round(Math.max(a[0], b[0])), 0, w) - x, clamp(Math.round(Math.max(a[1], b[1])), 0, h) - y];
}

// ---------------------------------------------------------------- the page
export function render({ model, el: host }) {
  const total = model.get("_n"),
    alone = model.get("_standalone");
  const f = frame(host, "Draw boxes and masks"),
    root = f.root,
    { listen, close } = bind(model),
    pics = gallery(model);
  const sub = el("p", { class: "sub" }),
    note = el("p", { role: "alert", class: "note", hidden: true });
  const image = el("img", {
    alt: "the image to draw on",
    style: "display:block;width:100%;height:auto;user-select:none;-webkit-user-drag:none",
    draggable: "false"
  });
  const layer = el("canvas", {
    "aria-hidden": "true",
    style: "position:absolute;inset:0;width:100%;height:100%;pointer-events:none"
  });
  const over = svg("svg", {
    "aria-hidden": "true",
    style: "position:absolute;inset:0;width:100%;height:100%;pointer-events:none"
  });
  const stage = el(
    "div",
    {
      class: "drawing",
      tabindex: "0",
      role: "application",
      "data-name": "stage",
      style: "position:relative;touch-action:none;cursor:crosshair;max-width:640px;margin:0 auto;background:#0b0e11",
      "aria-label":
        "Picture. Arrows move the cursor, with Shift by ten pixels. Space or Enter sets a corner of a box, or puts " +
        "the brush down and up. Escape gives up."
    },
    image,
    layer,
    over
  );
  const pen = layer.getContext("2d");
  let at = -1,
    w = 1,
    h = 1,
    boxes = [],
    mask = new Uint8Array(1),
    past = [],
    future = [],
    tool = "box",
    size = 12;
  let cursor = [0, 0],
    corner = null,
    down = false,
    before = null,
    ready = false,
    listed = "";

  const tools = segments({
    label: "Tool",
    name: "tool",
    value: tool,
    options: [
      ["box", "Box (b)"],
      ["brush", "Brush (m)"],
      ["erase", "Eraser (e)"]
    ],
    onchange: choose
  });
  const brush = slider({
    label: "Brush",
    name: "size",
    value: size,
    min: 1,
    max: 80,
    step: 1,
    fine: 1,
    page: 5,
    text: x => `${Math.round(2 * x)} pixels`,
    oninput: x => {
      size = x;
    }
  });
  const undo = button("Undo (u)", back, { "data-name": "undo" }),
    redo = button("Redo (y)", forth, { "data-name": "redo" }),
    clear = button(
      "Clear",
      () => {
        before = snap();
        boxes = [];
        mask.fill(0);
        commit("cleared");
      },
      { "data-name": "clear" }
    );
  const prev = button("← Previous (p)", () => go(at - 1), { "data-name": "prev" }),
    next = button("Next (n) →", () => go(at + 1), { "data-name": "next" });
  const list = el("ul", { "data-name": "boxes", style: "margin:6px 0 0;padding:0;list-style:none" }),
    about = el("p", { class: "small", "data-name": "mask" });
  root.append(
    el("div", { class: "head" }, el("div", {}, el("h3", {}, "Draw what is to be found"), sub)),
    el("div", { class: "bar" }, tools.node, brush.node),
    el(
      "div",
      { class: "grid" },
      el("div", { class: "w8 panel dark wide" }, stage),
      el(
        "div",
        { class: "panel w4 wide" },
        el("div", { class: "buttons" }, undo, redo, clear),
        el("h4", { style: "margin-top:12px" }, "On this image"),
        list,
        about,
        el("div", { class: "buttons", style: "margin-top:14px" }, prev, next),
        el(
          "p",
          { class: "small", style: "margin-top:12px" },
          "Drag with mouse or finger; or use the arrow keys and the space bar. Every stroke is saved at once."
        )
      )
    ),
    note,
    f.live
  );
  if (alone) {
    note.hidden = false;
    say(
      note,
      "What is drawn here is saved by a running notebook. Open the notebook and run the cell; this page only shows " +
        "what was drawn."
    );
  }

  const snap = () => ({ boxes: boxes.map(b => [...b]), runs: runsOf(mask, w, h) });
  function choose(t) {
    tool = t;
    tools.show(t);
    corner = null;
    down = false;
    draw();
  }
  function commit(text) {
    // `before` is what undo brings back
    past.push(before);
    future = [];
    before = null;
    tell(text);
  }
  function tell(text) {
    draw();
    f.announce(text);
    model.send({
      kind: "drawn",
      case: at,
      boxes: boxes.map(b => [...b]),
      runs: mask.some(v => v) ? runsOf(mask, w, h) : [],
      size: [w, h]
    });
  }
  function restore(from, to, text) {
    if (!from.length || alone) return;
    to.push(snap());
    const s = from.pop();
    boxes = s.boxes;
    mask = maskOf(s.runs, w, h);
    corner = null;
    down = false;
    tell(text);
  }
  function back() {
    if (corner || down) {
      giveUp();
      return;
    }
    restore(past, future, "undone");
  }
  function forth() {
    restore(future, past, "done again");
  }
  function giveUp() {
    corner = null;
    if (down && before) {
      mask = maskOf(before.runs, w, h);
    }
    down = false;
    before = null;
    draw();
  }
  function go(i) {
    if (i < 0 || i >= total || alone || i === at) return;
    giveUp();
    model.send({ kind: "go", case: i });
  }

  function draw() {
    layer.width = w;
    layer.height = h;
    const data = pen.createImageData(w, h),
      d = data.data;
    let n = 0;
    for (let i = 0; i < w * h; i++)
      if (mask[i]) {
        n++;
        d[4 * i] = 255;
        d[4 * i + 1] = 159;
        d[4 * i + 2] = 90;
        d[4 * i + 3] = 110;
      }
    pen.putImageData(data, 0, 0);
    const u = w / 320,
      shapes = boxes.map((b, i) => [b, "#6ec1ff", String(i + 1)]);
    if (corner) shapes.push([boxOf(corner, cursor, w, h), "#ffffff", ""]);
    over.replaceChildren(
      ...shapes.flatMap(([b, ink, text]) => [
        svg("rect", {
          x: b[0],
          y: b[1],
          width: b[2],
          height: b[3],
          fill: "none",
          stroke: ink,
          "stroke-width": 2,
          "vector-effect": "non-scaling-stroke",
          "stroke-dasharray": text ? "none" : "4 3"
        }),
        svg(
          "text",
          {
            x: b[0],
            y: b[1] - 3 * u,
            style:
              `fill:${ink};font-size:${12 * u}px;font-weight:650;paint-order:stroke;stroke:#0b0e11;` +
              `stroke-width:${2.5 * u}px`
          },
          text
        )
      ])
    );
    if (document.activeElement === stage)
      over.append(
        svg("path", {
          d: `M${cursor[0]} ${cursor[1] - 9 * u}v${18 * u}M${cursor[0] - 9 * u} ${cursor[1]}h${18 * u}`,
          stroke: down ? "#ff9f5a" : "#fff",
          "stroke-width": 1.5,
          "vector-effect": "non-scaling-stroke",
          fill: "none"
        })
      );
    const now = JSON.stringify(boxes); // a list that is left alone keeps the button under the pointer
    if (now !== listed)
      list.replaceChildren(
        ...boxes.map((b, i) =>
          el(
            "li",
            { class: "row", style: "display:flex;gap:8px;align-items:center;margin-bottom:4px" },
            el("span", {}, `${i + 1}: x ${b[0]}, y ${b[1]}, ${b[2]} × ${b[3]}`),
            alone
              ? null
              : button(
                  "Remove",
                  () => {
                    before = snap();
                    boxes.splice(i, 1);
                    commit(`box ${i + 1} removed`);
                  },
                  { "aria-label": `Remove box ${i + 1}` }
                )
          )
        )
      );
    listed = now;
    say(about, `${boxes.length ? "" : "No box. "}${n ? `Mask: ${plural(n, "pixel")}.` : "No mask."}`);
    undo.disabled = alone || !past.length;
    redo.disabled = alone || !future.length;
    clear.disabled = alone || (!boxes.length && !n);
    prev.disabled = alone || at <= 0;
    next.disabled = alone || at >= total - 1;
    stage.dataset.drawn = n;
  }

  const place = e => {
    const r = stage.getBoundingClientRect();
    return [clamp(((e.clientX - r.left) / r.width) * w, 0, w), clamp(((e.clientY - r.top) / r.height) * h, 0, h)];
  };
  const stroke = (a, b) =>
    paint(mask, w, h, a[0] - 0.5, a[1] - 0.5, b[0] - 0.5, b[1] - 0.5, size, tool === "brush" ? 1 : 0);
  function start(p) {
    before = snap();
    if (tool === "box") corner = p;
    else {
      down = true;
      stroke(p, p);
    }
    cursor = p;
    draw();
  }
  function move(p) {
    if (down) stroke(cursor, p);
    cursor = p;
    draw();
  }
  function end() {
    if (corner) {
      const b = boxOf(corner, cursor, w, h);
      corner = null;
      if (b[2] < 2 || b[3] < 2) {
        before = null;
        draw();
        f.announce("too small for a box");
        return;
      }
      boxes.push(b);
      commit(`box ${boxes.length}: x ${b[0]}, y ${b[1]}, width ${b[2]}, height ${b[3]}`);
    } else if (down) {
      down = false;
      commit(tool === "brush" ? "painted" : "erased");
    }
  }
  let finger = null;
  stage.addEventListener("pointerdown", e => {
    if (alone || !ready || finger !== null || e.button) return;
    e.preventDefault();
    stage.focus({ preventScroll: true });
    finger = e.pointerId;
    stage.setPointerCapture(finger);
    if (corner || down) giveUp();
    start(place(e));
  });
  stage.addEventListener("pointermove", e => {
    if (e.pointerId === finger) move(place(e));
  });
  stage.addEventListener("pointerup", e => {
    if (e.pointerId !== finger) return;
    finger = null;
    move(place(e));
    end();
  });
  stage.addEventListener("pointercancel", e => {
    if (e.pointerId === finger) {
      finger = null;
      giveUp();
    }
  });
  stage.addEventListener("focus", draw);
  stage.addEventListener("blur", draw);
  stage.addEventListener("keydown", e => {
    if (alone || !ready || e.ctrlKey || e.metaKey || e.altKey) return;
    const step = e.shiftKey ? 10 : 1,
      to = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[e.key];
    if (to) {
      e.preventDefault();
      move([clamp(Math.round(cursor[0]) + to[0], 0, w), clamp(Math.round(cursor[1]) + to[1], 0, h)]);
      return;
    }
    if (e.repeat) return;
    if (e.key === " " || e.key === "Enter") {
      e.preventDefault();
      if (corner || down) end();
      else start([...cursor]);
    }
    if (e.key === "Escape") {
      e.preventDefault();
      giveUp();
    }
  });
  root.addEventListener("keydown", e => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.repeat || alone) return;
    const does = {
      b: () => choose("box"),
      m: () => choose("brush"),
      e: () => choose("erase"),
      u: back,
      y: forth,
      n: () => go(at + 1),
      p: () => go(at - 1)
    }[e.key.toLowerCase()];
    if (does) {
      e.preventDefault();
      does();
    }
  });

  function show() {
    // what the kernel knows of the image at hand
    const c = model.get("_case") || {},
      same = c.at === at;
    at = c.at;
    say(
      sub,
      `Image ${at + 1} of ${total.toLocaleString("en")}: ${c.name} · ${plural(model.get("_done").length, "image")} ` +
        `drawn on`
    );
    if (same) return; // an answer to our own stroke: the page is ahead of it
    [w, h] = c.size;
    boxes = c.boxes.map(b => [...b]);
    mask = c.runs.length ? maskOf(c.runs, w, h) : new Uint8Array(w * h);
    past = [];
    future = [];
    corner = null;
    down = false;
    before = null;
    cursor = [Math.round(w / 2), Math.round(h / 2)];
    ready = false;
    image.style.aspectRatio = `${w} / ${h}`;
    image.style.visibility = "hidden";
    draw();
    const mine = at;
    pics.want([
      [
        at,
        url => {
          if (at !== mine) return;
          if (!url) {
            if (!alone) {
              note.hidden = false;
              say(note, "The picture of this image can't be read.");
            }
            return;
          }
          set(image, { src: url });
          const done = () => {
            if (at === mine) {
              image.style.visibility = "visible";
              ready = true;
              stage.dataset.at = at;
            }
          };
          if (image.decode) image.decode().then(done, done);
          else done();
        }
      ],
      ...(at + 1 < total ? [[at + 1, () => {}]] : [])
    ]);
  }
  function again() {
    at = -1;
    show();
  } // what was drawn was refused: back to what is saved
  listen(["_case", "_done"], show);
  listen(["_problem"], () => {
    const p = model.get("_problem");
    note.hidden = !p;
    say(note, p);
    if (p) again();
  });
  show();
  f.onclose(close);
  f.onclose(pics.close);
  return f.close;
}
export default { render };
