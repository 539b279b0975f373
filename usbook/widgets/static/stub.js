// A model without a kernel: what `render` needs of the real one. Hand-written source, put before a widget in a
// standalone page.
function unpack(v) {
  // {"$b": base64} -> bytes
  if (v === null || typeof v !== "object") return v;
  if (typeof v.$b === "string") {
    const s = atob(v.$b),
      b = new Uint8Array(s.length);
    for (let i = 0; i < s.length; i++) b[i] = s.charCodeAt(i);
    return b;
  }
  return Array.isArray(v) ? v.map(unpack) : Object.fromEntries(Object.entries(v).map(([k, x]) => [k, unpack(x)]));
}
function stub(packed) {
  const state = { ...unpack(packed), _standalone: true },
    on = {};
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
