// Stepping through a run. Python sends the run once; the step on which the reader settles goes back to it.
// Text of a run enters the page by textContent or onto a canvas only.

// What is in a step is read when the reader settles on it: at once after a single move, a moment after the last of many.
const SETTLE_MS = 100;
const REST_MS = 400;
const TYPING_MS = 120;
const ROW = 28;
const CALM = 5; // steps a second up to which a step is animated
const MOVES = { ArrowRight: "next", j: "next", ArrowLeft: "back", k: "back", Home: "first", End: "last", " ": "play", "/": "seek", "?": "help" };
const IN_LIST = { ArrowDown: "next", ArrowUp: "back" };

export default function (component) {
  const { data, parentElement, setStateValue } = component;
  const root = parentElement.querySelector(".replay");
  if (!root || !data) return undefined;
  const tell = (step) => setStateValue("step", step), name = JSON.stringify(data);
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
  const trace = await arrived(data.name);
  if (root.opening !== opening) return; // another run was asked for since
  root.opening = null;
  root.replay = new Replay(root, opening, { ...trace, start: data.start, error: data.error });
}

function close(root) {
  root.replay?.end();
  root.replay = null;
}

class Replay {
  constructor(root, { name, tell }, trace) {
    Object.assign(this, { root, name, trace, tell, playing: false, ended: false, animated: 0, moved: -Infinity });
    this.is = Object.fromEntries([...root.querySelectorAll("[data-is]")].map((part) => [part.dataset.is, part]));
    this.step = Math.max(0, Math.min(trace.count - 1, trace.start));
    this.steps = matching(trace, null, null);
    this.graph = new Graph(this.is.graph, this.is.notice, trace);
    this.timeline = new Timeline(this.is.line, trace);
    this.lines = new Lines(trace, () => this.told());
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
    this.lines.end();
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
    on(this.is.axis, "change", () => { this.timeline.axis = this.is.axis.value; this.anew(); });
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
    this.root.focus();
    this.filter(() => event.key === "Enter" && this.onward());
  }

  // To the next step that passes the filter, from the last to the first.
  onward() {
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
    const alone = !this.playing && this.animated - this.moved > REST_MS;
    this.timer = setTimeout(() => this.settle(), alone ? 0 : SETTLE_MS);
    this.moved = this.animated;
  }

  settle() {
    this.address();
    this.speak();
    this.tell(this.step);
  }

  speak() { this.is.spoken.textContent = `Step ${this.step}: ${this.lines.of(this.step)}`; }

  address() {
    const url = new URL(window.location.href);
    for (const part of ["experiment", "run"]) url.searchParams.set(part, this.trace[part]);
    url.searchParams.set("step", this.step);
    window.history.replaceState(window.history.state, "", url);
  }

  // Show the steps that pass the filter, now or when the app has found those with the words. `then` comes after.
  filter(then = () => {}) {
    const chosen = (select) => (select.value === "" ? null : Number(select.value));
    const agent = chosen(this.is.agent), group = chosen(this.is.kind);
    const words = this.is.search.value.toLowerCase().trim();
    const show = (found) => {
      this.found = { words, bits: found };
      this.searching(false);
      this.narrow(matching(this.trace, agent, group, found));
      then();
    };
    if (!words) this.lines.search = null;
    if (!words || words === this.found?.words) show(words ? this.found.bits : null);
    else { this.searching(true); this.lines.find(words, show); }
  }

  searching(is) { this.root.classList.toggle("searching", is); this.is.search.setAttribute("aria-busy", String(is)); }

  narrow(steps) {
    this.steps = steps;
    this.timeline.shown = null;
    if (steps.length < this.trace.count) {
      this.timeline.shown = new Uint8Array(this.trace.count);
      for (const i of steps) this.timeline.shown[i] = 1;
    }
    this.is.list.scrollTop = 0;
    this.anew();
    this.reveal();
  }

  // --- drawing -------------------------------------------------------------------------------------------------

  // Draw everything for the page's size and theme, unless it was drawn for them.
  refresh() {
    if (this.ended || !this.root.clientWidth) return;
    const style = getComputedStyle(this.root), of = (name) => style.getPropertyValue(name).trim();
    const theme = { text: style.color, background: of("--st-background-color") || "#fff", font: style.fontFamily,
      surface: of("--st-secondary-background-color") || "#eee" };
    const scale = window.devicePixelRatio || 1;
    const look = JSON.stringify([theme, scale, this.root.clientWidth, this.is.graph.clientHeight]);
    if (look === this.look) return;
    Object.assign(this, { look, theme });
    this.graph.resize(scale);
    this.timeline.resize(scale, theme);
    this.is.space.style.height = `${this.steps.length * ROW}px`;
    this.draw();
  }

  anew() { this.look = ""; this.refresh(); }

  // More lines are there.
  told() {
    if (this.ended) return;
    this.words();
    this.list();
    if (this.is.spoken.textContent) this.speak();
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
    const said = made("span", trace.wrong[step] ? "said wrong" : "said", this.lines.of(step));
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
    this.lines.near(this.step, this.steps, from, from + shown);
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
    const told = this.lines.has(i);
    if (row.dataset.step === String(i) && row.told === told) return;
    row.dataset.step = i;
    row.told = told;
    const [number, time, dot, words] = row.children;
    number.textContent = i;
    time.textContent = clockTime(trace.t[i]);
    dot.style.setProperty("--kind", COLOURS[trace.group[i]]);
    dot.title = trace.groups[trace.group[i]];
    words.textContent = words.title = this.lines.of(i);
  }
}

function made(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}
