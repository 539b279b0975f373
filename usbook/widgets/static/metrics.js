// Every metric of a table of predictions with its interval: usbook.evidence.metrics.evaluate in the browser.
// Hand-written source.
import { kish, freedom, spread, intervalFrom } from "./base.js";

const over = (a, b) => (b ? a / b : NaN),
  total = a => {
    let s = 0;
    for (let i = 0; i < a.length; i++) s += a[i];
    return s;
  };
const mean = a => a.reduce((x, y) => x + y, 0) / a.length;
export function side(a) {
  // images, patients, effective patients, degrees of freedom (`_Counts.of`)
  let s = 0,
    q = 0,
    f = 0,
    n = 0;
  for (let i = 0; i < a.length; i++) {
    const x = a[i];
    if (x > 0) n++;
    s += x;
    q += x * x;
    f += x * x * x * x;
  }
  return { images: s, patients: n, effective: q ? (s * s) / q : 0, df: (f ? (q * q) / f : 1) - 1 };
}
export function margins(pred, target, patient, k, K) {
  // of each class and patient: right ones, images, predictions
  const make = () => Array.from({ length: k }, () => new Float64Array(K)),
    tp = make(),
    truth = make(),
    said = make(),
    m = new Float64Array(K);
  for (let i = 0; i < pred.length; i++) {
    const p = patient[i];
    m[p]++;
    truth[target[i]][p]++;
    said[pred[i]][p]++;
    if (pred[i] === target[i]) tp[target[i]][p]++;
  }
  return { tp, truth, said, m };
}
const ONE = {
  // metrics of a class: right, images of it, predictions, all
  precision: (r, t, q) => over(r, q),
  recall: (r, t) => over(r, t),
  specificity: (r, t, q, n) => over(n - t - q + r, n - t),
  npv: (r, t, q, n) => over(n - t - q + r, n - q),
  f1: (r, t, q) => over(2 * r, t + q)
};
const ALL = {
  // metrics of the whole matrix, from arrays over classes
  accuracy: (r, t, q, n) => over(sum(r), n),
  balanced_accuracy: (r, t) => mean(r.map((x, j) => over(x, t[j]))),
  macro_precision: (r, t, q) => mean(r.map((x, j) => over(x, q[j]))),
  macro_specificity: (r, t, q, n) => mean(r.map((x, j) => ONE.specificity(x, t[j], q[j], n))),
  macro_f1: (r, t, q) => mean(r.map((x, j) => over(2 * x, t[j] + q[j]))),
  kappa: (r, t, q, n) =>
    1 -
    over(
      n - sum(r),
      n -
        over(
          t.reduce((s, x, j) => s + x * q[j], 0),
          n
        )
    ),
  mcc: (r, t, q, n) =>
    over(
      sum(r) * n - t.reduce((s, x, j) => s + x * q[j], 0),
      Math.sqrt((n * n - q.reduce((s, x) => s + x * x, 0)) * (n * n - t.reduce((s, x) => s + x * x, 0)))
    )
};
function sum(a) {
  return a.reduce((x, y) => x + y, 0);
}
const SIDES = {
  recall: ["on", "tp", "fn"],
  specificity: ["other", "tn", "fp"],
  precision: ["said", "tp", "fp"],
  npv: ["left", "tn", "fn"],
  f1: ["on", "tp", "wrong"]
};
const scaleOf = name => (name === "kappa" || name === "mcc" ? "signed" : name === "brier" ? "positive" : "share");

// ---- pairs of a positive and a negative (`Pairs`): the AUC, without each patient, and what each patient costs it
export function pairs(score, isPos, patient, K) {
  const n = score.length,
    order = new Uint32Array(n),
    level = new Uint32Array(n),
    P = new Float64Array(K),
    N = new Float64Array(K);
  for (let i = 0; i < n; i++) {
    order[i] = i;
    (isPos[i] ? P : N)[patient[i]]++;
  }
  order.sort((a, b) => score[a] - score[b]);
  let l = 0;
  for (let i = 0; i < n; i++) {
    if (i && score[order[i]] > score[order[i - 1]]) l++;
    level[order[i]] = l;
  }
  const p = new Float64Array(l + 1),
    q = new Float64Array(l + 1),
    below = new Float64Array(l + 1),
    above = new Float64Array(l + 1);
  for (let i = 0; i < n; i++) (isPos[i] ? p : q)[level[i]]++;
  const m = total(P),
    neg = total(N);
  for (let i = 0, a = 0, b = 0; i <= l; i++) {
    a += p[i];
    b += q[i];
    below[i] = b - q[i] / 2;
    above[i] = m - a + p[i] / 2;
  }
  const by = new Float64Array(K),
    loss = new Float64Array(K);
  let won = 0;
  for (let i = 0; i < n; i++) {
    const v = isPos[i] ? below[level[i]] : above[level[i]];
    by[patient[i]] += v;
    if (isPos[i]) won += v;
    const all = isPos[i] ? neg : m;
    if (all) loss[patient[i]] += (all - v) / all;
  }
  const within = inside(order, level, isPos, patient, K, n),
    left = new Float64Array(K);
  for (let i = 0; i < K; i++) left[i] = over(won - by[i] + within[i], (m - P[i]) * (neg - N[i]));
  return { value: over(won, m * neg), left, loss };
}
function inside(order, level, isPos, patient, K, n) {
  // pairs won within each patient
  const start = new Uint32Array(K + 1),
    own = new Uint32Array(n),
    out = new Float64Array(K);
  for (let i = 0; i < n; i++) start[patient[i] + 1]++;
  for (let i = 0; i < K; i++) start[i + 1] += start[i];
  const at = start.slice();
  for (let i = 0; i < n; i++) own[at[patient[order[i]]]++] = order[i]; // by patient, then by score
  for (let g = 0; g < K; g++) {
    let before = 0;
    for (let i = start[g]; i < start[g + 1];) {
      let p = 0,
        q = 0,
        j = i;
      for (; j < start[g + 1] && level[own[j]] === level[own[i]]; j++)
        if (isPos[own[j]]) p++;
        else q++;
      out[g] += p * (before + q / 2);
      before += q;
      i = j;
    }
  }
  return out;
}

// ---- all of it
export function evaluateTable({ prob, n, k, target, patient, patients: K, folds = 1 }) {
  const pred = new Uint8Array(n),
    own = new Float64Array(K);
  for (let i = 0; i < n; i++) {
    let b = 0,
      s = 0;
    for (let j = 0; j < k; j++) {
      const p = prob[i * k + j];
      if (p > prob[i * k + b]) b = j;
      s += (p - (j === target[i])) ** 2;
    }
    pred[i] = b;
    own[patient[i]] += s;
  }
  const { tp, truth, said, m } = margins(pred, target, patient, k, K),
    T = tp.map(total),
    Q = truth.map(total),
    R = said.map(total);
  const less = (a, b) => a.map((x, i) => x - b[i]);
  const sides = tp.map((t, j) => {
    const fn = less(truth[j], t),
      fp = less(said[j], t);
    return {
      tp: side(t),
      fn: side(fn),
      fp: side(fp),
      on: side(truth[j]),
      said: side(said[j]),
      other: side(less(m, truth[j])),
      left: side(less(m, said[j])),
      tn: side(m.map((x, i) => x - truth[j][i] - fp[i])),
      wrong: side(fn.map((x, i) => x + fp[i]))
    };
  });
  const right = new Float64Array(K);
  for (const t of tp) for (let i = 0; i < K; i++) right[i] += t[i];
  const carriers = Math.min(kish(right), kish(less(m, right))),
    unit = "patients";
  const support = (w, more) => ({ patients: w.patients, effective: w.effective, df: w.df, unit, least: 3, ...more });
  const lopsided = kish(m) < m.reduce((c, x) => c + (x > 0), 0) / 2;
  const weaker = (a, b) => (b.effective < a.effective ? b : a);
  function ofClass(name, j, loss) {
    const s = sides[j];
    if (!SIDES[name]) {
      const w = weaker(s.on, s.other);
      return support(w, { carriers: loss, images: w.images, least: 10, rarest: w.images, lopsided });
    }
    const [on, hit, miss] = SIDES[name].map(o => s[o]),
      least = name === "precision" || name === "npv" || name === "f1" ? 5 : 3;
    const w = least > 3 ? weaker(on, name === "npv" ? s.other : s.on) : on;
    return support(w, { carriers: Math.min(hit.effective, miss.effective), images: on.images, least });
  }
  function ofAll(name, loss = carriers) {
    if (!/^(macro|balanced)/.test(name))
      return {
        patients: m.reduce((c, x) => c + (x > 0), 0),
        effective: kish(m),
        df: freedom(m),
        carriers: loss,
        images: n,
        unit,
        least: 3
      };
    const both = /(auc|specificity)$/.test(name) ? ["on", "other"] : ["on"];
    const w = both.flatMap(o => sides.map(s => s[o])).reduce((a, b) => weaker(a, b));
    return support(w, { carriers: loss, images: n, least: 10, rarest: Math.min(...Q), lopsided });
  }
  // without each patient in turn
  const left = {},
    each = Array.from({ length: k }, () => ({}));
  for (const o in ALL) left[o] = new Float64Array(K);
  for (const e of each) for (const o in ONE) e[o] = new Float64Array(K);
  const r = new Array(k),
    t = new Array(k),
    q = new Array(k);
  for (let i = 0; i < K; i++) {
    for (let j = 0; j < k; j++) {
      r[j] = T[j] - tp[j][i];
      t[j] = Q[j] - truth[j][i];
      q[j] = R[j] - said[j][i];
    }
    for (const o in ALL) left[o][i] = ALL[o](r, t, q, n - m[i]);
    for (let j = 0; j < k; j++) for (const o in ONE) each[j][o][i] = ONE[o](r[j], t[j], q[j], n - m[i]);
  }
  const overall = {},
    none = NaN;
  for (const o in ALL) {
    const v = ALL[o](T, Q, R, n);
    overall[o] = intervalFrom(v, spread(v, left[o], scaleOf(o), n), ofAll(o), scaleOf(o), folds);
  }
  const cost = total(own),
    brier = cost / n;
  overall.brier = intervalFrom(
    brier,
    spread(
      brier,
      own.map((x, i) => over(cost - x, n - m[i])),
      "positive",
      n
    ),
    ofAll("brier", kish(own)),
    "positive",
    folds
  );
  const per = sides.map((s, j) => {
    const out = {};
    for (const o in ONE) {
      const v = ONE[o](T[j], Q[j], R[j], n),
        c = o === "f1" ? K : s[SIDES[o][0]].patients;
      out[o] = intervalFrom(v, spread(v, each[j][o], "share", n, c), ofClass(o, j), "share", folds);
    }
    return out;
  });
  // ranking
  const all = new Float64Array(K),
    loss = new Float64Array(K),
    score = new Float64Array(n),
    isPos = new Uint8Array(n);
  let sumAuc = 0;
  for (let j = 0; j < k; j++) {
    for (let i = 0; i < n; i++) {
      score[i] = prob[i * k + j];
      isPos[i] = target[i] === j;
    }
    const a = pairs(score, isPos, patient, K),
      s = ofClass("auc", j, kish(a.loss));
    per[j].auc = intervalFrom(a.value, spread(a.value, a.left, "share", s.images), s, "share", folds);
    sumAuc += a.value / k;
    for (let i = 0; i < K; i++) {
      all[i] += a.left[i] / k;
      loss[i] += a.loss[i];
    }
  }
  const s = ofAll("macro_auc", kish(loss));
  overall.macro_auc = intervalFrom(sumAuc, spread(sumAuc, all, "share", s.images), s, "share", folds);
  return {
    overall,
    per_class: per,
    n,
    patients: K,
    confusion: tp.map((_, a) => {
      const row = new Array(k).fill(0);
      for (let i = 0; i < n; i++) if (target[i] === a) row[pred[i]]++;
      return row;
    })
  };
}
