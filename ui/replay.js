// Steps through one run in the browser. Python sends the run's skeleton once; the settled step goes back to it.
const ROW = 24, LANE = 16, LEFT = 96, SETTLE_MS = 150;
const COLOURS = { chat: "#0072B2", execute_tool: "#009E73", message: "#E69F00", market: "#CC79A7", other: "#7F7F7F",
  fault: "#D55E00" };
const MARKET = new Set(["task_posted", "task_opened", "bid", "award", "delivery", "acceptance", "task_closed"]);

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const root = parentElement.querySelector(".replay");
  if (!root || !data) return;
  if (root.replay && root.replay.id === data.id) return;
  if (root.replay) root.replay.end();
  root.replay = new Replay(root, data, (step) => setStateValue("step", step));
  return () => { if (root.replay) { root.replay.end(); root.replay = null; } };
}

class Replay {
  constructor(root, data, settled) {
    Object.assign(this, { root, data, settled, id: data.id, n: data.t.length, playing: false, over: false });
    this.step = Math.max(0, Math.min(this.n - 1, data.step));
    this.shown = Array.from({ length: this.n }, (_, i) => i);
    this.graph = root.querySelector(".graph canvas");
    this.time = root.querySelector(".time");
    this.side = root.querySelector(".side");
    this.count = root.querySelector(".count");
    this.said = root.querySelector(".said");
    this.style = getComputedStyle(root);
    this.spots = this.squeeze();
    this.sums();
    this.controls();
    this.watch = new ResizeObserver(() => { this.layout(); this.draw(); });
    this.watch.observe(root);
    this.layout();
    this.go(this.step, true);
  }

  end() { this.over = true; this.playing = false; this.watch.disconnect(); clearTimeout(this.timer); }

  // Where each step stands on the timeline, 0 to 1: in proportion to time, with long idle gaps shortened.
  squeeze() {
    const gaps = this.data.t.map((t, i) => (i ? t - this.data.t[i - 1] : 0));
    const busy = gaps.filter((g) => g > 0).sort((a, b) => a - b);
    const cap = busy.length ? 4 * busy[Math.floor(busy.length / 2)] + 1e-9 : 1;
    let sum = 0;
    const at = gaps.map((g) => (sum += Math.min(g, cap) + 0.02 * cap));
    return at.map((x) => (sum ? x / sum : 0));
  }

  sums() {
    let tokens = 0, cost = 0, known = true;
    this.tokens = []; this.cost = [];
    for (let i = 0; i < this.n; i++) {
      tokens += this.data.tokens[i];
      if (this.data.cost[i] === null) known = false; else cost += this.data.cost[i];
      this.tokens.push(tokens); this.cost.push(known ? cost : null);
    }
  }

  controls() {
    const on = (name, event, what) => this.root.querySelector(`[data-do="${name}"]`).addEventListener(event, what);
    on("first", "click", () => this.go(this.shown[0]));
    on("last", "click", () => this.go(this.shown[this.shown.length - 1]));
    on("back", "click", () => this.move(-1));
    on("next", "click", () => this.move(1));
    on("play", "click", () => this.toggle());
    this.options("actor", ["everyone", ...this.data.actors]);
    this.options("kind", ["every kind", ...new Set(this.data.kind)]);
    on("actor", "change", () => this.filter());
    on("kind", "change", () => this.filter());
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.side.addEventListener("scroll", () => this.list());
    this.side.addEventListener("click", (event) => {
      const line = event.target.closest(".line");
      if (line) this.go(Number(line.dataset.step));
    });
    const scrub = (event) => {
      if (!(event.buttons & 1)) return;
      const box = this.time.getBoundingClientRect();
      this.go(this.near((event.clientX - box.left - LEFT) / Math.max(1, box.width - LEFT - 8)));
    };
    this.time.addEventListener("pointerdown", scrub);
    this.time.addEventListener("pointermove", scrub);
  }

  options(name, texts) {
    const select = this.root.querySelector(`[data-do="${name}"]`);
    select.replaceChildren(...texts.map((text, i) => {
      const option = document.createElement("option");
      option.value = i ? text : "";
      option.textContent = text;
      return option;
    }));
  }

  key(event) {
    if (event.target.tagName === "SELECT") return;
    const moves = { ArrowRight: 1, j: 1, ArrowLeft: -1, k: -1 };
    if (event.key in moves) this.move(moves[event.key]);
    else if (event.key === " ") this.toggle();
    else if (event.key === "Home") this.go(this.shown[0]);
    else if (event.key === "End") this.go(this.shown[this.shown.length - 1]);
    else return;
    event.preventDefault();
  }

  filter() {
    const of = (name) => this.root.querySelector(`[data-do="${name}"]`).value;
    const actor = this.data.actors.indexOf(of("actor")), kind = of("kind");
    const fits = (i) => (actor < 0 || this.data.from[i] === actor || this.data.to[i] === actor) &&
      (!kind || this.data.kind[i] === kind);
    this.shown = [];
    for (let i = 0; i < this.n; i++) if (fits(i)) this.shown.push(i);
    this.side.scrollTop = 0;
    if (this.shown.length && !this.shown.includes(this.step)) this.go(this.shown[0]);
    this.list(); this.draw();
  }

  move(by) {
    const at = this.shown.findIndex((i) => i >= this.step);
    const here = at < 0 ? this.shown.length : at;
    const exact = this.shown[here] === this.step;
    const next = by > 0 ? (exact ? here + 1 : here) : here - 1;
    if (next >= 0 && next < this.shown.length) this.go(this.shown[next]);
    else this.playing = false;
  }

  near(x) {
    let low = 0, high = this.n - 1;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (this.spots[mid] < x) low = mid + 1; else high = mid;
    }
    return low;
  }

  toggle() {
    this.playing = !this.playing;
    this.root.querySelector('[data-do="play"]').textContent = this.playing ? "Pause" : "Play";
    if (!this.playing) return;
    let owed = 0, last = performance.now();
    const tick = (now) => {
      if (this.over) return;
      if (!this.playing) { this.root.querySelector('[data-do="play"]').textContent = "Play"; return; }
      owed += (now - last) / 1000 * Number(this.root.querySelector('[data-do="speed"]').value);
      last = now;
      for (; owed >= 1 && this.playing; owed -= 1) this.move(1);
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  go(step, first) {
    if (step === undefined) return;
    this.step = step;
    this.draw(); this.reveal(); this.list(); this.words();
    clearTimeout(this.timer);
    if (first) return;
    this.timer = setTimeout(() => {
      const url = new URL(window.location);
      url.searchParams.set("step", this.step);
      window.history.replaceState(window.history.state, "", url);
      this.settled(this.step);
    }, SETTLE_MS);
  }

  words() {
    const i = this.step, cost = this.cost[i];
    const spent = cost === null ? "cost unknown" : `$${(cost / 1e9).toPrecision(4)}`;
    this.count.textContent = `step ${i} of ${this.n - 1} · ${this.data.t[i].toFixed(2)} s · ` +
      `${this.tokens[i].toLocaleString()} tokens · ${spent}`;
    this.said.textContent = this.data.text[i];
    this.root.dataset.step = i;
  }

  reveal() {
    const at = this.shown.indexOf(this.step), box = this.side;
    if (at < 0) return;
    if (at * ROW < box.scrollTop || (at + 1) * ROW > box.scrollTop + box.clientHeight)
      box.scrollTop = Math.max(0, at * ROW - box.clientHeight / 2);
  }

  // Only the lines in sight exist.
  list() {
    const from = Math.max(0, Math.floor(this.side.scrollTop / ROW) - 3);
    const to = Math.min(this.shown.length, from + Math.ceil(this.side.clientHeight / ROW) + 6);
    const end = document.createElement("div");
    end.style.height = `${this.shown.length * ROW}px`;
    const lines = [];
    for (let at = from; at < to; at++) {
      const i = this.shown[at], line = document.createElement("div");
      line.className = i === this.step ? "line now" : "line";
      line.dataset.step = i;
      line.style.top = `${at * ROW}px`;
      line.textContent = `${i}  ${this.data.text[i]}`;
      lines.push(line);
    }
    this.side.replaceChildren(end, ...lines);
  }

  layout() {
    const scale = window.devicePixelRatio || 1;
    const fit = (canvas, height) => {
      const width = canvas.clientWidth || 300;
      canvas.width = width * scale; canvas.height = height * scale;
      if (canvas === this.time) canvas.style.height = `${height}px`;
      canvas.getContext("2d").setTransform(scale, 0, 0, scale, 0, 0);
    };
    fit(this.graph, this.graph.parentElement.clientHeight || 340);
    fit(this.time, this.data.actors.length * LANE + 22);
    this.places();
    this.bitmap = this.timeline();
  }

  places() {
    const width = this.graph.clientWidth, height = this.graph.clientHeight, n = this.data.actors.length;
    const across = Math.max(40, width / 2 - 70), up = Math.max(40, height / 2 - 34);
    this.at = this.data.actors.map((_, i) => {
      const angle = -Math.PI / 2 + (2 * Math.PI * i) / n;
      return n === 1 ? [width / 2, height / 2]
        : [width / 2 + across * Math.cos(angle), height / 2 + up * Math.sin(angle)];
    });
  }

  colour(i) {
    const kind = this.data.kind[i];
    if (this.data.fault[i]) return COLOURS.fault;
    return COLOURS[MARKET.has(kind) ? "market" : kind] || COLOURS.other;
  }

  timeline() {
    const canvas = document.createElement("canvas");
    canvas.width = this.time.width; canvas.height = this.time.height;
    const pen = canvas.getContext("2d"), scale = window.devicePixelRatio || 1;
    pen.scale(scale, scale);
    pen.font = "12px sans-serif";
    const ink = this.style.color, width = this.time.clientWidth - LEFT - 8;
    this.data.actors.forEach((name, lane) => {
      pen.fillStyle = ink; pen.globalAlpha = 0.8;
      pen.fillText(name, 0, lane * LANE + 12, LEFT - 8);
      pen.globalAlpha = 0.12;
      pen.fillRect(LEFT, lane * LANE + 8, width, 1);
    });
    pen.globalAlpha = 0.9;
    const seen = new Set();
    for (let i = 0; i < this.n; i++) {
      const x = LEFT + this.spots[i] * width, key = `${x | 0}/${this.data.from[i]}/${this.colour(i)}`;
      if (seen.has(key)) continue;
      seen.add(key);
      pen.fillStyle = this.colour(i);
      pen.fillRect(x - 1.5, this.data.from[i] * LANE + 2, 3, LANE - 4);
    }
    return canvas;
  }

  draw() {
    this.drawTime(); this.drawGraph();
  }

  drawTime() {
    const pen = this.time.getContext("2d"), width = this.time.clientWidth, height = this.time.clientHeight;
    pen.clearRect(0, 0, width, height);
    if (this.bitmap.width && this.bitmap.height) pen.drawImage(this.bitmap, 0, 0, width, height);
    const x = LEFT + this.spots[this.step] * (width - LEFT - 8);
    pen.fillStyle = this.style.color;
    pen.fillRect(x - 1, 0, 2, this.data.actors.length * LANE + 2);
    pen.font = "12px sans-serif"; pen.textAlign = x > width - 70 ? "right" : "left";
    pen.fillText(`${this.data.t[this.step].toFixed(2)} s`, x, height - 5);
    pen.textAlign = "left";
  }

  // Who has spoken to whom so far, and what happens now. Only recorded pairs are drawn.
  drawGraph() {
    const pen = this.graph.getContext("2d"), width = this.graph.clientWidth, height = this.graph.clientHeight;
    pen.clearRect(0, 0, width, height);
    const counts = new Map();
    for (let i = 0; i <= this.step; i++) {
      if (this.data.to[i] < 0 || this.data.to[i] === this.data.from[i]) continue;
      const key = this.data.from[i] * 1000 + this.data.to[i];
      counts.set(key, (counts.get(key) || 0) + 1);
    }
    pen.strokeStyle = this.style.color;
    for (const [key, count] of counts) {
      pen.globalAlpha = 0.25; pen.lineWidth = Math.min(6, 1 + Math.log2(count));
      this.arrow(pen, Math.floor(key / 1000), key % 1000, false);
    }
    const from = this.data.from[this.step], to = this.data.to[this.step];
    pen.globalAlpha = 1;
    if (to >= 0 && to !== from) {
      pen.strokeStyle = pen.fillStyle = this.colour(this.step); pen.lineWidth = 3;
      this.arrow(pen, from, to, true);
    }
    this.data.actors.forEach((name, i) => this.node(pen, name, i, i === from, i === to));
  }

  arrow(pen, from, to, head) {
    const [x1, y1] = this.at[from], [x2, y2] = this.at[to];
    const mx = (x1 + x2) / 2 + (y2 - y1) * 0.12, my = (y1 + y2) / 2 - (x2 - x1) * 0.12;
    pen.beginPath(); pen.moveTo(x1, y1); pen.quadraticCurveTo(mx, my, x2, y2); pen.stroke();
    if (!head) return;
    const angle = Math.atan2(y2 - my, x2 - mx), tx = x2 - 20 * Math.cos(angle), ty = y2 - 20 * Math.sin(angle);
    pen.beginPath(); pen.moveTo(tx, ty);
    for (const turn of [2.7, -2.7]) pen.lineTo(tx + 14 * Math.cos(angle + turn), ty + 14 * Math.sin(angle + turn));
    pen.fill();
  }

  node(pen, name, i, acts, hears) {
    const [x, y] = this.at[i];
    pen.beginPath(); pen.arc(x, y, acts ? 15 : 11, 0, 7);
    pen.fillStyle = acts ? this.colour(this.step) : hears ? "#E69F00" : "#7F7F7F"; pen.fill();
    pen.fillStyle = this.style.color; pen.font = `${acts || hears ? "bold " : ""}13px sans-serif`;
    pen.textAlign = "center"; pen.fillText(name, x, y + 30); pen.textAlign = "left";
  }
}
