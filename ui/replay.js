// Stepping through a run. Python sends the run once; the step on which the reader settles goes back to it.
// Text of a run enters the page by textContent or onto a canvas only.

const SETTLE_MS = 150;
const TYPING_MS = 120;
const ROW = 28;
const CALM = 5; // steps a second up to which a step is animated
const MOVES = { ArrowRight: "next", j: "next", ArrowLeft: "back", k: "back", Home: "first", End: "last", " ": "play", "/": "seek", "?": "help" };
const IN_LIST = { ArrowDown: "next", ArrowUp: "back" };

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const root = parentElement.querySelector(".replay");
  if (!root || !data) return undefined;
  const tell = (step) => setStateValue("step", step), name = named(data);
  if (root.replay?.name === name) {
    root.replay.tell = tell;
    root.replay.refresh(); // the theme may have changed
  } else if (root.opening?.name === name) root.opening.tell = tell;
  else open(root, { name, tell }, data);
  return () => { root.opening = null; close(root); };
}

async function open(root, opening, data) {
  close(root);
  root.opening = opening;
  const trace = await unpack(data);
  if (root.opening !== opening) return; // another run was asked for since
  root.opening = null;
  root.replay = new Replay(root, opening.name, trace, opening.tell);
}

function close(root) {
  root.replay?.end();
  root.replay = null;
}

class Replay {
  constructor(root, name, trace, tell) {
    Object.assign(this, { root, name, trace, tell, playing: false, ended: false, animated: 0 });
    this.is = Object.fromEntries([...root.querySelectorAll("[data-is]")].map((part) => [part.dataset.is, part]));
    this.step = Math.max(0, Math.min(trace.count - 1, trace.start));
    this.steps = matching(trace, null, null);
    this.graph = new Graph(this.is.graph, this.is.notice, trace);
    this.timeline = new Timeline(this.is.line, trace);
    this.rows = [];
    this.legend();
    this.autopsy();
    this.choices();
    this.listen();
    this.sizes = new ResizeObserver(() => this.refresh());
    this.sizes.observe(root);
    this.refresh();
    this.reveal();
    this.address();
  }

  end() {
    this.ended = true;
    this.playing = false;
    clearTimeout(this.timer);
    clearTimeout(this.typing);
    this.sizes.disconnect();
    this.listening.abort();
  }

  // --- what is on the page -------------------------------------------------------------------------------------

  legend() {
    const entries = this.trace.groups.map((name, group) => ["dot", name, group]);
    this.is.legend.replaceChildren(...entries.map(([kind, name, group]) => {
      const entry = made("span"), dot = made("span", kind);
      dot.style.setProperty("--kind", COLOURS[group]);
      entry.append(dot, name);
      return entry;
    }), made("span", "flag", "▼ something went wrong"), made("span", "", "┊ ┊ idle time cut short"));
    this.is.clock.textContent = this.trace.simulated ? "of simulated time" : "of the run";
  }

  // The decisive error of a failed run, and who had to do with it.
  autopsy() {
    const { error } = this.trace, { autopsy } = this.is;
    autopsy.hidden = !error;
    if (!error) return;
    const to = (seq, words) => {
      const button = made("button", "", `${words}, step ${whole.format(seq)}`);
      button.addEventListener("click", () => this.choose(seq));
      return button;
    };
    const chain = error.chain.map(({ seq, agent, part }) => to(seq, `${agent} ${part}`));
    autopsy.replaceChildren(made("b", "", `✕ Decisive error: ${error.label}`), made("span", "", error.detail), ...chain);
  }

  choices() {
    const fill = (select, any, names) => select.replaceChildren(...[any, ...names].map((name, i) => {
      const option = made("option", "", name);
      option.value = i ? String(i - 1) : "";
      return option;
    }));
    fill(this.is.agent, "all", this.trace.nodes.map((node) => node.name));
    fill(this.is.kind, "all", this.trace.groups);
  }

  listen() {
    this.listening = new AbortController();
    const on = (target, type, what) => target.addEventListener(type, what, { signal: this.listening.signal });
    for (const button of this.root.querySelectorAll("[data-do]")) on(button, "click", () => this[button.dataset.do]());
    on(document, "keydown", (event) => this.key(event));
    on(this.is.agent, "change", () => this.filter());
    on(this.is.kind, "change", () => this.filter());
    on(this.is.search, "input", () => { clearTimeout(this.typing); this.typing = setTimeout(() => this.filter(), TYPING_MS); });
    on(this.is.search, "keydown", (event) => this.seeking(event));
    on(this.is.axis, "change", () => { this.timeline.axis = this.is.axis.value; this.refresh(); });
    on(this.is.list, "scroll", () => this.list());
    on(this.is.list, "click", (event) => {
      const row = event.target.closest(".row");
      if (row) this.choose(Number(row.dataset.step));
    });
    const scrub = (event) => {
      if (!(event.buttons & 1)) return;
      const box = this.is.line.getBoundingClientRect();
      this.choose(this.timeline.near(event.clientX - box.left, event.clientY - box.top, this.steps));
    };
    on(this.is.line, "pointerdown", (event) => { this.is.line.setPointerCapture(event.pointerId); scrub(event); });
    on(this.is.line, "pointermove", scrub);
  }

  // Keys work on the whole page, except where they mean something else.
  key(event) {
    const target = event.composedPath()[0], tag = target.tagName;
    const moves = this.is.list.contains(target) ? { ...MOVES, ...IN_LIST } : MOVES;
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in moves)) return;
    if (["INPUT", "TEXTAREA", "SELECT"].includes(tag) || target.isContentEditable) return;
    const mine = this.root.contains(target) || target === document.body || target === document.documentElement;
    if (!mine && (target.getAttribute?.("role") || ["BUTTON", "A", "SUMMARY", "CANVAS"].includes(tag))) return;
    if (event.key === " " && ["BUTTON", "SUMMARY"].includes(tag)) return;
    event.preventDefault();
    this[moves[event.key]]();
  }

  seek() { this.is.search.focus(); this.is.search.select(); }
  help() { this.is.keys.open = !this.is.keys.open; }

  // Enter goes on to the next step found, Escape back to all of them; both give the keys back to the stepper.
  seeking(event) {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();
    clearTimeout(this.typing);
    if (event.key === "Escape") this.is.search.value = "";
    this.filter();
    this.root.focus();
    if (event.key === "Enter") this.found();
  }

  found() {
    const later = countUpTo(this.steps, this.step);
    this.choose(this.steps.length ? this.steps[later % this.steps.length] : -1);
  }

  // --- moving --------------------------------------------------------------------------------------------------

  first() { if (this.steps.length) this.choose(this.steps[0]); }
  last() { if (this.steps.length) this.choose(this.steps[this.steps.length - 1]); }
  next() { this.pause(); this.move(1); }
  back() { this.pause(); this.move(-1); }
  choose(step) { if (step >= 0) { this.pause(); this.go(step); } }

  // By so many steps, among those that pass the filter. False at the end.
  move(by) {
    const passed = countUpTo(this.steps, this.step), on = passed > 0 && this.steps[passed - 1] === this.step;
    const position = by > 0 ? passed - 1 + by : passed - (on ? 1 : 0) + by;
    const last = this.steps.length - 1, to = Math.max(0, Math.min(last, position));
    if (last >= 0 && this.steps[to] !== this.step && (by > 0) === (this.steps[to] > this.step)) this.go(this.steps[to]);
    return position <= last;
  }

  play() {
    if (this.playing) return this.pause();
    if (!this.steps.length) return undefined;
    if (this.step >= this.steps[this.steps.length - 1]) this.go(this.steps[0]);
    this.playing = true;
    this.root.classList.add("playing");
    let last = performance.now(), owed = 0;
    const tick = (now) => {
      if (!this.playing) return;
      owed += (Math.max(0, now - last) / 1000) * Number(this.is.speed.value);
      last = now;
      const due = Math.floor(owed);
      owed -= due;
      if (due && !this.move(due)) this.pause();
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
    return undefined;
  }

  pause() {
    this.playing = false;
    this.root.classList.remove("playing");
  }

  go(step) {
    this.step = step;
    this.animated = performance.now();
    this.draw();
    this.reveal();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.settle(), SETTLE_MS);
  }

  settle() {
    this.address();
    this.is.spoken.textContent = `Step ${this.step}: ${headline(this.trace, this.step)}`;
    this.tell(this.step);
  }

  address() {
    const url = new URL(window.location.href);
    for (const part of ["experiment", "run"]) url.searchParams.set(part, this.trace[part]);
    url.searchParams.set("step", this.step);
    window.history.replaceState(window.history.state, "", url);
  }

  filter() {
    const chosen = (select) => (select.value === "" ? null : Number(select.value));
    const agent = chosen(this.is.agent), group = chosen(this.is.kind);
    const words = this.is.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    this.steps = matching(this.trace, agent, group, words);
    this.timeline.shown = null;
    if (this.steps.length < this.trace.count) {
      this.timeline.shown = new Uint8Array(this.trace.count);
      for (const i of this.steps) this.timeline.shown[i] = 1;
    }
    this.is.list.scrollTop = 0;
    this.refresh();
    this.reveal();
  }

  // --- drawing -------------------------------------------------------------------------------------------------

  refresh() {
    if (this.ended || !this.root.clientWidth) return;
    const style = getComputedStyle(this.root), of = (name) => style.getPropertyValue(name).trim();
    this.theme = { text: style.color, background: of("--st-background-color") || "#fff", font: style.fontFamily,
      surface: of("--st-secondary-background-color") || "#eee" };
    const scale = window.devicePixelRatio || 1;
    this.graph.resize(scale);
    this.timeline.resize(scale, this.theme);
    this.is.space.style.height = `${this.steps.length * ROW}px`;
    this.draw();
  }

  draw() {
    this.words();
    this.list();
    this.timeline.draw(this.step, this.theme);
    this.animate();
  }

  animate() {
    const calm = !matchMedia("(prefers-reduced-motion: reduce)").matches && (!this.playing || Number(this.is.speed.value) <= CALM);
    const progress = calm ? Math.min(1, (performance.now() - this.animated) / ANIMATE_MS) : 1;
    this.graph.draw(this.step, progress, this.theme);
    if (progress >= 1 || this.moving) return;
    this.moving = true;
    requestAnimationFrame(() => { this.moving = false; if (!this.ended) this.animate(); });
  }

  words() {
    const { trace, step, is } = this, all = trace.count, some = this.steps.length;
    this.root.dataset.step = step;
    is.where.textContent = `step ${whole.format(step)} / ${whole.format(all - 1)}`;
    if (some < all) is.where.textContent += ` · ${whole.format(some)} of ${whole.format(all)} shown`;
    is.tokens.textContent = whole.format(trace.tokensBy[step]);
    is.cost.textContent = dollars(trace.costBy[step]);
    is.messages.textContent = whole.format(trace.messagesBy[step]);
    is.time.textContent = clockTime(trace.t[step]);
    const said = made("span", trace.wrong[step] ? "said wrong" : "said", headline(trace, step));
    is.now.style.setProperty("--kind", COLOURS[trace.group[step]]);
    is.now.replaceChildren(said);
  }

  reveal() {
    const { list } = this.is, at = countUpTo(this.steps, this.step) - 1, top = at * ROW;
    if (top >= list.scrollTop && top + ROW <= list.scrollTop + list.clientHeight) return;
    list.scrollTop = Math.max(0, top - list.clientHeight / 2 + ROW / 2);
    this.list();
  }

  // Only the rows in sight exist.
  list() {
    const { list } = this.is, from = Math.max(0, Math.floor(list.scrollTop / ROW));
    const shown = Math.min(this.steps.length - from, Math.ceil(list.clientHeight / ROW) + 1);
    while (this.rows.length < shown) this.rows.push(this.row());
    list.removeAttribute("aria-activedescendant");
    this.rows.forEach((row, at) => {
      row.hidden = at >= shown;
      row.style.display = at >= shown ? "none" : "";
      if (at < shown) this.write(row, from + at);
    });
    this.is.space.textContent = this.steps.length ? "" : "No step passes this filter.";
    this.is.space.className = this.steps.length ? "" : "none";
  }

  row() {
    const row = made("div", "row");
    row.setAttribute("role", "option");
    row.id = `replay-row-${this.rows.length}`;
    row.append(...["number", "time", "dot", "words"].map((name) => made("span", name)));
    this.is.list.append(row);
    return row;
  }

  write(row, position) {
    const { trace } = this, i = this.steps[position], here = i === this.step;
    row.style.top = `${position * ROW}px`;
    row.className = `row${here ? " here" : ""}${trace.wrong[i] ? " wrong" : ""}`;
    row.setAttribute("aria-selected", String(here));
    if (here) this.is.list.setAttribute("aria-activedescendant", row.id);
    if (row.dataset.step === String(i)) return;
    row.dataset.step = i;
    const [number, time, dot, words] = row.children;
    number.textContent = i;
    time.textContent = clockTime(trace.t[i]);
    dot.style.setProperty("--kind", COLOURS[trace.group[i]]);
    dot.title = trace.groups[trace.group[i]];
    words.textContent = words.title = headline(trace, i);
  }
}

function made(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}
