// Which tables of counts a paper's printed shares allow (two classes, every share rounded once). Hand-written source.
import { printedShare } from "./base.js";

export const SHARES = ["sensitivity", "specificity", "accuracy", "ppv", "npv", "f1"];
export function fits(r, k, n) {
  return 2 * Math.abs(k * 10 ** r.decimals - r.scaled * n) <= n;
}
function counts(r, max) {
  // [n, k] with k of n as printed
  const out = [],
    unit = 10 ** r.decimals;
  for (let n = 1; n < max; n++) {
    const at = Math.floor((n * r.scaled) / unit);
    for (let k = Math.max(0, at - 1); k <= Math.min(n, at + 2); k++) if (fits(r, k, n)) out.push([n, k]);
  }
  return out;
}
export function tables(printed, max = 500, only = null) {
  // -> {count, first, problem}: printed texts by name; only: the number of images where it is printed
  const r = {};
  for (const o of SHARES)
    if ((printed[o] || "").trim()) {
      r[o] = printedShare(printed[o]);
      if (!r[o] || r[o].decimals > 6)
        return { problem: `${o}: ${JSON.stringify(printed[o])} is no proportion; write .895 or 89.5 %` };
    }
  if (!r.sensitivity || !r.specificity) return { problem: "Give sensitivity and specificity at least, as printed." };
  const pos = counts(r.sensitivity, max),
    neg = counts(r.specificity, max),
    first = [];
  let count = 0;
  for (const [n1, tp] of pos)
    for (const [n0, tn] of neg) {
      const n = n1 + n0;
      if (n > max || (only && n !== only)) continue;
      const said = tp + n0 - tn,
        not = tn + n1 - tp;
      if (r.accuracy && !fits(r.accuracy, tp + tn, n)) continue;
      if (r.ppv && !(said && fits(r.ppv, tp, said))) continue;
      if (r.npv && !(not && fits(r.npv, tn, not))) continue;
      if (r.f1 && !fits(r.f1, 2 * tp, n1 + said)) continue;
      count++;
      first.push({ tp, fn: n1 - tp, fp: n0 - tn, tn, n });
      if (first.length > 4000) {
        first.sort((a, b) => a.n - b.n || a.tp - b.tp);
        first.length = 10;
      }
    }
  first.sort((a, b) => a.n - b.n || a.tp - b.tp);
  return {
    count,
    first: first.slice(0, 5),
    between: r.accuracy ? between(r) : true,
    harmonic: r.f1 && r.ppv ? harmonic(r) : true
  };
}
function between(r) {
  // accuracy is a weighted mean of the two
  const low = o => (r[o].scaled - 0.5) / 10 ** r[o].decimals,
    high = o => (r[o].scaled + 0.5) / 10 ** r[o].decimals;
  return (
    high("accuracy") >= Math.min(low("sensitivity"), low("specificity")) &&
    low("accuracy") <= Math.max(high("sensitivity"), high("specificity"))
  );
}
function harmonic(r) {
  // F1 is the harmonic mean of sensitivity and PPV
  const end = (o, by) => Math.max(0, (r[o].scaled + by) / 10 ** r[o].decimals),
    mean = (a, b) => (a + b ? (2 * a * b) / (a + b) : 0);
  return (
    end("f1", 0.5) >= mean(end("sensitivity", -0.5), end("ppv", -0.5)) - 1e-12 &&
    end("f1", -0.5) <= mean(end("sensitivity", 0.5), end("ppv", 0.5)) + 1e-12
  );
}
