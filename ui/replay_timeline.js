// The timeline: a lane for each agent in the run's time. It is drawn once into a bitmap; a step only moves the playhead.

const IDLE_SHARE = 0.03;
const LINKS = 3000;

class Timeline {
  constructor(canvas, trace) {
    Object.assign(this, { canvas, trace, pen: canvas.getContext("2d"), bitmap: document.createElement("canvas") });
    this.axis = "time";
    this.shown = null;
    this.lanes();
    this.stretch();
  }

  // An event stands in the lane of the agent that acted, else of what it concerns; events of nobody in lane "run".
  lanes() {
    const { trace } = this, numbers = new Map(), agent = (i) => i !== NOBODY && trace.nodes[i].kind === "agent";
    trace.nodes.forEach((node, i) => node.kind === "agent" && numbers.set(i, numbers.size));
    this.names = [...numbers.keys()].map((i) => trace.nodes[i].name);
    this.lane = new Uint16Array(trace.count);
    for (let i = 0; i < trace.count; i++) {
      const from = trace.from[i], to = trace.to[i], owner = agent(from) ? from : agent(to) ? to : from;
      if (!numbers.has(owner)) {
        numbers.set(owner, numbers.size);
        this.names.push(owner === NOBODY ? "run" : trace.nodes[owner].name);
      }
      this.lane[i] = numbers.get(owner);
    }
    this.laneOf = numbers;
    this.high = Math.max(3, Math.min(20, Math.floor(420 / this.names.length)));
    this.bottom = this.high * this.names.length;
  }

  // Time as a piecewise line on which no idle gap is longer than a share of the busy time.
  stretch() {
    const { t, lasted, count } = this.trace;
    const starts = Float64Array.from({ length: count }, (_, i) => t[i] - lasted[i]);
    const order = Uint32Array.from(starts.keys()).sort((a, b) => starts[a] - starts[b]);
    const gaps = [];
    let end = count ? starts[order[0]] : 0, idle = 0;
    for (const i of order) {
      if (starts[i] > end) { gaps.push([end, starts[i]]); idle += starts[i] - end; }
      end = Math.max(end, t[i]);
    }
    this.start = count ? starts[order[0]] : 0;
    this.end = end;
    const cap = IDLE_SHARE * (end - this.start - idle) || (end - this.start) / Math.max(1, count);
    this.cuts = gaps.filter(([a, b]) => b - a > cap * 1.5).map(([a, b]) => ({ a, b, less: b - a - cap }));
    let less = 0;
    for (const cut of this.cuts) { cut.before = less; less += cut.less; }
    this.cutEnds = this.cuts.map((cut) => cut.b);
    this.total = Math.max(1e-9, end - this.start - less);
  }

  // Seconds to a place from 0 to 1.
  place(seconds) {
    const passed = countUpTo(this.cutEnds, seconds);
    let less = passed ? this.cuts[passed - 1].before + this.cuts[passed - 1].less : 0;
    const cut = this.cuts[passed];
    if (cut && seconds > cut.a) less += cut.less * ((seconds - cut.a) / (cut.b - cut.a));
    return (seconds - this.start - less) / this.total;
  }

  spot(i) {
    return this.axis === "steps" ? (i + 0.5) / this.trace.count : this.place(this.trace.t[i]);
  }

  resize(scale, theme) {
    this.width = this.canvas.clientWidth;
    this.height = this.bottom + 24;
    this.left = this.width < 600 ? 78 : 116;
    this.span = Math.max(10, this.width - this.left - 10);
    this.canvas.style.height = `${this.height}px`;
    this.scale = scale;
    for (const canvas of [this.canvas, this.bitmap]) {
      canvas.width = Math.max(1, Math.round(this.width * scale));
      canvas.height = Math.max(1, Math.round(this.height * scale));
    }
    this.paint(theme);
  }

  x(place) { return this.left + place * this.span; }

  paint(theme) {
    const pen = (this.ink = this.bitmap.getContext("2d"));
    this.theme = theme;
    pen.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    this.rails();
    this.ticks();
    this.links();
    this.marks();
    if (this.trace.error) this.decisive(this.trace.error);
  }

  rails() {
    const { ink, theme, high } = this;
    this.names.forEach((name, lane) => {
      ink.fillStyle = theme.text;
      ink.globalAlpha = lane % 2 ? 0.025 : 0.06;
      ink.fillRect(this.left, lane * high, this.span, high);
      if (high < 9) return;
      ink.globalAlpha = 0.85;
      ink.font = `${Math.min(12, high)}px ${theme.font}`;
      ink.fillText(this.fitted(name, this.left - 10), 0, lane * high + high / 2 + Math.min(4, high / 3));
    });
    ink.globalAlpha = 1;
  }

  fitted(name, room) {
    if (this.ink.measureText(name).width <= room) return name;
    let short = name;
    while (short.length > 1 && this.ink.measureText(short + "…").width > room) short = short.slice(0, -1);
    return short + "…";
  }

  ticks() {
    const { ink, theme } = this, steps = this.axis === "steps";
    const range = steps ? this.trace.count : this.total, unit = niceUnit(range / Math.max(2, this.span / 90), steps);
    ink.font = `11px ${theme.font}`;
    ink.textAlign = "center";
    ink.fillStyle = theme.text;
    let free = this.left;
    const tick = (words, x) => {
      const half = ink.measureText(words).width / 2;
      if (x - half < free || x + half > this.width) return;
      free = x + half + 10;
      ink.globalAlpha = 0.65;
      ink.fillText(words, x, this.bottom + 16);
      ink.globalAlpha = 0.12;
      ink.fillRect(x, 0, 1, this.bottom + 3);
    };
    if (steps) for (let i = 0; i < range; i += unit) tick(whole.format(i), this.x(this.spot(i)));
    else for (let s = Math.ceil(this.start / unit) * unit; s <= this.end; s = this.beyond(s + unit, unit)) tick(spoken(s, unit), this.x(this.place(s)));
    ink.globalAlpha = 1;
    ink.textAlign = "left";
    if (!steps) this.cuts.forEach((cut) => this.cut(cut));
  }

  // The first tick at or after `s` that is in no gap; gaps can be long, so they are jumped.
  beyond(s, unit) {
    const cut = this.cuts[countUpTo(this.cutEnds, s)];
    return cut && s > cut.a ? Math.ceil(cut.b / unit) * unit : s;
  }

  cut({ a, b }) {
    const { ink, theme } = this, from = this.x(this.place(a)), to = this.x(this.place(b));
    ink.fillStyle = theme.background;
    ink.fillRect(from, 0, to - from, this.bottom);
    ink.strokeStyle = theme.text;
    ink.globalAlpha = 0.4;
    ink.setLineDash([3, 3]);
    for (const x of [from, to]) { ink.beginPath(); ink.moveTo(x, 0); ink.lineTo(x, this.bottom); ink.stroke(); }
    ink.setLineDash([]);
    ink.globalAlpha = 1;
  }

  dim(i) { return this.shown !== null && !this.shown[i]; }

  links() {
    const { ink, trace, high } = this;
    const messages = trace.messagesBy[trace.count - 1] || 0;
    if (messages > LINKS) return;
    for (let i = 0; i < trace.count; i++) {
      const to = this.laneOf.get(trace.to[i]);
      if (trace.group[i] !== 0 || to === undefined || to === this.lane[i]) continue;
      ink.globalAlpha = this.dim(i) ? 0.08 : 0.55;
      ink.fillStyle = COLOURS[0];
      const y1 = (this.lane[i] + 0.5) * high, y2 = (to + 0.5) * high, x = this.x(this.spot(i));
      ink.fillRect(x - 0.5, Math.min(y1, y2), 1, Math.abs(y2 - y1));
    }
    ink.globalAlpha = 1;
  }

  // A call is a bar as long as it took, anything else a tick. Marks that would hide under the same mark are left out.
  marks() {
    const { ink, trace, high } = this, columns = Math.ceil(this.width) + 1;
    const seen = new Uint16Array(columns * this.names.length);
    for (const bars of [true, false])
      for (let i = 0; i < trace.count; i++) {
        const x = this.x(this.spot(i)), from = this.axis === "time" ? this.x(this.place(trace.t[i] - trace.lasted[i])) : x;
        const bar = x - from > 3;
        if (bar !== bars) continue;
        const bit = (1 << trace.group[i]) << (trace.wrong[i] ? 8 : 0), cell = this.lane[i] * columns + Math.round(x);
        if (!bar && !this.dim(i) && seen[cell] & bit) continue;
        if (!this.dim(i)) seen[cell] |= bit;
        ink.globalAlpha = this.dim(i) ? 0.1 : bar ? 0.8 : 1;
        ink.fillStyle = COLOURS[trace.group[i]];
        const y = this.lane[i] * high, thin = Math.min(3, high / 4);
        if (bar) ink.fillRect(from, y + thin, x - from, high - 2 * thin);
        else ink.fillRect(x - 1.25, y + thin / 2, 2.5, high - thin);
        if (trace.wrong[i] && high >= 8) this.wrong(x, y);
      }
    ink.globalAlpha = 1;
  }

  // A line at the decisive error, a cross where it was made, a ring at each who had to do with it.
  decisive({ seq, chain }) {
    const { ink, high, theme } = this, place = (i) => [this.x(this.spot(i)), (this.lane[i] + 0.5) * high];
    const [x, y] = place(seq), arm = Math.max(3, Math.min(6, high / 2.5));
    ink.strokeStyle = WRONG;
    ink.lineWidth = 2;
    ink.beginPath();
    ink.moveTo(x, 0);
    ink.lineTo(x, this.bottom);
    ink.stroke();
    ink.strokeStyle = theme.text;
    for (const way of [1, -1]) {
      ink.beginPath();
      ink.moveTo(x - arm, y - arm * way);
      ink.lineTo(x + arm, y + arm * way);
      ink.stroke();
    }
    for (const link of chain) {
      ink.beginPath();
      ink.arc(...place(link.seq), arm + 2, 0, 7);
      ink.stroke();
    }
  }

  wrong(x, y) {
    const { ink } = this;
    ink.fillStyle = WRONG;
    ink.beginPath();
    ink.moveTo(x - 5, y);
    ink.lineTo(x + 5, y);
    ink.lineTo(x, y + 7);
    ink.fill();
  }

  draw(step, theme) {
    const { pen, high } = this, x = this.x(this.spot(step)), colour = COLOURS[this.trace.group[step]];
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    pen.drawImage(this.bitmap, 0, 0);
    pen.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    pen.fillStyle = theme.background;
    pen.globalAlpha = 0.55; // what is still to come is paler
    pen.fillRect(x + 1, 0, this.left + this.span - x, this.bottom);
    pen.globalAlpha = 1;
    pen.fillStyle = theme.text;
    pen.fillRect(x - 0.75, 0, 1.5, this.bottom + 3);
    pen.beginPath();
    pen.arc(x, (this.lane[step] + 0.5) * high, Math.max(4, high * 0.32), 0, 7);
    pen.fillStyle = colour;
    pen.fill();
    pen.strokeStyle = theme.text;
    pen.lineWidth = 2;
    pen.stroke();
  }

  // The step, out of the ascending `steps`, nearest to a point; of those within 5 pixels one in the lane pointed at.
  near(px, py, steps) {
    if (!steps.length) return -1;
    const at = (position) => this.x(this.spot(steps[position]));
    let low = 0, high = steps.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at(middle) < px) low = middle + 1;
      else high = middle;
    }
    const lane = Math.floor(py / this.high), far = (position) => Math.abs(at(position) - px);
    let best = low > 0 && far(low - 1) < far(low) ? low - 1 : low;
    const cost = (position) => far(position) + (this.lane[steps[position]] === lane ? 0 : 5);
    for (const way of [-1, 1])
      for (let p = low + (way < 0 ? -1 : 0); p >= 0 && p < steps.length && far(p) <= 5; p += way) if (cost(p) < cost(best)) best = p;
    return steps[best];
  }
}

// The smallest round number that is at least `rough`: of steps, or of seconds.
function niceUnit(rough, integer) {
  if (!integer && rough > 30) {
    const round = [60, 120, 300, 600, 1800, 3600, 7200, 18000, 36000, 86400].find((unit) => unit >= rough);
    return round || Math.ceil(rough / 86400) * 86400;
  }
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1e-6)));
  const unit = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  return integer ? Math.max(1, Math.round(unit)) : unit;
}

function spoken(seconds, unit) {
  return seconds >= 120 ? clockTime(seconds) : `${+seconds.toFixed(unit < 1 ? 2 : 0)} s`;
}
