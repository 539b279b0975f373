// Reading a table in the browser, as usbook.predictions.reading does: one sentence for what is wrong, with row and
// column. Hand-written source.

export class Sorry extends Error {}
function fail(where, row, what) {
  throw new Sorry(`${where}${row ? `, row ${row}` : ""}: ${what}`);
}

export function readTable(text, where = "the file") {
  // -> {head, rows, at}: cells as text; at: the row of each in the file
  if (text.charCodeAt(0) === 0xfeff) text = text.slice(1);
  if (text.startsWith("PK")) fail(where, 0, "is a spreadsheet; save it as CSV UTF-8");
  if (text.includes("\0")) fail(where, 0, "is not a text file; give a table saved as CSV UTF-8");
  const line = /^sep=(.)\r?\n/i.exec(text);
  if (line) text = text.slice(line[0].length);
  const first = text.slice(0, (text.indexOf("\n") + 1 || text.length + 1) - 1);
  const sep = line
    ? line[1]
    : [",", ";", "\t"].reduce((a, b) => (first.split(b).length > first.split(a).length ? b : a));
  const head = [],
    rows = [],
    at = [];
  let n = line ? 1 : 0;
  const take = cells => {
    n++;
    if (cells.every(c => !c)) return;
    if (!head.length) {
      head.push(...cells);
      check(head);
      return;
    }
    if (cells.length > head.length && cells.slice(head.length).some(Boolean))
      fail(
        where,
        n,
        `has ${cells.length} cells where the header has ${head.length}; put cells with a separator in quotation marks`
      );
    while (cells.length < head.length) cells.push("");
    rows.push(cells);
    at.push(n);
  };
  const check = h => {
    const d = h.find((c, i) => c && h.indexOf(c) < i);
    if (d) fail(where, 1, `column ${d} is there twice; keep one`);
  };
  if (!text.includes('"')) for (const l of text.split("\n")) take(l.split(sep).map(c => c.trim()));
  else quoted(text, sep, take, () => fail(where, n + 1, "a quotation mark is not closed"));
  if (!head.length) fail(where, 0, "is empty; the first line should be image,patient,target,p_<class>,...");
  if (!rows.length) fail(where, 0, "has a header and no image; write one row per image");
  return { head, rows, at, sep, where };
}
function quoted(text, sep, take, open) {
  let cells = [],
    cell = "",
    inside = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (inside) {
      if (c === '"') {
        if (text[i + 1] === '"') {
          cell += '"';
          i++;
        } else inside = false;
      } else cell += c;
    } else if (c === '"' && !cell.trim()) {
      inside = true;
      cell = "";
    } else if (c === sep) {
      cells.push(cell.trim());
      cell = "";
    } else if (c === "\n") {
      cells.push(cell.trim());
      take(cells);
      cells = [];
      cell = "";
    } else cell += c;
  }
  if (inside) open();
  if (cell || cells.length) {
    cells.push(cell.trim());
    take(cells);
  }
}

// ---------------------------------------------------------------- which column is which
export function recognise(t, names) {
  // names: {image: [...], ..., prefixes: [...]} -> {image, patient, target, classes: {name: column}, score}
  const low = new Map(t.head.map(h => [h.toLowerCase().replace(/[^\p{L}\p{N}_.]+/gu, "_"), h]).reverse()),
    got = { image: "", patient: "", target: "", score: "", classes: {}, sure: true };
  for (const role of ["image", "patient", "target"]) {
    if (t.head.includes(role)) got[role] = role;
    else {
      const o = names[role].find(o => low.has(o) && !Object.values(got).includes(low.get(o)));
      if (o) got[role] = low.get(o);
      got.sure = false;
    }
  }
  const isNumber = h => {
    const i = t.head.indexOf(h);
    return t.rows.slice(0, 50).some(r => r[i] !== "" && Number.isFinite(toNumber(r[i], t.sep)));
  };
  for (const prefix of names.prefixes) {
    const some = t.head.filter(
      h =>
        (prefix === "p_" ? h : h.toLowerCase()).startsWith(prefix) &&
        h.length > prefix.length &&
        !Object.values(got).includes(h) &&
        (prefix === "p_" || isNumber(h))
    );
    if (some.length > 1) {
      got.classes = Object.fromEntries(some.map(h => [h.slice(prefix.length), h]));
      if (prefix !== "p_") got.sure = false;
      return got;
    }
  }
  const at = t.head.indexOf(got.target),
    values = at < 0 ? new Set() : new Set(t.rows.map(r => r[at]));
  const named = t.head.filter(h => values.has(h) && isNumber(h));
  if (named.length > 1) return { ...got, classes: Object.fromEntries(named.map(h => [h, h])), sure: false };
  const one = names.score.find(o => low.has(o) && isNumber(low.get(o)));
  return { ...got, score: one ? low.get(one) : "", sure: false };
}
function toNumber(text, sep) {
  return text === "" ? NaN : Number(sep === "," ? text : text.replace(",", "."));
}

// ---------------------------------------------------------------- the table as numbers
export function predictions(t, c) {
  // c: as `recognise` gives it, confirmed; patient "": every image a patient of its own
  const col = o => {
    const i = t.head.indexOf(o);
    if (i < 0) fail(t.where, 1, `there is no column ${o || "for this"}`);
    return i;
  };
  if (!c.target) fail(t.where, 1, `has no column target; it has ${t.head.join(", ")}`);
  const n = t.rows.length,
    it = col(c.target),
    ii = c.image ? col(c.image) : -1,
    ip = c.patient ? col(c.patient) : -1;
  let names = Object.keys(c.classes),
    cols = names.map(o => col(c.classes[o])),
    truth = t.rows.map(r => r[it]),
    one = -1;
  if (!names.length) {
    if (!c.score) fail(t.where, 1, "has no columns of probabilities: p_<class> for each class, or one score");
    one = col(c.score);
    const values = [...new Set(truth)].sort(),
      positive =
        c.positive ||
        ["1", "true", "True", "yes", "pos", "positive", "malignant"].find(o => values.includes(o)) ||
        values.at(-1),
      rest = values.filter(v => v !== positive);
    if (values.length !== 2 && !(values.length === 1 && ["0", "1"].includes(values[0])))
      fail(
        t.where,
        0,
        `has one score, and its targets are ${values.slice(0, 6).join(", ")}; one score needs two classes`
      );
    names = [rest.length ? rest[0] : "0", positive === rest[0] ? "1" : positive];
  }
  const k = names.length;
  if (k > 200) fail(t.where, 1, `has ${k} classes, and this page takes 200; use the command usbook evaluate`);
  if (!truth.some(v => names.includes(v)) && truth.every(v => /^\d+$/.test(v) && Number(v) < k))
    truth = truth.map(v => names[Number(v)]);
  const prob = new Float64Array(n * k),
    target = new Uint8Array(n),
    patient = new Int32Array(n),
    people = new Map(),
    code = new Map(names.map((o, j) => [o, j])),
    images = new Array(n),
    seen = new Map();
  for (let i = 0; i < n; i++) {
    const r = t.rows[i],
      row = t.at[i],
      y = code.get(truth[i]);
    if (y === undefined)
      fail(
        t.where,
        row,
        truth[i]
          ? `${c.target} is '${truth[i]}', which is none of the classes ${names.slice(0, 12).join(", ")}`
          : `${c.target} is empty; every image needs one of the classes ${names.slice(0, 12).join(", ")}`
      );
    target[i] = y;
    images[i] = ii < 0 ? `row ${row}` : r[ii];
    if (!images[i]) fail(t.where, row, `${c.image} is empty; it identifies the row`);
    if (seen.has(images[i]))
      fail(
        t.where,
        row,
        `${c.image} '${images[i]}' is listed a second time (first in row ${seen.get(images[i])}); keep one row per ` +
          `image`
      );
    seen.set(images[i], row);
    const who = ip < 0 ? images[i] : r[ip];
    if (!who) fail(t.where, row, `${c.patient} is empty; patients, not images, are the independent units`);
    if (!people.has(who)) people.set(who, people.size);
    patient[i] = people.get(who);
    if (one >= 0) {
      const p = value(t, r[one], row, c.score, true);
      prob[2 * i] = 1 - p;
      prob[2 * i + 1] = p;
      continue;
    }
    let total = 0;
    for (let j = 0; j < k; j++) total += prob[i * k + j] = value(t, r[cols[j]], row, t.head[cols[j]], false);
    if (Math.abs(total - 1) > 0.02 + 1e-9)
      fail(
        t.where,
        row,
        `the probabilities sum to ${Number(total.toPrecision(6))}; ${
          Math.abs(total - 100) < 2 ? "these look like per cent, divide by 100" : "they must sum to 1 within 0.02"
        }`
      );
    if (Math.abs(total - 1) > 1e-12) for (let j = 0; j < k; j++) prob[i * k + j] /= total;
  }
  return {
    prob,
    target,
    patient,
    images,
    classes: names,
    people: [...people.keys()],
    n,
    k,
    alone: ip < 0,
    name: t.where
  };
}
function value(t, text, row, column, score) {
  const x = toNumber(text, t.sep);
  if (text === "" || /^nan$/i.test(text)) fail(t.where, row, `${column} is missing; every image needs a number`);
  if (!Number.isFinite(x)) fail(t.where, row, `${column} is '${text}', which is not a number; correct it`);
  if (x < 0)
    fail(
      t.where,
      row,
      `${column} is ${text}: these are logits, not probabilities; apply ` +
        `${score ? "the sigmoid, 1/(1 + exp(-x))" : "the softmax of each row"}, and give the result`
    );
  if (score && x > 1)
    fail(
      t.where,
      row,
      `${column} is ${text}, and a probability is at most 1; divide per cents by 100, and apply the sigmoid to logits`
    );
  return x;
}
export function inOrder(a, b) {
  // b in the order of a, or why they are not about the same images
  const odd = a.classes.find(c => !b.classes.includes(c)) ?? b.classes.find(c => !a.classes.includes(c));
  if (odd !== undefined)
    throw new Sorry(
      `${a.name} and ${b.name}: class '${odd}' appears in only one of them; compare models of the same task`
    );
  const at = new Map(b.images.map((o, i) => [o, i])),
    lost = a.images.find(o => !at.has(o));
  if (lost !== undefined)
    throw new Sorry(
      `${a.name} and ${b.name} don't hold the same images: image '${lost}' of ${a.name} is not in ${b.name}`
    );
  if (a.n !== b.n) throw new Sorry(`${a.name} and ${b.name} don't hold the same images: there are ${a.n} and ${b.n}`);
  const k = a.k,
    prob = new Float64Array(a.n * k),
    col = a.classes.map(c => b.classes.indexOf(c));
  for (let i = 0; i < a.n; i++) {
    const j = at.get(a.images[i]);
    if (b.classes[b.target[j]] !== a.classes[a.target[i]])
      throw new Sorry(
        `${b.name}: target of image '${a.images[i]}' is '${b.classes[b.target[j]]}', but ` +
          `'${a.classes[a.target[i]]}' in ${a.name}; they must agree`
      );
    for (let c = 0; c < k; c++) prob[i * k + c] = b.prob[j * k + col[c]];
  }
  return { ...b, prob };
}
