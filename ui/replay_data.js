// What ui/replay_component.py packed, unpacked; and questions about it. Nothing here draws.

const NOBODY = 0xffff;
// Okabe & Ito's colours, in the order of the groups: message, model call, tool, market, run, note.
const COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"];
const WRONG = "#D55E00";

// The run of this name, as soon as it is there.
async function arrived(name) {
  for (;;) {
    const data = hub.run, trace = data ? await unpack(data) : null;
    if (trace?.name === name) return prepared(trace);
    if (hub.run === data) await new Promise((done) => hub.addEventListener("run", done, { once: true }));
  }
}

async function unpack(data) {
  const stream = new Blob([data]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const size = new DataView(bytes.buffer).getUint32(0, true);
  const trace = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + size)));
  let at = 8 + size;
  for (const [name, Type] of [
    ["t", Float64Array], ["cost", Float64Array], ["lasted", Float32Array], ["tokens", Uint32Array],
    ["from", Uint16Array], ["to", Uint16Array], ["group", Uint8Array], ["wrong", Uint8Array],
  ]) {
    trace[name] = new Type(bytes.buffer, at, trace.count);
    at += trace[name].byteLength;
  }
  return trace;
}

function prepared(trace) {
  const n = trace.count;
  trace.tokensBy = new Float64Array(n);
  trace.costBy = new Float64Array(n);
  trace.messagesBy = new Uint32Array(n);
  trace.calls = trace.nodes.map(() => ({ steps: [], tokens: [] }));
  trace.pairs = new Map();
  let tokens = 0, cost = 0, messages = 0;
  for (let i = 0; i < n; i++) {
    trace.tokensBy[i] = tokens += trace.tokens[i];
    trace.costBy[i] = cost += trace.cost[i]; // NaN, unknown, stays so
    trace.messagesBy[i] = messages += trace.group[i] === 0 ? 1 : 0;
    notePair(trace, i);
    noteCall(trace, i);
  }
  return trace;
}

function notePair(trace, i) {
  const from = trace.from[i], to = trace.to[i];
  if (from === NOBODY || to === NOBODY) return;
  const key = from * 65536 + to;
  if (!trace.pairs.has(key)) trace.pairs.set(key, { from, to, steps: [] });
  trace.pairs.get(key).steps.push(i);
}

function noteCall(trace, i) {
  if (!trace.tokens[i] || trace.from[i] === NOBODY) return;
  const calls = trace.calls[trace.from[i]];
  calls.steps.push(i);
  calls.tokens.push((calls.tokens.at(-1) || 0) + trace.tokens[i]);
}

// How many of the ascending `values` are at most `limit`.
function countUpTo(values, limit) {
  let low = 0, high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

// The steps that pass a filter; null for an agent, a group or what a search found means any. `found` has a bit for each.
function matching(trace, agent, group, found = null) {
  const steps = [];
  for (let i = 0; i < trace.count; i++) {
    if (group !== null && trace.group[i] !== group) continue;
    if (agent !== null && trace.from[i] !== agent && trace.to[i] !== agent) continue;
    if (found && !(found[i >> 3] & (1 << (i & 7)))) continue;
    steps.push(i);
  }
  return Uint32Array.from(steps);
}

const whole = new Intl.NumberFormat("en-US");

function dollars(nano) {
  if (Number.isNaN(nano)) return "unknown cost";
  return "$" + (nano === 0 ? "0" : (nano / 1e9).toPrecision(4).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, ""));
}

// Seconds, from two minutes on as 2:05 or 1:02:05.
function clockTime(seconds) {
  if (seconds < 120) return seconds.toFixed(2) + " s";
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  const hours = Math.floor(seconds / 3600), minutes = (seconds % 3600) / 60;
  return (hours ? hours + ":" + two(minutes) : Math.floor(minutes)) + ":" + two(seconds % 60);
}
