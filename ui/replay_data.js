// What ui/replay_component.py packed, unpacked; and questions about it. Nothing here draws.

const NOBODY = 0xffff;
// Okabe & Ito's colours, in the order of the groups: message, model call, tool, market, run, note.
const COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"];
const WRONG = "#D55E00";

// Tells packed runs apart, and the steps that they are to be opened at: the checksum stands at the end.
function named(data) {
  return [data.length, ...data.subarray(0, 4), ...data.subarray(-8)].join(" ");
}

async function unpack(data) {
  const [start, length] = [0, 4].map((place) => new DataView(data.buffer, data.byteOffset).getUint32(place, true));
  const error = JSON.parse(new TextDecoder().decode(data.subarray(8, 8 + length)));
  const stream = new Blob([data.subarray(8 + length)]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const size = new DataView(bytes.buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + size)));
  let at = 8 + size;
  const column = (Type) => {
    const values = new Type(bytes.buffer, at, head.count);
    at += values.byteLength;
    return values;
  };
  const trace = { ...head, start, error };
  for (const [name, Type] of [
    ["t", Float64Array], ["cost", Float64Array], ["lasted", Float32Array], ["tokens", Uint32Array],
    ["length", Uint32Array], ["from", Uint16Array], ["to", Uint16Array], ["group", Uint8Array], ["wrong", Uint8Array],
  ]) trace[name] = column(Type);
  trace.text = bytes.subarray(at);
  return prepared(trace);
}

function prepared(trace) {
  const n = trace.count;
  trace.ends = new Uint32Array(n);
  trace.tokensBy = new Float64Array(n);
  trace.costBy = new Float64Array(n);
  trace.messagesBy = new Uint32Array(n);
  trace.calls = trace.nodes.map(() => ({ steps: [], tokens: [] }));
  trace.pairs = new Map();
  let end = 0, tokens = 0, cost = 0, messages = 0;
  for (let i = 0; i < n; i++) {
    trace.ends[i] = end += trace.length[i];
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

function headline(trace, i) {
  return new TextDecoder().decode(trace.text.subarray(trace.ends[i] - trace.length[i], trace.ends[i]));
}

// The steps that pass a filter; null for an agent or a group means any. Each of the words must stand in the step's kind,
// whom it is between, or its line.
function matching(trace, agent, group, words = []) {
  const steps = [], lines = words.length ? searched(trace) : null;
  for (let i = 0; i < trace.count; i++) {
    if (group !== null && trace.group[i] !== group) continue;
    if (agent !== null && trace.from[i] !== agent && trace.to[i] !== agent) continue;
    if (lines && !words.every((word) => lines[i].includes(word))) continue;
    steps.push(i);
  }
  return Uint32Array.from(steps);
}

// What is searched of each step; made when it is first asked for.
function searched(trace) {
  const decoder = new TextDecoder(), name = (node) => (node === NOBODY ? "" : trace.nodes[node].name);
  trace.lines ??= Array.from({ length: trace.count }, (_, i) => {
    const line = decoder.decode(trace.text.subarray(trace.ends[i] - trace.length[i], trace.ends[i]));
    return `${trace.groups[trace.group[i]]} ${name(trace.from[i])} ${name(trace.to[i])} ${line}`.toLowerCase();
  });
  return trace.lines;
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
