// Shared by every widget of the family. Hand-written source: usbook.widgets.base joins it with one widget's file.
// Text from files only ever enters the page through `el` (text nodes and attributes), never as HTML.

export function el(tag, attrs = {}, ...kids) {
  return fill(document.createElement(tag), attrs, kids);
}
export function svg(tag, attrs = {}, ...kids) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attrs, kids);
}
function fill(node, attrs, kids) {
  for (const [k, v] of Object.entries(attrs)) {
    if (v === undefined || v === null || v === false) continue;
    if (k.startsWith("on")) node.addEventListener(k.slice(2), v);
    else node.setAttribute(k, v === true ? "" : spoken(k, v));
  }
  for (const kid of kids.flat())
    // strings become text nodes
    if (kid !== null && kid !== undefined) node.append(typeof kid === "string" ? told(kid) : kid);
  return node;
}
export function set(node, attrs) {
  for (const k in attrs) node.setAttribute(k, spoken(k, attrs[k]));
}
export function say(node, text) {
  const t = told(text);
  if (node.textContent !== t) node.textContent = t;
}
const SPOKEN = new Set(["aria-label", "title", "placeholder", "alt", "aria-valuetext", "aria-description"]);
function spoken(k, v) {
  return SPOKEN.has(k) ? told(String(v)) : String(v);
}

// ---------------------------------------------------------------- other languages: `Sentences` of usbook.core.language
let words = null; // null in English; else exact texts, patterns, and what was found before
export function speak(table) {
  // {source: translation}
  if (!table || !Object.keys(table).length) return;
  const exact = new Map(),
    patterns = [];
  for (const [source, target] of Object.entries(table)) {
    const parts = source.split(/\{([A-Za-z_]\w*)\}/);
    if (parts.length === 1) {
      exact.set(source, target);
      if (/^\(.*\)$/.test(source) && /^[（(].*[）)]$/.test(target) && !(source.slice(1, -1) in table))
        exact.set(source.slice(1, -1), target.slice(1, -1));
      continue;
    }
    const fixed = parts.filter((_, i) => i % 2 === 0),
      names = parts.filter((_, i) => i % 2);
    const body = fixed
      .map(
        (f, i) =>
          f.replace(/[.*+?^${}()|[\]\\]/g, "\\$&") +
          (i < names.length
            ? names[i].startsWith("_")
              ? "([\\w']{0,8} ?)"
              : names.indexOf(names[i]) < i
                ? `(\\${names.indexOf(names[i]) + 1})`
                : "([^]*?)"
            : "")
      )
      .join("");
    const figures = names.map((n, i) => COUNT.test(n) || COUNTED.test(fixed[i + 1]));
    patterns.push({
      names,
      target,
      figures,
      open: !fixed.at(-1),
      spaced: source.includes("  "),
      key: fixed.reduce((a, b) => (b.length > a.length ? b : a)),
      weight: fixed.join("").replace(/[^\p{L}]/gu, "").length,
      re: new RegExp(`^${body}$`)
    });
  }
  patterns.sort((a, b) => b.weight - a.weight || a.names.length - b.names.length);
  words = { exact, patterns, known: new Map() };
}
export function told(text) {
  if (!words || typeof text !== "string" || !(/[A-Za-z]{2}/.test(text) || words.exact.has(text.trim()))) return text;
  const bare = text.trim(),
    at = text.indexOf(bare),
    found = toldOf(bare);
  return found === null ? text : text.slice(0, at) + found + text.slice(at + bare.length);
}
function toldOf(text) {
  if (!words.known.has(text)) words.known.set(text, toldAnew(text));
  return words.known.get(text);
}
function toldAnew(text) {
  const whole = toldWhole(text);
  if (whole !== null) return whole;
  if (text.includes("  ")) return null;
  for (const [sign, joiner] of [
    [/(?<=[.!?]) (?=[^a-z])/, ""],
    [/; /, "；"],
    [/: ([^]*)/, "："],
    [/, (?![^()]*\))/, "，"]
  ]) {
    const pieces = text.split(sign, joiner === "：" ? 2 : undefined);
    if (pieces.length < 2) continue;
    const all = pieces.map(toldOf);
    if (all.every(t => t === null) || pieces.some((p, i) => all[i] === null && inEnglish(p))) continue;
    const out = all
      .map((t, i) => (t === null ? pieces[i] : t))
      .join(joiner === "" && all.slice(0, -1).some(t => !t || t.charCodeAt(t.length - 1) < 128) ? " " : joiner);
    return out.replace(/(?<=[^.])\.$/, "。");
  }
  const number = text.match(/^(.+) ([-−+]?\d*\.\d+)(\.?)$/),
    name = number && toldOf(number[1]); // a name and its number
  if (name) return `${name} ${number[2]}${number[3] ? "。" : ""}`;
  const parts = beforeAndInside(text),
    both = parts && parts.map(toldOf);
  if (!parts || both.every(t => t === null) || parts.some((p, i) => both[i] === null && inEnglish(p))) return null;
  const [before, inside] = parts.map((p, i) => (both[i] === null ? p : both[i]));
  return `${before}（${inside}）${text.endsWith(".") ? "。" : ""}`;
}
// words that mean something, left within a translation: two in a row or behind a number, outside of code, quotes
// and paths
function inEnglish(text) {
  return /(?<![\w.-])(?!(?:CC|MIT|BSD|Apache)\b)[A-Za-z][a-z']+ [a-z]{2,}|\d [a-z]{3,}/.test(
    text.replace(/`[^`]*`|"[^"]*"|(?<!\w)'[^']*'(?!\w)|\S*[/\\_=@]\S*|usbook [a-z]+/g, " ")
  );
}
function beforeAndInside(text) {
  const bare = text.replace(/\.$/, "");
  if (!bare.endsWith(")")) return null;
  for (const m of bare.matchAll(/ \(/g)) {
    const parts = [bare.slice(0, m.index), bare.slice(m.index + 2, -1)];
    if (parts.every(balanced)) return parts;
  }
  return null;
}
function balanced(text) {
  let depth = 0;
  for (const c of text) if ((depth += (c === "(") - (c === ")")) < 0) return false;
  return depth === 0;
}
function toldWhole(text) {
  if (!text) return null;
  for (const t of [text, text[0].toLowerCase() + text.slice(1)]) {
    let one = toldOne(t);
    if (one !== null) return one;
    if (t.endsWith(".") && (one = toldOne(t.slice(0, -1))) !== null) return one + "。";
  }
  return null;
}
const FIGURES = /^([-+−±]?\.?\d[\d.,]*(e[-+]?\d+)?( ?%)?|inf|nan|[A-Z]\d?)$/,
  LIST = /^((has|missing|known|hint)\d*|(?!\w*NAMES)[A-Z_]{3,})$/;
const COUNT = /^(n|m|low|high|n_\w+)$/,
  COUNTED = /^ (image|patient|scan|slice|frame|clip|lesion)s?$/;
function modest(p, values) {
  // a pattern of few letters takes only short fillings, of very few only known ones
  if (
    p.weight < 6 &&
    !p.key.includes("(") &&
    !values.every((v, i) => FIGURES.test(v) || words.exact.has(v.toLowerCase()) || LIST.test(p.names[i]))
  )
    return false;
  if (p.figures.some((f, i) => f && !FIGURES.test(values[i]))) return false;
  return !values.some(v => v.length >= 60 || /[.;:!?] /.test(v));
}
function filled(p, values) {
  // null where an English phrase would be left in a gap
  const given = {};
  for (const [i, value] of values.entries()) {
    const items = value.split(/, | (?:and|or) /);
    const own = LIST.test(p.names[i]) && !items.some(v => v.split(/\s+/).length > 3 || /^(no |\d)/.test(v)),
      bare = value.trim();
    const known = own || !(/[A-Za-z]{2}/.test(bare) || words.exact.has(bare)) ? null : toldOf(bare);
    if (known === null && !own && (inEnglish(value) || (p.open && i === values.length - 1 && value.endsWith("."))))
      return null;
    given[p.names[i]] =
      known !== null
        ? told(value)
        : own
          ? value.replace(/ (and|or) /g, (_, w) => ` ${words.exact.get(w) ?? w} `)
          : value;
  }
  const out = p.target.replace(/\{([A-Za-z_]\w*)\}/g, (_, n) => `\0${given[n] ?? ""}\0`);
  return out.replace(SPACED, "").replaceAll("\0", "");
}
const WIDE = "[\\u3000-\\u9fff\\uff00-\\uffef]"; // around what fills a gap
const SPACED = new RegExp(`(?<=${WIDE}) (?=\0${WIDE})|(?<=${WIDE}\0) (?=\0?${WIDE})`, "g");
function toldOne(text) {
  if (words.exact.has(text)) return words.exact.get(text);
  for (const p of words.patterns) {
    const m = text.includes(p.key) ? text.match(p.re) : null,
      values = m ? m.slice(1) : [];
    if (
      !m ||
      (text.includes("  ") && !p.spaced) ||
      values.some(v => /[.!?] (?=[A-Z][a-z]+ )/.test(v)) ||
      (p.weight < 12 && !modest(p, values))
    )
      continue;
    const found = filled(p, values);
    if (found !== null) return found;
  }
  return null;
}
let serial = 0;
export function uid(stem) {
  return `usb-${stem}-${++serial}-${Math.random().toString(36).slice(2, 7)}`;
}

// ---------------------------------------------------------------- bytes from Python
function view(x) {
  if (!x) return new Uint8Array(0);
  if (x instanceof ArrayBuffer) return new Uint8Array(x);
  return new Uint8Array(x.buffer, x.byteOffset, x.byteLength);
}
export function bytes(x) {
  return view(x);
}
export function floats(x) {
  const v = view(x);
  return new Float64Array(v.slice().buffer);
}
export function ints(x) {
  const v = view(x);
  return new Int32Array(v.slice().buffer);
}

// ---------------------------------------------------------------- numbers
export const Z95 = 1.959963984540054;
export function wilson(k, n, z = Z95) {
  // Wilson 1927, as statsmodels' proportion_confint(method="wilson")
  if (!(n > 0)) return { value: null, low: null, high: null, note: "nothing to count" };
  const p = k / n,
    z2 = z * z,
    d = 1 + z2 / n,
    mid = (p + z2 / (2 * n)) / d;
  const half = (z * Math.sqrt((p * (1 - p)) / n + z2 / (4 * n * n))) / d;
  return {
    value: p,
    low: p <= 0 ? 0 : Math.max(0, mid - half),
    high: p >= 1 ? 1 : Math.min(1, mid + half),
    note: ""
  };
}
// ---- intervals over patients: the closed forms of usbook.evidence.resample, which the tests hold equal to 1e-9
const tail = new Map();
export function tQuantile(df) {
  // 97.5 % quantile of Student's t, df >= 1 and not only whole
  if (tail.has(df)) return tail.get(df);
  const z = Z95,
    z2 = z * z;
  let t =
    z +
    (z * (z2 + 1)) / (4 * df) +
    (z * (z2 * (5 * z2 + 16) + 3)) / (96 * df ** 2) +
    (z * (z2 * (z2 * (3 * z2 + 19) + 17) - 15)) / (384 * df ** 3) +
    (z * (z2 * (z2 * (z2 * (79 * z2 + 776) + 1482) - 1920) - 945)) / (92160 * df ** 4); // Abramowitz & Stegun 26.7.5
  if (df < 1000) {
    const c = gammaRatio(df / 2) / Math.sqrt(Math.PI);
    if (df < 3) t = 12.706 ** (1 / df) + 1;
    for (let i = 0; i < 60; i++) {
      // Newton on the logarithm of the tail, in the logarithm of t
      const x = df / (df + t * t),
        body = Math.exp((-df / 2) * Math.log1p((t * t) / df)),
        root = Math.sqrt(1 - x);
      const q = ((c * body * root) / df) * betaFraction(df / 2, x),
        f = (c / Math.sqrt(df)) * body * Math.sqrt(x),
        step = (q * Math.log(q / 0.025)) / (t * f);
      t *= Math.exp(step);
      if (Math.abs(step) < 4e-16 * 4) break;
    }
  }
  if (tail.size > 500) tail.clear();
  tail.set(df, t);
  return t;
}
function gammaRatio(a) {
  // gamma(a + 1/2) / gamma(a)
  let f = 1;
  while (a < 24) {
    f *= a / (a + 0.5);
    a += 1;
  }
  const u = 1 / a;
  return (
    f *
    Math.sqrt(a) *
    (1 - u * (1 / 8 - u * (1 / 128 + u * (5 / 1024 - u * (21 / 32768 + u * (399 / 262144 - (u * 869) / 4194304))))))
  );
}
function betaFraction(a, x, b = 0.5) {
  // the continued fraction of the incomplete beta function (DLMF 8.17.22), Lentz
  let c = 1,
    d = 1 / (1 - ((a + b) * x) / (a + 1)),
    h = d;
  for (let m = 1; m < 5000; m++) {
    const m2 = 2 * m,
      e = (m * (b - m) * x) / ((a + m2 - 1) * (a + m2)),
      g = (-(a + m) * (a + b + m) * x) / ((a + m2) * (a + m2 + 1));
    d = 1 / (1 + e * d);
    c = 1 + e / c;
    h *= d * c;
    d = 1 / (1 + g * d);
    c = 1 + g / c;
    h *= d * c;
    if (Math.abs(d * c - 1) < 1e-16) break;
  }
  return h;
}
export function kish(a) {
  let s = 0,
    q = 0;
  for (let i = 0; i < a.length; i++) {
    s += a[i];
    q += a[i] * a[i];
  }
  return q ? (s * s) / q : 0;
}
export function freedom(a) {
  return Math.max(kish(Float64Array.from(a, x => x * x)) - 1, 0);
} // degrees of freedom of a variance (Satterthwaite 1946)
function logit(p) {
  const s = 2 * (p - 0.5);
  return p < 0.3 || p > 0.65 ? Math.log(p / (1 - p)) : Math.log1p(s) - Math.log1p(-s);
}
function expit(x) {
  return 1 / (1 + Math.exp(-x));
}
function tenth(x) {
  return (x % 1 === 0.25 ? x - 0.05 : x).toFixed(1);
} // a tie goes to the even digit, as in Python
function whole(x) {
  return String(x % 1 === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));
} // the same for whole numbers
function none(value, note) {
  return { value, low: null, high: null, note };
}
function counted(n, unit) {
  return `${n} ${n === 1 ? unit.replace(/s(?= |$)/, "") : unit}`;
}
function missing(s) {
  // why there is no interval; "" if there can be one
  const enough = s.effective >= Math.max(s.least, 2);
  if (enough && s.df >= 1.5) return "";
  if (enough)
    return (
      `no interval: so few of the ${s.patients} ${s.unit} hold most of its ${s.images} images that its ` +
      `variance has ${tenth(s.df)} degrees of freedom, and an interval needs 1.5`
    );
  const need = `an interval needs ${s.least}`;
  if (s.patients < s.least) return `no interval: it rests on ${counted(s.patients, s.unit)}, and ${need}`;
  return (
    `no interval: its ${s.images} images are so unequally spread over ${s.patients} ${s.unit} that they count ` +
    `as ${tenth(s.effective)}, and ${need}`
  );
}
function warning(s) {
  // what a reader has to know
  if (s.effective < s.patients / 2)
    return `a few of the ${s.patients} ${s.unit} hold most images: they count as ${tenth(s.effective)}`;
  return s.patients < 20 ? `rests on ${counted(s.patients, s.unit)} only: the interval is a rough guess` : "";
}
const SAME = s => `no interval: it is the same without any one of the ${s.unit}, so every resample gives the same`;
function jackknife(value, n, first, second) {
  return Math.sqrt(((n - 1) / n) * Math.max(second - (first * first) / n, 0));
}
const CARRIERS = 2.5,
  ERRORS = 20,
  DIFFER = 6;
function oneEnd(value, s, two = 1) {
  // why a metric has one end at most; "" where it may have both (`_one_end`)
  const p = (value + two - 1) / two;
  if (!(p > 1e-12 && p < 1 - 1e-12)) return "every resample gives the same";
  const n = Math.min(p, 1 - p) * (s.rarest ?? s.images);
  if (!(s.effective < s.patients / 2 || s.lopsided))
    return s.carriers > CARRIERS - 1e-9
      ? ""
      : `one end only: the fewer of its errors and hits lie with ${s.unit} who count as ${tenth(s.carriers)}, and ` +
          `both ends need ${CARRIERS}`;
  if (n > ERRORS - 1e-6) return "";
  return (
    `one end only: a few ${s.unit} hold most images, and both ends need ${ERRORS} errors and as many hits; it ` +
    `has ${whole(n)} of the fewer`
  );
}
function bound(value, s, why, folds, two = 1) {
  // one end of a share, both where each patient has one image (`_bound`)
  const warn = warning(s),
    join = (...o) => o.filter(Boolean).join("; ");
  if (two === 2) return none(value, join(`no interval: ${why.replace("one end only: ", "")}`, warn));
  const votes = s.effective / (folds > 1 ? 2 : 1),
    w = wilson(value * votes, votes);
  if (s.images === s.patients && s.rarest === undefined && value > 0 && value < 1)
    return { value, low: w.low, high: w.high, note: warn };
  return { value, low: value >= 0.5 ? w.low : 0, high: value >= 0.5 ? 1 : w.high, note: join(why, warn) };
}
// Scales of metrics (`SCALES`): there, back, and the ends, kept half an image away, and clear of the value (`_inside`)
const off = (n, away) => (away > 1e-12 ? Math.min(0.5 / n, away / 2) : 0.5 / n); // how far off the ends
const SCALES = {
  share: [
    logit,
    expit,
    (n, x) => {
      const e = off(n, Math.min(x, 1 - x));
      return [e, 1 - e];
    }
  ],
  signed: [
    Math.atanh,
    Math.tanh,
    (n, x) => {
      const e = off(n, (1 - Math.abs(x)) / 2);
      return [2 * e - 1, 1 - 2 * e];
    }
  ],
  positive: [Math.log, Math.exp, () => [1e-12, Infinity]]
};
export function spread(value, left, scale, images, n = left.length) {
  // the jackknife's standard error on the scale (`Spread`)
  const [there, , range] = SCALES[scale],
    [lo, hi] = range(Math.max(images, 1), value),
    at = there(clamp(value, lo, hi));
  let first = 0,
    second = 0;
  for (let i = 0; i < left.length; i++) {
    const a = there(clamp(left[i], lo, hi)) - at;
    first += a;
    second += a * a;
  }
  return jackknife(value, n, first, second);
}
export function intervalFrom(value, se, s, scale = "share", folds = 1) {
  // `interval_from`: s as in `Support`
  if (value === null || Number.isNaN(value)) return none(null, "does not exist");
  const why = missing(s),
    two = scale === "signed" ? 2 : 1;
  if (why) return none(value, why);
  const one = scale === "positive" ? "" : oneEnd(value, s, two);
  if (one) return bound(value, s, one, folds, two);
  if (!(se > 0) || !Number.isFinite(se)) return none(value, SAME(s));
  const df =
      scale === "positive"
        ? Math.max(Math.min(s.df, s.carriers), 1)
        : s.rarest === undefined
          ? s.effective - 1
          : s.df,
    reach = tQuantile(df) * se * (folds > 1 ? Math.SQRT2 : 1);
  const [there, back, range] = SCALES[scale],
    [lo, hi] = range(Math.max(s.images, 1), value),
    at = there(clamp(value, lo, hi));
  return { value, low: back(at - reach), high: back(at + reach), note: warning(s) };
}
// A proportion from what each patient brings (`proportion_of`): hits and misses; `beside`, for a precision: images
// of the class.
export function proportion(hits, misses, { beside = null, folds = 1 } = {}) {
  let H = 0,
    M = 0,
    patients = 0;
  const K = hits.length,
    size = new Float64Array(K);
  for (let i = 0; i < K; i++) {
    size[i] = hits[i] + misses[i];
    H += hits[i];
    M += size[i];
    if (size[i] > 0) patients++;
  }
  if (!M) return none(null, "nothing to count");
  const value = H / M,
    s = {
      patients,
      effective: kish(size),
      df: freedom(size),
      carriers: Math.min(kish(hits), kish(misses)),
      images: M,
      unit: "patients",
      least: 3
    };
  if (beside) {
    s.least = 5;
    const there = kish(beside);
    if (there < s.effective) {
      s.effective = there;
      s.df = freedom(beside);
      s.patients = beside.reduce((n, x) => n + (x > 0), 0);
    }
  }
  const why = missing(s);
  if (why) return none(value, why);
  const one = oneEnd(value, s);
  if (one) return bound(value, s, one, folds);
  const e = 0.5 / M,
    at = logit(clamp(value, e, 1 - e));
  let first = 0,
    second = 0;
  for (let i = 0; i < K; i++)
    if (size[i] > 0) {
      const a = logit(clamp((H - hits[i]) / (M - size[i]), e, 1 - e)) - at;
      first += a;
      second += a * a;
    }
  const se = jackknife(value, patients, first, second);
  if (!(se > 0) || !Number.isFinite(se)) return none(value, SAME(s));
  const reach = tQuantile(s.effective - 1) * se * (folds > 1 ? Math.SQRT2 : 1);
  return { value, low: expit(at - reach), high: expit(at + reach), note: warning(s) };
}
// A paired difference from each patient's sum of differences (`difference`, and where there is one:
// `difference_interval`).
export function difference(gap, size, differ, { folds = 1 } = {}) {
  let D = 0,
    M = 0,
    patients = 0;
  for (let i = 0; i < size.length; i++) {
    D += gap[i];
    M += size[i];
    if (size[i] > 0) patients++;
  }
  if (!M) return none(null, "no image");
  const value = D / M,
    s = { patients, effective: kish(size), df: freedom(size), images: M, unit: "patients", least: 3 };
  if (s.effective < patients / 2) s.least = 10;
  if (!differ)
    return none(value, "no interval: the two give the same answers, and that says nothing about other images");
  if (differ < DIFFER)
    return none(
      value,
      `no interval: the two differ on ${differ} of the patients only, and an interval needs ${DIFFER}`
    );
  const why = missing(s);
  if (why) return none(value, why);
  let first = 0,
    second = 0;
  for (let i = 0; i < size.length; i++)
    if (size[i] > 0) {
      const a = (D - gap[i]) / (M - size[i]) - value;
      first += a;
      second += a * a;
    }
  const se = jackknife(value, patients, first, second);
  if (!(se > 0)) return none(value, SAME(s));
  const reach = tQuantile(s.effective - 1) * se * (folds > 1 ? Math.SQRT2 : 1);
  return { value, low: value - reach, high: value + reach, note: warning(s) };
}
// A likelihood ratio (`likelihood_interval`): counted of all with the finding, counted of all without. One number
// each: images are independent.
export function likelihood(h, m, f, o, { folds = 1 } = {}) {
  const alone = typeof h === "number",
    sum = a => (alone ? a : a.reduce((x, y) => x + y, 0)),
    some = a => (alone ? a : a.reduce((n, x) => n + (x > 0), 0));
  const H = sum(h),
    M = sum(m),
    F = sum(f),
    O = sum(o);
  if (!M || !O || !F) return none(null, "does not exist");
  const s = {
    patients: Math.min(some(m), some(o)),
    effective: alone ? Math.min(M, O) : Math.min(kish(m), kish(o)),
    df: alone ? Math.min(M, O) - 1 : Math.min(freedom(m), freedom(o)),
    images: Math.min(M, O),
    unit: alone ? "images" : "patients",
    least: 3
  };
  const value = H / M / (F / O),
    why = missing(s) || (H ? "" : "no interval: the ratio is 0");
  if (why) return none(value, why);
  let q = 0;
  if (alone) q = (1 - H / M) / H + (1 - F / O) / F;
  else {
    const K = h.length;
    for (let i = 0; i < K; i++) {
      const d = (h[i] - (H / M) * m[i]) / H - (f[i] - (F / O) * o[i]) / F;
      q += d * d;
    }
    q *= K / (K - 1);
  }
  const reach = (alone ? Z95 : tQuantile(s.effective - 1)) * Math.sqrt(q * (folds > 1 ? 2 : 1));
  return { value, low: value * Math.exp(-reach), high: value * Math.exp(reach), note: warning(s) };
}
export function atPrevalence(h, m, f, o, p, { folds = 1 } = {}) {
  // PPV and NPV (`at_prevalence`), from sums of each patient or plain numbers
  const alone = typeof h === "number",
    sum = a => (alone ? a : a.reduce((x, y) => x + y, 0)),
    less = (a, b) => (alone ? a - b : a.map((x, i) => x - b[i]));
  const se = sum(h) / sum(m),
    sp = 1 - sum(f) / sum(o),
    odds = p / (1 - p),
    over = (a, b) => (b ? a / b : null);
  const ppv = over(se * p, se * p + (1 - sp) * (1 - p)),
    npv = over(sp * (1 - p), sp * (1 - p) + (1 - se) * p);
  const carried = (value, r, ends) =>
    value === null
      ? none(null, "nobody is predicted so")
      : value === 0 || value === 1
        ? none(value, "no interval: it lies at the end of its scale")
        : r.low === null
          ? none(value, r.note)
          : { value, ...ends(r.low * odds, r.high * odds), note: r.note };
  return {
    ppv: carried(ppv, likelihood(h, m, f, o, { folds }), (a, b) => ({ low: a / (1 + a), high: b / (1 + b) })),
    npv: carried(npv, likelihood(less(m, h), m, less(o, f), o, { folds }), (a, b) => ({
      low: 1 / (1 + b),
      high: 1 / (1 + a)
    }))
  };
}
export function ends(node, i, text = x => fmt(x), dash = "–", undefined_ = "") {
  // both ends, or in words why there are none
  say(
    node,
    i.low !== null ? `${text(i.low)}${dash}${text(i.high)}` : i.value === null ? undefined_ : i.note || "no interval"
  );
  node.classList.toggle("why", i.low === null);
  if (i.low !== null && i.note) node.setAttribute("title", i.note);
  else node.removeAttribute("title");
  return node;
}
export function cautions(list) {
  // what a reader has to know about the intervals that are shown, once each
  const text = [...new Set(list.filter(i => i.low !== null && i.note).flatMap(i => i.note.split("; ")))].join("; ");
  return text ? text[0].toUpperCase() + text.slice(1) + "." : "";
}
export function lgamma(x) {
  // Lanczos, g = 7, n = 9; x > 0
  const c = [
    0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
    12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7
  ];
  x -= 1;
  let a = c[0];
  const t = x + 7.5;
  for (let i = 1; i < 9; i++) a += c[i] / (x + i);
  return 0.5 * Math.log(2 * Math.PI) + (x + 0.5) * Math.log(t) - t + Math.log(a);
}
export function erfc(x) {
  // x >= 0: series below 2, continued fraction above
  if (x < 2) {
    let s = x,
      t = x;
    for (let n = 1; n < 80; n++) {
      t *= (-x * x) / n;
      s += t / (2 * n + 1);
    }
    return 1 - (2 / Math.sqrt(Math.PI)) * s;
  }
  let f = 0;
  for (let n = 80; n > 0; n--) f = n / 2 / (x + f);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + f);
}
export function mcnemar(b, c) {
  // exact and mid-p (McNemar 1947; Fagerland 2013)
  const n = b + c,
    m = Math.min(b, c);
  if (!n) return { exact: 1, midp: 1 };
  let term = Math.exp(lgamma(n + 1) - lgamma(m + 1) - lgamma(n - m + 1) - n * Math.LN2),
    cdf = 0;
  const pmf = term;
  for (let i = m; i >= 0 && term > cdf * 1e-18; i--) {
    cdf += term;
    term *= i / (n - i + 1);
  }
  return b === c ? { exact: 1, midp: 1 - pmf / 2 } : { exact: Math.min(1, 2 * cdf), midp: 2 * cdf - pmf };
}
export function obuchowski(d) {
  // d: (b - c) of each patient (Obuchowski 1998)
  const k = d.length;
  let s = 0,
    q = 0;
  for (let i = 0; i < k; i++) {
    s += d[i];
    q += d[i] * d[i];
  }
  if (k < 2 || !q) return { chi2: null, p: null };
  const chi2 = (((k - 1) / k) * s * s) / q;
  return { chi2, p: erfc(Math.sqrt(chi2 / 2)) };
}
export function pvalue(p) {
  return p === null ? "–" : p < 0.001 ? "< .001" : "= " + p.toFixed(3).replace(/^0/, "");
}
export function printedShare(text) {
  // -> {scaled, decimals} or null: 97.51 % is 9751 of 10^4
  const m = /^[<>=\s]*([+-]?)(\d*)(?:\.(\d*))?\s*(%?)$/.exec(
    String(text).replaceAll(",", "").replaceAll("\u00a0", " ").trim()
  );
  if (!m || !(m[2] || m[3])) return null;
  const decimals = (m[3] || "").length + (m[4] ? 2 : 0),
    scaled = Number(m[1] + (m[2] || "0") + (m[3] || ""));
  return decimals <= 8 && scaled >= 0 && scaled <= 10 ** decimals ? { scaled, decimals } : null;
}
export function lowerBound(a, x) {
  // how many of the sorted values are < x
  let lo = 0,
    hi = a.length;
  while (lo < hi) {
    const m = (lo + hi) >> 1;
    if (a[m] < x) lo = m + 1;
    else hi = m;
  }
  return lo;
}
export function fixed(x, d) {
  // an exact tie goes to the even digit, as in Python
  if (!(Math.abs(x * 2 ** (d + 1)) % 2 === 1)) return x.toFixed(d);
  const low = Math.floor(x * 10 ** d);
  return ((low % 2 ? low + 1 : low) / 10 ** d).toFixed(d);
}
export function fmt(x, d = 3) {
  return x === null || x === undefined || Number.isNaN(x) ? "–" : fixed(x, d);
}
export function percent(x, d = 1) {
  return x === null || x === undefined || Number.isNaN(x) ? "–" : fixed(100 * x, d) + " %";
}
export function interval(i, d = 3) {
  return i.value === null
    ? "–"
    : i.low === null
      ? fmt(i.value, d)
      : `${fmt(i.value, d)} (${fmt(i.low, d)}–${fmt(i.high, d)})`;
}
export function clamp(x, lo, hi) {
  return Math.min(hi, Math.max(lo, x));
}
export function plural(n, one, many = one + "s") {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}

// ---------------------------------------------------------------- the frame of a widget
function isDark() {
  const b = document.body,
    h = document.documentElement;
  if (b.dataset.jpThemeLight) return b.dataset.jpThemeLight === "false";
  if (b.dataset.vscodeThemeKind) return /dark|high-contrast$/.test(b.dataset.vscodeThemeKind);
  for (const n of [b, h]) {
    const t = n.dataset.theme || n.getAttribute("theme");
    if (t === "dark" || t === "light") return t === "dark";
  }
  return window.matchMedia && window.matchMedia("(prefers-color-scheme: dark)").matches;
}
export function frame(host, label) {
  // -> {root, announce, onclose}: theme, keyboard, a voice for screen readers
  const root = el("section", { class: "usbook-widget", "aria-label": label, tabindex: "-1" });
  const live = el("p", { class: "hidden", role: "status", "aria-live": "polite" });
  const paint = () => root.setAttribute("data-theme", isDark() ? "dark" : "light");
  const watch = new MutationObserver(paint),
    ends = [];
  for (const n of [document.body, document.documentElement])
    watch.observe(n, {
      attributes: true,
      attributeFilter: ["data-jp-theme-light", "data-vscode-theme-kind", "data-theme", "theme", "class"]
    });
  const media = window.matchMedia && window.matchMedia("(prefers-color-scheme: dark)");
  if (media) media.addEventListener("change", paint);
  // JupyterLab's command mode would take arrows and letters; chords such as Ctrl+S stay the notebook's.
  root.addEventListener("keydown", e => {
    if (!e.ctrlKey && !e.metaKey && !e.altKey && !(e.shiftKey && e.key === "Enter")) e.stopPropagation();
  });
  paint();
  host.append(root);
  let timer = null;
  const announce = text => {
    clearTimeout(timer);
    timer = setTimeout(() => say(live, text), 500);
  };
  ends.push(() => {
    watch.disconnect();
    if (media) media.removeEventListener("change", paint);
    clearTimeout(timer);
  });
  return {
    root,
    live,
    announce,
    onclose: f => ends.push(f),
    close: () => {
      for (const f of ends) f();
    }
  };
}
export function header(title, sub) {
  return el("div", { class: "head" }, el("div", {}, el("h3", {}, title), el("p", { class: "sub" }, sub)));
}

// ---------------------------------------------------------------- controls
export function slider({
  label,
  value,
  min = 0,
  max = 1,
  step = 0.01,
  fine = step / 10,
  page = step * 10,
  text = x => fmt(x, 2),
  oninput,
  name,
  grow = true
}) {
  const id = uid("s"),
    out = el("output", { for: id }, text(value));
  const input = el("input", {
    type: "range",
    id,
    min,
    max,
    step: fine,
    value,
    "data-name": name,
    "aria-valuetext": text(value)
  });
  const show = x => {
    input.value = x;
    say(out, text(x));
    input.setAttribute("aria-valuetext", text(x));
  };
  const go = x => {
    x = clamp(Math.round(x / fine) * fine, min, max);
    x = Number(x.toFixed(10));
    show(x);
    oninput(x);
  };
  input.addEventListener("input", () => go(Number(input.value)));
  input.addEventListener("keydown", e => {
    const s = e.shiftKey ? fine : step,
      now = Number(input.value);
    const to = {
      ArrowRight: now + s,
      ArrowUp: now + s,
      ArrowLeft: now - s,
      ArrowDown: now - s,
      PageUp: now + page,
      PageDown: now - page,
      Home: min,
      End: max
    }[e.key];
    if (to === undefined || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    go(to);
  });
  return {
    node: el(
      "div",
      { class: grow ? "ctl grow" : "ctl" },
      el("label", { for: id }, label),
      el("div", { class: "row" }, input, out)
    ),
    show,
    input
  };
}
export function choose({ label, options, value, onchange, name }) {
  // options: [[value, text], ...]
  const id = uid("c"),
    input = el(
      "select",
      { id, "data-name": name },
      options.map(([v, t]) => el("option", { value: v }, t))
    );
  input.value = value;
  input.addEventListener("change", () => onchange(input.value));
  return {
    node: el("div", { class: "ctl" }, el("label", { for: id }, label), input),
    show: v => {
      input.value = v;
    },
    input
  };
}
export function number({ label, value, min = 0, step = 1, onchange, name, width }) {
  const id = uid("n"),
    input = el("input", { type: "number", id, min, step, value, "data-name": name });
  if (width) input.style.width = width;
  input.addEventListener("input", () => {
    const x = Number(input.value);
    if (input.value !== "" && Number.isFinite(x) && x >= min) onchange(x);
  });
  return {
    node: el("div", { class: "ctl" }, el("label", { for: id }, label), input),
    show: x => {
      if (Number(input.value) !== x || input.value === "") input.value = x;
    },
    input
  };
}
export function segments({ label, options, value, onchange, name }) {
  // a row of buttons of which one is pressed
  const buttons = options.map(([v, t]) =>
    el(
      "button",
      {
        type: "button",
        "data-value": v,
        onclick: () => {
          show(v);
          onchange(v);
        }
      },
      t
    )
  );
  const show = v => buttons.forEach(b => b.setAttribute("aria-pressed", String(b.dataset.value === v)));
  show(value);
  return {
    node: el(
      "div",
      { class: "ctl", role: "group", "aria-label": label, "data-name": name },
      el("span", { class: "lab" }, label),
      el("div", { class: "seg" }, buttons)
    ),
    show
  };
}
export function button(text, onclick, attrs = {}) {
  return el("button", { type: "button", onclick, ...attrs }, text);
}
export function key(text, cls, filled) {
  return el(
    "span",
    { class: "key" },
    el("span", { class: `dot ${cls} ${filled ? "fill" : ""}`, "aria-hidden": "true" }),
    text
  );
}

// ---------------------------------------------------------------- a small chart
export function axes({
  w = 300,
  h = 220,
  left = 34,
  bottom = 30,
  top = 8,
  right = 10,
  x = [0, 1],
  y = [0, 1],
  xlabel,
  ylabel,
  xticks = [0, 0.5, 1],
  yticks = [0, 0.5, 1],
  label
}) {
  const X = v => left + ((v - x[0]) / (x[1] - x[0])) * (w - left - right),
    Y = v => h - bottom - ((v - y[0]) / (y[1] - y[0])) * (h - bottom - top);
  const node = svg("svg", { viewBox: `0 0 ${w} ${h}`, class: "chart", role: "img", "aria-label": label });
  node.append(svg("path", { class: "axis", d: `M${left} ${top}V${h - bottom}H${w - right}` }));
  for (const t of xticks)
    node.append(svg("text", { x: X(t), y: h - bottom + 14, "text-anchor": "middle" }, String(t)));
  for (const t of yticks) node.append(svg("text", { x: left - 5, y: Y(t) + 4, "text-anchor": "end" }, String(t)));
  if (xlabel) node.append(svg("text", { x: (left + w - right) / 2, y: h - 2, "text-anchor": "middle" }, xlabel));
  if (ylabel)
    node.append(
      svg(
        "text",
        {
          x: 9,
          y: (top + h - bottom) / 2,
          "text-anchor": "middle",
          transform: `rotate(-90 9 ${(top + h - bottom) / 2})`
        },
        ylabel
      )
    );
  return { node, X, Y, invert: px => x[0] + ((px - left) / (w - left - right)) * (x[1] - x[0]), w, h };
}
export function svgX(node, e) {
  return new DOMPoint(e.clientX, e.clientY).matrixTransform(node.getScreenCTM().inverse()).x;
}
export function drag(node, move) {
  // pointer held down and moved
  let on = false;
  node.style.touchAction = "pan-y";
  node.addEventListener("pointerdown", e => {
    on = true;
    node.setPointerCapture(e.pointerId);
    move(e);
  });
  node.addEventListener("pointermove", e => {
    if (on) move(e);
  });
  node.addEventListener("pointerup", () => {
    on = false;
  });
  node.addEventListener("pointercancel", () => {
    on = false;
  });
}

// ---------------------------------------------------------------- state kept with the model, kernel or not
export function bind(model) {
  // one view: what it sets itself doesn't come back to it as news
  let own = 0;
  const undo = [];
  return {
    // Saved at once, never later: a value set but not yet sent would be overwritten by the kernel's echo of
    // the one before.
    // The widget manager keeps one message under way and joins what comes meanwhile.
    sync(name, value) {
      if (model.get(name) === value) return;
      own++;
      try {
        model.set(name, value);
      } finally {
        own--;
      }
      model.save_changes();
    },
    listen(names, f) {
      for (const n of names) {
        const g = () => {
          if (!own) f();
        };
        model.on(`change:${n}`, g);
        undo.push(() => model.off(`change:${n}`, g));
      }
    },
    close() {
      for (const u of undo) u();
    }
  };
}

// ---------------------------------------------------------------- pictures: from the state, or asked of the kernel
export function gallery(model) {
  const got = new Map(),
    wanted = new Map(); // index -> url | callbacks
  const put = (i, data, mime = "image/jpeg") => {
    const url = URL.createObjectURL(new Blob([data], { type: mime }));
    got.set(i, url);
    for (const f of wanted.get(i) || []) f(url);
    wanted.delete(i);
  };
  const kept = model.get("_pictures") || {};
  for (const [i, data] of Object.entries(kept)) put(Number(i), bytes(data));
  const hear = (msg, buffers) => {
    if (msg && msg.kind === "pictures")
      msg.index.forEach((i, j) => {
        if (buffers[j] && buffers[j].byteLength) put(i, bytes(buffers[j]));
        else {
          for (const f of wanted.get(i) || []) f(null);
          wanted.delete(i);
        }
      });
  };
  model.on("msg:custom", hear);
  return {
    want(list) {
      // [[index, callback(url or null)], ...]: one message for all that is missing
      const ask = [];
      for (const [i, f] of list) {
        if (got.has(i)) {
          f(got.get(i));
          continue;
        }
        if (model.get("_standalone")) {
          f(null);
          continue;
        }
        if (!wanted.has(i)) {
          wanted.set(i, []);
          ask.push(i);
        }
        wanted.get(i).push(f);
      }
      if (ask.length) model.send({ kind: "pictures", index: ask });
    },
    close() {
      model.off("msg:custom", hear);
      for (const u of got.values()) URL.revokeObjectURL(u);
    }
  };
}

export function album(model, { per = 16, empty = "No image here.", beside = null } = {}) {
  // images of a selection, some at a time
  const pics = model.get("_illustrated") ? gallery(model) : null;
  const head = el("h4", { "data-name": "album" }),
    list = el("ul", { class: "thumbs" }),
    more = button("Show more", () => add(), { "data-name": "more" });
  let index = [],
    caption = () => [],
    shown = 0;
  function add() {
    const ask = [],
      first = shown;
    for (const i of index.slice(shown, shown + per)) {
      const blank = pics ? el("div", { class: "blank" }, model.get("_standalone") ? "not in this page" : "…") : null;
      const { alt, lines } = caption(i);
      list.append(
        el(
          "li",
          { class: "thumb", tabindex: "-1", "data-index": i },
          blank,
          lines.map(t => el("div", {}, t))
        )
      );
      if (pics)
        ask.push([
          i,
          url => {
            if (url) blank.replaceWith(el("img", { src: url, alt, loading: "lazy" }));
            else if (!model.get("_standalone")) say(blank, "no picture");
          }
        ]);
      shown++;
    }
    if (pics) pics.want(ask);
    more.hidden = shown >= index.length;
    say(more, `Show more (${(index.length - shown).toLocaleString("en")} left)`);
    if (first && list.children[first]) list.children[first].focus();
  }
  more.hidden = true;
  return {
    node: el(
      "div",
      {},
      el("div", { class: "head", style: "margin:0" }, head, beside),
      list,
      el("div", { style: "margin-top:10px" }, more)
    ),
    show(title, chosen, how) {
      say(head, title);
      list.replaceChildren();
      index = chosen;
      caption = how;
      shown = 0;
      if (chosen.length) add();
      else {
        more.hidden = true;
        list.append(el("li", { class: "small", style: "list-style:none;grid-column:1/-1" }, empty));
      }
    },
    close() {
      if (pics) pics.close();
    }
  };
}
export function roam(table) {
  // arrow keys walk from cell to cell of a table of buttons
  table.addEventListener("keydown", e => {
    const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[e.key],
      at = e.target.closest("button[data-row]");
    if (!step || !at) return;
    const to = table.querySelector(
      `button[data-row="${Number(at.dataset.row) + step[0]}"][data-col="${Number(at.dataset.col) + step[1]}"]`
    );
    if (!to) return;
    e.preventDefault();
    to.focus();
    for (const b of table.querySelectorAll("button[data-row]")) b.tabIndex = b === to ? 0 : -1;
  });
}
export function patientPicker(model, names, { errors, onchange }) {
  // '' is everybody; those with most errors first
  const order = names.map((_, i) => i).sort((a, b) => errors[b] - errors[a] || a - b);
  const text = i => `${names[i]}${errors[i] ? ` (${errors[i]} wrong)` : ""}`;
  if (names.length <= 300)
    return choose({
      label: "Patient",
      name: "patient",
      value: model.get("patient"),
      onchange,
      options: [["", "everybody"], ...order.map(i => [names[i], text(i)])]
    });
  const id = uid("p"),
    dl = uid("d"),
    known = new Set(names),
    input = el("input", {
      type: "text",
      id,
      list: dl,
      placeholder: "everybody",
      value: model.get("patient"),
      "data-name": "patient"
    });
  input.addEventListener("change", () => {
    const v = input.value.trim();
    if (!v || known.has(v)) {
      input.setCustomValidity("");
      onchange(v);
    } else {
      input.setCustomValidity("no such patient");
      input.reportValidity();
    }
  });
  return {
    node: el(
      "div",
      { class: "ctl" },
      el("label", { for: id }, "Patient"),
      input,
      el(
        "datalist",
        { id: dl },
        order.slice(0, 200).map(i => el("option", { value: names[i] }, text(i)))
      )
    ),
    show: v => {
      input.value = v;
    },
    input
  };
}
