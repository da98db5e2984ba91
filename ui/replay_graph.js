// The graph: who is there, who sent what to whom so far, and what happens at this step. Only recorded pairs are drawn.

const PAIRS = 300;
const ANIMATE_MS = 550;

class Graph {
  constructor(canvas, notice, trace) {
    Object.assign(this, { canvas, trace, pen: canvas.getContext("2d"), width: 0, height: 0 });
    const pairs = [...trace.pairs.values()].sort((a, b) => b.steps.length - a.steps.length);
    this.pairs = pairs.slice(0, PAIRS);
    this.busiest = pairs.length ? pairs[0].steps.length : 1;
    this.alpha = Math.max(0.1, Math.min(0.32, 12 / pairs.length));
    notice.textContent = pairs.length > PAIRS ? `The ${PAIRS} busiest of ${whole.format(pairs.length)} pairs are drawn` : "";
  }

  resize(scale) {
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.canvas.width = Math.max(1, Math.round(this.width * scale));
    this.canvas.height = Math.max(1, Math.round(this.height * scale));
    this.scale = scale;
    this.place();
  }

  // On an ellipse, by the order in which they came; the board, or else the tools, in its middle.
  place() {
    const { width, height, trace } = this;
    const outer = [], inner = [], middle = trace.nodes.some((node) => node.kind === "board") ? "board" : "tools";
    trace.nodes.forEach((node, i) => (node.kind === middle ? inner : outer).push(i));
    this.radius = Math.max(4, Math.min(17, 260 / Math.max(1, outer.length)));
    this.named = outer.length <= 24;
    this.spots = [];
    if (outer.length + inner.length <= 2) {
      [...outer, ...inner].forEach((i, at, all) => (this.spots[i] = [(width * (at + 1)) / (all.length + 1), height / 2 - 8]));
      return;
    }
    const across = Math.max(30, width / 2 - 62), up = Math.max(30, height / 2 - 44);
    outer.forEach((i, at) => {
      const angle = -Math.PI / 2 + (2 * Math.PI * at) / outer.length;
      this.spots[i] = [width / 2 + across * Math.cos(angle), height / 2 - 10 + up * Math.sin(angle)];
    });
    for (const i of inner) this.spots[i] = [width / 2, height / 2 - 10];
  }

  // `progress` from 0 to 1 is how far the step's animation is.
  draw(step, progress, theme) {
    const { pen, trace } = this;
    pen.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    const from = trace.from[step], to = trace.to[step], colour = COLOURS[trace.group[step]];
    for (const pair of this.pairs) this.pair(pair, countUpTo(pair.steps, step), theme);
    if (from !== NOBODY && to !== NOBODY) this.happening(from, to, colour, progress);
    trace.nodes.forEach((node, i) => this.node(node, i, step, theme, i === from || i === to ? colour : ""));
    if (from !== NOBODY && to === NOBODY) this.pulse(from, colour, progress);
  }

  pair({ from, to }, count, theme) {
    if (from === to) return;
    const { pen } = this;
    pen.strokeStyle = theme.text;
    pen.globalAlpha = count ? this.alpha : this.alpha / 4;
    pen.lineWidth = 1 + (3 * count) / this.busiest;
    this.curve(from, to);
    pen.stroke();
    pen.globalAlpha = 1;
  }

  // The curve's end points lie on the rims of both nodes; one bend, to the left of the way, keeps both ways apart.
  bend(from, to) {
    const [x1, y1] = this.spots[from], [x2, y2] = this.spots[to];
    const mx = (x1 + x2) / 2 + (y2 - y1) * 0.14, my = (y1 + y2) / 2 - (x2 - x1) * 0.14;
    const rim = (x, y, gap) => {
      const length = Math.hypot(mx - x, my - y) || 1;
      return [x + ((mx - x) / length) * gap, y + ((my - y) / length) * gap];
    };
    return [rim(x1, y1, this.radius + 3), [mx, my], rim(x2, y2, this.radius + 7)];
  }

  curve(from, to) {
    const [start, middle, end] = this.bend(from, to);
    this.pen.beginPath();
    this.pen.moveTo(...start);
    this.pen.quadraticCurveTo(...middle, ...end);
    return [start, middle, end];
  }

  happening(from, to, colour, progress) {
    if (from === to) return;
    const { pen } = this;
    pen.strokeStyle = pen.fillStyle = colour;
    pen.lineWidth = 3;
    const [start, middle, end] = this.curve(from, to);
    pen.stroke();
    this.head(middle, end);
    if (progress >= 1) return;
    const p = 1 - (1 - progress) ** 3, q = 1 - p;
    const at = [0, 1].map((d) => q * q * start[d] + 2 * q * p * middle[d] + p * p * end[d]);
    pen.beginPath();
    pen.arc(at[0], at[1], 7, 0, 7);
    pen.fill();
  }

  head([mx, my], [x, y]) {
    const { pen } = this, angle = Math.atan2(y - my, x - mx);
    pen.beginPath();
    pen.moveTo(x + 5 * Math.cos(angle), y + 5 * Math.sin(angle));
    for (const turn of [2.5, -2.5]) pen.lineTo(x + 11 * Math.cos(angle + turn), y + 11 * Math.sin(angle + turn));
    pen.fill();
  }

  pulse(at, colour, progress) {
    const { pen } = this, [x, y] = this.spots[at];
    pen.strokeStyle = colour;
    pen.lineWidth = 3;
    pen.globalAlpha = progress >= 1 ? 0.55 : 1 - progress * 0.45;
    pen.beginPath();
    pen.arc(x, y, this.radius + 4 + (progress >= 1 ? 0 : 9 * Math.sin(progress * Math.PI)), 0, 7);
    pen.stroke();
    pen.globalAlpha = 1;
  }

  node(node, i, step, theme, colour) {
    const { pen } = this, [x, y] = this.spots[i], r = this.radius;
    pen.beginPath();
    if (node.kind === "agent") pen.arc(x, y, r, 0, 7);
    else pen.roundRect(x - r, y - r * 0.8, r * 2, r * 1.6, node.kind === "topic" ? r : 4);
    pen.fillStyle = colour || theme.surface;
    pen.fill();
    pen.strokeStyle = colour || theme.text;
    pen.lineWidth = 1.5;
    pen.globalAlpha = colour ? 1 : 0.5;
    pen.stroke();
    pen.globalAlpha = 1;
    if (this.named || colour) this.label(node, i, step, theme, Boolean(colour));
  }

  label(node, i, step, theme, bold) {
    const { pen } = this, [x, y] = this.spots[i];
    const text = (words, dy, size, alpha) => {
      pen.font = `${bold ? 600 : 400} ${size}px ${theme.font}`;
      pen.globalAlpha = alpha;
      pen.lineWidth = 4;
      pen.strokeStyle = theme.background;
      pen.strokeText(words, x, y + dy, 130);
      pen.fillStyle = theme.text;
      pen.fillText(words, x, y + dy, 130);
      pen.globalAlpha = 1;
    };
    pen.textAlign = "center";
    text(node.kind === "topic" ? `#${node.name}` : node.name, this.radius + 15, 13, 1);
    const { steps, tokens } = this.trace.calls[i], calls = countUpTo(steps, step);
    if (calls) text(`${whole.format(tokens[calls - 1])} tokens`, this.radius + 29, 11, 0.7);
  }
}
