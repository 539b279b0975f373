// CinePlayer: playing, boxes and the FROC point for usbook.widgets.cine. Hand-written source.
import {
  el,
  svg,
  set,
  say,
  floats,
  ints,
  bytes,
  fmt,
  clamp,
  plural,
  frame,
  slider,
  choose,
  button,
  bind,
  axes,
  drag,
  svgX,
  speak
} from "./base.js";

// ---------------------------------------------------------------- arithmetic
export function overlap(ax, ay, aw, ah, bx, by, bw, bh) {
  // intersection over union
  const w = Math.min(ax + aw, bx + bw) - Math.max(ax, bx),
    h = Math.min(ay + ah, by + bh) - Math.max(ay, by);
  if (w <= 0 || h <= 0) return 0;
  return (w * h) / (aw * ah + bw * bh - w * h);
}
export function centreIn(ax, ay, aw, ah, bx, by, bw, bh) {
  const x = ax + aw / 2 - bx,
    y = ay + ah / 2 - by;
  return x >= 0 && x <= bw && y >= 0 && y <= bh;
}
export function at(curve, t) {
  // row of the FROC curve at a threshold; -1 above the highest score
  let lo = 0,
    hi = curve.t.length; // thresholds fall
  while (lo < hi) {
    const m = (lo + hi) >> 1;
    if (curve.t[m] >= t) lo = m + 1;
    else hi = m;
  }
  return lo - 1;
}
export function reach(curve, rate) {
  // lowest threshold that doesn't exceed a rate of false positives
  let t = null;
  for (let i = 0; i < curve.t.length; i++)
    if (curve.fp[i] <= rate + 1e-9) t = curve.t[i];
    else break;
  return t;
}
function table(b) {
  const box = floats(b.box),
    rows = new Map(),
    scan = ints(b.scan),
    fr = ints(b.frame),
    score = b.score ? floats(b.score) : null,
    best = b.best ? floats(b.best) : null;
  for (let i = 0; i < scan.length; i++) {
    const k = scan[i] * 100000 + fr[i];
    if (!rows.has(k)) rows.set(k, []);
    rows.get(k).push(i);
  }
  return { of: (s, f) => rows.get(s * 100000 + f) || [], box, score, best, scan, frame: fr };
}

// ---------------------------------------------------------------- the page
const INK = ["#ff9f5a", "#6ec1ff", "#c9a6ff"],
  LINE = ["var(--pos)", "var(--neg)", "var(--mark)"];
export function render({ model, el: host }) {
  speak(model.get("_words"));
  const scans = model.get("_scans"),
    frames = model.get("_frames"),
    arms = model.get("_arms"),
    nLesions = model.get("_n_lesions");
  const f = frame(host, "Cine player"),
    root = f.root,
    { sync, listen, close } = bind(model);
  root.setAttribute("tabindex", "0");
  const truth = table(model.get("_truth")),
    marks = model.get("_marks").map(table),
    hit = model.get("_hit"),
    minIou = model.get("_min_iou");
  const curves = model
    .get("_curves")
    .map(c => ({ t: floats(c.t), fp: floats(c.fp), se: floats(c.se), hits: ints(c.hits), fps: ints(c.fps) }));
  const good = hit === "centre" ? centreIn : (...x) => overlap(...x) >= minIou - 1e-12;
  let lo = 0,
    hi = 1; // scores are mostly probabilities, but need not be
  for (const m of marks)
    for (const v of m.score) {
      lo = Math.min(lo, Math.floor(v));
      hi = Math.max(hi, Math.ceil(v));
    }
  let s = 0,
    playing = false,
    sheet = null,
    size = [1, 1, 1],
    now = model.get("frame"),
    drawn = 0;
  const sub = el("p", { class: "sub" });
  root.append(el("div", { class: "head" }, el("div", {}, el("h3", {}, "The sweep, and what was marked in it"), sub)));

  // the picture and what lies over it
  const canvas = el("canvas", { "aria-label": "the current frame", role: "img" }),
    over = svg("svg", { "aria-hidden": "true", style: "position:absolute;inset:0;width:100%;height:100%" });
  const blank = el("p", { class: "lookup" }),
    stage = el("div", { class: "screen" }, canvas, over, blank),
    pen = canvas.getContext("2d");
  const pool = [];
  function box(i, x, y, w, h, color, width, dash, text, under) {
    if (!pool[i]) {
      const r = svg("rect", { fill: "none", "vector-effect": "non-scaling-stroke" }),
        t = svg("text", { style: "font-weight:650;paint-order:stroke;stroke:#0b0e11;stroke-width:3px" });
      pool[i] = { r, t };
      over.append(r, t);
    }
    const p = pool[i],
      u = size[0] / 256;
    set(p.r, {
      x,
      y,
      width: w,
      height: h,
      stroke: color,
      "stroke-width": width,
      "stroke-dasharray": dash ? `${dash} ${dash}` : "none"
    });
    set(p.t, {
      x,
      y: under ? y + h + 9 * u : y - 3 * u,
      style:
        `fill:${color};font-size:${8 * u}px;font-weight:650;paint-order:stroke;stroke:#0b0e11;` +
        `stroke-width:${2.5 * u}px`
    });
    say(p.t, text);
  }
  const play = button("Play", toggle, { "data-name": "play", class: "primary", style: "min-width:5.2em" });
  const scrub = slider({
    label: "Frame",
    value: now + 1,
    min: 1,
    max: 2,
    step: 1,
    fine: 1,
    page: 5,
    text: x => String(Math.round(x)),
    name: "frame",
    oninput: x => {
      stop();
      go(x - 1);
      sync("frame", now);
    }
  });
  const pick = choose({
    label: "Scan",
    name: "scan",
    value: model.get("scan"),
    options: scans.map((c, i) => [c, `${c}${truth.scan.includes(i) ? "" : " (no lesion)"}`]),
    onchange: v => {
      sync("scan", v);
      sync("frame", 0);
      load();
    }
  });
  const speed = choose({
    label: "Speed",
    name: "fps",
    value: String(model.get("fps")),
    options: [...new Set([5, 10, 20, 30, model.get("fps")])]
      .sort((a, b) => a - b)
      .map(v => [String(v), `${v} a second`]),
    onchange: v => sync("fps", Number(v))
  });

  // the whole clip at a glance
  const W = 480,
    strip = svg("svg", {
      viewBox: `0 0 ${W} 64`,
      role: "img",
      "aria-label": "Highest score in each frame",
      style: "cursor:pointer"
    });
  const band = svg("path", { style: "fill:var(--line)" }),
    lines = arms.map((_, i) =>
      svg("path", { style: `fill:none;stroke:${LINE[i]};stroke-width:1.8;stroke-linejoin:round` })
    ),
    cursor = svg("line", { y1: 0, y2: 60, style: "stroke:var(--ink);stroke-width:1.5" });
  strip.append(band, svg("path", { class: "axis", d: `M0 60H${W}` }), ...lines, cursor);
  drag(strip, e => {
    stop();
    go(Math.floor(clamp(svgX(strip, e) / W, 0, 0.9999) * frames[s]));
    sync("frame", now);
  });

  // FROC
  const top = Math.min(2, Math.max(0.6, ...curves.map(c => (c.fp.length ? c.fp[c.fp.length - 1] : 0))));
  const froc = axes({
    w: 300,
    h: 230,
    x: [0, top],
    xticks: top > 1 ? [0, 0.5, 1, 2].filter(x => x <= top) : [0, 0.1, 0.2, 0.5, 1].filter(x => x <= top),
    xlabel: "false positives per scan",
    ylabel: "sensitivity",
    label: "FROC curves"
  });
  const dots = curves.map((c, i) => {
    let d = `M${froc.X(0)} ${froc.Y(0)}`;
    for (let j = 0; j < c.t.length && c.fp[j] <= top; j++)
      d += `H${froc.X(Math.min(top, c.fp[j])).toFixed(1)}V${froc.Y(c.se[j]).toFixed(1)}`;
    froc.node.append(
      svg("path", {
        d: d + `H${froc.X(top)}`,
        style: `fill:none;stroke:${LINE[i]};stroke-width:2${i ? ";stroke-dasharray:5 3" : ""}`
      })
    );
    return svg("circle", { r: 6, style: `fill:${LINE[i]};stroke:var(--panel);stroke-width:2` });
  });
  froc.node.append(...dots);
  const knobs = [],
    cells = [],
    show = model.get("show");
  const armPanel = arms.map((a, i) => {
    const k = slider({
      label: `${a}: boxes from this score on`,
      value: model.get("thresholds")[i],
      min: lo,
      max: hi,
      step: (hi - lo) / 100,
      fine: (hi - lo) / 1000,
      text: x => fmt(x, 3),
      name: `threshold-${i}`,
      oninput: x => {
        const t = [...model.get("thresholds")];
        t[i] = x;
        sync("thresholds", t);
        marksMoved();
      }
    });
    const c = {
      se: el("span", { class: "num", "data-name": `sensitivity-${i}` }),
      fp: el("span", { class: "num", "data-name": `fp-${i}` })
    };
    knobs.push(k);
    cells.push(c);
    return el(
      "div",
      { style: `border-left:3px solid ${LINE[i]};padding-left:10px;margin-bottom:10px` },
      k.node,
      el("p", { class: "small" }, "finds ", c.se, " · false positives ", c.fp)
    );
  });
  const rates = el(
    "div",
    { class: "ctl" },
    el("span", { class: "lab" }, "False positives per scan, at most"),
    el(
      "div",
      { class: "buttons" },
      [0.1, 0.2, 0.5].map(r =>
        button(
          String(r),
          () => {
            sync(
              "thresholds",
              curves.map((c, i) => {
                const t = reach(c, r);
                return t === null ? hi : t;
              })
            );
            marksMoved();
          },
          { "data-name": `rate-${r}` }
        )
      )
    )
  );
  const toggles = ["truth", ...arms].map((a, i) => {
    const id = `usb-t-${Math.random().toString(36).slice(2)}`,
      c = el("input", { type: "checkbox", id, "data-name": `show-${i}` });
    c.checked = show[i] !== false;
    c.addEventListener("change", () => {
      const v = [...model.get("show")];
      v[i] = c.checked;
      sync("show", v);
      paint();
    });
    return el(
      "label",
      { for: id, style: `display:inline-block;margin-right:14px;color:${i ? LINE[i - 1] : "var(--ink)"}` },
      c,
      a
    );
  });
  root.append(
    el(
      "div",
      { class: "grid" },
      el(
        "div",
        { class: "panel w7 wide" },
        el("div", { class: "bar" }, pick.node, speed.node, el("div", { class: "ctl" }, toggles)),
        stage,
        el("div", { class: "bar", style: "margin:10px 0 4px" }, play, scrub.node),
        strip,
        el(
          "p",
          { class: "small" },
          "Highest score in each frame; grey where a lesion is in view. ",
          el("kbd", {}, "space"),
          " plays, ",
          el("kbd", {}, "←"),
          " ",
          el("kbd", {}, "→"),
          " step."
        )
      ),
      el(
        "div",
        { class: "panel w5 wide" },
        el("h4", {}, "All scans: what these thresholds mean"),
        froc.node,
        el("div", { style: "margin:10px 0 12px" }, rates),
        armPanel,
        el(
          "p",
          { class: "small" },
          hit === "centre"
            ? "Thick boxes have their centre in a lesion's box in this frame."
            : `Thick boxes overlap a lesion by at least ${minIou} (IoU) in this frame.`
        )
      )
    ),
    f.live
  );

  // a clip arrives as one sheet of frames
  const sheets = new Map();
  const hear = (msg, buffers) => {
    if (msg && msg.kind === "clip") keep(msg, buffers[0]);
  };
  model.on("msg:custom", hear);
  function keep(info, data) {
    if (!data || !bytes(data).byteLength) {
      sheets.set(info.scan, null);
      if (info.scan === scans[s]) {
        say(blank, info.why || "This clip can't be read.");
        blank.hidden = false;
      }
      return;
    }
    const im = new Image();
    im.onload = () => {
      sheets.set(info.scan, { im, info });
      if (sheets.size > 8) {
        const old = sheets.keys().next().value;
        if (old !== scans[s]) {
          const x = sheets.get(old);
          if (x) URL.revokeObjectURL(x.im.src);
          sheets.delete(old);
        }
      }
      if (info.scan === scans[s]) use();
    };
    im.src = URL.createObjectURL(new Blob([bytes(data)], { type: "image/jpeg" }));
  }
  for (const c of Object.values(model.get("_clips") || {})) keep(c, c.data);
  function use() {
    sheet = sheets.get(scans[s]);
    size = [sheet.info.w, sheet.info.h, sheet.info.scale];
    canvas.width = size[0];
    canvas.height = size[1];
    stage.style.aspectRatio = `${size[0]} / ${size[1]}`;
    set(over, { viewBox: `0 0 ${size[0]} ${size[1]}` });
    blank.hidden = true;
    paint();
  }
  function load() {
    stop();
    s = Math.max(0, scans.indexOf(model.get("scan")));
    now = clamp(model.get("frame"), 0, frames[s] - 1);
    scrub.input.max = frames[s];
    sheet = null;
    say(
      sub,
      `${plural(scans.length, "scan")}, ${plural(nLesions, "lesion")}; this one has ${plural(frames[s], "frame")}`
    );
    let d = "";
    for (let i = 0; i < frames[s]; i++)
      if (truth.of(s, i).length)
        d +=
          `M${((W * i) / frames[s]).toFixed(1)} ` +
          `0h${(W / frames[s] + 0.3).toFixed(1)}V60h${(-W / frames[s] - 0.3).toFixed(1)}Z`;
    set(band, { d });
    marks.forEach((m, a) => {
      let q = "";
      for (let i = 0; i < frames[s]; i++) {
        let b = lo;
        for (const r of m.of(s, i)) b = Math.max(b, m.score[r]);
        q +=
          `${q ? "L" : "M"}${((W * (i + 0.5)) / frames[s]).toFixed(1)} ` +
          `${(60 - (58 * (b - lo)) / (hi - lo)).toFixed(1)}`;
      }
      set(lines[a], { d: q });
    });
    if (sheets.has(scans[s]) && sheets.get(scans[s])) use();
    else {
      pen.clearRect(0, 0, canvas.width, canvas.height);
      for (const p of pool) {
        set(p.r, { width: 0, height: 0 });
        say(p.t, "");
      }
      blank.hidden = false;
      say(blank, model.get("_standalone") ? "This clip is not in this page; open the notebook to see it." : "…");
      if (!model.get("_standalone")) model.send({ kind: "clip", scan: scans[s] });
    }
    paint();
  }
  function go(i) {
    now = clamp(Math.round(i), 0, frames[s] - 1);
    paint();
  }
  function paint() {
    scrub.show(now + 1);
    const x = (W * (now + 0.5)) / frames[s];
    set(cursor, { x1: x, x2: x });
    if (!sheet) return;
    const c = sheet.info.columns;
    pen.drawImage(
      sheet.im,
      (now % c) * size[0],
      Math.floor(now / c) * size[1],
      size[0],
      size[1],
      0,
      0,
      size[0],
      size[1]
    );
    let i = 0;
    const k = size[2],
      on = model.get("show"),
      t = model.get("thresholds"),
      lesions = truth.of(s, now),
      b = truth.box;
    if (on[0] !== false)
      for (const r of lesions)
        box(i++, b[4 * r] * k, b[4 * r + 1] * k, b[4 * r + 2] * k, b[4 * r + 3] * k, "#ffffff", 1.2, 4, "", false);
    marks.forEach((m, a) => {
      if (on[a + 1] === false) return;
      const q = m.box;
      for (const r of m.of(s, now)) {
        if (m.best[r] < t[a]) continue;
        const ok = lesions.some(l =>
          good(q[4 * r], q[4 * r + 1], q[4 * r + 2], q[4 * r + 3], b[4 * l], b[4 * l + 1], b[4 * l + 2], b[4 * l + 3])
        );
        box(
          i++,
          q[4 * r] * k,
          q[4 * r + 1] * k,
          q[4 * r + 2] * k,
          q[4 * r + 3] * k,
          INK[a],
          ok ? 2.4 : 1.2,
          m.score[r] < t[a] ? 1.5 : 0,
          fmt(m.score[r], 2),
          a % 2 === 1
        );
      }
    });
    for (; i < pool.length; i++) {
      set(pool[i].r, { width: 0, height: 0 });
      say(pool[i].t, "");
    }
    canvas.dataset.frame = now;
    canvas.dataset.drawn = ++drawn;
  }
  function marksMoved() {
    const t = model.get("thresholds"),
      words = [];
    curves.forEach((c, i) => {
      knobs[i].show(t[i]);
      const j = at(c, t[i]),
        se = j < 0 ? 0 : c.se[j],
        fp = j < 0 ? 0 : c.fp[j],
        hits = j < 0 ? 0 : c.hits[j];
      set(dots[i], { cx: froc.X(Math.min(top, fp)), cy: froc.Y(nLesions ? se : 0) });
      say(cells[i].se, nLesions ? `${fmt(se)} (${hits} of ${nLesions})` : "–");
      say(cells[i].fp, `${fmt(fp)} a scan (${j < 0 ? 0 : c.fps[j]})`);
      words.push(`${arms[i]}: sensitivity ${fmt(se)} at ${fmt(fp)} false positives a scan`);
    });
    f.announce(words.join("; "));
    paint();
  }
  let last = 0;
  function tick(time) {
    if (!playing) return;
    const gap = 1000 / model.get("fps");
    if (time - last > 4 * gap) last = time - gap;
    if (time - last >= gap - 1) {
      last += gap;
      now = (now + 1) % frames[s];
      paint();
    }
    requestAnimationFrame(tick);
  }
  function toggle() {
    if (playing) {
      stop();
      sync("frame", now);
    } else {
      playing = true;
      say(play, "Pause");
      last = performance.now();
      requestAnimationFrame(tick);
    }
  }
  function stop() {
    if (!playing) return;
    playing = false;
    say(play, "Play");
  }
  root.addEventListener("keydown", e => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, select")) return;
    const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (step) {
      e.preventDefault();
      stop();
      go((now + step + frames[s]) % frames[s]);
      sync("frame", now);
    } else if (e.key === " " && !e.target.closest("button")) {
      e.preventDefault();
      toggle();
    } else if (e.key === "Home" || e.key === "End") {
      e.preventDefault();
      stop();
      go(e.key === "Home" ? 0 : frames[s] - 1);
      sync("frame", now);
    }
  });
  load();
  marksMoved();
  listen(["scan"], () => {
    pick.show(model.get("scan"));
    load();
  });
  listen(["frame"], () => {
    if (!playing) go(model.get("frame"));
  });
  listen(["thresholds"], marksMoved);
  listen(["show"], paint);
  listen(["fps"], () => speed.show(String(model.get("fps"))));
  f.onclose(close);
  f.onclose(() => {
    playing = false;
    model.off("msg:custom", hear);
    for (const x of sheets.values()) if (x) URL.revokeObjectURL(x.im.src);
  });
  return f.close;
}
export default { render };
